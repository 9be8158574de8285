// Peers and topics as their users hold them: what they hand in, what they get back, and what closes what.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Opener } from "../../../web/src/api/open.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { PerdureError } from "../../../web/src/base/errors.js";
import type { PeerOptions, Topic } from "../../../web/src/base/types.js";
import { FakeEngine, Frames, own, rest } from "./fake.js";

async function setup(): Promise<{ engine: FakeEngine; peer: PeerHandle; topic: Topic }> {
  const engine = new FakeEngine();
  const peer = new PeerHandle(engine, new Frames());
  return { engine, peer, topic: await peer.topic("lunch") };
}

const last = (engine: FakeEngine): unknown => engine.calls.at(-1);

describe("appending", () => {
  test("hands over one append with all its ops and a fresh tag", async () => {
    const { engine, topic } = await setup();
    const receipt = await topic.appendAll(["a", "b"]);
    assert.equal(receipt.id, "op2");
    assert.deepEqual(last(engine), {
      kind: "Append",
      topic: 1,
      tag: new Uint8Array(16).fill(1),
      ops: [
        { kind: "message", key: "", value: Uint8Array.of(0xa1, 97) },
        { kind: "message", key: "", value: Uint8Array.of(0xa1, 98) },
      ],
    });
    await topic.batch(batch => {
      batch.append(1);
      batch.set("k", 2);
      batch.delete("l");
    });
    assert.deepEqual(last(engine), {
      kind: "Append",
      topic: 1,
      tag: new Uint8Array(16).fill(2),
      ops: [
        { kind: "message", key: "", value: Uint8Array.of(1) },
        { kind: "set", key: "k", value: Uint8Array.of(2) },
        { kind: "erase", key: "l", value: new Uint8Array() },
      ],
    });
  });

  test("rejects, and throws nothing at once, for what cannot be stored, with its path", async () => {
    const { engine, topic } = await setup();
    const before = engine.calls.length;
    await assert.rejects(topic.append({ when: Number.NaN }), { code: "bad-argument", path: "when" });
    await assert.rejects(topic.append(undefined), { code: "bad-argument" });
    await assert.rejects(topic.appendAll([1, { a: [2n] }]), { code: "bad-argument", path: "[1].a[0]" });
    await assert.rejects(topic.appendAll([]), { code: "bad-argument", message: /appendAll needs at least one value/ });
    await assert.rejects(topic.map.setAll([]), { code: "bad-argument", message: /setAll needs at least one entry/ });
    await assert.rejects(
      topic.batch(() => undefined),
      { code: "bad-argument", message: /batch is empty/ },
    );
    for (const option of ["prefix", "after"]) {
      const told = { code: "bad-argument", path: option, message: new RegExp(`^${option} must be a text`) };
      await assert.rejects(topic.map.entries({ [option]: 1 }).next(), told);
      if (option === "prefix")
        for (const view of ["view", "conflicts"] as const)
          assert.throws(() => topic.map[view]({ prefix: 1 as never }), told);
    }
    await assert.rejects(topic.append("x".repeat(300_000)), { code: "too-large" });
    await assert.rejects(topic.appendAll(Array.from({ length: 70 }, () => "x".repeat(250_000))), { code: "too-large" });
    await assert.rejects(topic.map.set("k", undefined), { code: "bad-argument" });
    await assert.rejects(topic.map.setAll([["k", { f: Infinity }]]), { code: "bad-argument", path: "k.f" });
    for (const none of [undefined, null, 5, "abc", {}]) {
      await assert.rejects(topic.appendAll(none as never), { code: "bad-argument" });
      await assert.rejects(topic.map.setAll(none as never), { code: "bad-argument" });
      await assert.rejects(topic.batch(none as never), { code: "bad-argument" });
    }
    await assert.rejects(topic.map.setAll([["k", 1], "kv" as never]), { code: "bad-argument", path: "[1]" });
    await assert.rejects(
      topic.map.setAll(
        new Map<string, unknown>([
          ["k", 1],
          ["l", new Map()],
        ]),
      ),
      { code: "bad-argument", path: "l" },
    );
    await assert.rejects(
      topic.batch(async batch => batch.append(1)),
      { code: "bad-argument" },
    );
    const broken = new Error("mine");
    await assert.rejects(
      topic.batch(() => {
        throw broken;
      }),
      broken,
    );
    assert.equal(engine.calls.length, before);
  });

  test("in a batch is over when its function returns", async () => {
    const { engine, topic } = await setup();
    let kept: Parameters<Parameters<Topic["batch"]>[0]>[0] | undefined;
    await topic.batch(batch => {
      kept = batch;
      batch.append(1);
    });
    assert.throws(() => kept?.append(2), { code: "bad-argument" });
    assert.equal((engine.calls.at(-1) as { ops: unknown[] }).ops.length, 1);
  });

  test("takes what stood in a value when it was asked, whatever is done to it afterwards", async () => {
    const { engine, topic } = await setup();
    const value = { list: [1], bytes: Uint8Array.of(7) };
    const done = topic.append(value);
    value.list.push(2);
    value.bytes[0] = 8;
    await done;
    await topic.append({ list: [1], bytes: Uint8Array.of(7) });
    const [first, second] = engine.calls.slice(-2) as { ops: unknown[] }[];
    assert.deepEqual(first?.ops, second?.ops);
  });

  test("takes map keys of 1 to 1,024 bytes", async () => {
    const { topic } = await setup();
    await topic.map.set("é".repeat(512), 1);
    for (const [key, code] of [
      ["", "bad-argument"],
      [5, "bad-argument"],
      [undefined, "bad-argument"],
      [null, "bad-argument"],
      [{}, "bad-argument"],
      [Object.create(null), "bad-argument"],
      [Symbol("key"), "bad-argument"],
      ["\ud800", "bad-argument"],
      ["é".repeat(513), "too-large"],
    ] as const) {
      for (const call of [
        () => topic.map.set(key as string, 1),
        () => topic.map.get(key as string),
        () => topic.map.delete(key as string),
        () => topic.map.resolve(key as string, 1),
        () => topic.map.history(key as string).next(),
        () => topic.batch(batch => batch.set(key as string, 1)),
        () => topic.batch(batch => batch.delete(key as string)),
      ]) {
        await assert.rejects(async () => call(), { code, path: "key" });
      }
      await assert.rejects(
        topic.map.setAll([
          ["fine", 1],
          [key as string, 2],
        ]),
        { code, path: "[1][0]" },
      );
    }
  });

  test("gives receipts that wait for copies, until aborted", async () => {
    const { engine, topic } = await setup();
    const receipt = await topic.append(1);
    await receipt.replicated(0);
    const end = new AbortController();
    const waits = [
      receipt.replicated(2, { signal: end.signal }),
      receipt.anchored({ signal: end.signal }),
      topic.synced({ signal: end.signal }),
    ];
    await rest();
    assert.deepEqual(engine.calls.slice(-3), [
      { kind: "WaitCopies", topic: 1, id: "op1", copies: 2, anchored: false },
      { kind: "WaitCopies", topic: 1, id: "op1", copies: 0, anchored: true },
      { kind: "WaitSynced", topic: 1 },
    ]);
    const reason = new Error("enough");
    end.abort(reason);
    for (const wait of waits) await assert.rejects(wait, reason);
    await assert.rejects(receipt.replicated(-1), { code: "bad-argument" });
    await assert.rejects(receipt.replicated(1.5), { code: "bad-argument" });
  });
});

