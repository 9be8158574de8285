// What the interface promises, line by line, where a user would doubt it: what is there once a promise has resolved, and what is refused.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { nodeEngine } from "../../../web/src/host/node.js";
import { Opener } from "../../../web/src/api/open.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import type { Peer, Receipt, Topic, View } from "../../../web/src/base/types.js";
import { code, list, network, two, values, wasm } from "./story.js";

describe("what resolved can be seen", () => {
  test("in the status, the size, the list of topics and the messages, at once", () =>
    network({}, async net => {
      const a = await net.open({ app: "talkbox" });
      const topic = await a.topic("lunch");
      assert.deepEqual(
        a.topics.current.map(({ id, name }) => ({ id, name })),
        [{ id: topic.id, name: "lunch" }],
      );
      assert.equal(topic.name, "lunch");
      const { id } = await topic.append("x");
      assert.equal(topic.status.current.length, 1);
      assert.deepEqual((await topic.get(id))?.value, "x");
      assert.deepEqual(await values(topic), ["x"]);
      await topic.map.set("k", 1);
      assert.equal(topic.map.size, 1);
      assert.equal(await topic.map.get("k"), 1);
      await topic.map.delete("k");
      assert.equal(topic.map.size, 0);
      assert.equal(await topic.map.get("k"), undefined);
      assert.equal(await topic.map.get("never"), undefined);
      assert.ok(a.topics.current[0]?.lastActivity instanceof Date);
      await topic.leave({ forget: true });
      assert.deepEqual(a.topics.current, []);
    }));

  test("as what was put in, and changing it changes nothing for anybody else", () =>
    network({}, async net => {
      const { ta, tb } = await two(net);
      const value = {
        text: "é 漢 🜂 \ud83d",
        at: new Date(-1.5e12),
        bytes: Uint8Array.of(1, 2),
        no: null,
        zero: -0,
        deep: [[{ "": [] }]],
        big: Number.MAX_SAFE_INTEGER,
        small: 5e-324,
        left: undefined,
      };
      const { id } = await ta.append(value);
      await net.settle();
      const { left, ...wanted } = value;
      assert.equal(left, undefined);
      const mine = await tb.get(id);
      assert.deepEqual(mine?.value, wanted);
      (mine?.value as { deep: unknown[] }).deep.length = 0;
      mine?.time.setTime(0);
      assert.deepEqual((await tb.get(id))?.value, wanted);
      assert.notEqual((await tb.get(id))?.time.getTime(), 0);
    }));
});

describe("openPeer has resolved", () => {
  const anchors = ["ws://127.0.0.1:9"];

  test("and the lists tell at once what this device has joined, and which anchors it uses", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perdure-open-"));
    const options = { app: "talkbox", storage: { file: join(folder, "peer.db") }, anchors, wasm };
    const open = new Opener(nodeEngine);
    const first = await open.open(options);
    assert.deepEqual(
      first.anchors.list.current.map(({ url }) => url),
      anchors,
    );
    await first.topic("lunch");
    await first.topic("dinner");
    await first.close();
    const handles = [await open.open(options), await open.open(options)];
    const told = handles.map(({ topics, anchors: { list } }) => [
      topics.current.map(({ name }) => name),
      list.current.map(({ url }) => url),
    ]);
    assert.deepEqual(
      told,
      [
        [["lunch", "dinner"], anchors],
        [["lunch", "dinner"], anchors],
      ],
      "the second handle, too",
    );
    await Promise.all(handles.map(peer => peer.close()));
    rmSync(folder, { recursive: true });
  });

  test("and so they do where all is kept in memory, and after a restart in a test network", () =>
    network({}, async net => {
      await using peer = await new Opener(nodeEngine).open({ app: "talkbox", storage: "memory", anchors, wasm });
      assert.deepEqual(
        peer.anchors.list.current.map(({ url }) => url),
        anchors,
      );
      await net.anchor();
      const device = await net.open({ app: "talkbox" });
      await device.topic("lunch");
      await device.restart();
      assert.deepEqual([device.topics.current.length, device.anchors.list.current.length], [1, 1]);
    }));
});

