// Runs test suites and says which passed.
//
//   node test/run.mjs [SUITE…]      by name; all of them without one
//
// A suite is listed when its files are in the tree. All together have 35 minutes on two cores, so that set-up and tests of a fresh clone
// end within 45; what needs longer is in test/prove. A suite that can use any amount of time is handed a part of what is left, in
// seconds, through PERDURE_BUDGET_SECONDS: a machine that is slower gives it less. A suite that hangs is stopped and has failed.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const budgetSeconds = Number(process.env.PERDURE_BUDGET_SECONDS ?? 35 * 60);

/** Characters of what a suite that failed printed last: they are shown once more at the end. */
const lastWordsMax = 4_000;

/** Files in `folder`, and one level below, whose name ends so. */
function found(folder, ending) {
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .filter(name => name.endsWith(ending) && !name.includes("node_modules"))
        .map(name => `${folder}/${name}`)
        .sort()
    : [];
}

const build = (preset, ...targets) => ["wasm/build.sh", preset, ...targets];
const node = (...args) => [process.execPath, ...args];
/** Both halves of the unit tests at a time. */
const halves = command =>
  [0, 1].map(index => [...command, "--colour-mode", "none", "--shard-count", "2", "--shard-index", String(index)]);
const testsOf = (folder, ...options) =>
  node(...options, "--test", "--test-reporter=spec", "--test-concurrency=2", ...found(folder, ".test.mjs"));
const script = path => ({ when: () => existsSync(path), steps: () => [node(path)] });

// In this order. `takes`: roughly how many seconds it needs on two cores in a fresh clone, with its compiling; they are kept back
// from the elastic ones before it. `limit`: after so many it is stopped. `elastic`: it uses the time it is handed, of what is free
// `share`, and at most `most`.
const suites = [
  { name: "tidy", takes: 10, limit: 180, ...script("test/tidy/check.mjs") },
  {
    name: "unit",
    takes: 300,
    limit: 1200,
    when: () => found("test/unit", "_test.cpp").length > 0,
    steps: () => [node("test/vectors/vectors.mjs"), build("asan", "perdure_unit"), halves(["build/asan/perdure_unit"])],
  },
  {
    name: "wasm-unit",
    takes: 200,
    limit: 1200,
    when: () => found("test/unit", "_test.cpp").length > 0,
    steps: () => [
      node("test/vectors/vectors.mjs"),
      build("wasm-test", "perdure_unit"),
      halves(node("build/wasm-test/perdure_unit.cjs")),
    ],
  },
  {
    name: "web",
    takes: 330,
    limit: 1200,
    setup: ["browsers"],
    when: () => found("test/web", ".test.ts").length > 0,
    steps: () => [node("web/build.mjs"), node("test/web/support/run.mjs")],
  },
  {
    name: "pack",
    takes: 240,
    limit: 900,
    setup: ["browsers"],
    when: () => found("test/pack", ".test.mjs").length > 0,
    steps: () => [node("web/build.mjs"), node("test/pack/others.mjs"), testsOf("test/pack")],
  },
  {
    name: "large",
    takes: 70,
    limit: 600,
    setup: ["browsers"],
    when: () => found("test/large", ".test.mjs").length > 0,
    steps: () => [node("web/build.mjs"), testsOf("test/large", "--expose-gc")],
  },
  // An attacker that was written from the wire's page alone. It measures, so nothing runs beside it.
  {
    name: "siege",
    takes: 115,
    limit: 300,
    when: () => existsSync("test/siege/run.mjs"),
    steps: () => [node("web/build.mjs"), node("test/siege/run.mjs")],
  },
  {
    name: "replay",
    takes: 180,
    limit: 600,
    when: () => existsSync("test/replay/run.mjs"),
    steps: () => [node("test/replay/run.mjs", "--brief")],
  },
  { name: "sim", takes: 160, limit: 900, elastic: true, share: 0.5, most: 480, ...script("test/sim/run.mjs") },
  // Under our own driver, with the core as the unit tests have built it.
  {
    name: "fuzz",
    takes: 110,
    limit: 900,
    elastic: true,
    share: 0.25,
    most: 240,
    when: () => existsSync("test/fuzz/run.mjs"),
    steps: () => [node("test/fuzz/run.mjs", "--seed", "1", "--driver", "own")],
  },
];