describe("a topic", () => {
  test("puts its invite into the fragment of a page", async () => {
    const { topic } = await setup();
    assert.equal(await topic.invite(), "perdure-abc");
    assert.equal(await topic.link("https://a.example/chat?x=1#old"), "https://a.example/chat?x=1#perdure-abc");
    assert.equal(await topic.link(new URL("https://a.example/")), "https://a.example/#perdure-abc");
    await assert.rejects(topic.link("chat.html"), { code: "bad-argument", path: "page" });
    const wrong = [undefined, null, 5, {}, Object.create(null), Symbol("page"), () => "https://a.example", { href: 5 }];
    for (const page of wrong) await assert.rejects(topic.link(page as never), { code: "bad-argument", path: "page" });
    assert.equal(await topic.shortcode(), undefined);
  });

  test("is refused without a name, with a name that is too long, with an invite that is none", async () => {
    const { peer } = await setup();
    for (const name of ["", undefined, 5, "\udc00"])
      await assert.rejects(peer.topic(name as string), { code: "bad-argument" });
    await assert.rejects(peer.topic("x".repeat(257)), { code: "too-large" });
    await assert.rejects(peer.create({ name: "" }), { code: "bad-argument" });
    for (const none of [7, undefined, null, {}]) {
      await assert.rejects(peer.join(none as unknown as string), { code: "bad-argument" });
      await assert.rejects(peer.joinCode(none as unknown as string), { code: "bad-argument" });
    }
    await assert.rejects(peer.join(""), { message: /^An invite is empty\. Give what topic\.invite\(\)/ });
    await assert.rejects(peer.joinCode(""), { message: /^A shortcode is empty\. Type the 13 characters/ });
    // What was cut to nothing, or is a page of something else, is an invite that is wrong.
    for (const wrong of ["", "x".repeat(10_000)]) {
      await assert.rejects(peer.join(wrong), { code: "bad-invite" });
      await assert.rejects(peer.joinCode(wrong), { code: "bad-invite" });
    }
  });

  test("refuses options that are none, and a signal that is none", async () => {
    const { engine, peer, topic } = await setup();
    const receipt = await topic.append(1);
    const before = engine.calls.length;
    const calls: ((options: never) => unknown)[] = [
      options => topic.messages(options),
      options => topic.map.entries(options),
      options => topic.synced(options),
      options => receipt.replicated(1, options),
      options => receipt.anchored(options),
    ];
    for (const call of calls)
      for (const none of [null, 5, { signal: {} }, { signal: null }])
        await assert.rejects(async () => call(none as never), { code: "bad-argument" }, String(call));
    for (const call of [
      () => topic.leave(null as never),
      () => topic.map.view(null as never),
      () => topic.map.conflicts(null as never),
      () => peer.create(null as never),
      () => peer.join("perdure-x", null as never),
    ]) {
      await assert.rejects(async () => call(), { code: "bad-argument" }, String(call));
    }
    assert.equal(engine.calls.length, before);
    await topic.leave();
  });

  test("is closed once however often, and then answers only that it is closed", async () => {
    const { engine, topic } = await setup();
    await Promise.all([topic.close(), topic.close()]);
    await topic[Symbol.asyncDispose]();
    assert.equal(engine.count("TopicClose"), 1);
    for (const call of [
      () => topic.append(1),
      () => topic.invite(),
      () => topic.get("m"),
      () => topic.map.get("k"),
      () => topic.markRead(),
      () => topic.synced(),
      () => topic.leave(),
    ]) {
      await assert.rejects(call, { code: "closed" });
    }
  });

  test("of one name held twice is two handles, of which each closes for itself", async () => {
    const { engine, peer, topic } = await setup();
    const again = await peer.topic("lunch");
    assert.equal(again.id, topic.id);
    await topic.close();
    await again.append(1);
    assert.equal(engine.count("TopicClose"), 1);
  });

  test("that was left says so to who leaves it again", async () => {
    const { topic } = await setup();
    await topic.leave();
    await assert.rejects(topic.leave(), { code: "closed", message: "This topic was left already." });
  });

  test("that is left is not closed besides", async () => {
    const { engine, topic } = await setup();
    await topic.leave({ forget: true });
    assert.deepEqual(last(engine), { kind: "TopicLeave", topic: 1, forget: true });
    await topic.close();
    assert.equal(engine.count("TopicClose"), 0);
  });
});

