// Proofs that need longer than `npm test` has. Each prints the seeds that it used, what it found with medians and spread, and how to see a
// failure again.
//
//   npm run prove                                   what there is
//   npm run prove sim -- --seeds 10000 --first 1    one of them, with other numbers than its own
//
// A proof is a module here: `what` is one line, `options` its numbers, `run(options, tools)` resolves with whether it holds.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));

const names = readdirSync("test/prove")
  .filter(file => file !== "run.mjs")
  .map(file => file.replace(/\.mjs$/, ""))
  .sort();
const proofs = new Map();
for (const name of names) proofs.set(name, await import(`./${name}.mjs`));

const shown = options =>
  Object.entries(options)
    .map(([name, value]) => ` --${name} ${value}`)
    .join("");
function refuse(text) {
  console.error(text);
  process.exit(2);
}

/** Two at a time: one for each core that the tests may count on. */
const lanes = 2;
const children = new Set();

const tools = {
  /** Resolves with its exit code, what it printed and how long it took. `seen`: printed as it comes, too. */
  run(command, args, { seen = false } = {}) {
    return new Promise(resolve => {
      const began = performance.now();
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
      children.add(child);
      let out = "";
      for (const name of ["stdout", "stderr"]) {
        child[name].setEncoding("utf8").on("data", text => {
          out += text;
          if (seen) process[name].write(text);
        });
      }
      const end = (code, why = "") => {
        children.delete(child);
        resolve({ code: code ?? 1, out: out + why, seconds: (performance.now() - began) / 1000 });
      };
      child.on("error", error => end(1, String(error)));
      child.on("close", code => end(code));
    });
  },
  /** The same, but what fails ends the proof. */
  async must(command, ...args) {
    const { code } = await tools.run(command, args, { seen: true });
    if (code !== 0) throw new Error(`this failed: ${command} ${args.join(" ")}`);
  },
  /** Does `work` for each item, some at a time. */
  async each(items, work) {
    const left = [...items];
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        while (left.length > 0) await work(left.shift());
      }),
    );
  },
  /** "12.3 s (11.9 to 14.0, 5 times)" */
  spread(numbers, unit) {
    const sorted = [...numbers].sort((a, b) => a - b);
    if (sorted.length === 0) return "nothing";
    const middle = sorted.length / 2;
    const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
    const text = number => (Number.isInteger(number) ? String(number) : number.toFixed(number < 10 ? 2 : 1));
    return `${text(median)} ${unit} (${text(sorted[0])} to ${text(sorted.at(-1))}, ${sorted.length} times)`;
  },
};

// What it has started ends with it.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    for (const child of children) child.kill();
    process.exit(130);
  });
}

const [name, ...words] = process.argv.slice(2);
if (name === undefined) {
  for (const [name, { what, options }] of proofs)
    console.log(`${name.padEnd(8)} ${what}\n${" ".repeat(9)}npm run prove ${name} --${shown(options)}\n`);
  process.exit(0);
}
const proof = proofs.get(name);
if (proof === undefined) refuse(`No such proof: ${name}. There are: ${names.join(", ")}.`);
const options = { ...proof.options };
for (let at = 0; at < words.length; at += 2) {
  const option = words[at].replace(/^--/, "");
  if (!words[at].startsWith("--") || !(option in options) || words[at + 1] === undefined)
    refuse(`usage: npm run prove ${name} --${shown(proof.options)}`);
  options[option] = typeof options[option] === "number" ? Number(words[at + 1]) : words[at + 1];
  if (Number.isNaN(options[option])) refuse(`--${option} is a number.`);
}
const began = Date.now();
console.log(`${name}:${shown(options)}`);
const holds = await proof.run(options, tools);
console.log(`${holds ? "It holds" : "IT DOES NOT HOLD"}: ${name}, after ${Math.round((Date.now() - began) / 1000)} s.`);
process.exit(holds ? 0 : 1);
