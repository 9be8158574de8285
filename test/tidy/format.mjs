// The form of the sources: C++ by clang-format, TypeScript and JavaScript by Biome.
//
//     node test/tidy/format.mjs           mends what has another form
//     node test/tidy/format.mjs --check   names it, and fails if there is any
//
// Both come with package-lock.json, so that every machine has the same ones. Styles: .clang-format, test/tidy/biome.json.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

/** Made by a program, in a form of its own. */
const generated = new Set(["test/vectors/vectors.hpp"]);

const tracked = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], {
  encoding: "utf8",
  maxBuffer: 1 << 26,
})
  .split("\0")
  .filter(file => file !== "" && existsSync(file) && !generated.has(file));

/** The sources that have a form. */
export function formed() {
  return tracked.filter(file => /\.([ch]pp|ts|mts|mjs|cjs|js)$/.test(file));
}

/** The files whose form is another one; mended unless they are only looked at. */
export async function unformatted({ mend }) {
  return [...(await cpp(mend)), ...scripts(mend)];
}

async function cpp(mend) {
  const { format } = await import("@wasm-fmt/clang-format");
  const style = readFileSync(".clang-format", "utf8");
  return tracked.filter(file => {
    if (!/\.[ch]pp$/.test(file)) return false;
    const text = readFileSync(file, "utf8");
    const formed = format(text, file, style);
    if (mend && formed !== text) writeFileSync(file, formed);
    return formed !== text;
  });
}

function scripts(mend) {
  const files = tracked.filter(file => /\.(ts|mts|mjs|cjs|js)$/.test(file));
  const args = [
    "node_modules/@biomejs/biome/bin/biome",
    "format",
    "--config-path=test/tidy/biome.json",
    "--reporter=json",
    ...(mend ? ["--write"] : []),
    ...files,
  ];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (mend) return status === 0 ? [] : [`Biome: ${stderr}`];
  return stdout
    .split("\n")
    .filter(line => line.startsWith("{"))
    .flatMap(line =>
      JSON.parse(line).diagnostics.map(
        ({ location, description }) => location?.path?.file ?? location?.path ?? description,
      ),
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mend = !process.argv.includes("--check");
  const files = await unformatted({ mend });
  for (const file of files)
    console.log(mend ? `formatted ${file}` : `${file}: not in its form; npm run format mends it`);
  process.exit(mend || files.length === 0 ? 0 : 1);
}
