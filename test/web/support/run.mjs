// Runs the TypeScript tests of the shim: node test/web/support/run.mjs [folder or file …]   (below test/web; default: all)
// Bundles each *.test.ts into build/test-web and hands them to `node --test`, two at a time: most of what a test of pages does is to wait.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const out = resolve(root, "../../build/test-web", String(process.pid));

function testsIn(path) {
  if (statSync(path).isFile()) return path.endsWith(".test.ts") ? [path] : [];
  return readdirSync(path)
    .sort()
    .flatMap(name => testsIn(join(path, name)));
}

const wanted = process.argv.slice(2).filter(argument => !argument.startsWith("-"));
const options = process.argv.slice(2).filter(argument => argument.startsWith("-"));
const tests = (wanted.length > 0 ? wanted : ["."]).flatMap(name => testsIn(resolve(root, name)));
if (tests.length === 0) throw new Error("no tests there");

await build({
  entryPoints: tests,
  outdir: out,
  outbase: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
  outExtension: { ".js": ".mjs" },
  define: { "globalThis.testRoot": JSON.stringify(root) },
});
/** These hold a time, a task's length or the growth of memory against a limit: nothing runs beside them. */
const measuring = [
  "anchor/gate.test.ts",
  "anchor/server.test.ts",
  "browser/load.test.ts",
  "browser/luck.test.ts",
  "store/node.test.ts",
];
const isMeasuring = test => measuring.includes(relative(root, test));

/** Resolves with the exit code. */
function run(tests, concurrency) {
  const files = tests.map(test => join(out, relative(root, test).replace(/\.ts$/, ".mjs")));
  const child = spawn(
    process.execPath,
    [
      "--enable-source-maps",
      "--test",
      "--test-reporter=spec",
      `--test-concurrency=${concurrency}`,
      ...options,
      ...files,
    ],
    { stdio: "inherit" },
  );
  return new Promise(resolve => {
    child.on("exit", code => resolve(code ?? 1));
  });
}

const codes = [];
for (const [alone, lanes] of [
  [false, 2],
  [true, 1],
]) {
  const chosen = tests.filter(test => isMeasuring(test) === alone);
  if (chosen.length > 0) codes.push(await run(chosen, lanes));
}
rmSync(out, { recursive: true, force: true });
process.exit(Math.max(...codes));
