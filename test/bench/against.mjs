// npm run bench -- against REV       what the core costs beside that of another commit: its own tree, build and folder, gone afterwards
//
// Time of the thread on a processor, of the rows of drive.cpp: pairs of runs by turns, and of their ratios the median. The size of
// perdure.wasm where this tree's is built.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { resolve } from "node:path";
import { brotliCompressSync } from "node:zlib";

const pairs = 7;
const reach = { time: 1.05, size: 1.02 };
const wasm = "build/wasm/perdure.wasm";

function run(command, args, { cwd = ".", shown = false } = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status === 0) return stdout;
  console.error(shown ? stderr : `${stdout}${stderr}`);
  throw new Error(`${[command, ...args].join(" ")} failed`);
}

/** The other commit's tree, with what a build needs that is not in it. */
function checkOut(commit, folder) {
  run("git", ["worktree", "add", "--detach", "--force", folder, commit]);
  mkdirSync(`${folder}/build`, { recursive: true });
  symlinkSync(resolve("build/toolchain"), `${folder}/build/toolchain`);
  symlinkSync(resolve("node_modules"), `${folder}/node_modules`);
}

function buildBoth(folder) {
  run("wasm/build.sh", ["native", "perdure_drive"]);
  run("cmake", ["--preset", "native", `-DCMAKE_PROJECT_INCLUDE=${resolve("test/bench/drive.cmake")}`], { cwd: folder });
  run("cmake", ["--build", "--preset", "native", "--target", "perdure_drive_beside"], { cwd: folder });
  if (!existsSync(wasm)) return;
  run("wasm/build.sh", ["wasm", "perdure"]);
  run("wasm/build.sh", ["wasm", "perdure"], { cwd: folder });
}

/** Microseconds by row. */
function driven(program) {
  const lines = run(program, []).trim().split("\n");
  return new Map(lines.map(line => line.split(" ")).map(([name, us]) => [name, Number(us)]));
}

const verdict = (value, most) => `at most ${most} ×: ${value <= most ? "reached" : "not reached"}`;
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

function compareTimes(folder) {
  const programs = { ours: "build/native/perdure_drive", theirs: `${folder}/build/native/perdure_drive_beside` };
  const found = [];
  for (let pair = 0; pair < pairs; pair++) {
    const given = {};
    // Who goes second finds a warmer machine: every other time it is the other one.
    for (const side of pair % 2 === 0 ? ["ours", "theirs"] : ["theirs", "ours"]) given[side] = driven(programs[side]);
    found.push(given);
    process.stderr.write(".");
  }
  process.stderr.write("\n");
  for (const name of found[0].ours.keys()) {
    const ratios = found.map(({ ours, theirs }) => ours.get(name) / theirs.get(name));
    const [ratio, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map(r => r.toFixed(3));
    const [ours, theirs] = ["ours", "theirs"].map(side => median(found.map(given => given[side].get(name))).toFixed(2));
    console.log(
      `${name.padEnd(14)}${ratio} ×  (${least} to ${most})   ${verdict(Number(ratio), reach.time)}   ${ours} against ${theirs} µs`,
    );
  }
}

function compareSizes(folder) {
  if (!existsSync(wasm)) return console.log(`size          not compared: ${wasm} is not built`);
  const [ours, theirs] = [wasm, `${folder}/${wasm}`].map(file => statSync(file).size);
  const ratio = ours / theirs;
  const [packed, theirsPacked] = [wasm, `${folder}/${wasm}`].map(file => brotliCompressSync(readFileSync(file)).length);
  console.log(
    `perdure.wasm  ${ratio.toFixed(3)} ×   ${verdict(ratio, reach.size)}   ${ours} against ${theirs} B; compressed ${packed} against ${theirsPacked} B`,
  );
}

export function against([revision]) {
  if (revision === undefined) {
    console.error("Against which commit? npm run bench -- against REV");
    return 2;
  }
  const commit = run("git", ["rev-parse", "--verify", `${revision}^{commit}`]).trim();
  const folder = resolve(`build/against-${commit.slice(0, 12)}`);
  const clear = () => {
    rmSync(folder, { recursive: true, force: true });
    spawnSync("git", ["worktree", "prune"]);
  };
  clear();
  try {
    checkOut(commit, folder);
    buildBoth(folder);
    console.log(`This tree against ${commit.slice(0, 12)}; of ${pairs} pairs the median, and least and most.`);
    compareTimes(folder);
    compareSizes(folder);
    return 0;
  } finally {
    clear();
  }
}