/** Resolves with whether all of them, at a time, ended well. */
async function runAll(commands, options) {
  const ok = await Promise.all(commands.map(command => run(command, options)));
  return ok.every(Boolean);
}

/** Resolves with whether it ended well. What it prints is shown, and told to `heard`. What it started dies with it when the time is over. */
function run([command, ...args], { env, seconds, heard }) {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env },
    });
    for (const from of ["stdout", "stderr"]) {
      child[from].setEncoding("utf8").on("data", text => {
        process[from].write(text);
        heard(text);
      });
    }
    const kill = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended already.
      }
    };
    const interrupted = () => {
      kill();
      process.exit(130);
    };
    const timer = setTimeout(() => {
      console.log(`Stopped after ${Math.round(seconds)} s: it has no more time.`);
      kill();
    }, seconds * 1000);
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, interrupted);
    const end = ok => {
      clearTimeout(timer);
      for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, interrupted);
      resolve(ok);
    };
    child.on("error", error => {
      console.log(String(error));
      end(false);
    });
    // What it leaves behind in other groups may hold its output open for ever.
    child.on("exit", code => setTimeout(() => end(code === 0), 2_000).unref());
    child.on("close", code => end(code === 0));
  });
}

const started = Date.now();
const left = () => Math.max(1, budgetSeconds - (Date.now() - started) / 1000);

const known = suites.filter(suite => suite.when());
const wanted = process.argv.slice(2);
const unknown = wanted.filter(name => !known.some(suite => suite.name === name));
if (unknown.length > 0) {
  console.error(`No such suite: ${unknown.join(", ")}. There are: ${known.map(suite => suite.name).join(", ")}.`);
  process.exit(2);
}
const chosen = known.filter(suite => wanted.length === 0 || wanted.includes(suite.name));

const verdicts = [];
for (const [index, suite] of chosen.entries()) {
  console.log(`\n== ${suite.name}`);
  const at = Date.now();
  const later = chosen.slice(index + 1);
  const free = left() - later.reduce((sum, { takes }) => sum + takes, 0);
  const env = suite.elastic
    ? { PERDURE_BUDGET_SECONDS: String(Math.min(suite.most, Math.max(suite.takes, Math.floor(free * suite.share)))) }
    : {};
  const until = suite.limit;
  const steps = [...(suite.setup ? [["wasm/setup.sh", ...suite.setup]] : []), ...suite.steps()];
  let ok = true,
    said = "";
  const heard = text => (said = (said + text).slice(-lastWordsMax));
  for (const step of steps)
    ok =
      ok &&
      (await runAll(Array.isArray(step[0]) ? step : [step], {
        env,
        seconds: Math.max(1, until - (Date.now() - at) / 1000),
        heard,
      }));
  const seconds = (Date.now() - at) / 1000;
  verdicts.push({ name: suite.name, ok, seconds, said });
  console.log(`== ${suite.name}: ${ok ? "passed" : "FAILED"} in ${seconds.toFixed(1)} s`);
}

for (const { name, ok, said } of verdicts)
  if (!ok) console.log(`\n== ${name} failed; its last words:\n${said.trimEnd()}`);
console.log("");
for (const { name, ok, seconds } of verdicts)
  console.log(`${ok ? "passed" : "FAILED"}  ${seconds.toFixed(1).padStart(7)} s  ${name}`);
const failed = verdicts.filter(({ ok }) => !ok).length;
console.log(`${verdicts.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