describe("what cannot be stored", () => {
  test("is refused with its path, at any depth, and nothing of it is there", () =>
    network({}, async net => {
      const topic = await (await net.open({ app: "talkbox" })).topic("lunch");
      const cycle: Record<string, unknown> = { a: 1 };
      cycle["self"] = { back: cycle };
      class Point {
        x = 1;
      }
      const bad: [unknown, string][] = [
        [Number.NaN, ""],
        [Number.NEGATIVE_INFINITY, ""],
        [1n, ""],
        [() => 1, ""],
        [Symbol("x"), ""],
        [new Point(), ""],
        [new Map(), ""],
        [new Set([1]), ""],
        [undefined, ""],
        [{ a: { "b c": [1, { d: Number.NaN }] } }, 'a["b c"][1].d'],
        [[1, undefined], "[1]"],
        [[1, , 2], "[1]"],
        [{ list: [new Date(Number.NaN)] }, "list[0]"],
        [{ p: [new Point()] }, "p[0]"],
        [{ m: new Map() }, "m"],
        [cycle, "self.back"],
        [{ re: /x/ }, "re"],
        [{ e: new Error("x") }, "e"],
        [{ w: new WeakMap() }, "w"],
        [{ f: new Float64Array(1) }, "f"],
        [{ b: new ArrayBuffer(1) }, "b"],
        [{ n: Object(1) as unknown }, "n"],
        [{ p: Promise.resolve() }, "p"],
      ];
      for (const [value, path] of bad) {
        await assert.rejects(topic.append(value), { code: "bad-argument", path }, String(path));
        await assert.rejects(topic.map.set("k", value), { code: "bad-argument" });
        if (value !== undefined) assert.throws(() => topic.presence.set(value), { code: "bad-argument", path });
      }
      await assert.rejects(topic.appendAll(["fine", { x: 1n }]), { code: "bad-argument", path: "[1].x" });
      assert.deepEqual([await values(topic), topic.map.size], [[], 0]);
    }));

  test("because it is too large is told so, and the largest that fits is kept", () =>
    network({}, async net => {
      const { ta, tb } = await two(net);
      const most = new Uint8Array(256 * 1024);
      await ta.append(most);
      assert.equal(await code(ta.append(new Uint8Array(256 * 1024 + 1))), "too-large");
      assert.equal(await code(ta.append({ a: "é".repeat(140_000) })), "too-large");
      assert.equal(await code(ta.appendAll(Array.from({ length: 70 }, () => new Uint8Array(250_000)))), "too-large");
      await net.settle();
      assert.deepEqual(
        (await values(tb)).map(value => (value as Uint8Array).length),
        [most.length],
      );
    }));
});

/** All that can be asked of a peer, a topic and a receipt, and is answered later. */
const callsOf = (peer: Peer, topic: Topic, receipt: Receipt): (() => Promise<unknown>)[] => [
  () => peer.topic("x"),
  () => peer.create(),
  () => peer.join("perdure-x"),
  () => peer.joinCode("x"),
  () => topic.append(1),
  () => topic.appendAll([1]),
  () => topic.batch(batch => batch.append(1)),
  () => topic.invite(),
  () => topic.link("https://a.example"),
  () => topic.shortcode(),
  () => topic.get("x"),
  () => topic.markRead(),
  () => topic.synced(),
  () => topic.leave(),
  () => list(topic.messages()),
  () => list(topic.messages({ live: true })),
  () => topic.map.get("k"),
  () => topic.map.set("k", 1),
  () => topic.map.setAll([["k", 1]]),
  () => topic.map.delete("k"),
  () => topic.map.resolve("k", 1),
  () => list(topic.map.entries()),
  () => list(topic.map.history("k")),
  () => receipt.replicated(1),
  () => receipt.anchored(),
];

/** What answers at once, or throws. */
const wordsTo = (peer: Peer, topic: Topic): (() => unknown)[] => [
  () => peer.anchors.add("wss://a.example"),
  () => peer.anchors.remove("wss://a.example"),
  () => topic.presence.set(1),
];

const viewsOf = (peer: Peer, topic: Topic): View<unknown>[] => [
  peer.status,
  peer.peers,
  peer.topics,
  peer.anchors.list,
  topic.status,
  topic.members,
  topic.latest(),
  topic.map.view(),
  topic.map.conflicts(),
  topic.copies(),
];

describe("closing", () => {
  test("is harmless twice, by either word, and afterwards every call is closed", () =>
    network({}, async net => {
      const peer = await net.open({ app: "talkbox" });
      const topic = await peer.topic("lunch");
      const receipt = await topic.append(1);
      await topic.close();
      await topic.close();
      await topic[Symbol.asyncDispose]();
      const again = await peer.topic("lunch");
      await peer.close();
      await peer[Symbol.asyncDispose]();
      await again.close();
      for (const call of callsOf(peer, again, receipt)) assert.equal(await code(call()), "closed", String(call));
      for (const call of wordsTo(peer, again)) assert.throws(call, { code: "closed" });
      again.presence.set(undefined);
      for (const view of viewsOf(peer, again)) {
        let told = 0;
        view.subscribe(() => told++)();
        assert.equal(told, 1, "a view still tells what it knew");
      }
    }));

  test("a peer that shares its engine closes its own topics alone", () =>
    network({}, async net => {
      const peer = await net.open({ app: "talkbox" });
      assert.ok(peer instanceof PeerHandle);
      assert.equal(
        "diagnose" in peer || "inviteDirect" in peer || "acceptDirect" in peer,
        false,
        "what is not there yet is not there as a stub",
      );
    }));
});
