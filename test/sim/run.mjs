// What `npm test` asks of the simulator: as many seeds as the time allows, and a few of them once more in WebAssembly, where what
// goes into and comes out of every core must be the same, byte for byte.
//
//   node test/sim/run.mjs          PERDURE_BUDGET_SECONDS: how long it may take
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const budgetSeconds = Number(process.env.PERDURE_BUDGET_SECONDS ?? 240);
const twice = ["--first", "1", "--seeds", "6", "--seconds", "40", "--hash"];

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"], encoding: "utf8", maxBuffer: 2 ** 26, ...options });
  if (done.error) console.log(String(done.error));
  return done;
}

const hashes = done => (done.stdout ?? "").split("\n").filter(line => line.startsWith("seed ")).map(line => line.replace(/: .*hash/, ""));

if (run("wasm/build.sh", ["native", "perdure_sim"]).status !== 0 || run("wasm/build.sh", ["wasm-test", "perdure_sim"]).status !== 0) process.exit(1);
const captured = { stdio: ["ignore", "pipe", "inherit"] };
const native = hashes(run("build/native/perdure_sim", twice, captured));
const wasm = hashes(run(process.execPath, ["build/wasm-test/perdure_sim.cjs", ...twice], captured));
let different = native.length === 6 ? 0 : 1;
for (const [n, line] of native.entries()) {
  if (line === wasm[n]) continue;
  ++different;
  console.log(`natively ${line}, in WebAssembly ${wasm[n] ?? "nothing"}`);
}
console.log(`${native.length - different} of ${native.length} seeds are the same natively and in WebAssembly`);
const budget = Math.max(60, Math.floor(budgetSeconds - process.uptime() - 30));
const seeds = run("build/native/perdure_sim", ["--seeds", "100000", "--budget", String(budget)]);
process.exit(different === 0 && seeds.status === 0 ? 0 : 1);
