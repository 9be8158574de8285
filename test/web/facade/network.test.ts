// The whole of it, in virtual time: cores in WebAssembly, talking.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Network } from "../../../web/src/testing/network.js";
import type { TestPeer } from "../../../web/src/testing/types.js";
import type { Topic, View } from "../../../web/src/base/types.js";

declare global {
  var testRoot: string;
}

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));

async function network<T>(
  options: { seed?: number; latencyMs?: number; loss?: number },
  story: (net: Network) => Promise<T>,
): Promise<T> {
  const net = new Network({ ...options, wasm });
  try {
    return await story(net);
  } finally {
    await net.close();
  }
}

/** Two peers in one topic. */
async function two(net: Network): Promise<{ a: TestPeer; b: TestPeer; ta: Topic; tb: Topic }> {
  const [a, b] = [await net.open({ app: "talkbox", name: "Ada" }), await net.open({ app: "talkbox", name: "Bob" })];
  const ta = await a.topic("lunch");
  const tb = await b.join(await ta.invite());
  return { a, b, ta, tb };
}

async function values(topic: Topic): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { value } of topic.messages()) found.push(value);
  return found;
}

/** What a view shows once it has been asked for. */
async function shown<T>(net: Network, view: View<T>): Promise<T> {
  const leave = view.subscribe(() => undefined);
  await net.advance(0);
  await net.advance(0);
  leave();
  return view.current;
}

describe("two peers", () => {
  test("chat: what one says the other reads, with its author and in order", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      assert.equal(tb.id, ta.id);
      await ta.append({ text: "hello" });
      await tb.append({ text: "early, before it knows" });
      await net.settle();
      await tb.append({ text: "after" });
      await net.settle();
      assert.deepEqual(await values(ta), await values(tb));
      assert.deepEqual((await values(ta)).at(-1), { text: "after" });
      const page = await shown(net, tb.latest());
      assert.deepEqual(page.messages.map(({ author, own }) => ({ author, own })).at(-1), { author: b.id, own: true });
      assert.ok(page.messages.some(({ author, own }) => author === a.id && !own));
      assert.equal(page.loading, false);
      assert.equal(ta.status.current.length, 3);
      assert.equal(ta.status.current.state, "live");
      assert.equal(a.status.current.state, "online");
      assert.equal(a.status.current.links.local, 1);
      assert.deepEqual(
        b.peers.current.map(({ id, name, path }) => ({ id, name, path })),
        [{ id: a.id, name: "Ada", path: "local" }],
      );
    }));

  test("hear each other live, each message once", () =>
    network({}, async net => {
      const { ta, tb } = await two(net);
      await net.settle();
      await ta.append(0);
      const heard: unknown[] = [];
      const listening = (async () => {
        for await (const { value } of tb.messages({ live: true })) {
          heard.push(value);
          if (heard.length === 30) break;
        }
      })();
      for (let i = 1; i < 30; i++) {
        await ta.append(i);
        await net.advance(i % 3 === 0 ? 500 : 5);
      }
      await net.settle();
      await listening;
      assert.deepEqual(
        heard,
        Array.from({ length: 30 }, (_, i) => i),
      );
    }));

  test("have receipts: durable at once, replicated once the other has it, and pending until then", () =>
    network({}, async net => {
      const { ta } = await two(net);
      await net.settle();
      const receipt = await ta.append("x");
      let replicated = false;
      const waiting = receipt.replicated(1).then(() => {
        replicated = true;
      });
      await net.advance(0);
      assert.equal(ta.status.current.pending, 1);
      assert.equal(replicated, false);
      await net.settle();
      await waiting;
      assert.equal(ta.status.current.pending, 0);
    }));

  test("write one key while apart: one wins for both, the other stands as a conflict until it is resolved", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await ta.map.set("card", { from: "nobody" });
      await net.settle();
      net.partition([a], [b]);
      await ta.map.set("card", { from: "a" });
      await net.advance(50);
      await tb.map.set("card", { from: "b" });
      net.heal();
      await net.settle();
      assert.deepEqual(await ta.map.get("card"), { from: "b" });
      assert.deepEqual(await tb.map.get("card"), { from: "b" });
      const [conflict] = await shown(net, ta.map.conflicts());
      assert.equal(conflict?.key, "card");
      assert.deepEqual(
        conflict?.losers.map(({ value, author }) => ({ value, author })),
        [{ value: { from: "a" }, author: a.id }],
      );
      await ta.map.resolve("card", { from: "both" });
      await net.settle();
      assert.deepEqual(await shown(net, tb.map.conflicts({ prefix: "ca" })), []);
      assert.deepEqual(await tb.map.get("card"), { from: "both" });
      const history: unknown[] = [];
      for await (const { value } of tb.map.history("card")) history.push(value);
      assert.deepEqual(history, [{ from: "both" }, { from: "b" }, { from: "a" }, { from: "nobody" }]);
      await tb.map.delete("card");
      await net.settle();
      assert.equal(await ta.map.get("card"), undefined);
      assert.equal(ta.map.size, 0);
    }));

  test("go on apart and agree again when the partition heals", () =>
    network({ seed: 5, loss: 0.05 }, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      net.partition([a], [b]);
      for (let i = 0; i < 20; i++) {
        await ta.append({ a: i });
        await tb.append({ b: i });
        await net.advance(100);
      }
      assert.equal((await values(ta)).length, 20);
      net.heal();
      await net.settle();
      assert.equal((await values(ta)).length, 40);
      assert.deepEqual(await values(ta), await values(tb));
    }));

  test("catch up with ten thousand messages", () =>
    network({}, async net => {
      const { ta, tb } = await two(net);
      await net.settle();
      for (let i = 0; i < 100; i++)
        await ta.appendAll(Array.from({ length: 100 }, (_, k) => ({ text: "x".repeat(100), n: 100 * i + k })));
      await net.settle();
      let n = 0;
      for await (const { value } of tb.messages()) assert.equal((value as { n: number }).n, n++);
      assert.equal(n, 10_000);
    }));

  test("go off and on line like machines do", () =>
    network({}, async net => {
      const { a, ta, tb } = await two(net);
      await net.settle();
      a.offline();
      await net.advance(100);
      assert.equal(a.status.current.state, "offline");
      await ta.append("written offline");
      a.online();
      await net.settle();
      assert.deepEqual(await values(tb), ["written offline"]);
    }));

  test("see each other's presence, until one is gone", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      ta.presence.set({ typing: true });
      await net.advance(500);
      assert.deepEqual([...tb.presence.others.current], [[a.id, { typing: true }]]);
      b.crash();
      ta.presence.set(undefined);
      await b.restart();
      await net.advance(1000);
      assert.deepEqual([...tb.presence.others.current], []);
    }));
});

