// Large topics: a million messages in Node; large-page.test.mjs has a hundred thousand in Chromium. They open and show their newest, and
// reading all of one takes no more memory than reading some of it. What opening takes is printed; `npm run bench -- reopen-million` holds it against a limit.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../web/support/until.mjs";

const { openPeer } = await import(new URL("../../dist/index.js", import.meta.url).href);
const text = at => `${at} `.padEnd(120, "and so on, ");

/** Milliseconds from openPeer to the newest 50 shown. */
async function reopened(file) {
  const began = performance.now();
  const peer = await openPeer({ app: "large", storage: { file } });
  const topic = await peer.topic("all of it");
  await until(topic.latest(50), ({ loading }) => !loading);
  return { ms: performance.now() - began, peer, topic };
}

test("a topic of 1,000,000 messages in Node opens, shows its newest, and is read through in 16 MiB", {
  timeout: 1_800_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "perdure-large-"));
  try {
    for (const amount of [100_000, 1_000_000]) {
      const file = join(folder, `${amount}.db`);
      const peer = await openPeer({ app: "large", storage: { file } });
      const topic = await peer.topic("all of it");
      const began = performance.now();
      for (let from = 0; from < amount; from += 1_000)
        await topic.appendAll(Array.from({ length: 1_000 }, (_, at) => text(from + at)));
      console.log(`${amount}: appended in ${Math.round(performance.now() - began)} ms`);
      await peer.close();
      const runs = [];
      for (let run = 0; run < 5; run++) {
        const again = await reopened(file);
        runs.push(again.ms);
        await again.peer.close();
      }
      console.log(`${amount}: the newest 50 shown ${Math.round(runs.sort((a, b) => a - b)[2])} ms after openPeer`);
    }
    const { peer, topic } = await reopened(join(folder, "1000000.db"));
    assert.equal(topic.status.current.length, 1_000_000);
    let count = 0;
    let before = 0;
    for await (const { value } of topic.messages()) {
      if (count % 1_000 === 0) assert.equal(value, text(count));
      if (++count === 50_000) {
        globalThis.gc?.();
        before = process.memoryUsage().heapUsed + process.memoryUsage().external;
      }
    }
    globalThis.gc?.();
    const grown = process.memoryUsage().heapUsed + process.memoryUsage().external - before;
    console.log(`1000000: read through; memory grew by ${Math.round(grown / 1024)} KiB after the first 50,000`);
    assert.equal(count, 1_000_000);
    assert.ok(grown <= 16 * 1024 * 1024, `${grown} bytes`);
    await peer.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
