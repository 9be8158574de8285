// Runs the fuzz targets, each for its share of the time, and the canary, which must fail.
//
//   node test/fuzz/run.mjs [--seconds N] [--only NAME] [--seed N] [--driver own]
//
// They have --seconds, or what building leaves of PERDURE_BUDGET_SECONDS, or a minute. Inputs to begin with are made by the targets themselves; what
// libFuzzer finds beside them is kept in build/fuzz-corpus and begins the next run. Where clang and libFuzzer are not to be had, the
// same targets run under a driver of our own, with the sanitizers of g++; and so they do with --driver own, which needs no build of
// the core beside that of the unit tests.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const began = Date.now();
const options = { seconds: undefined, only: undefined, seed: undefined, driver: undefined };
for (let words = process.argv.slice(2); words.length > 0; words = words.slice(2)) {
  const name = words[0].replace(/^--/, "");
  if (!(name in options) || words[1] === undefined) {
    console.error("usage: node test/fuzz/run.mjs [--seconds N] [--only NAME] [--seed N] [--driver own]");
    process.exit(2);
  }
  options[name] = words[1];
}
const whole = options.seconds === undefined ? process.env.PERDURE_BUDGET_SECONDS : undefined;
const elapsed = () => (Date.now() - began) / 1000;
const seed = Number(options.seed ?? Math.floor(Date.now() / 1000) % 1_000_000_007);

const all = readdirSync("test/fuzz")
  .filter(name => name.endsWith("_fuzz.cpp"))
  .map(name => name.replace("_fuzz.cpp", ""))
  .sort();
const chosen = options.only ? all.filter(name => name === options.only) : all;
if (chosen.length === 0) {
  console.error(`No such target: ${options.only}. There are: ${all.join(", ")}.`);
  process.exit(2);
}

// Not here: then our own driver.
const clang =
  options.driver !== "own" &&
  spawnSync("wasm/setup.sh", ["fuzz"], { stdio: ["ignore", "inherit", "inherit"] }).status === 0;
const preset = clang ? "fuzz" : "asan";
if (!clang && options.driver !== "own")
  console.log("libFuzzer is not to be had here; the targets run under the seeded driver.");
const built = spawnSync("wasm/build.sh", [preset, ...chosen.map(name => `${name}_fuzz`)], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (built.status !== 0) process.exit(1);

const scratch = mkdtempSync(join(tmpdir(), "perdure-fuzz-"));
const kept = name => `build/fuzz-${clang ? "corpus" : "found"}/${name}`;

function target(name, seconds) {
  return new Promise(done => {
    const program = resolve(`build/${preset}/${name}_fuzz`);
    const seeds = join(scratch, name);
    mkdirSync(seeds);
    mkdirSync(kept(name), { recursive: true });
    spawnSync(program, ["--write-seeds", seeds], { stdio: "inherit" });
    const artifacts = resolve(`build/fuzz-failures/${name}-`);
    mkdirSync("build/fuzz-failures", { recursive: true });
    const child = spawn(
      program,
      [
        `-max_total_time=${seconds}`,
        `-seed=${seed}`,
        `-artifact_prefix=${artifacts}`,
        "-max_len=65536",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-malloc_limit_mb=64",
        "-print_final_stats=1",
        "-verbosity=0",
        ...(clang ? [resolve(kept(name))] : []),
        seeds,
      ],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, UBSAN_OPTIONS: "print_stacktrace=1" } },
    );
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", text => (said = (said + text).slice(-20_000)));
    child.on("close", code => {
      const runs = /number_of_executed_units:\s*(\d+)/.exec(said)?.[1] ?? /Done (\d+) runs/.exec(said)?.[1] ?? "?";
      done({ name, failed: code !== 0, runs, said, unit: /written to (\S+)/.exec(said)?.[1] });
    });
  });
}

const budget = whole === undefined ? Number(options.seconds ?? 60) : Number(whole) - elapsed();

// The canary first, until it fails; the others share what is left, two at a time.
let passed = 0,
  failed = 0;
const report = ({ name, failed: bad, runs, said, unit }) => {
  // The canary fails for its own reason, or the fuzzers are broken.
  const good = name === "canary" ? bad && said.includes("this does not hold: in[3]") : !bad;
  good ? ++passed : ++failed;
  console.log(
    `${good ? "passed" : "FAILED"}  ${name}, ${runs} runs${name === "canary" ? (bad ? ": it fails, as it must" : ": it did not fail: the fuzzers find nothing") : ""}`,
  );
  if (good) return;
  console.log(said.trimEnd());
  console.log(
    unit
      ? `Again: build/${preset}/${name}_fuzz ${unit}`
      : `Again: npm run fuzz -- --only ${name} --seconds ${budget} --seed ${seed}`,
  );
};
if (chosen.includes("canary")) {
  rmSync(kept("canary"), { recursive: true, force: true });
  const verdict = await target("canary", 60);
  if (verdict.unit) rmSync(verdict.unit, { force: true });
  report(verdict);
}
const others = chosen.filter(name => name !== "canary");
const lanes = 2;
const share = Math.max(1, Math.floor((budget * lanes) / Math.max(1, others.length)));
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let name = others.shift(); name; name = others.shift()) report(await target(name, share));
  }),
);
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
