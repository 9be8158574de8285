// What the interface promises, line by line, where a user would doubt it: real cores, virtual time.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { nodeEngine } from "../../../web/src/host/node.js";
import { Opener } from "../../../web/src/api/open.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { createNetwork } from "../../../web/src/testing/index.js";
import { Network } from "../../../web/src/testing/network.js";
import type { TestPeer } from "../../../web/src/testing/types.js";
import type { Topic } from "../../../web/src/base/types.js";

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));

async function network(
  options: { seed?: number; latencyMs?: number; loss?: number },
  story: (net: Network) => Promise<void>,
): Promise<void> {
  await using net = new Network({ ...options, wasm });
  await story(net);
}

async function two(net: Network): Promise<{ a: TestPeer; b: TestPeer; ta: Topic; tb: Topic }> {
  const [a, b] = [await net.open({ app: "talkbox", name: "Ada" }), await net.open({ app: "talkbox", name: "Bob" })];
  const ta = await a.topic("lunch");
  const tb = await b.join(await ta.invite(), { name: "lunch with Ada" });
  return { a, b, ta, tb };
}

async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const values = async (topic: Topic): Promise<unknown[]> => (await list(topic.messages())).map(({ value }) => value);
const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: { code?: unknown }) => error.code ?? error,
  );

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

describe("reading", () => {
  test("messages() from either end, between two, up to a limit", () =>
    network({}, async net => {
      const topic = await (await net.open({ app: "talkbox" })).topic("lunch");
      await topic.appendAll(Array.from({ length: 1000 }, (_, i) => i));
      const all = await list(topic.messages());
      const numbers = async (options: Parameters<Topic["messages"]>[0]): Promise<unknown[]> =>
        (await list(topic.messages(options))).map(({ value }) => value);
      assert.deepEqual(
        all.map(({ value }) => value),
        Array.from({ length: 1000 }, (_, i) => i),
      );
      assert.deepEqual(
        await numbers({ reverse: true, limit: 300 }),
        Array.from({ length: 300 }, (_, i) => 999 - i),
      );
      assert.deepEqual(await numbers({ after: all[10]?.id ?? "", before: all[14]?.id ?? "" }), [11, 12, 13]);
      assert.deepEqual(
        await numbers({ after: all[10]?.id ?? "", before: all[14]?.id ?? "", reverse: true, limit: 2 }),
        [13, 12],
      );
      assert.deepEqual(await numbers({ after: all[14]?.id ?? "", before: all[10]?.id ?? "" }), []);
      assert.deepEqual(await numbers({ before: all[0]?.id ?? "" }), []);
      assert.deepEqual(await numbers({ limit: 0 }), []);
      for (const limit of [-1, 1.5, Number.NaN]) await assert.rejects(numbers({ limit }), { code: "bad-argument" });
      await assert.rejects(numbers({ after: "no such id" }), { code: "not-found" });
      assert.equal(await topic.get("no such id"), undefined);
      assert.equal(await code(topic.markRead("no such id")), "not-found");
    }));

  test("live goes on in order of arrival and is closed with its topic; others go on", () =>
    network({}, async net => {
      const { ta, tb } = await two(net);
      await net.settle();
      const second = await ta.append("before");
      await net.settle();
      const live = tb.messages({ live: true, after: second.id });
      const next = live.next();
      await ta.append("after");
      await net.settle();
      assert.equal((await next).value?.value, "after");
      const last = live.next();
      await net.advance(0);
      const refused = assert.rejects(last, { code: "closed" });
      await tb.close();
      await refused;
    }));

  test("an aborted signal rejects with its reason: messages, entries, synced, replicated, anchored", () =>
    network({}, async net => {
      const topic = await (await net.open({ app: "talkbox" })).topic("lunch");
      const receipt = await topic.append(1);
      const end = new AbortController();
      const { signal } = end;
      const waits = [
        list(topic.messages({ live: true, signal })),
        topic.synced({ signal }),
        receipt.replicated(1, { signal }),
        receipt.anchored({ signal }),
      ];
      await net.advance(1000);
      const reason = new Error("enough");
      end.abort(reason);
      for (const wait of waits) await assert.rejects(wait, reason);
      for (const late of [
        () => list(topic.messages({ signal })),
        () => list(topic.map.entries({ signal })),
        () => topic.synced({ signal }),
        () => receipt.replicated(1, { signal }),
        () => receipt.anchored({ signal }),
      ])
        await assert.rejects(late, reason);
    }));

  test("entries by key with a prefix, after a key, up to a limit; history newest first", () =>
    network({}, async net => {
      const topic = await (await net.open({ app: "talkbox" })).topic("lunch");
      await topic.map.setAll(Array.from({ length: 600 }, (_, i) => [`k/${String(i).padStart(3, "0")}`, i] as const));
      await topic.map.set("other", "x");
      assert.equal((await list(topic.map.entries())).length, 601);
      assert.deepEqual(await list(topic.map.entries({ prefix: "k/", after: "k/010", limit: 2 })), [
        ["k/011", 11],
        ["k/012", 12],
      ]);
      assert.deepEqual(await list(topic.map.entries({ prefix: "z" })), []);
      await topic.map.set("other", "y");
      await topic.map.delete("other");
      assert.deepEqual(
        (await list(topic.map.history("other"))).map(({ value }) => value),
        [undefined, "y", "x"],
      );
      assert.deepEqual(await list(topic.map.history("never")), []);
    }));
});

