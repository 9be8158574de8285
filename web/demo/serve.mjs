// Shows the demo of this clone: `perdure demo`, with its data in .perdure/ and a history that is at hand.
//
//   npm start                      builds first, then runs this
//   npm start -- --history DIR     the room of real messages is that clone's history; other options: perdure demo --help
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = path => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const given = process.argv.slice(2);
const unless = (option, value) =>
  given.some(word => word === option || word.startsWith(`${option}=`)) ? [] : [option, value];
const recorded = at("../shared/data/history.jsonl.gz");

process.argv.splice(
  2,
  Infinity,
  "demo",
  ...given,
  ...unless("--data", at(".perdure")),
  ...unless("--history", existsSync(recorded) ? recorded : at("")),
);
await import("../../dist/cli.js");
