// Holds the tree to its rules: who may include whom, what the core must not touch, what stands at the top, and what must
// not be in any file. Prints each breach as file:line and fails if there is one.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { clangTidyChanged, told } from "./clang.mjs";
import { unformatted } from "./format.mjs";
import { readLayers, webLayering } from "./layers.mjs";
import { lengths } from "./lengths.mjs";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const breaches = [];
const report = (file, line, text) => breaches.push(`${line > 0 ? `${file}:${line}` : file}: ${text}`);
const lines = file => readFileSync(file, "utf8").split("\n");
const sources = folder =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .filter(name => /\.[ch]pp$/.test(name))
        .map(name => `${folder}/${name}`)
        .sort()
    : [];

/** The file's lines with comments and the contents of literals blanked out. */
function code(file) {
  const blank = text => text.replace(/[^\n]/g, " ");
  return readFileSync(file, "utf8")
    .replace(/R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\\n])*"|\/\/[^\n]*|\/\*(?:.|\n)*?\*\//g, (text, offset, all) => {
      const isInclude =
        text.startsWith('"') && /#\s*include\s*$/.test(all.slice(all.lastIndexOf("\n", offset) + 1, offset));
      return isInclude ? text : text.startsWith('"') ? `"${blank(text.slice(1, -1))}"` : blank(text);
    })
    .split("\n");
}