describe("waiting", () => {
  test("for copies ends as closed when the topic or the peer is closed", () =>
    network({}, async net => {
      for (const what of ["topic", "peer"] as const) {
        const peer = await net.open({ app: `alone ${what}` });
        const topic = await peer.topic("lunch");
        const receipt = await topic.append(1);
        const waits = [receipt.replicated(1), receipt.anchored(), topic.synced()].map(code);
        await net.advance(10);
        await (what === "topic" ? topic : peer).close();
        await net.advance(10);
        assert.deepEqual(await Promise.all(waits), ["closed", "closed", "closed"]);
      }
    }));

  test("ends as closed with its own handle, though another one holds the topic open and goes on waiting", () =>
    network({}, async net => {
      const peer = await net.open({ app: "talkbox" });
      const [one, other] = [await peer.topic("lunch"), await peer.topic("lunch")];
      const waitsOf = async (topic: Topic): Promise<Promise<unknown>[]> => {
        const receipt = await topic.append(1);
        return [receipt.replicated(1), receipt.anchored(), topic.synced()].map(code);
      };
      const waits = await waitsOf(one);
      const [copy, , synced] = await waitsOf(other);
      await net.advance(10);
      await one.close();
      assert.deepEqual(await Promise.all(waits), ["closed", "closed", "closed"]);
      const friend = await net.open({ app: "talkbox" });
      await friend.join(await other.invite());
      await net.settle();
      assert.deepEqual(await Promise.all([copy, synced]), ["none", "none"]);
    }));

  test("for a copy is over once as many keys have acknowledged it, anchors included, this device not", () =>
    network({}, async net => {
      const { a, ta } = await two(net);
      const anchor = await net.anchor();
      await net.settle();
      const receipt = await ta.append("x");
      const found: string[] = [];
      void receipt.replicated(1).then(() => found.push("one"));
      void receipt.replicated(2).then(() => found.push("two"));
      void receipt.replicated(3).then(
        () => found.push("three"),
        () => undefined,
      );
      void receipt.anchored().then(() => found.push("anchored"));
      assert.deepEqual(found, []);
      await net.settle();
      await net.advance(5000);
      assert.deepEqual([...found].sort(), ["anchored", "one", "two"]);
      const copies = ta.copies(receipt.id);
      const leave = copies.subscribe(() => undefined);
      await net.advance(100);
      assert.deepEqual(
        [copies.current.here, copies.current.anchors, copies.current.peers.length],
        [true, [anchor.id], 1],
      );
      assert.equal(ta.copies(receipt.id), copies, "asked again while rendering it is the same");
      leave();
      assert.equal(a.status.current.pending, 0);
    }));

  test("until synced resolves when what one other held is here, also if it was here already", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      net.partition([a], [b]);
      await ta.appendAll(Array.from({ length: 2000 }, (_, i) => i));
      const end = new AbortController();
      const apart = code(tb.synced({ signal: end.signal }));
      await net.advance(20_000);
      end.abort("alone");
      assert.equal(await apart, "alone");
      net.heal();
      const synced = tb.synced();
      await net.settle();
      await synced;
      assert.equal((await values(tb)).length, 2000);
      const again = tb.synced();
      await net.advance(1000);
      await again;
    }));
});

