// clang-tidy over the core, with the checks of .clang-tidy.
//
//     node test/tidy/clang.mjs           what differs from origin/main or, where there is none, from the commit before
//     node test/tidy/clang.mjs --all     all of src
//
// It needs clang-tidy-19 (wasm/setup.sh installs it where it installs Debian packages) and a native build that has been configured: without
// them it says so and passes. What has changed is looked at for a minute; what is left then is named.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const program = "clang-tidy-19";
const commands = "build/native/compile_commands.json";
const changedMs = 50_000;

const git = (...args) => spawnSync("git", args, { encoding: "utf8" });

/** Sources of the core that differ from what others have. */
function changed() {
  const base = ["origin/main", "HEAD~1"].find(name => git("rev-parse", "-q", "--verify", name).status === 0);
  if (base === undefined) return [];
  const files = [git("diff", "--name-only", base), git("ls-files", "-o", "--exclude-standard")];
  return files.flatMap(({ stdout }) => stdout.split("\n")).filter(file => /^src\/.*\.cpp$/.test(file));
}
const all = () =>
  readdirSync("src", { recursive: true })
    .filter(name => name.endsWith(".cpp"))
    .map(name => `src/${name}`)
    .sort();

/** What it says of the file; nothing where there was no time for it. What compilers warn of they say themselves. */
function look(file, until) {
  return new Promise(resolve => {
    const child = spawn(program, ["-p", "build/native", "--quiet", "--extra-arg=-w", file], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: Math.max(1, until - Date.now()),
      killSignal: "SIGKILL",
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", text => (out += text));
    child.on("close", (code, signal) => resolve(signal ? undefined : { file, ok: code === 0, out }));
  });
}

/** Looks at these files; resolves with what is wrong, in lines, and the files that there was no time for. */
export async function clangTidy(files, { ms = Number.POSITIVE_INFINITY } = {}) {
  if (files.length === 0) return { breaches: [], left: [] };
  const missing = [
    [spawnSync(program, ["--version"]).status === 0, program],
    [existsSync(commands), commands],
  ].filter(([there]) => !there);
  if (missing.length > 0) return { breaches: [], left: [], missing: missing.map(([, what]) => what).join(" and ") };
  const until = Math.min(Date.now() + ms, Date.now() + 3_600_000);
  const waiting = [...files];
  const breaches = [];
  const left = [];
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const found = Date.now() < until ? await look(file, until) : undefined;
      if (found === undefined) left.push(file);
      else if (!found.ok) breaches.push(found.out.trim() || `${file}: ${program} could not read it`);
    }
  };
  await Promise.all(Array.from({ length: cpus().length }, lane));
  return { breaches, left };
}

export const clangTidyChanged = () => clangTidy(changed().filter(existsSync), { ms: changedMs });

/** What there is to be said of the run beside its breaches. */
export function told({ missing, left }) {
  if (missing !== undefined) return `clang-tidy was not run: there is no ${missing}.`;
  return left.length > 0 ? `clang-tidy had no time for ${left.join(", ")}: node test/tidy/clang.mjs --all` : "";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = process.argv.includes("--all") ? await clangTidy(all()) : await clangTidyChanged();
  for (const breach of found.breaches) console.log(breach);
  console.log(told(found) || `${found.breaches.length} files with findings.`);
  process.exit(found.breaches.length === 0 ? 0 : 1);
}
