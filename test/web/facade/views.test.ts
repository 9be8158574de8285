// Views: when they are told, how often, and what keeps its identity.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { sharing } from "../../../web/src/api/view.js";
import type { Topic } from "../../../web/src/base/types.js";
import { encodeValue } from "../../../web/src/api/values.js";
import { FakeEngine, Frames, other, own } from "./fake.js";

async function setup(): Promise<{ engine: FakeEngine; frames: Frames; peer: PeerHandle; topic: Topic }> {
  const engine = new FakeEngine();
  const frames = new Frames();
  const peer = new PeerHandle(engine, frames);
  return { engine, frames, peer, topic: await peer.topic("lunch") };
}

const lunch = { topic: 1, id: "ff", name: "lunch", unread: 2, lastActivityMs: 9 };

/** What a listener heard, in order. */
function hearing<T>(): { heard: T[]; hear: (value: T) => void } {
  const heard: T[] = [];
  return { heard, hear: value => void heard.push(value) };
}

describe("a view", () => {
  test("calls at once, then once a frame however much changes, then not after leaving", async () => {
    const { engine, frames, topic } = await setup();
    const { heard, hear } = hearing<number>();
    const leave = topic.status.subscribe(({ length }) => hear(length));
    assert.deepEqual(heard, [0]);
    for (let i = 0; i < 5; i++) engine.arrive(`m${i}`);
    assert.deepEqual(heard, [0]);
    await frames.paint();
    assert.deepEqual(heard, [0, 5]);
    engine.arrive("m5");
    leave();
    leave();
    await frames.paint();
    assert.deepEqual(heard, [0, 5]);
  });

  test("refuses a listener that is no function, and then listens to nothing", async () => {
    const { engine, peer, topic } = await setup();
    for (const view of [peer.status, topic.latest()])
      for (const none of [undefined, null, {}])
        assert.throws(() => view.subscribe(none as never), { code: "bad-argument" });
    assert.equal(engine.count("Latest"), 0);
  });

  test("tells nobody when nothing is different, and current stays the same object", async () => {
    const { engine, frames, topic } = await setup();
    engine.changed({ pending: 2 });
    const before = topic.status.current;
    const { heard, hear } = hearing<unknown>();
    topic.status.subscribe(hear);
    engine.changed({ pending: 2, timeline: true });
    await frames.paint();
    assert.equal(topic.status.current, before);
    assert.equal(heard.length, 1);
    engine.changed({ pending: 3 });
    assert.notEqual(topic.status.current, before);
  });

  test("is right when looked at without a listener, where it needs not be asked for", async () => {
    const { engine, peer } = await setup();
    engine.tell({
      kind: "StatusNotice",
      state: "online",
      webrtc: 1,
      websocket: 2,
      relayed: 0,
      local: 0,
      pending: 3,
      skewMs: -5,
      trouble: [{ code: "storage-full", text: "make room" }],
    });
    engine.tell({
      kind: "PeersNotice",
      peers: [
        {
          id: other,
          shortId: other.slice(0, 16),
          name: "",
          state: "connected",
          path: "datachannel",
          roundTripMs: 7,
          anchor: false,
          version: "0.2.0",
        },
      ],
    });
    engine.tell({ kind: "AnchorsNotice", anchors: [{ url: "wss://a.example", state: "refused", reason: "full" }] });
    engine.tell({ kind: "TopicsNotice", whole: true, topics: [lunch], ended: [] });
    const {
      state,
      links,
      pending,
      clockSkewMs,
      trouble: [trouble],
    } = peer.status.current;
    assert.deepEqual(
      { state, links, pending, clockSkewMs },
      { state: "online", links: { webrtc: 1, websocket: 2, relayed: 0, local: 0 }, pending: 3, clockSkewMs: -5 },
    );
    assert.equal(trouble?.code, "storage-full");
    assert.deepEqual(peer.peers.current, [
      {
        id: other,
        shortId: peer.peers.current[0]?.shortId,
        state: "connected",
        path: "webrtc",
        roundTripMs: 7,
        role: "edge",
        version: "0.2.0",
      },
    ]);
    assert.match(peer.peers.current[0]?.shortId ?? "", /^[0-9a-f]{16}$/);
    assert.deepEqual(peer.anchors.list.current, [{ url: "wss://a.example", state: "refused", reason: "full" }]);
    assert.deepEqual(peer.topics.current, [{ id: "ff", name: "lunch", unread: 2, lastActivity: new Date(9) }]);
  });

  test("hears on when another listener throws, whose error is not lost", async () => {
    const { engine, frames, topic } = await setup();
    const errors: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", error => errors.push(error));
    const { heard, hear } = hearing<number>();
    let calls = 0;
    topic.status.subscribe(() => {
      if (++calls > 1) throw new Error("mine");
    });
    topic.status.subscribe(({ length }) => hear(length));
    engine.arrive("m");
    await frames.paint();
    await new Promise(resolve => setTimeout(resolve));
    for (const listener of listeners) process.on("uncaughtException", listener);
    assert.deepEqual(heard, [0, 1]);
    assert.deepEqual(errors.map(String), ["Error: mine"]);
  });

  test("has bound functions", async () => {
    const { topic } = await setup();
    const { subscribe } = topic.latest();
    subscribe(() => undefined)();
  });
});

