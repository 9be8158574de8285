// A test network as its users have it: perdure/testing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createNetwork } from "../../../web/src/testing/index.js";
import type { TestPeer } from "../../../web/src/testing/types.js";
import { code, list, network, two, values } from "./story.js";

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
        { app: "x", nam: "y" },
      ]) {
        assert.equal(await code(net.open(options as never)), "bad-argument", JSON.stringify(options));
      }
      assert.equal(await code(net.open({ app: "x", name: "n".repeat(300) })), "too-large");
      for (const ms of ["100", Number.NaN, Number.POSITIVE_INFINITY, null, -1])
        assert.equal(await code(net.advance(ms as number)), "bad-argument", String(ms));
      assert.equal(await code(net.settle({ withinM: 5 } as never)), "bad-argument");
      const anchor = await net.anchor();
      assert.equal(await code(anchor.restart({ empty: "yes" } as never)), "bad-argument");
      for (const options of [
        null,
        5,
        { latencyMs: "5" },
        { latencyMs: Number.POSITIVE_INFINITY },
        { latencyMs: -1 },
        { loss: "0.1" },
        { loss: 1 },
        { seed: "1" },
        { sed: 1 },
        { latencyms: 5 },
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