describe("a peer that crashes", () => {
  test("has after its restart what was accepted before, and its topics are open", () =>
    network({}, async net => {
      const { a, ta, tb } = await two(net);
      for (let i = 0; i < 10; i++) await ta.append(i);
      a.crash();
      await assert.rejects(ta.append("lost"), { code: "closed" });
      await tb.append("meanwhile");
      await a.restart();
      await net.settle();
      assert.deepEqual([...(await values(ta))].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "meanwhile"].sort());
      assert.deepEqual(await values(tb), await values(ta));
    }));

  test("in the middle of appends loses none that resolved", () =>
    network({}, async net => {
      const { a, ta, tb } = await two(net);
      await net.settle();
      const accepted: number[] = [];
      const appends = Array.from({ length: 200 }, (_, i) =>
        ta.append(i).then(
          () => void accepted.push(i),
          () => undefined,
        ),
      );
      await Promise.race(appends);
      a.crash();
      await Promise.all(appends);
      await a.restart();
      await net.settle();
      const found = new Set(await values(tb));
      for (const i of accepted) assert.ok(found.has(i), `${i}`);
    }));

  test("and loses its disk gets everything back from the other", () =>
    network({}, async net => {
      const { a, ta, tb } = await two(net);
      for (let i = 0; i < 10; i++) await ta.append(i);
      await net.settle();
      const invite = await tb.invite();
      a.crash();
      a.loseStorage();
      await a.restart();
      const again = await a.join(invite);
      await net.settle();
      await again.append("new");
      await net.settle();
      assert.deepEqual(await values(again), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "new"]);
      assert.deepEqual(await values(tb), await values(again));
    }));
});