test("nobody who reads a view changes what others see in it, and what is read on its own is the reader's", async () => {
  const { engine, frames, peer, topic } = await setup();
  const value = { text: "a", tags: ["x"], bytes: Uint8Array.of(1), at: new Date(1) };
  engine.arrive("a", value);
  engine.put("card", value);
  engine.tell({ kind: "PresenceNotice", topic: 1, device: other, value: encodeValue(value) });
  const [latest, map, { others }] = [topic.latest(3), topic.map.view(), topic.presence];
  for (const view of [latest, map, topic.map.conflicts()]) view.subscribe(() => undefined);
  await frames.paint(3);
  const values = [latest.current.messages[0]?.value, map.current.get("card"), others.current.get(other)] as object[];
  for (const shown of values) {
    assert.throws(() => Object.assign(shown, { text: "b" }), TypeError);
    assert.throws(() => (shown as typeof value).tags.push("y"), TypeError);
    assert.deepEqual(shown, value);
    assert.deepEqual(structuredClone(shown), value, "a copy can be made, and changed");
  }
  assert.throws(() => (latest.current.messages as unknown[]).pop(), TypeError);
  for (const shown of [map.current, others.current] as Map<string, unknown>[]) {
    for (const change of [() => shown.set("b", 1), () => shown.delete("card"), () => shown.clear()])
      assert.throws(change, { name: "TypeError", message: /read-only/ });
    assert.deepEqual(shown, new Map(shown));
  }
  for (const view of [peer.status, peer.peers, peer.topics, topic.status, topic.members])
    assert.ok(Object.isFrozen(view.current));
  const read = [(await topic.get("a"))?.value, await topic.map.get("card")] as (typeof value)[];
  for (const one of read) one.tags.push("mine");
  assert.deepEqual(values[0], value);
});

