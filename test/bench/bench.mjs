// Runs the rows and prints the table. run.mjs bundles this with the shim.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { closeAll } from "./browser.mjs";
import { runs } from "./measure.mjs";
import { row as appendAll } from "./rows/append-all.mjs";
import { row as appendEach } from "./rows/append-each.mjs";
import { row as appendStrict } from "./rows/append-strict.mjs";
import { row as arrival } from "./rows/arrival.mjs";
import { row as bytes } from "./rows/bytes.mjs";
import { row as map } from "./rows/map.mjs";
import { row as pageToPage } from "./rows/page-to-page.mjs";
import { row as receive } from "./rows/receive.mjs";
import { row as reopenMillion } from "./rows/reopen-million.mjs";
import { row as reopen } from "./rows/reopen.mjs";
import { row as size } from "./rows/size.mjs";
import { row as sync } from "./rows/sync.mjs";
import { row as testing } from "./rows/testing.mjs";

const rows = [
  appendAll,
  appendEach,
  appendStrict,
  receive,
  reopen,
  reopenMillion,
  sync,
  map,
  bytes,
  pageToPage,
  size,
  arrival,
  testing,
];
const names = process.argv.slice(2);
const unknown = names.filter(name => !rows.some(row => row.name === name));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(", ")}. There are: ${rows.map(({ name }) => name).join(", ")}.`);
  process.exit(2);
}

const number = value =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
const figure = (value, unit) => `${number(value)} ${unit}`.trim();

function print({ work, ours, theirs, unit, against, value, least, most }) {
  const reach = least !== undefined ? `at least ${least} ×` : most !== undefined ? `at most ${most} ×` : "";
  const verdict =
    reach === "" ? "" : (least === undefined ? value <= most : value >= least) ? "reached" : "not reached";
  const ratio = value === undefined ? "" : `${number(value)} ×`;
  const beside = theirs === undefined ? "" : ` against ${figure(theirs, unit)} (${against})`;
  console.log(
    `${ratio.padStart(10)}  ${reach.padEnd(15)}${verdict.padEnd(13)}${work === undefined ? "" : `${work}: `}${figure(ours, unit)}${beside}`,
  );
}

const version = name => JSON.parse(readFileSync(`test/bench/node_modules/${name}/package.json`, "utf8")).version;
console.log(`A message is 120 ASCII characters; of ${runs} runs, the sides of a ratio by turns, the one whose ratio is the median.
Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}; ${["loro-crdt", "yjs", "y-indexeddb", "peerjs", "peer"].map(name => `${name} ${version(name)}`).join(", ")}
ratio, reach, verdict, and the figures it is made of
`);
for (const row of rows.filter(({ name }) => names.length === 0 || names.includes(name))) {
  console.log(`${row.name}: ${row.work}`);
  try {
    const lines = await row.run();
    process.stderr.write("\n");
    for (const line of lines) print(line);
  } catch (error) {
    // The other rows are of use nevertheless.
    console.log(`  not measured: ${error.stack}`);
    process.exitCode = 1;
  }
}
await closeAll();
