// A peer's SQLite file with flipped bytes or deleted rows, beside an anchor that holds everything.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const what =
  "a peer's file with flipped bytes or deleted rows: all is back with the next link, or it is said what is not";
export const options = { seeds: 100, first: 1 };

const messages = 120,
  keys = 20,
  waitMs = 20_000;

function random(seed) {
  let state = (seed * 2654435761) >>> 0;
  return below => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** One in three seeds loses whole rows, the others have bytes flipped, anywhere or in one page. */
async function rot(file, seed) {
  const below = random(seed);
  const kind = below(3);
  if (kind === 0) {
    const { default: Database } = await import("better-sqlite3");
    const db = new Database(file);
    const all = db.prepare("SELECT key FROM rows").all();
    const gone = 1 + below(8);
    for (let n = 0; n < gone; n += 1) db.prepare("DELETE FROM rows WHERE key = ?").run(all[below(all.length)].key);
    db.close();
    return `${gone} rows deleted`;
  }
  const bytes = readFileSync(file);
  const flips = kind === 1 ? 1 + below(4) : 16 + below(48);
  const from = kind === 1 ? 0 : below(bytes.length - 4096),
    span = kind === 1 ? bytes.length : 4096;
  for (let n = 0; n < flips; n += 1) bytes[from + below(span)] ^= 1 << below(8);
  writeFileSync(file, bytes);
  return `${flips} bits flipped${kind === 1 ? "" : " in 4 KiB"}`;
}

/** What is not answered in that time hangs: who called would wait for ever. */
function within(ms, promise) {
  let timer;
  const late = new Promise(
    (_, reject) => (timer = setTimeout(() => reject(new Error(`no answer in ${ms / 1000} s`)), ms)),
  );
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function until(what, ms) {
  for (const end = Date.now() + ms; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 100)))
    if (await what()) return true;
  return false;
}

async function count(all) {
  let n = 0;
  for await (const one of all) n += one === undefined ? 0 : 1;
  return n;
}

export async function run({ seeds, first }, { must, spread }) {
  await must(process.execPath, "web/build.mjs");
  const { openPeer, PerdureError } = await import("../../dist/index.js");
  const { startAnchor } = await import("../../dist/anchor.js");
  const folder = mkdtempSync(join(tmpdir(), "perdure-rot-"));
  const anchor = await startAnchor({ data: ":memory:", port: 0 });
  const whole = join(folder, "whole.db");
  const open = file => openPeer({ app: "rot", storage: { file }, anchors: [anchor.url] });
  const peer = await open(whole);
  const topic = await peer.topic("all");
  for (let n = 0; n < messages; n += 1) await topic.append(`message ${n}`);
  for (let n = 0; n < keys; n += 1) await topic.map.set(`key ${n}`, n);
  await (await topic.append("the last")).anchored();
  await peer.close();
  const outcomes = new Map(),
    took = [];
  let holds = true;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const file = join(folder, `${seed}.db`);
    copyFileSync(whole, file);
    const how = await rot(file, seed);
    const began = performance.now();
    let outcome = "",
      fine = true;
    try {
      const again = await within(waitMs, open(file));
      const found = await within(waitMs, again.topic("all"));
      const all = async () =>
        (await count(found.messages({ limit: 1000 }))) === messages + 1 &&
        (await count(found.map.entries({ limit: 1000 }))) === keys;
      if (await until(() => within(waitMs, all()).catch(() => false), 3_000)) outcome = "all there";
      else if (await until(() => within(waitMs, all()).catch(() => false), waitMs)) outcome = "all back";
      else {
        const told = again.status.current.trouble.map(({ code }) => code).join(" ");
        outcome = told === "" ? "lost in silence" : `not all, told: ${told}`;
        fine = told !== "";
      }
      await within(waitMs, again.close());
    } catch (error) {
      fine = error instanceof PerdureError;
      outcome = fine ? `rejected: ${error.code}` : `raw: ${String(error)}`;
    }
    took.push((performance.now() - began) / 1000);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (outcome !== "all there") console.log(`seed ${seed}: ${how}: ${outcome}`);
    holds &&= fine;
    rmSync(file, { force: true });
  }
  await anchor.close();
  rmSync(folder, { recursive: true });
  for (const [outcome, times] of [...outcomes].sort((a, b) => b[1] - a[1]))
    console.log(`${String(times).padStart(4)}  ${outcome}`);
  console.log(`${seeds} seeds from ${first}; ${spread(took, "s")}`);
  return holds;
}
