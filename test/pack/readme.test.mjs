// The README's examples, as they stand there. vite.config.js, build.mjs and chat.jsx are used by the tests of bundlers and of Next.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { chromiumPath, freePort, others, pages, readme, root, run, serve, visit, world } from "./support.mjs";

let here;
before(async () => {
  here = await world();
});
after(() => here?.end());

test("the README has at most 200 lines, and every example with a name is run somewhere", () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  assert.ok(text.trimEnd().split("\n").length <= 200);
  const tests = ["readme", "bundlers", "next"]
    .map(name => readFileSync(join(pages, `${name}.test.mjs`), "utf8"))
    .join("\n");
  for (const name of Object.keys(readme()))
    assert.ok(tests.includes(`["${name}"]`) || tests.includes(`line: "${name}"`), name);
});

test("the five lines chat", async () => {
  const folder = join(here.stranger.folder, "five-lines");
  mkdirSync(folder);
  writeFileSync(join(folder, "main.ts"), readme()["main.ts"].replace("wss://anchor.example", here.anchor.url));
  writeFileSync(
    join(folder, "index.html"),
    `<!doctype html><link rel="icon" href="data:,"><p></p><script>
    globalThis.render = messages => { document.querySelector("p").textContent = messages.map(({ value }) => value.text).join(", "); };
    globalThis.share = link => { document.title = link; };
  </script><script type="module" src="main.js"></script>`,
  );
  await build({
    absWorkingDir: folder,
    entryPoints: ["main.ts"],
    outdir: ".",
    bundle: true,
    format: "esm",
    external: ["perdure"],
    logLevel: "error",
  });
  const script = readFileSync(join(folder, "main.js"), "utf8").replace('"perdure"', '"/perdure/index.js"');
  const host = await serve({ "/perdure/": here.stranger.dist, "/main.js": { text: script }, "/": folder });
  try {
    // A fragment of the page's own is no invite.
    const ann = await visit(here.browser, `${host.url}#hello`);
    await ann.page.waitForFunction(() => document.title.includes("#perdure-"));
    const ben = await visit(here.browser, await ann.page.title());
    for (const { page, said } of [ann, ben]) {
      await page.waitForFunction(() => document.querySelector("p").textContent === "hello, hello");
      assert.deepEqual(said, []);
    }
  } finally {
    await host.close();
  }
});

test("the Playwright test is green on the bare page, which the anchor serves", async () => {
  const folder = join(here.stranger.folder, "tested");
  mkdirSync(join(folder, "site"), { recursive: true });
  cpSync(here.stranger.dist, join(folder, "site/perdure"), { recursive: true });
  writeFileSync(join(folder, "site/index.html"), readme()["index.html"]);
  writeFileSync(join(folder, "lunch.spec.js"), readme()["lunch.spec.js"]);
  const port = await freePort();
  writeFileSync(
    join(folder, "playwright.config.js"),
    readme()
      ["playwright.config.js"].replaceAll("8787", String(port))
      .replace("anchor --serve", `anchor --port ${port} --serve`),
  );
  // The same, with the browser that is here.
  writeFileSync(
    join(folder, "here.config.js"),
    `import config from "./playwright.config.js";
    export default { ...config, use: { ...config.use, launchOptions: { ...config.use.launchOptions, ...${JSON.stringify(chromiumPath())} } } };`,
  );
  const tools = others();
  mkdirSync(join(here.stranger.folder, "node_modules/@playwright"));
  symlinkSync(tools.path("@playwright/test"), join(here.stranger.folder, "node_modules/@playwright/test"));
  const said = await run(
    folder,
    process.execPath,
    join(tools.path("@playwright/test"), "cli.js"),
    "test",
    "-c",
    "here.config.js",
    "--reporter=line",
  );
  assert.match(said, /1 passed/);
});
