// Makes dist/, which is what npm packs: the bundles, perdure.wasm beside them, the declarations.
//
//   node web/build.mjs            does nothing when no input has changed
//
// What users import shares its chunks, so that a PerdureError is the same one everywhere. A worker is one file: it starts in a third of
// the time that its parts would take. `new URL("perdure.wasm", import.meta.url)` stands once in dist/, with the page: a second one
// would make bundlers ship two copies.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

// The name in dist/, its source, and whether users import it.
const entries = [
  { name: "index", source: "web/src/index.ts", typed: true },
  { name: "anchor", source: "web/anchor/index.ts", typed: true },
  { name: "cli", source: "web/anchor/cli.ts", typed: false },
  { name: "testing", source: "web/src/testing/index.ts", typed: true },
].filter(entry => existsSync(entry.source));
const workers = { worker: "web/src/worker.ts", "worker-opfs": "web/src/worker-opfs.ts" };

const wasm = ["perdure.mjs", "perdure.wasm", "perdure.d.mts"].map(name => join("build/wasm", name));
const sqlite = "node_modules/@sqlite.org/sqlite-wasm/dist";
const stamp = "build/web.inputs";

function fail(text) {
  console.error(`build: ${text}`);
  process.exit(1);
}

function run(command, args) {
  if (spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] }).status !== 0)
    fail(`this failed: ${command} ${args.join(" ")}`);
}

function files(folder) {
  return existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter(entry => entry.isFile())
        .map(entry => join(entry.parentPath ?? entry.path, entry.name))
        .sort()
    : [];
}

function inputs() {
  const hash = createHash("sha256");
  for (const file of [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "web/build.mjs",
    "web/NOTICES.txt",
    ...files("web/src"),
    ...files("web/anchor"),
    ...files("web/demo"),
    ...wasm,
  ]) {
    hash
      .update(`${file}\0`)
      .update(existsSync(file) ? readFileSync(file) : "")
      .update("\0");
  }
  return hash.digest("hex");
}

const packed = file => JSON.stringify(gzipSync(readFileSync(file), { level: 9 }).toString("base64"));

/** SQLite with its sqlite3.wasm in the script: a bundler would take that file along even where nobody asks for it. It names two workers by
 *  URL as well, which we do not use and a bundler would look for in vain. */
const sqliteInside = {
  name: "sqlite-inside",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@sqlite\.org\/sqlite-wasm$/ }, ({ path }) => ({ path, namespace: "sqlite" }));
    onLoad({ filter: /./, namespace: "sqlite" }, () => ({
      contents: `
        import start from "./${sqlite}/index.mjs";
        import { unpack } from "./web/src/base/unpack.js";
        export default async () => start({ wasmBinary: await unpack(${packed(join(sqlite, "sqlite3.wasm"))}) });`,
      resolveDir: process.cwd(),
    }));
    onLoad({ filter: /sqlite-wasm[/\\]dist[/\\]index\.mjs$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8")
        .replace(/new URL\("sqlite3-(opfs-async-proxy\.js|worker1\.mjs)", import\.meta\.url\)/g, "undefined")
        .replace('new URL("sqlite3.wasm", import.meta.url).href', '"sqlite3.wasm"'),
      loader: "js",
    }));
  },
};

/** Emscripten's glue is told where perdure.wasm lies: no bundler is to look for it there, and no document is asked, which may be that of a test
 *  environment in Node. */
const toldWhere = {
  name: "told-where",
  setup({ onLoad }) {
    onLoad({ filter: /perdure\.mjs$/ }, ({ path }) => {
      const without = (text, what, instead) =>
        what.test(text) ? text.replace(what, instead) : fail(`${path} does not hold ${what}.`);
      const glue = without(
        readFileSync(path, "utf8"),
        /new URL\("perdure\.wasm",\s*import\.meta\.url\)/,
        '{href:"perdure.wasm"}',
      );
      return {
        contents: without(
          glue,
          /typeof document!="undefined"&&document\.currentScript&&\(\w+=document\.currentScript\.src\),/,
          "",
        ),
        loader: "js",
      };
    });
  },
};

