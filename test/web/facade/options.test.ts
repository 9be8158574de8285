// The options of calls, all checked in one way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { FakeEngine, Frames } from "./fake.js";

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
  await topic.messages({ newer: 1, reverse: undefined } as never).return?.();
});