describe("a peer", () => {
  test("says its ids", async () => {
    const { peer } = await setup();
    assert.equal(peer.id, own);
    assert.match(peer.shortId, /^[0-9a-f]{16}$/);
  });

  test("takes anchors by address, and throws for what is none", async () => {
    const { engine, peer } = await setup();
    peer.anchors.add("wss://a.example");
    assert.deepEqual(last(engine), { kind: "AnchorAdd", url: "wss://a.example" });
    peer.anchors.remove(new URL("wss://a.example/"));
    assert.deepEqual(last(engine), { kind: "AnchorRemove", url: "wss://a.example" });
    for (const url of ["https://a.example", "a.example", "", 5, "wss://a.example/#x"])
      assert.throws(() => peer.anchors.add(url as string), { code: "bad-argument" });
  });

  test("takes sixteen anchors, and throws for one more until one is taken away", async () => {
    const { engine, peer } = await setup();
    const url = (at: number): string => `wss://a${at}.example`;
    const inUse = (...which: number[]): void =>
      engine.tell({
        kind: "AnchorsNotice",
        anchors: which.map(at => ({ url: url(at), state: "connecting" as const, reason: "" })),
      });
    const all = Array.from({ length: 16 }, (_, at) => at);
    inUse(...all.slice(0, 10));
    for (const at of all) peer.anchors.add(url(at));
    const calls = engine.count("AnchorAdd");
    const refused = { code: "bad-argument", path: "url", message: /16 anchors at most.*peer\.anchors\.remove/ };
    assert.throws(() => peer.anchors.add(url(16)), refused);
    peer.anchors.add(url(15)); // it has that one
    assert.equal(engine.count("AnchorAdd"), calls + 1);
    inUse(...all);
    assert.throws(() => peer.anchors.add(url(16)), refused);
    peer.anchors.remove(url(3));
    peer.anchors.add(url(16));
    assert.throws(() => peer.anchors.add(url(3)), refused);
    inUse(...all.slice(4), 16);
    for (const at of [0, 1, 2]) peer.anchors.add(url(at));
    assert.throws(() => peer.anchors.add(url(3)), refused);
  });

  test("counts no anchor that the core has refused, and still counts one that it has not taken away", async () => {
    const { engine, peer } = await setup();
    const url = (at: number): string => `wss://a${at}.example`;
    const inUse = (count: number): void =>
      engine.tell({
        kind: "AnchorsNotice",
        anchors: Array.from({ length: count }, (_, at) => ({ url: url(at), state: "connecting" as const, reason: "" })),
      });
    engine.before = body => {
      if (body.kind === "AnchorAdd" || body.kind === "AnchorRemove") throw new PerdureError("bad-argument", "not so");
    };
    inUse(15);
    for (const at of [20, 21]) {
      peer.anchors.add(url(at));
      await rest();
    }
    inUse(16);
    peer.anchors.remove(url(0));
    await rest();
    assert.throws(() => peer.anchors.add(url(22)), { code: "bad-argument", path: "url" });
  });

  test("says that it is offline at once, and afterwards what it hears, also that another tab has gone online", async () => {
    const { engine, peer } = await setup();
    const said = (): readonly unknown[] => [peer.status.current.state, peer.status.current.links.websocket];
    engine.status("online");
    peer.offline();
    assert.deepEqual(said(), ["offline", 0]);
    engine.status("online"); // told before the core has heard of it
    assert.deepEqual(said(), ["offline", 0]);
    peer.online();
    assert.deepEqual(said(), ["online", 1]);
    peer.offline();
    engine.status("offline");
    engine.status("connecting");
    assert.equal(said()[0], "connecting");
    peer.offline();
    engine.inform({ onlines: 1 });
    assert.equal(said()[0], "connecting");
  });

  test("gives of its anchors what belongs to its user", async () => {
    const { peer } = await setup();
    assert.deepEqual(Object.keys(peer.anchors).toSorted(), ["add", "list", "remove"]);
  });

  test("closes its topics with it, and then answers only that it is closed", async () => {
    const { engine, peer, topic } = await setup();
    await Promise.all([peer.close(), peer.close()]);
    await peer[Symbol.asyncDispose]();
    assert.equal(engine.count("TopicClose"), 1);
    await assert.rejects(topic.append(1), { code: "closed" });
    await assert.rejects(peer.topic("tea"), { code: "closed" });
    assert.throws(() => peer.anchors.add("wss://a.example"), { code: "closed" });
  });
});

