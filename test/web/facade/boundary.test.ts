// The byte form of events and turns: the bytes that C++ writes are those that this side reads and writes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { codecs, encodeConfig, getTurn, putEvents } from "../../../web/src/engine/boundary.js";
import type { Event } from "../../../web/src/engine/boundary.js";
import { MalformedBytes, Reader, Writer } from "../../../web/src/base/bytes.js";

declare global {
  var testRoot: string;
}

const lines = readFileSync(join(globalThis.testRoot, "../vectors/boundary.txt"), "utf8").trim().split("\n");
const vectors = new Map(
  lines.map(line => {
    const [, id = "", hex = ""] = /^id=(\w+) bytes=([0-9a-f]+)$/.exec(line) ?? [];
    return [id, Uint8Array.from(Buffer.from(hex, "hex"))];
  }),
);
const vector = (id: string): Uint8Array => vectors.get(id) ?? assert.fail(`there is no vector ${id}`);

function written(write: (w: Writer) => void): Uint8Array {
  const w = new Writer();
  write(w);
  return w.view().slice();
}

describe("what C++ wrote", () => {
  test("as a turn is read to its end, and written again is the same", () => {
    const turn = getTurn(vector("turn"));
    assert.equal(turn.deadlineMs, 2 ** 52);
    assert.deepEqual(
      written(w => codecs.turn.put(w, turn)),
      vector("turn"),
    );
    const status = turn.actions.find(({ kind }) => kind === "StatusNotice");
    assert.deepEqual(status, {
      kind: "StatusNotice",
      state: "online",
      webrtc: 1,
      websocket: 2,
      relayed: 3,
      local: 4,
      pending: 2 ** 52,
      skewMs: -45000,
      trouble: [{ code: "storage-full", text: "make room" }],
    });
    const page = turn.actions.find(action => action.kind === "Reply" && action.body.kind === "MessagePage");
    const device = Buffer.from(Array.from({ length: 32 }, (_, i) => 30 + i)).toString("hex");
    assert.deepEqual(page?.kind === "Reply" && page.body, {
      kind: "MessagePage",
      more: true,
      messages: [
        { id: "m", author: device, timeMs: 5, own: true, value: Uint8Array.of(1, 2, 3) },
        { id: "n", author: device, timeMs: 6, own: false, value: new Uint8Array() },
      ],
    });
  });

  test("as events is read to its end, and written again is the same", () => {
    const r = new Reader(vector("events"));
    const events = codecs.events.get(r);
    assert.equal(r.left, 0);
    assert.deepEqual(
      written(w => putEvents(w, events)),
      vector("events"),
    );
    assert.deepEqual(
      events.find(({ kind }) => kind === "LinkOpened"),
      {
        kind: "LinkOpened",
        link: 7,
        path: "datachannel",
        dialler: true,
        url: "ws://x/",
        attempt: 3,
        network: "00ff",
        address: Uint8Array.of(203, 0, 113, 5),
        admitted: true,
      },
    );
    const append = events.find(event => event.kind === "Call" && event.body.kind === "Append");
    assert.deepEqual(
      append?.kind === "Call" &&
        append.body.kind === "Append" &&
        append.body.ops.map(({ kind, key, value: { length } }) => ({ kind, key, length })),
      [
        { kind: "message", key: "", length: 300 },
        { kind: "set", key: "key", length: 3 },
        { kind: "erase", key: "gone", length: 0 },
      ],
    );
  });

  test("as a configuration is written the same here", () => {
    assert.deepEqual(encodeConfig(codecs.config.get(new Reader(vector("config")))), vector("config"));
  });
});

describe("bytes", () => {
  test("hold whole numbers to the last that is safe, and refuse others", () => {
    for (let power = 0; power <= 53; power++) {
      for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1].filter(Number.isSafeInteger)) {
        const bytes = written(w => w.varint(value));
        const r = new Reader(bytes);
        assert.equal(r.varint(), value);
        assert.equal(r.left, 0);
      }
    }
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53])
      assert.throws(() => written(w => w.varint(value)), MalformedBytes);
    assert.throws(() => new Reader(new Uint8Array(10).fill(0xff)).varint(), MalformedBytes);
  });

  test("that end too early are refused", () => {
    const turn = vector("turn");
    for (let length = 0; length < turn.length; length += 7)
      assert.throws(() => getTurn(turn.subarray(0, length)), MalformedBytes);
  });

  test("of a great batch do not keep their buffer", () => {
    const w = new Writer();
    w.bytes(new Uint8Array(1 << 22));
    assert.ok(w.view().buffer.byteLength > 1 << 22);
    w.clear();
    assert.ok(w.view().buffer.byteLength <= 1 << 20);
    const event: Event = { kind: "LinkReceived", link: 1, bytes: Uint8Array.of(1) };
    putEvents(w, [event]);
    assert.deepEqual([...w.view()], [1, 6, 1, 1, 1]);
  });

  test("read are the reader's own, not views of what they were read from", () => {
    const memory = Uint8Array.of(2, 7, 8);
    const bytes = new Reader(memory).bytes();
    memory.fill(0);
    assert.deepEqual(bytes, Uint8Array.of(7, 8));
    assert.equal(bytes.buffer.byteLength, 2);
  });
});
