// A quiet day: nothing grows, and nothing is sent that need not be.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Network } from "../../../web/src/testing/network.js";

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));
const hour = 3_600_000;

test("a day of two peers with one message an hour: each hour costs what the others cost, and that is little", {
  timeout: 60_000,
}, async () => {
  await using net = new Network({ wasm });
  const [a, b] = [await net.open({ app: "talkbox" }), await net.open({ app: "talkbox" })];
  const ours = await a.topic("lunch");
  const theirs = await b.join(await ours.invite());
  await net.settle();
  const hours: { messages: number; bytes: number; memoryBytes: number }[] = [];
  for (let at = 0; at < 24; at++) {
    const before = await net.measure();
    await (at % 2 === 0 ? ours : theirs).append(`${at} `.padEnd(120, "-"));
    await net.advance(hour);
    const after = await net.measure();
    hours.push({
      messages: after.messages - before.messages,
      bytes: after.bytes - before.bytes,
      memoryBytes: after.memoryBytes,
    });
    assert.deepEqual(
      [ours.status.current.length, theirs.status.current.length, a.status.current.pending + b.status.current.pending],
      [at + 1, at + 1, 0],
    );
  }
  const most = (from: number, to: number, what: "messages" | "bytes"): number =>
    Math.max(...hours.slice(from, to).map(one => one[what]));
  assert.equal(hours.at(-1)?.memoryBytes, hours[1]?.memoryBytes, "the memory of the cores");
  // A number that counts the questions takes one byte more after 22 hours, and then not for four months.
  for (const [what, more] of [
    ["messages", 1.01],
    ["bytes", 1.05],
  ] as const)
    assert.ok(
      most(14, 24, what) <= more * most(2, 12, what),
      `${what}: ${most(14, 24, what)} after ${most(2, 12, what)}`,
    );
  // Both ask every five seconds whether the other is there, and answer. Beside that a frontier now and then, the message and its acknowledgement.
  const asking = (2 * 2 * 3600) / 5;
  assert.ok(most(1, 24, "messages") <= 1.1 * asking, `${most(1, 24, "messages")} messages an hour`);
  assert.ok(most(1, 24, "bytes") <= 2 * 3600 * 15, `${most(1, 24, "bytes")} bytes an hour`);
});