/** What perdure/inline has inside lies nowhere beside it. */
const nothingBeside = {
  name: "nothing-beside",
  setup({ onResolve }) {
    onResolve({ filter: /\/beside\/\w+\.js$/ }, ({ path }) => ({
      path: join(process.cwd(), "web/src/inside", basename(path).replace(/\.js$/, ".ts")),
    }));
  },
};

const settings = {
  bundle: true,
  format: "esm",
  // One output for pages, workers and Node: what only Node has is imported by the anchor alone.
  platform: "browser",
  external: ["node:*", "ws", "@fastify/send", "better-sqlite3", "node-datachannel"],
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
};

/** Node prints the line in which an error was thrown that nobody caught: of what runs there a line is no screenful. */
const shortLines = { lineLimit: 300 };

/** The demo keeps its data in IndexedDB: SQLite would be most of its weight. */
const withoutOpfs = {
  name: "without-opfs",
  setup({ onLoad }) {
    onLoad({ filter: /store[/\\]opfs\.ts$/ }, () => ({
      contents: 'export const openOpfs = () => Promise.reject(new Error("not in the demo"));',
      loader: "js",
    }));
  },
};

/** Minifying loses what tells bundlers to leave the modules that only Node has alone: it is said again. */
function leaveToNode(out) {
  for (const file of files(out).filter(name => name.endsWith(".js"))) {
    const text = readFileSync(file, "utf8");
    writeFileSync(
      file,
      text.replace(/\bimport\(\s*(\w+)\s*\)/g, "import(/* @vite-ignore */ /* webpackIgnore: true */ $1)"),
    );
  }
}

