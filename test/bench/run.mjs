// npm run bench [-- --runs N]
//
// First figures beside Loro and Yjs, measured in the same run: medians of five. What is compared is not alike: Perdure signs, seals,
// verifies, indexes and hands everything to a store (memory, here), the others do none of that. The peers' libraries are installed
// into this folder and reach nobody who uses the package.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

function run(command, args) {
  if (spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] }).status !== 0) process.exit(1);
}

const wanted = JSON.parse(readFileSync("test/bench/package.json", "utf8")).dependencies;
const there = name => {
  const file = `test/bench/node_modules/${name}/package.json`;
  return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).version === wanted[name];
};
if (!Object.keys(wanted).every(there)) run("npm", ["ci", "--prefix", "test/bench", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);

run("wasm/build.sh", ["wasm", "perdure"]);
await build({
  entryPoints: ["test/bench/bench.mjs"],
  outdir: "build/bench",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["ws", "better-sqlite3"],
  // Both bring code for Node that reads a file beside it, or requires: not to be bundled.
  plugins: [{ name: "peers", setup: ({ onResolve }) => onResolve({ filter: /^(loro-crdt|yjs)$/ }, ({ path }) => ({ path: `../../test/bench/node_modules/${entry(path)}`, external: true })) }],
  logLevel: "warning",
});
function entry(name) {
  return name === "yjs" ? "yjs/dist/yjs.mjs" : "loro-crdt/nodejs/index.js";
}
run(process.execPath, ["build/bench/bench.mjs", ...process.argv.slice(2)]);
