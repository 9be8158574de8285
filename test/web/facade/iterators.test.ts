// Reading through a topic: pages, live messages, and the ways out.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PeerHandle } from "../../../web/src/api/peer.js";
import type { Topic } from "../../../web/src/base/types.js";
import { FakeEngine, Frames, rest } from "./fake.js";

async function setup(count = 0): Promise<{ engine: FakeEngine; topic: Topic }> {
  const engine = new FakeEngine();
  const topic = await new PeerHandle(engine, new Frames()).topic("lunch");
  for (let i = 0; i < count; i++) engine.arrive(idOf(i));
  engine.calls.length = 0;
  return { engine, topic };
}

const idOf = (i: number): string => `m${String(i).padStart(5, "0")}`;
const ids = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => idOf(from + i));

async function read(messages: AsyncIterable<{ id: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of messages) found.push(id);
  return found;
}

/** The next so many. */
async function next(messages: AsyncIterator<{ id: string }>, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const { value, done } = await messages.next();
    if (done === true) break;
    found.push(value.id);
  }
  return found;
}

describe("messages()", () => {
  test("gives all, oldest first, 256 at a time", async () => {
    const { engine, topic } = await setup(600);
    assert.deepEqual(await read(topic.messages()), ids(0, 600));
    assert.deepEqual(
      engine.calls.map(call => call.kind === "Messages" && call.limit),
      [256, 256, 256],
    );
  });

  test("gives a part, from either end, and asks for no more than that", async () => {
    const { engine, topic } = await setup(600);
    assert.deepEqual(await read(topic.messages({ limit: 300 })), ids(0, 300));
    assert.deepEqual(
      engine.calls.map(call => call.kind === "Messages" && call.limit),
      [256, 44],
    );
    assert.deepEqual(await read(topic.messages({ limit: 300, reverse: true })), ids(300, 600).reverse());
    assert.deepEqual(await read(topic.messages({ after: idOf(10), before: idOf(13) })), ids(11, 13));
    assert.deepEqual(await read(topic.messages({ after: idOf(590), reverse: true })), ids(591, 600).reverse());
    assert.deepEqual(await read(topic.messages({ limit: 0 })), []);
  });

  test("begins to read with the first next() and stops with the last", async () => {
    const { engine, topic } = await setup(600);
    const messages = topic.messages();
    await rest();
    assert.equal(engine.calls.length, 0);
    assert.deepEqual(await next(messages, 2), ids(0, 2));
    await rest();
    assert.equal(engine.calls.length, 1);
  });

  test("ends quietly on break, and stays ended", async () => {
    const { topic } = await setup(10);
    const messages = topic.messages({ live: true });
    for await (const { id } of messages) if (id === idOf(3)) break;
    assert.deepEqual(await messages.next(), { done: true, value: undefined });
    assert.deepEqual(await messages.return?.(), { done: true, value: undefined });
  });

  test("rejects with the signal's reason when it is aborted: before, between pages, while waiting", async () => {
    const { topic } = await setup(10);
    const reason = new Error("enough");
    await assert.rejects(read(topic.messages({ signal: AbortSignal.abort(reason) })), reason);

    const between = new AbortController();
    const some = topic.messages({ signal: between.signal });
    await next(some, 2);
    between.abort(reason);
    await assert.rejects(some.next(), reason);
    assert.deepEqual(await some.next(), { done: true, value: undefined });

    const waiting = new AbortController();
    const live = topic.messages({ live: true, limit: 0, signal: waiting.signal });
    const pending = live.next();
    await rest();
    waiting.abort(reason);
    await assert.rejects(pending, reason);
  });

  test("ends for who waits in next() when somebody else says return()", async () => {
    const { topic } = await setup();
    const live = topic.messages({ live: true });
    const pending = live.next();
    await rest();
    await live.return?.();
    assert.deepEqual(await pending, { done: true, value: undefined });
  });

  test("rejects with what is wrong with its options", async () => {
    const { topic } = await setup();
    await assert.rejects(read(topic.messages({ limit: -1 })), { code: "bad-argument" });
    await assert.rejects(read(topic.messages({ before: "" })), { code: "bad-argument" });
    await topic.close();
    await assert.rejects(read(topic.messages()), { code: "closed" });
  });
});

