// Installs the npm packages of package-lock.json where they are missing, and builds native addons once per machine: the
// built files are kept in the toolchain's cache, because compiling SQLite takes minutes.
//
//   node wasm/modules.mjs CACHE [SECONDS]      since 1970, when the set-up began, for its messages
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const [cache, started = String(Date.now() / 1000)] = process.argv.slice(2);
if (cache === undefined) throw new Error("usage: node wasm/modules.mjs CACHE [SECONDS]");
const say = text =>
  console.log(`[set-up ${String(Math.round(Date.now() / 1000 - Number(started))).padStart(3)}s] ${text}`);

// Packages whose install script makes something that we load, and what it makes.
const addons = [
  // Node 22.5 and later bring SQLite themselves.
  { name: "better-sqlite3", built: "build/Release/better_sqlite3.node", needed: !hasNodeSqlite() },
  { name: "node-datachannel", built: "build/Release/node_datachannel.node", needed: true },
];

function hasNodeSqlite() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 13);
}

function packages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
}

/** Does node_modules hold what the lock file names? Optional packages of other platforms are absent rightly. */
function complete() {
  const have = packages("node_modules/.package-lock.json");
  return Object.entries(packages("package-lock.json")).every(
    ([path, wanted]) =>
      path === "" ||
      (have[path] === undefined
        ? wanted.optional === true || (wanted.devOptional === true && wanted.peer === true)
        : have[path].version === wanted.version),
  );
}

function npm(...args) {
  const env = { ...process.env };
  // Node's own headers, where they came with it: node-gyp would download them.
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, "include/node/node.h"))) env.npm_config_nodedir = prefix;
  const { status, stdout, stderr } = spawnSync("npm", args, { env, encoding: "utf8" });
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`.split("\n").slice(-30).join("\n"));
    console.error(`\nset-up: this failed, with the lines above: npm ${args.join(" ")}`);
    process.exit(1);
  }
}

if (!complete()) {
  say("npm packages, as package-lock.json pins them.");
  npm("ci", "--ignore-scripts", "--no-audit", "--no-fund");
}

for (const { name, built, needed } of addons) {
  const folder = join("node_modules", name);
  if (!needed || !existsSync(folder) || existsSync(join(folder, built))) continue;
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const kept = join(
    cache,
    "addons",
    `${name}-${version}-${process.platform}-${process.arch}-abi${process.versions.modules}.node`,
  );
  if (!existsSync(kept)) {
    say(`${name} ${version}: fetching or compiling its native part (up to three minutes, once).`);
    npm("rebuild", name);
    mkdirSync(dirname(kept), { recursive: true });
    cpSync(join(folder, built), `${kept}.part`);
    renameSync(`${kept}.part`, kept);
  } else {
    mkdirSync(dirname(join(folder, built)), { recursive: true });
    rmSync(join(folder, built), { force: true });
    cpSync(kept, join(folder, built));
  }
}
