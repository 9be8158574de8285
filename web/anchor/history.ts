// A git history as messages: what the demo fills its room of real messages with.
//
//     for await (const { author, text } of readHistory("path/to/a/clone")) …
//     await fillRoom(topic, "path/to/a/clone", (done) => console.log(done));

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { Topic } from "../src/base/types.js";

export interface Commit {
  readonly author: string;
  readonly timeMs: number;
  readonly text: string;
  readonly paths: readonly string[];
}

/** Of one append: large enough to be quick, small enough to show progress. */
const batchSize = 256;
const textMax = 2_000;
/** How many commits the room holds; set together with them. */
const countKey = "history/count";

/** Oldest first: of a clone, or of a *.jsonl.gz with { author, time, text, paths } on each line. */
export function readHistory(source: string): AsyncGenerator<Commit> {
  return source.endsWith(".jsonl.gz") ? readLines(source) : readClone(source);
}

/** Rejects if there is no history to be read there, and says why. */
export async function checkHistory(source: string): Promise<void> {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined) throw new Error(`There is no ${source}. --history takes the folder of a git clone.`);
  if (source.endsWith(".jsonl.gz")) return;
  // One commit of it says as much as all of them.
  const git = spawn("git", ["-C", source, "log", "--max-count=1", "--format=%H"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  git.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    git.once("close", resolve).once("error", error => reject(new Error(`git cannot be run: ${error.message}`)));
  });
  if (code !== 0) throw new Error(untold(source, complaint));
}

function untold(source: string, complaint: string): string {
  return `git could not tell the history of ${source}: ${complaint.trim().split("\n")[0] ?? ""}`;
}

/** Appends the commits that the room does not hold yet, and sets each file's entry to its last change. Stopped in between, it goes
 *  on there the next time. Resolves with how many the room holds. */
export async function fillRoom(topic: Topic, source: string, progress: (done: number) => void): Promise<number> {
  const counted = await topic.map.get(countKey);
  const before = typeof counted === "number" ? counted : 0;
  const changes = new Map<string, number>();
  let done = 0;
  let waiting: Commit[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const commits = waiting;
    waiting = [];
    const last = new Map(commits.flatMap(commit => commit.paths.map(path => [path, commit] as const)));
    await topic.batch(batch => {
      for (const { author, timeMs, text } of commits) batch.append({ text, by: author, at: timeMs });
      for (const [path, { author, timeMs, text }] of last)
        batch.set(`file/${path}`, { by: author, at: timeMs, text, changes: changes.get(path) ?? 1 });
      batch.set(countKey, done);
    });
    progress(done);
  };
  for await (const commit of readHistory(source)) {
    for (const path of commit.paths) changes.set(path, (changes.get(path) ?? 0) + 1);
    if (++done <= before) continue;
    waiting.push(commit);
    if (waiting.length >= batchSize) await flush();
  }
  await flush();
  return Math.max(done, before);
}

async function* readLines(file: string): AsyncGenerator<Commit> {
  for await (const line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
    const {
      author,
      time,
      text,
      paths = [],
    } = JSON.parse(line) as { author: number; time: number; text: string; paths?: readonly string[] };
    yield { author: `Author ${author + 1}`, timeMs: time * 1_000, text: text.slice(0, textMax), paths };
  }
}

async function* readClone(folder: string): AsyncGenerator<Commit> {
  const git = spawn(
    "git",
    ["-c", "core.quotePath=false", "-C", folder, "log", "--reverse", "--name-only", "--format=%x1e%aN%x1f%at%x1f%s"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let complaint = "";
  git.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const ended = new Promise<number | null>((resolve, reject) => git.once("error", reject).once("close", resolve));
  ended.catch(() => undefined);
  let commit: (Commit & { readonly paths: string[] }) | undefined;
  for await (const line of createInterface({ input: git.stdout })) {
    if (!line.startsWith("\x1e")) {
      if (line !== "") commit?.paths.push(line);
      continue;
    }
    if (commit !== undefined) yield commit;
    const [author = "", time = "0", text = ""] = line.slice(1).split("\x1f");
    commit = { author, timeMs: Number(time) * 1_000, text: text.slice(0, textMax), paths: [] };
  }
  if (commit !== undefined) yield commit;
  if ((await ended) !== 0) throw new Error(untold(folder, complaint));
}
