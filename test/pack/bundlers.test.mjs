// Apps that leave the package to their bundler.
import assert from "node:assert/strict";
import { cpSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as esbuild from "esbuild";
import * as vite from "vite";
import { freePort, others, pages, readme, root, run, serve, world } from "./support.mjs";

let here;
let tools;
before(async () => {
  tools = others();
  here = await world();
});
after(() => here?.end());

/** A copy of the app beside the installed package. */
function app(name) {
  const folder = join(here.stranger.folder, name);
  cpSync(join(pages, "app"), folder, { recursive: true });
  return folder;
}

/** Every wasm file that the bundler's users would have to host. */
const wasmIn = folder =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter(file => file.endsWith(".wasm"));

async function worksAt(url) {
  for (const { said, asked } of await here.chats(url)) {
    assert.deepEqual(
      said.filter(line => !line.startsWith("[vite]")),
      [],
    );
    assert.equal(new Set(asked.filter(address => /\.wasm\b/.test(address))).size, 1, asked.join(" "));
  }
}

const vites = [
  { name: "Vite 8", load: async () => vite, line: undefined },
  { name: "Vite 7 with the README's line", load: () => tools.load("vite-7"), line: "vite.config.js" },
];
for (const { name, load, line } of vites) {
  const settings = () => {
    const folder = app(name.replaceAll(/\W/g, "-"));
    if (line !== undefined) writeFileSync(join(folder, "vite.config.js"), readme()[line]);
    return {
      root: folder,
      configFile: line === undefined ? false : join(folder, "vite.config.js"),
      logLevel: "error",
      cacheDir: join(folder, ".cache"),
    };
  };

  test(`${name}: an app is built with it as with any package, for a path of its own, and one wasm file comes along`, async () => {
    const { build } = await load();
    const config = { ...settings(), base: "/deep/down/" };
    await build(config);
    assert.equal(wasmIn(join(config.root, "dist")).length, 1);
    const host = await serve({ "/deep/down/": join(config.root, "dist") });
    try {
      await worksAt(`${host.url}deep/down/`);
    } finally {
      await host.close();
    }
  });

  test(`${name}: the development server serves it`, async () => {
    const { createServer } = await load();
    const server = await createServer({
      ...settings(),
      server: { port: await freePort(), strictPort: true, host: "localhost" },
    });
    try {
      await server.listen();
      await worksAt(server.resolvedUrls.local[0]);
    } finally {
      await server.close();
    }
  });
}

/** Under a page of three lines. */
async function worksAsScript(folder, script) {
  writeFileSync(
    join(folder, "index.html"),
    `<!doctype html><title>chat</title><link rel="icon" href="data:,"><p id="messages"></p><p id="state"></p>${script}`,
  );
  const host = await serve({ "/": folder });
  try {
    await worksAt(host.url);
  } finally {
    await host.close();
  }
}

test("webpack: an app is built with it as with any package, and one wasm file comes along", async () => {
  const { default: webpack } = await tools.load("webpack");
  const context = app("webpack");
  const output = { path: join(context, "dist"), filename: "main.js" };
  const stats = await new Promise((resolve, reject) => {
    webpack(
      { mode: "production", context, entry: "./main.js", output, performance: { hints: false } },
      (error, done) => (error ? reject(error) : resolve(done)),
    );
  });
  assert.equal(stats.hasErrors() || stats.hasWarnings(), false, stats.toString());
  assert.equal(wasmIn(output.path).length, 1);
  await worksAsScript(output.path, '<script src="main.js"></script>');
});

test("esbuild, as the README calls it: told where worker and wasm are, it needs no more", async () => {
  const folder = app("esbuild");
  cpSync(join(folder, "told.js"), join(folder, "app.js"));
  writeFileSync(join(folder, "build.mjs"), readme()["build.mjs"]);
  symlinkSync(join(root, "node_modules/esbuild"), join(here.stranger.folder, "node_modules/esbuild"));
  await run(folder, process.execPath, "build.mjs");
  assert.equal(wasmIn(join(folder, "site")).length, 1);
  await worksAsScript(join(folder, "site"), '<script type="module" src="app.js"></script>');
});

test("esbuild: a script that is no module does with the same two options", async () => {
  const folder = app("esbuild-script");
  await esbuild.build({
    absWorkingDir: folder,
    entryPoints: { app: "./told.js", worker: "perdure/worker" },
    outdir: "site",
    bundle: true,
    format: "iife",
    loader: { ".wasm": "file" },
    logLevel: "error",
    logOverride: { "empty-import-meta": "silent" },
  });
  assert.equal(wasmIn(join(folder, "site")).length, 1);
  await worksAsScript(join(folder, "site"), '<script src="app.js"></script>');
});
