// npm run bench                every figure that the project wants to reach, as a ratio taken in this run
// npm run bench -- NAME…       some of them: append-all, receive, …
// npm run bench -- turn        what a turn of the core costs, against what exists that it does not concern
// npm run bench -- against REV  what it costs beside that of another commit
//
// No figure fails it. The libraries that Perdure is measured beside are installed into this folder and reach nobody who uses the package.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const [first, ...others] = process.argv.slice(2);
if (first === "turn") {
  const { turn } = await import("./turn.mjs");
  process.exit(turn(others));
}
if (first === "against") {
  const { against } = await import("./against.mjs");
  process.exit(against(others));
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}

const wanted = JSON.parse(readFileSync("test/bench/package.json", "utf8")).dependencies;
const there = name => {
  const file = `test/bench/node_modules/${name}/package.json`;
  return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === wanted[name];
};
if (!Object.keys(wanted).every(there)) {
  console.log("bench: the libraries that Perdure is measured beside.");
  run("npm", ["ci", "--prefix", "test/bench", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
}

run(process.execPath, ["web/build.mjs"]);
await build({
  entryPoints: ["test/bench/bench.mjs"],
  outdir: "build/bench",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["ws", "better-sqlite3", "playwright-core", "esbuild"],
  define: { "globalThis.testRoot": JSON.stringify(fileURLToPath(new URL("../web", import.meta.url))) },
  // Loro's code for Node reads a file beside it: not to be bundled.
  plugins: [
    {
      name: "peers",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^loro-crdt$/ }, () => ({
          path: "../../test/bench/node_modules/loro-crdt/nodejs/index.js",
          external: true,
        })),
    },
  ],
  logLevel: "warning",
});
run(process.execPath, ["--expose-gc", "build/bench/bench.mjs", ...process.argv.slice(2)]);