describe("messages({ live })", () => {
  test("goes on with what arrives, in order of arrival, whatever its place", async () => {
    const { engine, topic } = await setup(3);
    const live = topic.messages({ live: true });
    assert.deepEqual(await next(live, 3), ids(0, 3));
    const pending = next(live, 3);
    await rest();
    engine.arrive("new1");
    engine.arrive("old", "old", 0);
    await rest();
    engine.arrive("new2");
    assert.deepEqual(await pending, ["new1", "old", "new2"]);
  });

  test("gives only what is new when no stored ones are asked for", async () => {
    const { engine, topic } = await setup(3);
    const live = topic.messages({ live: true, limit: 0 });
    const pending = next(live, 1);
    await rest();
    await rest();
    engine.arrive("new");
    assert.deepEqual(await pending, ["new"]);
  });

  test("gives each once, although some arrive while it reads: on pages read and on pages to come", async () => {
    const { engine, topic } = await setup(1000);
    let pages = 0;
    engine.before = body => {
      if (body.kind !== "Messages") return;
      pages++;
      engine.arrive(`early${pages}`, 0, 0);
      engine.arrive(`late${pages}`);
    };
    const live = topic.messages({ live: true });
    const found = await next(live, 1000 + 8);
    engine.before = () => undefined;
    const pending = next(live, 1);
    await rest();
    engine.arrive("last");
    found.push(...(await pending));
    assert.equal(new Set(found).size, found.length);
    assert.deepEqual([...found].sort(), [...engine.arrivals.map(({ id }) => id)].sort());
    assert.equal(found.at(-1), "last");
  });

  test("takes a flood page by page", async () => {
    const { engine, topic } = await setup();
    const live = topic.messages({ live: true });
    const pending = next(live, 1000);
    await rest();
    for (let i = 0; i < 1000; i++) engine.arrive(idOf(i));
    assert.deepEqual(await pending, ids(0, 1000));
    assert.ok(engine.count("Live") < 10);
  });

  test("is closed for who waits when its topic, or its peer, is closed", async () => {
    for (const what of ["topic", "peer"] as const) {
      const engine = new FakeEngine();
      const peer = new PeerHandle(engine, new Frames());
      const topic = await peer.topic("lunch");
      const messages = topic.messages({ live: true });
      const waiting = messages.next();
      await rest();
      await rest();
      const refused = assert.rejects(waiting, { code: "closed" });
      await (what === "topic" ? topic : peer).close();
      await refused;
      assert.deepEqual(await messages.next(), { done: true, value: undefined });
    }
  });

  test("stops listening when it ends", async () => {
    const { engine, topic } = await setup();
    const live = topic.messages({ live: true });
    void live.next();
    await rest();
    await live.return?.();
    const before = engine.calls.length;
    engine.arrive("x");
    await rest();
    assert.equal(engine.calls.length, before);
  });
});

describe("a map", () => {
  test("gives its entries by key, page by page, from a key on and up to a limit", async () => {
    const { engine, topic } = await setup();
    for (const id of ids(0, 600)) engine.put(id, id);
    engine.put("z", undefined);
    const keys = async (options: Parameters<typeof topic.map.entries>[0]): Promise<string[]> => {
      const found: string[] = [];
      for await (const [key, value] of topic.map.entries(options)) {
        assert.equal(value, key);
        found.push(key);
      }
      return found;
    };
    assert.deepEqual(await keys({}), ids(0, 600));
    assert.deepEqual(await keys({ prefix: "m0000" }), ids(0, 10));
    assert.deepEqual(await keys({ after: idOf(590), limit: 3 }), ids(591, 594));
    const reason = new Error("enough");
    await assert.rejects(keys({ signal: AbortSignal.abort(reason) }), reason);
  });
});
