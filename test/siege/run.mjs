// Runs the siege: node test/siege/run.mjs [options of node --test]   (builds nothing: dist/ has to be there)
// With SIEGE_ROOT another tree's dist/ is besieged, with SIEGE_QUOTAS an anchor with other options: an older one knows fewer.
// SIEGE_ATTACKS="tiny logs,floods": only these.
// Bundles the test and the attackers into build/test-siege and hands the test to `node --test`.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = resolve(here, "../..");
const out = join(root, "build/test-siege", String(process.pid));

await build({
  entryPoints: [join(here, "siege.test.ts"), join(here, "attackers.ts")],
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
  outExtension: { ".js": ".mjs" },
  define: {
    root: JSON.stringify(process.env.SIEGE_ROOT ?? root),
    echoScript: JSON.stringify(join(here, "echo.mjs")),
    attackersScript: JSON.stringify(join(out, "attackers.mjs")),
  },
});
const child = spawn(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=spec", ...process.argv.slice(2), join(out, "siege.test.mjs")],
  { stdio: "inherit" },
);
child.on("exit", code => {
  rmSync(out, { recursive: true, force: true });
  process.exit(code ?? 1);
});
