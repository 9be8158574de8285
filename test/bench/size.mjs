// npm run size: what a user downloads. Bytes of each file of dist/: as it is, with gzip, with brotli.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { arriving, downloaded, sizesOf } from "./sizes.mjs";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const rows = readdirSync("dist")
  .filter(name => /\.(js|wasm)$/.test(name))
  .map(name => ({ name, sizes: sizesOf(name) }))
  .sort((a, b) => b.sizes[0] - a.sizes[0]);
const line = (label, sizes) =>
  console.log(`${label.padEnd(34)}${sizes.map(size => String(size).padStart(10)).join("")}`);
const together = (label, names) =>
  line(
    label,
    [0, 1, 2].map(n => rows.filter(({ name }) => names.has(name)).reduce((sum, { sizes }) => sum + sizes[n], 0)),
  );

line("", ["raw", "gzip", "brotli"]);
for (const { name, sizes } of rows) line(name, sizes);
console.log("");
const { page, worker } = downloaded();
together("what a page runs", page);
together("what its worker runs", worker);
together("both, and perdure.wasm", arriving());
