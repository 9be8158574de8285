// How long files and functions may be, and the list of those that are still longer: it only shrinks.
//
//     node test/tidy/lengths.mjs    prints the list as it would be now
//
// The form of the sources is given by `npm run format`: a function ends at the first line that closes at the depth at which it began.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formed } from "./format.mjs";

const functionMax = 60;
const fileMax = 400;
const testMax = 600;
const list = "test/tidy/long.txt";

const notFunctions =
  /^\s*(?:export )?(?:(?:inline )?namespace|(?:abstract )?class|struct|union|enum|interface|describe\(|if\b|for\b|while\b|switch\b|do\b|else\b|try\b|catch\b|extern )/;
const opens = /(?:\)(?: const| noexcept| override| final| mutable)*(?:: [^{}]+| -> [^{}]+)?|=>) \{(?: *\/\/.*)?$/;

/** A signature of several lines begins before, and the sentence of a test stands before its function. */
function nameOf(lines, index, depth) {
  let at = index;
  const begins = line =>
    line.length - line.trimStart().length === depth && !/^(\)|async \(|\(\) =>|async \(\))/.test(line.trimStart());
  while (at > 0 && !begins(lines[at])) at -= 1;
  if (/^async \($/.test(lines[at].trim())) while (at > 0 && !/^\s*["'`]/.test(lines[at])) at -= 1;
  return lines[at]
    .trim()
    .replace(/\s*\{$/, "")
    .slice(0, 90);
}

function functions(lines) {
  const found = [];
  for (const [index, line] of lines.entries()) {
    if (!opens.test(line) || notFunctions.test(line)) continue;
    const depth = line.length - line.trimStart().length;
    const end = lines.findIndex(
      (other, at) => at > index && /^[})]/.test(other.trimStart()) && other.length - other.trimStart().length <= depth,
    );
    if (end > 0) found.push({ line: index + 1, length: end - index + 1, name: nameOf(lines, index, depth) });
  }
  return found;
}

/** What is longer than it may be: `{ what, length, file, line }`. */
function long() {
  return formed().flatMap(file => {
    if (/^test\/pack\/fixtures\//.test(file)) return [];
    const lines = readFileSync(file, "utf8").replace(/\n$/, "").split("\n");
    const most = file.startsWith("test/") ? testMax : fileMax;
    return [
      ...(lines.length > most ? [{ what: file, length: lines.length, most, file, line: 0 }] : []),
      ...functions(lines)
        .filter(({ length }) => length > functionMax)
        .map(({ line, length, name }) => ({ what: `${file} ${name}`, length, most: functionMax, file, line })),
    ];
  });
}

/** `report(file, line, text)` for what is too long and not in the list, or longer than there, and for what need not be in the list any more. */
export function lengths(report) {
  const known = new Map(
    (existsSync(list) ? readFileSync(list, "utf8") : "")
      .split("\n")
      .filter(line => line !== "" && !line.startsWith("#"))
      .map(line => [line.slice(line.indexOf(" ") + 1), Number.parseInt(line, 10)]),
  );
  for (const { what, length, most, file, line } of long()) {
    const may = known.get(what) ?? most;
    known.delete(what);
    if (length > may)
      report(file, line, `${length} lines; at most ${may} may be there: which second idea has moved in?`);
    else if (length < may) report(list, 0, `${what} has ${length} lines now: write that`);
  }
  for (const what of known.keys()) report(list, 0, `${what} is short enough: take it out`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { what, length } of long()) console.log(`${length} ${what}`);
}