describe("topics", () => {
  test("unread counts what others wrote until it is marked read, on this device alone", () =>
    network({}, async net => {
      const { ta, tb, b } = await two(net);
      await net.settle();
      for (let i = 0; i < 5; i++) await ta.append(i);
      await net.settle();
      assert.equal(tb.status.current.unread, 5);
      assert.equal(b.topics.current[0]?.unread, 5);
      const all = await list(tb.messages());
      await tb.markRead(all[2]?.id ?? "");
      assert.equal(tb.status.current.unread, 2);
      await tb.markRead(all[0]?.id ?? "");
      assert.equal(tb.status.current.unread, 2, "going back marks nothing unread");
      await tb.append("own");
      assert.equal(tb.status.current.unread, 2, "what one wrote oneself is not unread");
      await tb.markRead();
      assert.equal(tb.status.current.unread, 0);
      assert.equal(ta.status.current.unread, 0);
      await b.restart();
      await net.settle();
      assert.equal(b.topics.current[0]?.unread, 0);
    }));

  test("what was written before the newest read, but comes after it, is unread", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      net.partition([a], [b]);
      await ta.append("while you were cut off");
      await net.advance(60_000);
      await tb.append("later");
      assert.equal(tb.status.current.unread, 0);
      net.heal();
      await net.settle();
      assert.equal(tb.status.current.unread, 1);
      assert.equal(ta.status.current.unread, 1);
      await tb.markRead();
      assert.equal(tb.status.current.unread, 0);
    }));

  test("that are not open are listed with what was unread and when they were last active", () =>
    network({}, async net => {
      const { b, ta, tb } = await two(net);
      await ta.append("x");
      await ta.append("y");
      await net.settle();
      const listed = b.topics.current[0];
      assert.equal(listed?.unread, 2);
      await tb.close();
      assert.deepEqual(b.topics.current[0], listed);
      await b.restart();
      assert.deepEqual(b.topics.current[0], listed);
    }));

  test("left stays on the disk, forgotten does not; either can be entered again", () =>
    network({}, async net => {
      const { b, ta, tb } = await two(net);
      await ta.append("x");
      await net.settle();
      const invite = await tb.invite();
      await tb.leave();
      assert.deepEqual(b.topics.current, []);
      assert.equal(await code(tb.append(1)), "closed");
      const again = await b.join(invite);
      assert.deepEqual(await values(again), ["x"]);
      await again.leave({ forget: true });
      await again.close();
      net.partition([b]);
      const empty = await b.join(invite);
      assert.deepEqual(await values(empty), []);
      net.heal();
      await net.settle();
      assert.deepEqual(await values(empty), ["x"]);
    }));

  test("left by one handle end for the others: who reads live hears that it is closed, and its status claims nothing more", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      const other = await a.join(await ta.invite());
      await net.settle();
      tb.presence.set("here");
      await net.advance(1000);
      assert.deepEqual([other.status.current.state, other.presence.others.current.size], ["live", 1]);
      const told: string[] = [];
      other.status.subscribe(({ state }) => told.push(state));
      const live = code(list(other.messages({ live: true })));
      const copies = code((await other.append(1)).replicated(2));
      await net.advance(10);
      await ta.leave();
      assert.deepEqual(await Promise.all([live, copies]), ["closed", "closed"]);
      await net.advance(0);
      assert.deepEqual(
        [other.status.current.state, other.status.current.peers, other.presence.others.current.size, told.at(-1)],
        ["alone", 0, 0, "alone"],
      );
      assert.equal(await code(other.append(2)), "closed");
      // What was left is entered anew, and the old handle is none on it.
      const again = await a.join(await tb.invite());
      await other.close();
      await again.append(3);
      await net.settle();
      assert.deepEqual([await values(tb), b.topics.current.length], [[1, 3], 1]);
    }));

  test("are entered by an invite, a link that holds one, its fragment, and a shortcode however it is written", () =>
    network({}, async net => {
      const a = await net.open({ app: "talkbox" });
      const topic = await a.create({ name: "spoken", shortcode: true });
      assert.equal((await a.create()).name, undefined);
      const invite = await topic.invite();
      assert.match(invite, /^perdure-[\w-]+$/);
      const link = await topic.link("https://chat.example/room?x=1#old");
      assert.equal(link, `https://chat.example/room?x=1#${invite}`);
      const shortcode = (await topic.shortcode()) ?? "";
      assert.equal(await (await a.topic("plain")).shortcode(), undefined);
      const b = await net.open({ app: "talkbox" });
      for (const way of [invite, ` ${invite}\n`, link, new URL(link), `#${invite}`])
        assert.equal((await b.join(way)).id, topic.id, String(way));
      for (const way of [shortcode, shortcode.toLowerCase(), shortcode.replace(/[-\s]/g, ""), ` ${shortcode} `]) {
        const c = await net.open({ app: "talkbox" });
        assert.equal((await c.joinCode(way)).id, topic.id, way);
      }
      const other = await net.open({ app: "another" });
      const letters = [...shortcode];
      const swapped = letters.map((letter, at) => (at === 0 ? (letter === "7" ? "8" : "7") : letter)).join("");
      for (const wrong of [swapped, shortcode.slice(0, -1), `${shortcode}7`, "", "hello", "perdure-"])
        assert.equal(await code(b.joinCode(wrong)), "bad-invite", wrong);
      for (const wrong of [
        invite.slice(0, -1),
        `${invite}A`,
        invite.replace(/.$/, last => (last === "A" ? "B" : "A")),
        "",
        "hello",
        "https://chat.example/",
        "perdure-",
      ])
        assert.equal(await code(b.join(wrong)), "bad-invite", wrong);
      assert.equal(await code(other.join(invite)), "bad-invite");
    }));
});