describe("latest", () => {
  test("asks for nothing until somebody listens, and for nothing after the last has gone", async () => {
    const { engine, frames, topic } = await setup();
    const view = topic.latest(2);
    engine.arrive("a");
    await frames.paint(3);
    assert.equal(engine.count("Latest"), 0);
    assert.deepEqual(view.current, { messages: [], loading: true, more: false });
    const { heard, hear } = hearing<readonly unknown[]>();
    const leave = view.subscribe(({ messages }) => hear(messages.map(({ value }) => value)));
    await frames.paint();
    assert.deepEqual(heard, [[], ["a"]]);
    leave();
    engine.arrive("b");
    await frames.paint(3);
    assert.equal(engine.count("Latest"), 1);
    view.subscribe(({ messages }) => hear(messages.map(({ value }) => value)));
    await frames.paint();
    assert.deepEqual(heard.slice(2), [["a"], ["a", "b"]]);
  });

  test("asks at most once a frame, and shows late ones in their right place", async () => {
    const { engine, frames, topic } = await setup();
    const view = topic.latest(3);
    view.subscribe(() => undefined);
    await frames.paint();
    for (let i = 0; i < 100; i++) engine.arrive(`m${i}`);
    await frames.paint(3);
    assert.ok(engine.count("Latest") <= 4, `${engine.count("Latest")}`);
    assert.deepEqual(
      view.current.messages.map(({ id }) => id),
      ["m97", "m98", "m99"],
    );
    assert.equal(view.current.more, true);
    engine.arrive("late", "late", engine.timeline.length - 1);
    await frames.paint(3);
    assert.deepEqual(
      view.current.messages.map(({ id }) => id),
      ["m98", "late", "m99"],
    );
  });

  test("keeps the messages that stay, and itself when nothing came", async () => {
    const { engine, frames, topic } = await setup();
    const view = topic.latest(3);
    view.subscribe(() => undefined);
    engine.arrive("a", { text: "a" });
    await frames.paint(3);
    const [first] = view.current.messages;
    engine.arrive("b");
    await frames.paint(3);
    assert.equal(view.current.messages[0], first);
    const page = view.current;
    engine.changed({ timeline: true });
    await frames.paint(3);
    assert.equal(view.current, page);
  });

  test("is the same view for the same limit, and refuses a limit that is none", async () => {
    const { topic } = await setup();
    assert.equal(topic.latest(), topic.latest(50));
    for (const limit of [-1, 1.5, Number.NaN, "5"])
      assert.throws(() => topic.latest(limit as number), { code: "bad-argument" });
  });

  test("shows null where it cannot read what somebody wrote", async () => {
    const { engine, topic, frames } = await setup();
    engine.arrive("x");
    engine.timeline[0] = {
      ...engine.timeline[0],
      id: "x",
      author: other,
      timeMs: 1,
      own: false,
      value: new Uint8Array([0xc1]),
    };
    topic.latest().subscribe(() => undefined);
    await frames.paint();
    assert.equal(topic.latest().current.messages[0]?.value, null);
  });
});

describe("a map's view", () => {
  test("holds the entries of its prefix by key, and asks again only for keys that changed", async () => {
    const { engine, frames, topic } = await setup();
    for (const key of ["card/b", "card/a", "note/a", "card/😀", "card/\uffee"]) engine.put(key, { key });
    const view = topic.map.view({ prefix: "card/" });
    view.subscribe(() => undefined);
    await frames.paint(2);
    assert.equal(engine.count("MapEntries"), 1);
    const before = view.current;
    engine.put("card/b", { key: "new" });
    engine.put("card/ab", 1);
    engine.put("note/b", 2);
    await frames.paint(3);
    assert.equal(engine.count("MapEntries"), 1);
    assert.equal(engine.count("MapGet"), 2);
    assert.deepEqual([...view.current.keys()], ["card/a", "card/ab", "card/b", "card/\uffee", "card/😀"]);
    assert.equal(view.current.get("card/a"), before.get("card/a"));
    assert.deepEqual(view.current.get("card/b"), { key: "new" });
    assert.equal(before.has("card/ab"), false);
    engine.put("card/a", undefined);
    await frames.paint(3);
    assert.equal(view.current.has("card/a"), false);
  });

  test("keeps its identity and its values' when all is asked for again and nothing is new", async () => {
    const { engine, frames, topic } = await setup();
    for (let i = 0; i < 600; i++) engine.put(`k${i}`, { i });
    const view = topic.map.view();
    view.subscribe(() => undefined);
    await frames.paint(3);
    assert.equal(view.current.size, 600);
    const before = view.current;
    engine.changed({ allKeys: true });
    await frames.paint(5);
    assert.equal(view.current, before);
    engine.put("k7", { i: "new" });
    engine.changed({ allKeys: true });
    await frames.paint(8);
    assert.equal(view.current.get("k8"), before.get("k8"));
    assert.deepEqual(view.current.get("k7"), { i: "new" });
  });

  test("catches up with what changed while nobody listened", async () => {
    const { engine, frames, topic } = await setup();
    engine.put("a", 1);
    const view = topic.map.view();
    const leave = view.subscribe(() => undefined);
    await frames.paint(2);
    leave();
    engine.put("a", 2);
    view.subscribe(() => undefined);
    await frames.paint(2);
    assert.equal(view.current.get("a"), 2);
  });
});

