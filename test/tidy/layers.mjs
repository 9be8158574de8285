// Who may import whom: src/layers.txt for the core, web/layers.txt for the shim, which has no circles of imports either.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formed } from "./format.mjs";

/** Each name in the file, and whom it may import, itself among them. */
export function readLayers(file) {
  const allowed = new Map();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const [name, others] = line.split(":");
    allowed.set(name.trim(), new Set([name.trim(), ...others.trim().split(/\s+/).filter(Boolean)]));
  }
  return allowed;
}

const list = "web/layers.txt";

function folderOf(file) {
  const [, top, folder, rest] = file.split("/");
  if (top !== "src") return top;
  return rest === undefined ? "top" : folder;
}

/** What the file imports of this tree: `{ target, line }`. Types count. */
function importsOf(file) {
  const text = readFileSync(file, "utf8");
  const found = [...text.matchAll(/(?:^|[\s(])(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)];
  return found.map(({ 1: path, index }) => ({
    target: join(dirname(file), path).replace(/\.js$/, ".ts"),
    line: text.slice(0, index + 1).split("\n").length,
  }));
}

/** `report(file, line, text)` for each import in web/ that web/layers.txt does not allow, and for each that closes a circle. */
export function webLayering(report) {
  const allowed = readLayers(list);
  const files = formed().filter(file => /^web\/\w+\/.*\.ts$/.test(file));
  const imports = new Map(files.map(file => [file, importsOf(file)]));
  for (const [file, found] of imports) {
    const folder = folderOf(file);
    if (!allowed.has(folder)) report(file, 0, `${folder} is not in ${list}`);
    for (const { target, line } of found) {
      if (target.startsWith("build/")) continue;
      if (!existsSync(target)) report(file, line, `${target} is not there`);
      else if (!allowed.get(folder)?.has(folderOf(target)))
        report(file, line, `${folder} may not import ${folderOf(target)}`);
    }
  }
  circles(imports, report);
}

function circles(imports, report) {
  const done = new Set();
  const walk = (file, above) => {
    for (const { target, line } of imports.get(file) ?? []) {
      if (above.includes(target))
        report(file, line, `a circle of imports: ${[...above.slice(above.indexOf(target)), target].join(" > ")}`);
      else if (!done.has(target)) walk(target, [...above, target]);
    }
    done.add(file);
  };
  for (const file of imports.keys()) if (!done.has(file)) walk(file, [file]);
}