describe("presence", () => {
  test("sends the newest at most ten times a second, and nothing over 4 KiB", () =>
    network({ latencyMs: 1 }, async net => {
      const { a, ta, tb } = await two(net);
      await net.settle();
      const seen: unknown[] = [];
      tb.presence.others.subscribe(others => {
        if (others.has(a.id)) seen.push(others.get(a.id));
      });
      for (let at = 0; at < 300; at++) {
        ta.presence.set({ at });
        await net.advance(10);
      }
      await net.advance(1000);
      assert.deepEqual(seen.at(-1), { at: 299 });
      assert.ok(seen.length <= 32 && seen.length >= 25, `${seen.length} in three seconds`);
      assert.throws(() => ta.presence.set("x".repeat(4097)), { code: "too-large" });
      ta.presence.set("x".repeat(4090));
      await net.advance(1000);
      assert.equal((tb.presence.others.current.get(a.id) as string).length, 4090);
      ta.presence.set(undefined);
      await net.advance(1000);
      assert.equal(tb.presence.others.current.size, 0);
    }));

  test("is gone when its topic, its peer or its power goes, and is not found again in a topic that was closed meanwhile", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      const c = await net.open({ app: "talkbox" });
      const tc = await c.join(await ta.invite());
      await net.settle();
      const here = async (): Promise<number> => {
        await net.advance(1000);
        return tc.presence.others.current.size;
      };
      ta.presence.set("a");
      tb.presence.set("b");
      assert.equal(await here(), 2);
      await ta.close();
      assert.equal(await here(), 1);
      b.crash();
      await net.advance(10_000);
      assert.equal(await here(), 0);
      await b.restart();
      tb.presence.set("b again");
      assert.equal(await here(), 1);
      const invite = await tc.invite();
      await tc.close();
      await b.close();
      await net.advance(20_000);
      const again = await c.join(invite);
      await net.advance(1000);
      assert.equal(again.presence.others.current.size, 0);
      assert.equal(a.status.current.trouble.length, 0);
    }));
});

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
      const calls: (() => Promise<unknown>)[] = [
        () => peer.topic("x"),
        () => peer.create(),
        () => peer.join("perdure-x"),
        () => peer.joinCode("x"),
        () => again.append(1),
        () => again.appendAll([1]),
        () => again.batch(batch => batch.append(1)),
        () => again.invite(),
        () => again.link("https://a.example"),
        () => again.shortcode(),
        () => again.get("x"),
        () => again.markRead(),
        () => again.synced(),
        () => again.leave(),
        () => list(again.messages()),
        () => list(again.messages({ live: true })),
        () => again.map.get("k"),
        () => again.map.set("k", 1),
        () => again.map.setAll([["k", 1]]),
        () => again.map.delete("k"),
        () => again.map.resolve("k", 1),
        () => list(again.map.entries()),
        () => list(again.map.history("k")),
        () => receipt.replicated(1),
        () => receipt.anchored(),
      ];
      for (const call of calls) assert.equal(await code(call()), "closed", String(call));
      for (const call of [
        () => peer.anchors.add("wss://a.example"),
        () => peer.anchors.remove("wss://a.example"),
        () => again.presence.set(1),
      ])
        assert.throws(call, { code: "closed" });
      again.presence.set(undefined);
      for (const view of [
        peer.status,
        peer.peers,
        peer.topics,
        peer.anchors.list,
        again.status,
        again.members,
        again.latest(),
        again.map.view(),
        again.map.conflicts(),
        again.copies(),
      ]) {
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

describe("a test network", () => {
  test("names its seed in every rejection", () =>
    network({ seed: 77 }, async net => {
      const peer = await net.open({ app: "talkbox" });
      const anchor = await net.anchor();
      for (const call of [
        () => net.open({ app: "" }),
        () => net.advance(-1),
        () => net.settle({ withinMs: -1 }).then(() => Promise.reject(new Error("seed 77"))),
      ])
        await assert.rejects(call, /seed 77/);
      await peer.close();
      await assert.rejects(peer.restart(), /seed 77/);
      await net.close();
      for (const call of [
        () => net.open({ app: "x" }),
        () => net.anchor(),
        () => net.advance(1),
        () => net.settle(),
        () => anchor.restart(),
      ])
        await assert.rejects(call, /seed 77/);
    }));

  test("that closes ends what waits in its peers, as their own close does, also where the disk is full or the power is gone", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      const waits = [ta, tb]
        .flatMap(topic => [
          list(topic.messages({ live: true })),
          topic.append("x").then(receipt => receipt.replicated(5)),
        ])
        .map(code);
      await net.advance(10);
      a.fillDisk(true);
      assert.equal(await code(ta.append("no room")), "storage-full");
      b.crash();
      await net.close();
      assert.deepEqual(await Promise.all(waits), ["closed", "closed", "closed", "closed"]);
    }));

  test("shows a peer that has crashed, or was closed, as offline and linked to nobody", () =>
    network({}, async net => {
      await net.anchor();
      const { a, b } = await two(net);
      await net.settle();
      const seen = ({ status, peers, anchors }: TestPeer): unknown[] => [
        status.current.state,
        Object.values(status.current.links).reduce((sum, count) => sum + count),
        peers.current.length,
        anchors.list.current.filter(({ state }) => state === "connected").length,
      ];
      assert.deepEqual(
        [seen(a), seen(b)],
        [
          ["online", 2, 2, 1],
          ["online", 2, 2, 1],
        ],
      );
      const told: string[] = [];
      a.status.subscribe(({ state }) => told.push(state));
      a.crash();
      assert.deepEqual(seen(a), ["offline", 0, 0, 0]);
      await a.restart();
      await net.settle();
      assert.deepEqual([seen(a), told.at(-1)], [["online", 2, 2, 1], "online"]);
      await a.close();
      await net.advance(0);
      assert.deepEqual([seen(a), told.at(-1), a.topics.current.length], [["offline", 0, 0, 0], "offline", 1]);
    }));

  test("refuses what openPeer refuses, and numbers that are none, and goes on", () =>
    network({}, async net => {
      for (const options of [
        undefined,
        null,
        5,
        {},
        { app: "x", name: 5 },
        { app: "x", instance: "" },
        { app: "x", instance: 5 },
      ]) {
        assert.equal(await code(net.open(options as never)), "bad-argument", JSON.stringify(options));
      }
      assert.equal(await code(net.open({ app: "x", name: "n".repeat(300) })), "too-large");
      for (const ms of ["100", Number.NaN, Number.POSITIVE_INFINITY, null, -1])
        assert.equal(await code(net.advance(ms as number)), "bad-argument", String(ms));
      for (const options of [
        null,
        5,
        { latencyMs: "5" },
        { latencyMs: Number.POSITIVE_INFINITY },
        { latencyMs: -1 },
        { loss: "0.1" },
        { loss: 1 },
        { seed: "1" },
      ]) {
        assert.throws(() => createNetwork(options as never), { code: "bad-argument" }, JSON.stringify(options));
      }
      await net.advance(100);
      assert.ok(Number.isFinite(net.now.getTime()));
    }));

  test("does to a peer what was asked: clock, disk, power, cable", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      b.setClock(3 * 3600_000);
      await tb.append("from this afternoon");
      await assert.rejects(net.settle({ withinMs: 5000 }), /Ada has 0 messages \(\w+\) and 1 dated ahead/);
      assert.equal(ta.status.current.held, 1);
      await net.advance(3 * 3600_000);
      await net.settle();
      b.setClock(-24 * 3600_000);
      await tb.append("from yesterday");
      await net.settle();
      assert.deepEqual(
        await values(ta),
        ["from this afternoon", "from yesterday"],
        "what is written later stands later",
      );
      b.setClock(0);
      a.crash();
      a.crash();
      assert.equal(await code(ta.append(1)), "closed");
      await a.restart();
      await net.settle();
      b.offline();
      await net.advance(1000);
      assert.equal(b.status.current.state, "offline");
      b.online();
      await net.settle();
      a.fillDisk(true);
      assert.equal(await code(ta.append("no room")), "storage-full");
      await net.advance(1000);
      assert.deepEqual(
        a.status.current.trouble.map(trouble => trouble.code),
        ["storage-full"],
      );
      a.fillDisk(false);
      await net.advance(60_000);
      await ta.append("room again");
      await net.settle();
      assert.deepEqual(
        a.status.current.trouble.map(trouble => trouble.code),
        [],
      );
      assert.ok(net.now instanceof Date);
    }));
});
