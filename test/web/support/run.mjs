// Runs the TypeScript tests of the shim: node test/web/support/run.mjs [folder or file …]   (below test/web; default: all)
// Bundles each *.test.ts into build/test-web and hands them to `node --test`.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const out = resolve(root, "../../build/test-web", String(process.pid));

function testsIn(path) {
  if (statSync(path).isFile()) return path.endsWith(".test.ts") ? [path] : [];
  return readdirSync(path).sort().flatMap(name => testsIn(join(path, name)));
}

const wanted = process.argv.slice(2).filter(argument => !argument.startsWith("-"));
const options = process.argv.slice(2).filter(argument => argument.startsWith("-"));
const tests = (wanted.length > 0 ? wanted : ["."]).flatMap(name => testsIn(resolve(root, name)));
if (tests.length === 0) throw new Error("no tests there");

await build({
  entryPoints: tests, outdir: out, outbase: root, bundle: true, platform: "node", format: "esm", target: "node20", packages: "external",
  sourcemap: "inline", logLevel: "warning", outExtension: { ".js": ".mjs" },
  define: { "globalThis.testRoot": JSON.stringify(root) },
});
const files = tests.map(test => join(out, relative(root, test).replace(/\.ts$/, ".mjs")));
const child = spawn(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...options, ...files], { stdio: "inherit" });
child.on("exit", code => {
  rmSync(out, { recursive: true, force: true });
  process.exit(code ?? 1);
});