describe("an anchor", () => {
  test("holds for who is gone what one who is gone has written, and after its own restart, too", () =>
    network({}, async net => {
      const anchor = await net.anchor();
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      b.crash();
      const receipt = await ta.append("for later");
      const anchored = receipt.anchored();
      await net.settle();
      await anchored;
      assert.deepEqual(await shown(net, ta.copies(receipt.id)), { here: true, peers: [], anchors: [anchor.id] });
      a.crash();
      anchor.crash();
      await anchor.restart();
      await b.restart();
      await net.settle();
      assert.deepEqual(await values(tb), ["for later"]);
      assert.deepEqual(
        b.anchors.list.current.map(({ state, id }) => ({ state, id })),
        [{ state: "connected", id: anchor.id }],
      );
      assert.ok(
        b.peers.current.some(({ id, role, path }) => id === anchor.id && role === "anchor" && path === "websocket"),
      );
    }));

  test("has it all once the network has settled: who comes when all others have gone finds everything", () =>
    network({ latencyMs: 200 }, async net => {
      await net.anchor();
      const { a, b, ta } = await two(net);
      const invite = await ta.invite();
      const receipt = await ta.append("hi");
      let anchored = false;
      void receipt.anchored().then(() => {
        anchored = true;
      });
      await net.settle();
      assert.ok(anchored, "and the author has been told so");
      a.offline();
      b.offline();
      const late = await (await net.open({ app: "talkbox" })).join(invite);
      await net.settle();
      assert.deepEqual(await values(late), ["hi"]);
    }));

  test("that comes late to what somebody else wrote is told of as holding it, once it does", () =>
    network({}, async net => {
      const anchor = await net.anchor();
      const { a, ta, tb } = await two(net);
      await net.settle();
      anchor.crash();
      const { id } = await tb.append("while the anchor was down");
      await net.settle();
      await anchor.restart();
      await net.settle();
      assert.deepEqual((await shown(net, tb.copies(id))).anchors, [anchor.id]);
      assert.deepEqual((await shown(net, ta.copies(id))).anchors, [anchor.id]);
      await a.restart();
      await net.settle();
      assert.deepEqual((await shown(net, ta.copies(id))).anchors, [anchor.id]);
      assert.deepEqual((await shown(net, ta.copies())).anchors, [anchor.id]);
    }));

  test("that its author does not use gets what it writes from who does, and the network settles", () =>
    network({ seed: 3 }, async net => {
      await net.anchor();
      const { a, ta } = await two(net);
      await (await net.open({ app: "talkbox" })).join(await ta.invite());
      await net.settle();
      const url = a.anchors.list.current[0]?.url ?? "";
      a.anchors.remove(url);
      await ta.append("around");
      await net.settle();
      a.anchors.add(url);
      await net.settle();
    }));

  test("lets the network settle also when a log was voided and begun anew", () =>
    network({}, async net => {
      await net.anchor();
      const { a, ta, tb } = await two(net);
      await net.settle();
      a.setClock(2 * 365 * 24 * 3600_000);
      await ta.append("dated ahead");
      await net.advance(5000);
      a.setClock(0);
      await ta.append("now");
      await net.settle();
      assert.deepEqual(new Set(await values(tb)), new Set(["dated ahead", "now"]));
    }));

  test("that has lost its disk gets everything again", () =>
    network({}, async net => {
      const anchor = await net.anchor();
      const { ta } = await two(net);
      await ta.appendAll(Array.from({ length: 300 }, (_, i) => ({ i })));
      await net.settle();
      await anchor.restart({ empty: true });
      await net.settle();
      assert.deepEqual((await shown(net, ta.copies())).anchors, [anchor.id]);
    }));
});

describe("what others hold", () => {
  test("is told of who has said so, not of whom it was sent to", () =>
    network({ latencyMs: 1000 }, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      const { id } = await ta.append("on its way");
      await net.advance(500);
      assert.deepEqual(await shown(net, ta.copies(id)), { here: true, peers: [], anchors: [] });
      await net.settle();
      assert.deepEqual((await shown(net, ta.copies(id))).peers, [b.id]);
      b.fillDisk(true);
      const unstored = await ta.append("finds no room");
      await net.advance(60_000);
      assert.deepEqual(
        [(await shown(net, ta.copies(unstored.id))).peers, tb.status.current.length, a.status.current.pending],
        [[], 1, 1],
      );
      b.fillDisk(false);
      await net.settle();
      assert.deepEqual((await shown(net, ta.copies(unstored.id))).peers, [b.id]);
    }));

  test("and we do not yet is counted as behind, page by page", () =>
    network({ latencyMs: 100 }, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      net.partition([a], [b]);
      await ta.appendAll(Array.from({ length: 20_000 }, (_, at) => `${at} `.padEnd(100, "and so on, ")));
      net.heal();
      const seen: { length: number; behind: number }[] = [];
      const stop = tb.status.subscribe(({ length, behind }) => {
        if (length > 0) seen.push({ length, behind });
      });
      await net.settle();
      stop();
      assert.ok(seen.length > 5, "in several steps");
      // The last batch of an append may be a smaller one: then the rest counts for a little less.
      for (const { length, behind } of seen)
        assert.ok(Math.abs(length + behind - 20_000) <= 256, `${behind} behind with ${length} here`);
    }));
});