// ---- who may include whom --------------------------------------------------------------------------------------------
function layering() {
  const allowed = readLayers("src/layers.txt");
  for (const entry of readdirSync("src", { withFileTypes: true })) {
    if (entry.isDirectory() && !allowed.has(entry.name))
      report(`src/${entry.name}`, 0, "this module is not in src/layers.txt");
  }
  for (const file of [...sources("src"), ...sources("include")]) {
    const module = file.startsWith("src/") ? file.split("/")[1] : "";
    for (const [index, line] of code(file).entries()) {
      const included = line.match(/#\s*include\s*"([^"]+)"/)?.[1];
      if (included === undefined) continue;
      const from = included.split("/")[0];
      if (module === "")
        report(
          file,
          index + 1,
          `a public header includes "${included}": only <perdure/…> and the standard library may be there`,
        );
      else if (!included.includes("/")) report(file, index + 1, `"${included}" is named without its module`);
      else if (!allowed.has(from)) report(file, index + 1, `"${included}" is of no module`);
      else if (!allowed.get(module)?.has(from)) report(file, index + 1, `${module} may not include ${from}`);
    }
  }
}

// ---- what the core must not touch ------------------------------------------------------------------------------------
// The same input gives the same output everywhere: no clock, no entropy, no threads, no floating point, no order that
// depends on a library. Errors are values. iostream and format would weigh more than the core.
const forbidden = [
  [/\bstd::unordered_\w+/, "its order differs between libraries"],
  [/\bstd::hash\b/, "its values differ between libraries"],
  [/#\s*include\s*<(chrono|ctime|time\.h|sys\/time\.h)>/, "time comes in with the call"],
  [/#\s*include\s*<random>/, "randomness comes from the seed"],
  [/#\s*include\s*<(thread|mutex|atomic|future|condition_variable)>/, "the core has one thread"],
  [
    /#\s*include\s*<(iostream|sstream|fstream|ostream|istream|iomanip|format|print|regex|filesystem|locale)>/,
    "it is too large, or reaches outside",
  ],
  [/\bstd::format\b/, "it is too large"],
  [/\b(float|double)\b/, "floating point decides nothing here"],
  [/\bthrow\b/, "errors are values"],
  [/\b(catch|try)\s*[({]/, "errors are values"],
  [/\bs?rand\s*\(/, "randomness comes from the seed"],
  [/\b(time|clock|gettimeofday|clock_gettime)\s*\(\s*(nullptr|NULL|0|&|CLOCK_)/, "time comes in with the call"],
  [/\b(randombytes\w*|getentropy|getrandom|arc4random\w*)\s*\(/, "randomness comes from the seed"],
  [
    /\bcrypto_(?!\w*seed_keypair)\w*keypair\s*\(|\bcrypto_\w+_keygen\s*\(/,
    "keys come from the seed: libsodium would draw them from the system",
  ],
];

function purity() {
  for (const file of [...sources("src"), ...sources("include")]) {
    for (const [index, line] of code(file).entries()) {
      for (const [pattern, why] of forbidden) {
        const found = line.match(pattern)?.[0];
        if (found !== undefined) report(file, index + 1, `${found.trim()} must not be here: ${why}`);
      }
    }
  }
}

// ---- what stands at the top ------------------------------------------------------------------------------------------
const top = [
  "CMakeLists.txt",
  "wasm",
  "web",
  "include",
  "src",
  "test",
  "package.json",
  "emsdk-version",
  "README.md",
  "LICENSE",
  "CMakePresets.json",
  ".ci",
  "package-lock.json",
  "tsconfig.json",
  ".gitignore",
  ".npmrc",
  ".clang-format",
  ".git-blame-ignore-revs",
  ".clang-tidy",
  ".gitattributes",
  ".editorconfig",
  ".github",
  ".nvmrc",
];

/** What is in the repository, or would be with the next commit. */
function tracked() {
  return execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], { encoding: "utf8", maxBuffer: 1 << 26 })
    .split("\0")
    .filter(file => file !== "" && existsSync(file) && statSync(file).isFile());
}

// ---- what must not be in any file ------------------------------------------------------------------------------------
/** Hosts that packages come from, as this machine is set up. Nothing if it knows none. */
function registries() {
  const own = [
    spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).stdout,
    spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], { encoding: "utf8" }).stdout,
  ].join("\n");
  const hosts = new Set([...own.matchAll(/https?:\/\/([^/\s]+)/g)].map(([, host]) => host.replaceAll(".", "[.]")));
  return hosts.size > 0 ? new RegExp([...hosts].join("|"), "i") : undefined;
}

function contents() {
  const files = tracked();
  for (const name of new Set(files.map(file => file.split("/")[0]))) {
    if (!top.includes(name)) report(name, 0, "the top of the tree is fixed, and this is not in it");
  }
  const host = registries();
  for (const file of files) {
    if (/\.(t?gz|png|jpg|ico|wasm|db|woff2?)$/.test(file)) continue;
    const isSelf = file === "test/tidy/check.mjs";
    for (const [index, line] of lines(file).entries()) {
      if (host?.test(line))
        report(file, index + 1, "a package host is named; it belongs to the machine, not to the project");
      if (!isSelf && basename(file) !== "package-lock.json" && /\b(TODO|FIXME|XXX|HACK)\b/.test(line))
        report(file, index + 1, "something is left to do");
      if (!isSelf && /\.test\.mjs$|\.ts$/.test(file) && /\.(skip|only)\(/.test(line))
        report(file, index + 1, "a test is skipped or alone");
      if (file !== "package-lock.json" && /(^|[\s"'=(:])\/(root|home\/\w+|Users\/\w+)\//.test(line) && !isSelf)
        report(file, index + 1, "a path of one machine");
    }
  }
}

// ---- what users are told ---------------------------------------------------------------------------------------------
// Sentences that no user meets, or that no test can bring about.
const untold = new Set([
  "An anchor cannot read.", // it has no app that could ask
  "There is not enough memory to open a code: 32 MiB are needed. Close other tabs and try again.",
]);

/** Every sentence in the core stands in a unit test that brings it about. */
function texts() {
  const tests = sources("test/unit")
    .map(file => readFileSync(file, "utf8"))
    .join("\n");
  for (const file of sources("src")) {
    const said = readFileSync(file, "utf8").replace(/"(?:\\.|[^"\\\n])*"|\/\/[^\n]*|\/\*(?:.|\n)*?\*\//g, text =>
      text.startsWith('"') ? text : text.replace(/[^\n]/g, " "),
    );
    for (const { 1: text, index } of said.matchAll(/"((?:\\.|[^"\\\n])*)"/g)) {
      if (!/^[A-Z0-9].* .*[.!]$/.test(text) || untold.has(text) || tests.includes(text)) continue;
      report(file, said.slice(0, index).split("\n").length, `no unit test brings about "${text}"`);
    }
  }
}

/** In the form that `npm run format` gives it. */
async function form() {
  for (const file of await unformatted({ mend: false })) report(file, 0, "not in its form; npm run format mends it");
}

layering();
webLayering(report);
purity();
contents();
texts();
lengths(report);
await form();
const clang = await clangTidyChanged();
breaches.push(...clang.breaches);
if (told(clang) !== "") console.log(told(clang));
for (const breach of breaches) console.log(breach);
console.log(breaches.length === 0 ? "The tree is tidy." : `${breaches.length} breaches.`);
process.exit(breaches.length === 0 ? 0 : 1);
