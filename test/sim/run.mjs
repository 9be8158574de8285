// What `npm test` asks of the simulator: the seeds from 1 on (`npm run sim -- --seeds N` runs more); and a few of them once more in
// WebAssembly, where what goes into and comes out of every core must be the same, byte for byte.
//
//   node test/sim/run.mjs
//
// With PERDURE_BUDGET_SECONDS as many seeds as that time allows, but never fewer than `seedsMin`; else `seedsUsual`.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const seedsMin = 200,
  seedsUsual = 300,
  seedsMax = 1000;
const budgetSeconds = Number(process.env.PERDURE_BUDGET_SECONDS ?? 0);
const twice = { first: 9, seeds: 6 };
/** Two runs at a time: one for each core that the tests may count on. Each takes so many seeds, and hangs if they take so long. */
const lanes = 2,
  portion = 4,
  portionSecondsMax = 300;

/** Resolves with its exit code and what it printed. */
function run(command, args, { seconds = 600, shown = false } = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      stdio: ["ignore", shown ? "inherit" : "pipe", "inherit"],
      timeout: seconds * 1000,
      killSignal: "SIGKILL",
    });
    let out = "";
    child.stdout?.on("data", text => (out += text));
    child.on("error", error => (console.log(String(error)), resolve({ code: 1, out })));
    child.on("close", (code, signal) => resolve({ code: code ?? 1, hung: signal === "SIGKILL", out }));
  });
}

for (const preset of ["native", "wasm-test"]) {
  if ((await run("wasm/build.sh", [preset, "perdure_sim"], { shown: true })).code !== 0) process.exit(1);
}

const began = Date.now();
const hashed = ["--first", String(twice.first), "--seeds", String(twice.seeds), "--seconds", "40", "--hash"];
const hashes = ({ out }) =>
  out
    .split("\n")
    .filter(line => line.startsWith("seed "))
    .map(line => line.replace(/: .*hash/, ""));
const [native, wasm] = (
  await Promise.all([
    run("build/native/perdure_sim", hashed),
    run(process.execPath, ["build/wasm-test/perdure_sim.cjs", ...hashed]),
  ])
).map(hashes);
let same = 0;
for (let n = 0; n < twice.seeds; ++n) {
  if (native[n] !== undefined && native[n] === wasm[n]) ++same;
  else console.log(`natively ${native[n] ?? "nothing"}, in WebAssembly ${wasm[n] ?? "nothing"}`);
}
console.log(`${same} of ${twice.seeds} seeds are the same natively and in WebAssembly`);

let next = 1,
  begun = 0,
  passed = 0,
  failed = 0;
const more = () => {
  if (next > seedsMax) return false;
  if (!budgetSeconds) return next <= seedsUsual;
  return next <= seedsMin || (Date.now() - began) / 1000 < budgetSeconds;
};
await Promise.all(
  Array.from({ length: lanes }, async () => {
    while (more()) {
      const first = next;
      next += portion;
      begun += portion;
      const { code, hung, out } = await run(
        "build/native/perdure_sim",
        ["--first", String(first), "--seeds", String(portion)],
        { seconds: portionSecondsMax },
      );
      const told = /(\d+) passed, (\d+) failed\s*$/.exec(out);
      passed += Number(told?.[1] ?? 0);
      failed += Number(told?.[2] ?? (code === 0 ? 0 : 1));
      for (const line of out.split("\n")) if (line.includes("npm run sim -- --seed")) console.log(line);
      if (hung) console.log(`no end after ${portionSecondsMax} s: npm run sim -- --first ${first} --seeds ${portion}`);
      else if (!told) console.log(`stopped: npm run sim -- --first ${first} --seeds ${portion}`);
    }
  }),
);
console.log(`${passed} seeds passed, ${failed} failed, of 1 to ${begun}`);
process.exit(same === twice.seeds && failed === 0 && passed === begun ? 0 : 1);
