// What is promised to who reads, and to who waits: real cores, virtual time.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Topic } from "../../../web/src/base/types.js";
import { code, list, network, two, values } from "./story.js";

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
