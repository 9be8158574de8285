// Calls and the side that answers them, without anything between.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { closedError, PerdureError } from "../../../web/src/base/errors.js";
import type { CallBody, ReplyBody } from "../../../web/src/engine/boundary.js";
import { type CallMessage, Calls, isWriting, serveCalls } from "../../../web/src/engine/calls.js";
import { rest } from "./fake.js";

const named: CallBody = { kind: "TopicNamed", name: "lunch" };
const latest: CallBody = { kind: "Latest", topic: 1, limit: 1 };
const nothing: ReplyBody = { kind: "Nothing" };

/** An engine that answers when the test says so. */
class SlowEngine {
  readonly asked: CallBody[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  answer: (reply: ReplyBody) => void = () => undefined;
  refuse: (reason: unknown) => void = () => undefined;

  call(body: CallBody, { signal }: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    this.asked.push(body);
    this.signals.push(signal);
    return new Promise((resolve, reject) => {
      this.answer = resolve;
      this.refuse = reject;
    });
  }
}

function connected(): { engine: SlowEngine; calls: Calls; sent: CallMessage[] } {
  const engine = new SlowEngine();
  const served = serveCalls(engine, answer => calls.hear(answer));
  const sent: CallMessage[] = [];
  const calls: Calls = new Calls(message => {
    sent.push(message);
    served.hear(message);
  });
  return { engine, calls, sent };
}

describe("a call", () => {
  test("resolves with its reply, and rejects with what it is refused with, whatever that was", async () => {
    const { engine, calls } = connected();
    const replied = calls.ask(named);
    engine.answer(nothing);
    assert.deepEqual(await replied, nothing);
    const refused = calls.ask(named);
    engine.refuse(new PerdureError("not-found", "It is not there."));
    await assert.rejects(refused, { code: "not-found", message: "It is not there." });
    const broken = calls.ask(named);
    engine.refuse(new TypeError("x"));
    await assert.rejects(broken, { code: "wasm-failed", message: "TypeError: x" });
  });

  test("that is aborted rejects with the signal's reason, is cancelled on the other side, and hears no answer", async () => {
    const { engine, calls, sent } = connected();
    const abort = new AbortController();
    const aborted = calls.ask(named, abort.signal);
    abort.abort("enough");
    await assert.rejects(aborted, reason => reason === "enough");
    assert.equal(engine.signals[0]?.aborted, true);
    engine.refuse(closedError());
    await rest();
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ["call", "cancel"],
    );
    await assert.rejects(calls.ask(named, abort.signal), reason => reason === "enough");
    assert.equal(engine.asked.length, 1);
  });

  test("is asked again as it was, but is answered once by who still answers it", async () => {
    const { engine, calls } = connected();
    const asked = calls.ask(named);
    calls.again();
    assert.deepEqual(engine.asked, [named]);
    engine.answer(nothing);
    assert.deepEqual(await asked, nothing);
    calls.again();
    assert.equal(engine.asked.length, 1);
  });

  test("that writes is waited for by who goes; others are not", async () => {
    const { engine, calls } = connected();
    void calls.ask(latest).catch(() => undefined);
    await calls.none(isWriting);
    const written = calls.ask(named);
    let gone = false;
    const leaving = calls.none(isWriting).then(() => {
      gone = true;
    });
    await rest();
    assert.equal(gone, false);
    engine.answer(nothing);
    await Promise.all([written, leaving]);
    calls.rejectAll(closedError());
    assert.equal(
      calls.some(() => true),
      false,
    );
  });
});