describe("what was said again, and got another time by that,", () => {
  test("is shown with that time in a view of messages, and the others are the same as before", async () => {
    const { engine, frames, topic } = await setup();
    for (const id of ["a", "b"]) engine.arrive(id);
    const view = topic.latest();
    view.subscribe(() => undefined);
    await frames.paint(2);
    const [a, b] = view.current.messages;
    engine.timeline = engine.timeline.map(message => (message.id === "b" ? { ...message, timeMs: 77 } : message));
    engine.changed({ timeline: true });
    await frames.paint(2);
    assert.equal(view.current.messages[0], a);
    assert.deepEqual(view.current.messages[1], { ...b, time: new Date(77) });
  });

  test("is shown with that time among conflicts", async () => {
    const { engine, frames, topic } = await setup();
    let timeMs = 5;
    const version = (id: string, at: number) => ({ id, author: other, timeMs: at, value: encodeValue(id) });
    engine.answers = body =>
      body.kind === "MapConflicts"
        ? {
            kind: "ConflictPage",
            conflicts: [{ key: "k", winner: version("v", timeMs), losers: [version("w", 3)] }],
            more: false,
          }
        : undefined;
    const view = topic.map.conflicts();
    view.subscribe(() => undefined);
    await frames.paint(2);
    const loser = view.current[0]?.losers[0];
    timeMs = 77;
    engine.changed({ allKeys: true });
    await frames.paint(2);
    assert.deepEqual(view.current[0]?.winner.time, new Date(77));
    assert.equal(view.current[0]?.losers[0], loser);
  });
});

describe("presence", () => {
  test("shows the others by device, without this one, until they are gone", async () => {
    const { engine, frames, topic } = await setup();
    const { heard, hear } = hearing<unknown>();
    topic.presence.others.subscribe(others => hear([...others]));
    for (const device of [own, other])
      engine.tell({ kind: "PresenceNotice", topic: 1, device, value: Uint8Array.of(7) });
    engine.tell({ kind: "PresenceNotice", topic: 2, device: other, value: Uint8Array.of(8) });
    await frames.paint();
    engine.tell({ kind: "PresenceNotice", topic: 1, device: other });
    await frames.paint();
    assert.deepEqual(heard, [[], [[other, 7]], []]);
  });

  test("is the same map until something in it is different", async () => {
    const { engine, frames, topic } = await setup();
    const seen: unknown[] = [];
    engine.tell({ kind: "PresenceNotice", topic: 1, device: other, value: encodeValue({ x: 1 }) });
    topic.presence.others.subscribe(others => seen.push(others));
    const before = topic.presence.others.current;
    engine.tell({ kind: "PresenceNotice", topic: 1, device: other, value: encodeValue({ x: 1 }) });
    await frames.paint(2);
    assert.equal(topic.presence.others.current, before);
    assert.equal(seen.length, 1);
    engine.tell({ kind: "PresenceNotice", topic: 1, device: other, value: encodeValue({ x: 2 }) });
    await frames.paint(2);
    assert.deepEqual([...topic.presence.others.current], [[other, { x: 2 }]]);
    assert.equal(seen.length, 2);
  });

  test("throws for what it cannot take, and lets itself be cleared after closing", async () => {
    const { topic } = await setup();
    assert.throws(() => topic.presence.set(Number.NaN), { code: "bad-argument" });
    assert.throws(() => topic.presence.set("x".repeat(5000)), { code: "too-large" });
    await topic.close();
    assert.throws(() => topic.presence.set(1), { code: "closed" });
    topic.presence.set(undefined);
  });
});

test("what is equal is shared, wherever it has moved, and what is not is not", () => {
  const old = [
    { id: "a", at: new Date(1), deep: { n: [1, 2] } },
    { id: "b", n: 1 },
  ];
  const next = sharing(old, [
    { id: "b", n: 2 },
    { id: "a", at: new Date(1), deep: { n: [1, 2] } },
  ] as typeof old);
  assert.equal(next[1], old[0]);
  assert.notEqual(next[0], old[1]);
  assert.deepEqual(next[0], { id: "b", n: 2 });
  assert.equal(sharing(old, structuredClone(old)), old);
  const shorter = sharing<Record<string, number>>({ a: 1, b: 2 }, { a: 1 });
  assert.deepEqual(shorter, { a: 1 });
});
