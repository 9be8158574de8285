// npm run size: what a user downloads. Bytes of each file of dist/: as it is, with gzip, with brotli.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const rows = readdirSync("dist").filter(name => /\.(js|wasm)$/.test(name)).map(name => {
  const bytes = readFileSync(`dist/${name}`);
  return { name, sizes: [bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length] };
}).sort((a, b) => b.sizes[0] - a.sizes[0]);

/** The files that come when a page imports that one, without what it imports later, when it needs it. */
function needed(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, other] of readFileSync(`dist/${name}`, "utf8").matchAll(/(?:from|import)"\.\/([^"]+\.js)"/g)) needed(other, found);
  return found;
}
const together = (label, names) => ({ label, sizes: [0, 1, 2].map(n => rows.filter(({ name }) => names.has(name)).reduce((sum, { sizes }) => sum + sizes[n], 0)) });

const line = (label, sizes) => console.log(`${label.padEnd(34)}${sizes.map(size => String(size).padStart(10)).join("")}`);
line("", ["raw", "gzip", "brotli"]);
for (const { name, sizes } of rows) line(name, sizes);
console.log("");
for (const { label, sizes } of [
  together("a page's script, index.js", needed("index.js")),
  together("the worker, worker.js", needed("worker.js")),
  together("index.js, worker.js, perdure.wasm", new Set([...needed("index.js"), ...needed("worker.js"), "perdure.wasm"])),
]) line(label, sizes);
