// A Next app: the package is imported where pages are made and opened where they are shown, twice, as StrictMode does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort, install, launch, others, readme, root, run, visit } from "./support.mjs";

let stranger;
let browser;
let folder;

before(async () => {
  const tools = others();
  stranger = await install();
  browser = await launch((await stranger.load("testing")).chromiumArgs);
  // Next follows no links out of its folder: a copy that shares the files on disk.
  mkdirSync(join(root, "build"), { recursive: true });
  folder = mkdtempSync(join(root, "build/next-"));
  await run(root, "cp", "-al", tools.path("."), join(folder, "node_modules"));
  cpSync(join(stranger.folder, "node_modules/perdure"), join(folder, "node_modules/perdure"), { recursive: true });
  mkdirSync(join(folder, "app"));
  const files = {
    "package.json": JSON.stringify({ private: true, type: "module" }),
    "next.config.js": `export default { reactStrictMode: true, turbopack: { root: ${JSON.stringify(folder)} } };`,
    "app/icon.svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>',
    "app/layout.jsx":
      'export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }',
    "app/page.jsx": `
      import { PerdureError } from "perdure";
      import { Chat } from "../chat.jsx";
      export default function Page() { return <><h1>{new PerdureError("closed", "made on the server").message}</h1><Chat /></>; }`,
    "chat.jsx": readme()["chat.jsx"],
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
});
after(async () => {
  await browser?.close();
  stranger?.remove();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Runs while a Next server of that kind stands. */
async function underNext(kind, use) {
  const port = await freePort();
  const child = spawn(
    process.execPath,
    ["node_modules/next/dist/bin/next", kind, "--port", String(port), "--hostname", "localhost"],
    { cwd: folder, stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1" } },
  );
  const closed = new Promise(resolve => child.once("close", resolve));
  try {
    await new Promise((resolve, reject) => {
      closed.then(() => reject(new Error(`next ${kind} has ended`)));
      child.stdout.on("data", data => {
        if (/ready/i.test(String(data))) resolve();
      });
    });
    return await use(`http://localhost:${port}/`);
  } finally {
    child.kill("SIGTERM");
    await closed;
  }
}

/** The page is made on the server, and the README's component appends and shows. */
async function works(url) {
  const { page, said } = await visit(browser, url);
  assert.equal(await page.textContent("h1"), "made on the server");
  await page.getByRole("button", { name: "Hello" }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll("p")].some(({ textContent }) => textContent === "hello"),
  );
  await page.reload();
  await page.waitForFunction(() =>
    [...document.querySelectorAll("p")].some(({ textContent }) => textContent === "hello"),
  );
  await page.context().close();
  return said;
}

test("Next: a page that imports it on the server and opens it in an effect, in development under StrictMode", async () => {
  const said = await underNext("dev", works);
  assert.deepEqual(
    said.filter(line => /error|warn|perdure/i.test(line)),
    [],
  );
});

test("Next: the same page built, with one wasm file", async () => {
  await run(folder, process.execPath, "node_modules/next/dist/bin/next", "build");
  const built = readdirSync(join(folder, ".next/static"), { recursive: true }).map(String);
  assert.equal(built.filter(file => file.endsWith(".wasm")).length, 1, built.join(" "));
  assert.deepEqual(await underNext("start", works), []);
});
