// The options of calls, all checked in one way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { settingsOf } from "../../../web/anchor/options.js";
import { checkPeerOptions } from "../../../web/src/api/options.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { FakeEngine, Frames } from "./fake.js";

const open = (options: object): void => checkPeerOptions({ app: "talkbox", storage: "memory", ...options } as never);

test("a call refuses an option that is misspelt, and what is neither true nor false where that is meant", async () => {
  const engine = new FakeEngine();
  const peer = new PeerHandle(engine, new Frames());
  const topic = await peer.topic("lunch");
  const receipt = await topic.append(1);
  const before = engine.calls.length;
  const invite = "perdure-x";
  const calls: readonly [call: (options: never) => unknown, wrong: object, path: string][] = [
    [options => topic.messages(options), { revers: true }, "revers"],
    [options => topic.messages(options), { reverse: 1 }, "reverse"],
    [options => topic.messages(options), { live: "yes" }, "live"],
    [options => topic.leave(options), { forgt: true }, "forgt"],
    [options => topic.leave(options), { forget: null }, "forget"],
    [options => topic.synced(options), { signals: undefined, sinal: 1 }, "sinal"],
    [options => topic.map.entries(options), { limits: 1 }, "limits"],
    [options => topic.map.view(options), { prefx: "a" }, "prefx"],
    [options => topic.map.conflicts(options), { prefixes: undefined, Prefix: "a" }, "Prefix"],
    [options => receipt.replicated(1, options), { signl: 1 }, "signl"],
    [options => receipt.anchored(options), { signl: 1 }, "signl"],
    [options => peer.create(options), { shortcodes: true }, "shortcodes"],
    [options => peer.create(options), { shortcode: "yes" }, "shortcode"],
    [options => peer.join(invite, options), { nam: "x" }, "nam"],
    [options => peer.joinCode(invite, options), { nam: "x" }, "nam"],
  ];
  for (const [call, wrong, path] of calls)
    await assert.rejects(async () => call(wrong as never), { code: "bad-argument", path }, JSON.stringify(wrong));
  assert.equal(engine.calls.length, before);
  await topic.messages({ newer: undefined, reverse: undefined } as never).return?.();
});

test("a call refuses an option that nobody knows, and says what was meant or what there is", async () => {
  const peer = new PeerHandle(new FakeEngine(), new Frames());
  const topic = await peer.topic("lunch");
  const calls: readonly [call: () => unknown, path: string, says: RegExp][] = [
    [() => topic.messages({ since: 5 } as never), "since", /^messages has no "since"\. It has limit, before, after, /],
    [() => topic.map.entries({ start: "a" } as never), "start", /It has prefix, after, limit, signal\.$/],
    [() => peer.create({ copies: 3 } as never), "copies", /It has name, shortcode\.$/],
    [() => topic.synced({ singal: 1 } as never), "singal", /Did you mean "signal"\?$/],
    [() => open({ anchros: [] }), "anchros", /^openPeer has no "anchros"\. Did you mean "anchors"\?$/],
    [() => open({ foo: 1 }), "foo", /It has app, anchors, /],
    [() => open({ seeds: [] }), "seeds", /openPeer has no "seeds"/],
    [() => open({ local: false }), "local", /openPeer has no "local"/],
    [() => open({ limits: { share: 0 } }), "limits.share", /^limits has no "share"\. It has memoryMB, /],
    [() => open({ limits: { link: 9 } }), "limits.link", /Did you mean "links"\?$/],
    [() => open({ storage: { file: "peer.db", mode: 1 } }), "storage.mode", /It has file\.$/],
    [
      () => settingsOf({ data: "a.db", prot: 1 } as never),
      "prot",
      /^startAnchor has no "prot"\. Did you mean "port"\?$/,
    ],
    [() => settingsOf({ data: "a.db", stun: false } as never), "stun", /It has data, port, /],
    [() => settingsOf({ data: "a.db", quotas: { fileMB: {} } } as never), "quotas.fileMB", /It has totalMB, /],
    [() => settingsOf({ data: "a.db", tls: { cert: "c", kee: "k" } } as never), "tls.kee", /Did you mean "key"\?$/],
  ];
  for (const [call, path, message] of calls)
    await assert.rejects(async () => call(), { code: "bad-argument", path, message }, path);
});

test("a signal in place of options is refused, and so is whatever else says nothing by name", async () => {
  const engine = new FakeEngine();
  const peer = new PeerHandle(engine, new Frames());
  const topic = await peer.topic("lunch");
  const receipt = await topic.append(1);
  const before = engine.calls.length;
  const { signal } = new AbortController();
  const calls: readonly [name: string, call: (options: never) => unknown][] = [
    ["messages", options => topic.messages(options)],
    ["synced", options => topic.synced(options)],
    ["entries", options => topic.map.entries(options)],
    ["replicated", options => receipt.replicated(1, options)],
    ["anchored", options => receipt.anchored(options)],
  ];
  for (const [name, call] of calls)
    for (const wrong of [signal, new Set([signal]), new Date(), new Map([["signal", signal]])])
      await assert.rejects(
        async () => call(wrong as never),
        { code: "bad-argument", message: `${name} takes options by name: write { signal }.` },
        `${name} ${String(wrong)}`,
      );
  for (const call of [peer.create, (options: object) => peer.join("perdure-x", options)] as const)
    await assert.rejects(async () => call.call(peer, signal as never), {
      code: "bad-argument",
      message: /write \{ name \}\.$/,
    });
  await assert.rejects(topic.leave(signal as never), { code: "bad-argument", message: /write \{ forget \}\.$/ });
  assert.equal(engine.calls.length, before);
  // Of another realm, of none, and handed down.
  for (const options of [
    runInNewContext("({ limit: 1 })"),
    Object.create(null),
    Object.create({ limit: 1 }),
  ] as object[])
    await topic.messages(options).return?.();
});