describe("a full disk", () => {
  test("refuses what is new, keeps what was accepted, and goes on when there is room", () =>
    network({}, async net => {
      const { a, ta, tb } = await two(net);
      await ta.append("before");
      a.fillDisk(true);
      await assert.rejects(ta.append("refused"), { code: "storage-full" });
      assert.ok(a.status.current.trouble.some(({ code }) => code === "storage-full"));
      a.fillDisk(false);
      await net.advance(10_000);
      await ta.append("after");
      await net.settle();
      assert.deepEqual(await values(tb), ["before", "after"]);
    }));
});

test("the same seed gives the same run, another one another", async () => {
  const run = (seed: number): Promise<unknown> =>
    network({ seed, loss: 0.1 }, async net => {
      const { a, ta, tb } = await two(net);
      for (let i = 0; i < 10; i++) {
        await ta.append(i);
        await tb.append(-i);
        await net.advance(37);
      }
      const took = await net.settle();
      const ids: string[] = [];
      for await (const { id, time } of ta.messages()) ids.push(`${id} ${time.getTime()}`);
      return { id: a.id, took, ids, now: net.now.getTime() };
    });
  assert.deepEqual(await run(7), await run(7));
  assert.notDeepEqual(await run(7), await run(8));
});

test("settle says what differs and names the seed", () =>
  network({ seed: 99 }, async net => {
    const { a, b, ta } = await two(net);
    await net.settle();
    net.partition([a], [b]);
    b.fillDisk(true);
    await ta.append("x");
    net.heal();
    await assert.rejects(net.settle({ withinMs: 3000 }), {
      name: "PerdureError",
      code: "not-found",
      message: /seed 99/,
    });
  }));

test("partition takes one or a list on each side, and refuses who stands on two and who is a stranger", () =>
  network({ seed: 99 }, async net => {
    const { a, b, ta, tb } = await two(net);
    const anchor = await net.anchor();
    await net.settle();
    net.partition(a, [b, anchor]);
    await ta.append("x");
    await net.advance(5000);
    assert.deepEqual(await values(tb), []);
    const refused = { name: "PerdureError", code: "bad-argument", message: /seed 99/ };
    assert.throws(() => net.partition(a, [b, a]), refused);
    assert.throws(() => net.partition(...([undefined] as never[])), refused);
    // What was refused has changed nothing.
    await net.advance(5000);
    assert.deepEqual(await values(tb), []);
    net.heal();
    await net.settle();
    assert.deepEqual(await values(tb), ["x"]);
  }));

test("whatever is refused names the seed: options, a full disk, what has crashed, what is closed", () =>
  network({ seed: 99 }, async net => {
    const { a, ta } = await two(net);
    const told = (code: string, path?: string) => ({
      name: "PerdureError",
      code,
      message: /seed 99/,
      ...(path === undefined ? {} : { path }),
    });
    await assert.rejects(net.settle({ withinMs: "x" as never }), told("bad-argument", "withinMs"));
    await assert.rejects(net.settle(null as never), told("bad-argument"));
    await assert.rejects(net.advance(-1), told("bad-argument"));
    await assert.rejects(net.open({ app: "" }), told("bad-argument"));
    assert.throws(() => a.setClock(Number.NaN), told("bad-argument"));
    a.fillDisk(true);
    await assert.rejects(ta.append("x"), told("storage-full"));
    const lost = assert.rejects(ta.append("y"), told("closed"));
    a.crash();
    await lost;
    await assert.rejects(ta.append("x"), {
      ...told("closed"),
      message: /Ada has crashed\. Call its restart\(\) to go on\. \(seed 99\)/,
    });
    await net.close();
    await assert.rejects(a.restart(), told("closed"));
    await assert.rejects(net.open({ app: "talkbox" }), {
      ...told("closed"),
      message: /This network is closed.*seed 99/,
    });
  }));