async function bundle(out, entryPoints, workers, { plugins = [], lines = {} }) {
  const both = { ...settings, outdir: out, plugins: [...plugins, sqliteInside, toldWhere] };
  await Promise.all([
    build({ ...both, ...lines, entryPoints, splitting: true, chunkNames: "chunk-[hash]" }),
    build({ ...both, entryPoints: workers }),
  ]);
  cpSync("build/wasm/perdure.wasm", join(out, "perdure.wasm"));

  const scripts = files(out)
    .filter(file => file.endsWith(".js"))
    .map(file => readFileSync(file, "utf8"))
    .join("\n");
  const urls = scripts.match(/new URL\(\s*["'`][^"'`]*\.wasm["'`]/g) ?? [];
  if (urls.length !== 1) fail(`the bundles name ${urls.length} wasm files instead of one: ${urls.join(" ")}`);
}

/** perdure/inline: one file. */
async function inline(out) {
  const one = { ...settings, define: { "import.meta.url": '""' }, plugins: [nothingBeside, toldWhere] };
  // The page hands its worker the bytes. A classic one starts from a Blob anywhere; a module does not where a page has no origin of its own.
  const worker = await build({
    ...one,
    format: "iife",
    define: { ...one.define, PERDURE_WASM: '""', PERDURE_WORKER: '""' },
    entryPoints: ["web/src/worker.ts"],
    write: false,
  });
  const define = {
    ...one.define,
    PERDURE_WASM: packed("build/wasm/perdure.wasm"),
    PERDURE_WORKER: JSON.stringify(worker.outputFiles[0].text),
  };
  await build({ ...one, define, entryPoints: ["web/src/index.ts"], outfile: join(out, "inline.js") });
  const script = readFileSync(join(out, "inline.js"), "utf8");
  if (/new URL\(\s*["'`]/.test(script) || script.includes("import.meta")) fail("inline.js names a file beside it.");
  if (script.split(JSON.parse(define.PERDURE_WASM)).length !== 2) fail("inline.js holds perdure.wasm more than once.");
}

/** A folder for any static host. */
async function demo(out) {
  const pages = { stage: "web/demo/stage.ts", room: "web/demo/room.ts" };
  await bundle(out, pages, { worker: workers.worker }, { plugins: [withoutOpfs] });
  for (const name of ["index.html", "room.html", "style.css", "stage.css", "icon.svg"])
    cpSync(join("web/demo", name), join(out, name));
  cpSync("web/NOTICES.txt", join(out, "NOTICES.txt"));
}

/** Declarations of all that users can import, and no more: the rest would drag in types of packages they do not have. */
async function declare(out) {
  const types = join(out, "types");
  const args = [
    "node_modules/typescript/bin/tsc",
    "-p",
    "tsconfig.json",
    "--noEmit",
    "false",
    "--declaration",
    "--emitDeclarationOnly",
    "--stripInternal",
    "--rootDir",
    "web",
    "--outDir",
    types,
    "--incremental",
    "--tsBuildInfoFile",
    "build/web.tsbuildinfo",
  ];
  rmSync("build/web.tsbuildinfo", { force: true });
  const status = await new Promise(resolve =>
    spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] }).on("close", resolve),
  );
  if (status !== 0) fail("the types do not hold.");

  const kept = new Set();
  const follow = file => {
    if (kept.has(file) || !existsSync(file)) return;
    kept.add(file);
    for (const [, specifier] of readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*["'](\.{1,2}\/[^"']+)["']/g)) {
      follow(normalize(join(dirname(file), specifier.replace(/\.js$/, ".d.ts"))));
    }
  };
  for (const { name, source, typed } of entries) {
    if (!typed) continue;
    const inner = source.replace(/^web\//, "types/").replace(/\.ts$/, "");
    follow(normalize(join(out, `${inner}.d.ts`)));
    // AsyncDisposable, for users whose `lib` stops at ES2022.
    writeFileSync(
      join(out, `${name}.d.ts`),
      `/// <reference lib="esnext.disposable" />\nexport * from "./${inner}.js";\n`,
    );
  }
  cpSync(join(out, "index.d.ts"), join(out, "inline.d.ts"));
  for (const name of Object.keys(workers)) writeFileSync(join(out, `${name}.d.ts`), "export {};\n");
  writeFileSync(
    join(out, "perdure.wasm.d.ts"),
    "/** Its address, where the bundler makes one of it. */\ndeclare const url: string;\nexport default url;\n",
  );
  for (const file of files(types)) if (!kept.has(normalize(file))) rmSync(file);
}

const started = Date.now();
if (existsSync("wasm/bindings.cpp")) run("wasm/build.sh", ["wasm", "perdure"]);
if (entries.length === 0) fail("web/src holds no entry point.");
let now = inputs();
if (existsSync("dist") && existsSync(stamp) && readFileSync(stamp, "utf8") === now) {
  console.log("build: dist/ is up to date.");
  process.exit(0);
}
if (!wasm.every(existsSync)) fail("perdure.wasm was not built: wasm/bindings.cpp is missing.");

// Beside the old one, which stays in use until the new one is complete. Glue and module belong together: when another build has
// replaced them meanwhile, once more.
const fresh = "build/dist.new";
for (let before; before !== now; now = inputs()) {
  before = now;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await Promise.all([
    bundle(fresh, Object.fromEntries(entries.map(({ name, source }) => [name, source])), workers, {
      lines: shortLines,
    }),
    inline(fresh),
    declare(fresh),
  ]);
  leaveToNode(fresh);
  if (existsSync("web/demo/room.ts")) await demo(join(fresh, "demo"));
  // What is compiled and bundled in asks to be named wherever it goes.
  cpSync("web/NOTICES.txt", join(fresh, "NOTICES.txt"));
}
rmSync("dist", { recursive: true, force: true });
renameSync(fresh, "dist");
writeFileSync(stamp, now);
console.log(`build: dist/ made in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
