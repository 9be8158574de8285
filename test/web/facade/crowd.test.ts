// A crowd in one process: what each of many peers costs does not grow with their number. Counts and virtual time, never the machine's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Network } from "../../../web/src/testing/network.js";
import type { Topic } from "../../../web/src/base/types.js";

declare global {
  var testRoot: string;
}

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));

/** So many who share a topic, of whom none has said anything yet. */
async function crowd<T>(peers: number, story: (net: Network, topics: readonly Topic[]) => Promise<T>): Promise<T> {
  const net = new Network({ seed: 3, wasm });
  try {
    const topics = [await (await net.open({ app: "square" })).topic("noon")];
    const invite = (await topics[0]?.invite()) ?? "";
    while (topics.length < peers) topics.push(await (await net.open({ app: "square" })).join(invite));
    return await story(net, topics);
  } finally {
    await net.close();
  }
}

/** What it takes until all have what one of them says. */
const heard = (peers: number): Promise<{ took: number; messages: number; bytes: number; memoryBytes: number }> =>
  crowd(peers, async (net, topics) => {
    await topics[0]?.append("hello");
    const took = await net.settle();
    for (const topic of topics) for await (const { value } of topic.messages()) assert.equal(value, "hello");
    assert.ok(topics.every(({ status }) => status.current.length === 1));
    return { took, ...(await net.measure()) };
  });

test("a hundred peers have what one says within two seconds, for 120 messages and a quarter of a megabyte of memory each at most", async () => {
  const { took, messages, memoryBytes } = await heard(100);
  assert.ok(took <= 2_000, `${took} ms`);
  assert.ok(messages <= 120 * 100, `${messages / 100} messages each`);
  assert.ok(memoryBytes <= 100 * 256 * 1024, `${memoryBytes} bytes`);
});

test("twice as many peers send hardly more each", async () => {
  const [few, many] = [await heard(60), await heard(120)];
  assert.ok(
    many.messages / 120 <= (1.1 * few.messages) / 60,
    `${few.messages / 60} messages each, then ${many.messages / 120}`,
  );
});

test("a crowd of one seed sends the same, byte for byte, and is done at the same time", async () => {
  assert.deepEqual(await heard(40), await heard(40));
});

test("settle names the one in a crowd who lacks something, and the seed", () =>
  crowd(30, async (net, topics) => {
    await net.settle();
    const late = await net.open({ app: "square", name: "Zoe" });
    await late.join((await topics[0]?.invite()) ?? "");
    late.fillDisk(true);
    await topics[0]?.append("hello");
    await assert.rejects(net.settle({ withinMs: 3_000 }), error => {
      assert.match(String(error), /Zoe has 0 messages .*peer 1 has 1 messages/);
      assert.match(String(error), /seed 3/);
      assert.doesNotMatch(String(error), /peer 2 /);
      return true;
    });
  }));
