// What a member wrote by hand, in every place where an app reads it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageOut, VersionOut } from "../../../web/src/engine/boundary.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { FakeEngine, Frames, other } from "./fake.js";

/** { a: not a number, b: no date, c: 1 } */
const byHand = Uint8Array.of(
  0x83,
  0xa1,
  0x61,
  0xcb,
  0x7f,
  0xf8,
  0,
  0,
  0,
  0,
  0,
  0,
  0xa1,
  0x62,
  0xc7,
  12,
  0xff,
  0,
  0,
  0,
  0,
  0x7f,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xff,
  0xa1,
  0x63,
  1,
);
const wanted = { a: null, b: null, c: 1 };
const message: MessageOut = { id: "m1", author: other, timeMs: 5, own: false, value: byHand };
const version: VersionOut = { id: "v1", author: other, timeMs: 5, value: byHand };

test("numbers that are none and dates that are none reach no app: they are null in messages, entries, versions, conflicts and presence", async () => {
  const engine = new FakeEngine();
  const frames = new Frames();
  const topic = await new PeerHandle(engine, frames).topic("lunch");
  engine.timeline.push(message);
  engine.arrivals.push(message);
  engine.entries.set("k", version);
  engine.answers = body => {
    switch (body.kind) {
      case "MapHistory":
        return { kind: "HistoryPage", versions: [version], more: false };
      case "MapConflicts":
        return { kind: "ConflictPage", conflicts: [{ key: "k", winner: version, losers: [version] }], more: false };
      default:
        return undefined;
    }
  };
  const found: unknown[] = [];
  const keep = (view: { subscribe(listener: (value: never) => void): () => void }): void =>
    void view.subscribe(() => undefined);
  const [latest, map, conflicts] = [topic.latest(), topic.map.view(), topic.map.conflicts()];
  for (const view of [latest, map, conflicts, topic.presence.others]) keep(view);
  engine.changed({ timeline: true, allKeys: true });
  engine.tell({ kind: "PresenceNotice", topic: 1, device: other, value: byHand });
  await frames.paint(5);
  found.push(
    latest.current.messages[0]?.value,
    map.current.get("k"),
    conflicts.current[0]?.winner.value,
    conflicts.current[0]?.losers[0]?.value,
    topic.presence.others.current.get(other),
  );
  found.push((await topic.get("m1"))?.value, await topic.map.get("k"));
  for await (const { value } of topic.messages()) found.push(value);
  for await (const [, value] of topic.map.entries()) found.push(value);
  for await (const { value } of topic.map.history("k")) found.push(value);
  assert.deepEqual(
    found,
    Array.from({ length: 10 }, () => wanted),
  );
});
