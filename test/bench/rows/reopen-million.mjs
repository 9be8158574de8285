import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { byTurns, middle, share, timed } from "../measure.mjs";
import { texts } from "../messages.mjs";
import { newModule, peerOn } from "../peer.mjs";
import { openSqlite } from "../../../web/src/store/sqlite.ts";

/** What lives in this process after all garbage is gone, and what the core has taken. */
function memoryBytes(module) {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers + module.memoryBytes;
}

/** Resolves with the bytes by which memory has grown since the first 10,000. */
async function fill(file, amount) {
  const module = await newModule();
  const peer = await peerOn(await openSqlite(file), module);
  const topic = await peer.topic("bench");
  let before = 0;
  for (let from = 0; from < amount; from += 1_000) {
    if (from === 10_000) before = memoryBytes(module);
    await topic.appendAll(texts(1_000, from));
    if (from % 100_000 === 0) process.stderr.write(".");
  }
  const grown = memoryBytes(module) - before;
  await peer.close();
  return grown;
}

/** Milliseconds from topic(name) to the newest 50; the peer is open. */
async function reopened(file) {
  const peer = await peerOn(await openSqlite(file));
  const ms = await timed(async () => {
    const topic = await peer.topic("bench");
    let found = 0;
    for await (const message of topic.messages({ limit: 50, reverse: true })) if (message.value.length === 120) found++;
    if (found !== 50) throw new Error(`${found} messages in place of 50`);
  });
  await peer.close();
  return ms;
}

export const row = {
  name: "reopen-million",
  work: "reopen a topic in Node with SQLite, from topic(name) to the newest 50",
  async run() {
    const folder = mkdtempSync(join(tmpdir(), "perdure-bench-"));
    try {
      const [small, large] = ["small.db", "large.db"].map(name => join(folder, name));
      const grown = await fill(small, 100_000);
      await fill(large, 1_000_000);
      const found = await byTurns({ ours: () => reopened(large), theirs: () => reopened(small) }, { warm: 1 });
      return [
        share(middle(found), { work: "of 1,000,000 messages", against: "of 100,000", most: 1.5 }),
        {
          work: "memory's growth from the 10,000th message to the 100,000th, appended by 1,000",
          ours: grown / 1024,
          unit: "KiB",
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