describe("openPeer", () => {
  function opener(): { open: Opener; engines: FakeEngine[]; delay: { until: Promise<unknown> } } {
    const engines: FakeEngine[] = [];
    const delay: { until: Promise<unknown> } = { until: Promise.resolve() };
    const open = new Opener(async () => {
      await delay.until;
      const engine = new FakeEngine();
      engines.push(engine);
      return engine;
    }, new Frames());
    return { open, engines, delay };
  }

  test("gives two handles on one peer for one app and instance, which closes with the last", async () => {
    const { open, engines } = opener();
    const [a, b] = await Promise.all([
      open.open({ app: "x", storage: "memory" }),
      open.open({ app: "x", storage: "memory", anchors: ["wss://b.example"] }),
    ]);
    assert.equal(engines.length, 1);
    assert.ok(engines[0]?.calls.some(call => call.kind === "AnchorAdd" && call.url === "wss://b.example"));
    await a?.close();
    await a?.close();
    await b?.topic("still open");
    await b?.close();
    const again = await open.open({ app: "x", storage: "memory" });
    assert.equal(engines.length, 2);
    await again.topic("anew");
    await open.open({ app: "x", storage: "memory", instance: "second" });
    assert.equal(engines.length, 3);
  });

  test("gives what is kept in memory and what is kept in a file two peers", async () => {
    const { open, engines } = opener();
    await open.open({ app: "x", storage: "memory" });
    await open.open({ app: "x", storage: { file: "x.db" } });
    await open.open({ app: "x", storage: { file: "y.db" } });
    assert.equal(engines.length, 3);
  });

  test("rejects with the signal's reason while it opens, and closes what opens then", async () => {
    const { open, engines, delay } = opener();
    let go: (value?: unknown) => void = () => undefined;
    delay.until = new Promise(resolve => (go = resolve));
    const end = new AbortController();
    const opening = open.open({ app: "x", storage: "memory", signal: end.signal });
    const reason = new Error("enough");
    end.abort(reason);
    await assert.rejects(opening, reason);
    go();
    await rest();
    await rest();
    await assert.rejects(engines[0]?.call({ kind: "TopicNamed", name: "x" }) ?? Promise.resolve(), { code: "closed" });
    await assert.rejects(open.open({ app: "x", storage: "memory", signal: AbortSignal.abort(reason) }), reason);
  });

  test("rejects with the signal's reason also while it looks for its file, and opens nothing", async () => {
    const { open, engines } = opener();
    const end = new AbortController();
    const opening = open.open({ app: "x", storage: { file: "x.db" }, signal: end.signal });
    end.abort(new Error("enough"));
    await assert.rejects(opening, /enough/);
    assert.equal(engines.length, 0);
  });

  test("opens anew after an opening that failed", async () => {
    let fail = true;
    const open = new Opener(async () => {
      if (fail) throw new Error("no disk");
      return new FakeEngine();
    }, new Frames());
    await assert.rejects(open.open({ app: "x", storage: "memory" }), /no disk/);
    fail = false;
    await open.open({ app: "x", storage: "memory" });
  });

  test("refuses options that mean nothing, before anything happens", async () => {
    const { open, engines } = opener();
    const bad: unknown[] = [
      undefined,
      null,
      {},
      { app: "" },
      { app: 5 },
      { app: "x", storage: "disk" },
      { app: "x", storage: {} },
      { app: "x", anchors: "wss://a.example" },
      { app: "x", storage: "memory", anchors: ["https://a.example"] },
      { app: "x", storage: "memory", instance: "" },
      { app: "x", storage: "memory", rtc: true },
      { app: "x", storage: "memory", limits: { links: -1 } },
      { app: "x", storage: "memory", worker: true },
      { app: "x", storage: "memory", signal: {} },
      { app: "x", storage: "memory", signal: null },
      { app: "x", storage: "memory", wasm: 5 },
      { app: "x", storage: "memory", wasm: {} },
    ];
    for (const options of bad)
      await assert.rejects(open.open(options as PeerOptions), { code: "bad-argument" }, JSON.stringify(options));
    const given = { app: "x", storage: "memory" };
    for (const [wrong, path] of [
      [{ app: 5 }, "app"],
      [{ name: 5 }, "name"],
      [{ instance: "" }, "instance"],
      [{ anchors: "wss://a.example" }, "anchors"],
      [{ anchors: ["wss://a.example", "here"] }, "anchors[1]"],
      [{ anchors: Array.from({ length: 17 }, (_, at) => `wss://a${at}.example`) }, "anchors"],
      [{ wasm: 5 }, "wasm"],
      [{ worker: 5 }, "worker"],
      [{ rtc: 5 }, "rtc"],
      [{ rtc: null }, "rtc"],
      [{ storage: "disk" }, "storage"],
      [{ limits: { links: 0 } }, "limits.links"],
      [{ anchor: [] }, "anchor"],
      [{ limits: { memoryMb: 1 } }, "limits.memoryMb"],
    ] as const)
      await assert.rejects(open.open({ ...given, ...wrong } as never), { code: "bad-argument", path }, path);
    await assert.rejects(open.open({ ...given, anchor: [] } as never), {
      message: 'openPeer has no "anchor". Did you mean "anchors"?',
    });
    await assert.rejects(
      open.open({ app: "x" }),
      (error: Error) => /storage: "memory"/.test(error.message) && /file/.test(error.message),
    );
    assert.equal(engines.length, 0);
  });

  describe("of an rtc", () => {
    const given = { app: "x", storage: "memory" };
    /** What a page has, as far as it is asked; `refuses`: the name of what it throws. */
    async function inPage(
      story: (page: { made: unknown[]; refuses?: string; says: string }) => Promise<void>,
    ): Promise<void> {
      const page: { made: unknown[]; refuses?: string; says: string } = { made: [], says: "ICE server parsing failed" };
      class Connection {
        constructor(rtc: unknown) {
          page.made.push(rtc);
          if (page.refuses === "TypeError") throw new TypeError(page.says);
          if (page.refuses !== undefined) throw new DOMException(page.says, page.refuses);
        }
        close(): void {
          page.made.push("closed");
        }
      }
      Object.assign(globalThis, { RTCPeerConnection: Connection });
      try {
        await story(page);
      } finally {
        Reflect.deleteProperty(globalThis, "RTCPeerConnection");
      }
    }

    test("refuses what the browser refuses, with its reason, and nothing else", () =>
      inPage(async page => {
        const { open, engines } = opener();
        for (const refuses of ["TypeError", "SyntaxError", "InvalidAccessError", "NotSupportedError"])
          for (const [says, said] of [
            ["no address", "no address. Write it as rtc: {"],
            ["No address.", "No address. Write it as rtc: {"],
          ] as const) {
            Object.assign(page, { refuses, says });
            await assert.rejects(open.open({ ...given, rtc: {} } as never), (error: unknown) => {
              assert.ok(
                error instanceof PerdureError && error.code === "bad-argument" && error.path === "rtc",
                refuses,
              );
              assert.ok(error.message.includes(`with that rtc: ${said}`), error.message);
              return true;
            });
          }
        assert.equal(engines.length, 0);
        page.refuses = "UnknownError"; // so many connections at once, say
        await (await open.open({ ...given, rtc: {} } as never)).close();
      }));

    test("leaves to the browser what may stand in it, but says what it would take for nothing", () =>
      inPage(async page => {
        const { open } = opener();
        for (const [rtc, path] of [
          [{ urls: "stun:a.example" }, "rtc.urls"],
          [{ iceServer: [] }, "rtc.iceServer"],
        ] as const)
          await assert.rejects(open.open({ ...given, rtc } as never), { code: "bad-argument", path });
        for (const rtc of [
          { iceServers: new Set([{ urls: new URL("stun:a.example") }]) },
          { iceServers: [{ urls: "turn:a.example", username: "u", credential: 5 }] },
        ]) {
          page.made.length = 0;
          await (await open.open({ ...given, rtc } as never)).close();
          assert.deepEqual(page.made, [rtc, "closed"]);
        }
      }));

    test("tries it once, and only when a peer opens by it", () =>
      inPage(async page => {
        const { open } = opener();
        const peer = await open.open({ ...given, rtc: {} } as never);
        await open.open({ ...given, rtc: {} } as never);
        assert.deepEqual(page.made, [{}, "closed"]);
        await assert.rejects(open.open({ app: "y", storage: "memory", rtc: {}, signal: AbortSignal.abort() }));
        await open.open({ app: "y", storage: "memory", rtc: false });
        await open.open({ app: "z", storage: "memory" });
        assert.deepEqual(page.made, [{}, "closed"]);
        await peer.close();
      }));

    test("does not look at it where no connections are made", async () => {
      const { open } = opener();
      for (const rtc of [{}, { urls: "stun:a.example" }, { iceServers: 5 }])
        await (await open.open({ ...given, rtc } as never)).close();
    });
  });
});
