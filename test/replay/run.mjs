// npm run replay -- [FILE | --git DIR] [--limit N] [--raw-time] [--wasm] [--brief]
//
// Replays a real history on real cores and compares what they show with the oracle, which reads the history alone. FILE is JSON
// lines, gzipped or not (../shared/data/README.md says of what); --git takes any repository's own history. Without either: the
// history beside this repository where it lies there, else this repository's own. Without any word at all: everything natively, the
// first 1,500 events in WebAssembly with the same result, and everything once more by the authors' own clocks. --brief does all that
// with the first 8,000 events, which is what `npm test` has time for.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { judge } from "./oracle.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const beside = `${root}../shared/data/history.jsonl.gz`;
const wasmEvents = 1500,
  briefEvents = 8000;

function parseFile(file) {
  const bytes = readFileSync(file);
  const text = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8");
  return text
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line));
}

/** The same form from any repository, parents before children. */
function parseGit(directory) {
  const git = spawnSync(
    "git",
    ["-C", directory, "log", "--topo-order", "--reverse", "--name-only", "--format=%x01%H%x02%P%x02%an%x02%at%x02%s"],
    { maxBuffer: 2 ** 30, encoding: "utf8" },
  );
  if (git.status !== 0) throw new Error(`git log in ${directory} says: ${git.stderr.trim()}`);
  const numbers = new Map(),
    authors = new Map();
  return git.stdout
    .split("\x01")
    .slice(1)
    .map((record, number) => {
      const [head, ...paths] = record.split("\n");
      const [hash, parents, name, time, text] = head.split("\x02");
      numbers.set(hash, number);
      if (!authors.has(name)) authors.set(name, authors.size);
      const known = parents
        .split(" ")
        .filter(parent => numbers.has(parent))
        .map(parent => numbers.get(parent));
      return {
        author: authors.get(name),
        time: Number(time),
        parents: known,
        text,
        paths: known.length > 1 ? [] : paths.filter(path => path !== "").slice(0, 20),
      };
    });
}

/** One line holds one text: what would break it becomes a space. */
const oneLine = text => text.replace(/[\r\n]/g, " ").toWellFormed();

function tidy(events, limit) {
  return events.slice(0, limit).map(event => ({
    ...event,
    text: oneLine(event.text),
    paths: [...new Set((event.paths ?? []).map(oneLine).filter(path => path !== ""))],
  }));
}

const lines = events =>
  events
    .map(e =>
      [[e.author, e.time, e.parents.length, e.paths.length, ...e.parents].join(" "), e.text, ...e.paths, ""].join("\n"),
    )
    .join("");

/** Runs the replay; resolves with the lines that it shows, or with nothing if it failed. */
function replay(command, args, input) {
  return new Promise(resolve => {
    // Cores make and drop small things by the million: what glibc sets aside for that by default saves a fifth of the time if it is more.
    const env = { ...process.env, GLIBC_TUNABLES: "glibc.malloc.tcache_count=20000" };
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
    const out = [];
    child.stdout.on("data", part => out.push(part));
    child.on("error", error => (console.log(String(error)), resolve(undefined)));
    child.on("close", code =>
      resolve(
        code === 0
          ? Buffer.concat(out)
              .toString("utf8")
              .split("\n")
              .filter(line => line !== "")
          : undefined,
      ),
    );
    child.stdin.on("error", () => {}); // it ended early; its exit code says so
    child.stdin.end(input);
  });
}

const native = (events, flags) => replay(`${root}build/native/perdure_replay`, flags, lines(events));
const wasm = (events, flags) =>
  replay(
    process.execPath,
    ["--max-old-space-size=4096", `${root}build/wasm-test/perdure_replay.cjs`, ...flags],
    lines(events),
  );

function build(preset) {
  const made = spawnSync(`${root}wasm/build.sh`, [preset, "perdure_replay"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (made.status !== 0) process.exit(1);
}

const verdicts = [];
function verdict(name, wrong) {
  verdicts.push(wrong.length === 0);
  console.log(`${wrong.length === 0 ? "passed" : "FAILED"}  ${name}`);
  for (const line of wrong.slice(0, 5)) console.log(`        ${line}`);
  if (wrong.length > 5) console.log(`        and ${wrong.length - 5} more`);
}

function compare(what, events, shown, options = {}) {
  if (!shown) return verdict(`${what}: every device ends with one digest`, ["the run failed"]);
  verdict(`${what}: every device ends with one digest`, []);
  for (const { name, wrong } of judge(events, shown, options).checks) verdict(`${what}: ${name}`, wrong);
}

const options = { limit: Infinity, flags: [], wasm: false, brief: false };
const args = process.argv.slice(2);
for (let arg = args.shift(); arg !== undefined; arg = args.shift()) {
  if (arg === "--git") options.git = args.shift();
  else if (arg === "--limit") options.limit = Number(args.shift());
  else if (arg === "--raw-time") options.flags.push(arg);
  else if (arg === "--wasm") options.wasm = true;
  else if (arg === "--brief") options.brief = true;
  else options.file = arg;
}
const file = options.file ?? (options.git === undefined && existsSync(beside) ? beside : undefined);
const events = tidy(
  file === undefined ? parseGit(options.git ?? root) : parseFile(file),
  options.brief ? briefEvents : options.limit,
);
console.log(
  `${events.length} events by ${new Set(events.map(e => e.author)).size} authors, from ${file ?? `the history of ${options.git ?? "this repository"}`}`,
);

const rawTime = options.flags.length > 0;
if (process.argv.length > 2 && !options.brief) {
  build(options.wasm ? "wasm-test" : "native");
  compare(
    options.wasm ? "in WebAssembly" : "natively",
    events,
    await (options.wasm ? wasm : native)(events, options.flags),
    { rawTime },
  );
} else {
  build("native");
  build("wasm-test");
  const first = events.slice(0, wasmEvents);
  // Two runs at a time: one for each core that the tests may count on.
  const long = native(events, []);
  const small = await native(first, []);
  const inWasm = await wasm(first, []);
  const raw = await native(events, ["--raw-time"]);
  compare(`the first ${first.length}`, first, small);
  verdict(
    "the same in WebAssembly, line by line",
    inWasm && small && inWasm.join("\n") === small.join("\n") ? [] : ["they differ"],
  );
  compare("by the authors' own clocks", events, raw, { rawTime: true });
  compare(options.brief ? `the first ${events.length}` : "all of it", events, await long);
}
const failed = verdicts.filter(ok => !ok).length;
console.log(`${verdicts.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
