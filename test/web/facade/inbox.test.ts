// What waits for the core, and in which order it comes to it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Event } from "../../../web/src/engine/boundary.js";
import { Inbox } from "../../../web/src/engine/inbox.js";

const frame = (link: number, size: number, mark = 0): Event => ({
  kind: "LinkReceived",
  link,
  bytes: new Uint8Array(size).fill(mark),
});

function scene() {
  const told: string[] = [];
  const inbox = new Inbox({
    hold: (link, held) => told.push(`${held ? "hold" : "read"} ${link}`),
    close: link => told.push(`close ${link}`),
  });
  return { inbox, told };
}

const linksOf = (events: readonly Event[]): number[] =>
  events.map(event => (event.kind === "LinkReceived" || event.kind === "LinkClosed" ? event.link : 0));

describe("what waits for the core", () => {
  test("comes from each link in its order, and from all links in turn", () => {
    const { inbox } = scene();
    for (const mark of [1, 2, 3]) inbox.push(frame(7, 10, mark));
    inbox.push(frame(8, 10, 4));
    inbox.push(frame(9, 10, 5));
    inbox.push(frame(8, 10, 6));
    const events = inbox.take();
    assert.deepEqual(
      events.map(event => (event.kind === "LinkReceived" ? event.bytes[0] : undefined)),
      [1, 4, 5, 2, 6, 3],
    );
    assert.equal(inbox.waiting, false);
  });

  test("who asks after a flood of another has begun is heard in the next turn", () => {
    const { inbox } = scene();
    for (let index = 0; index < 1_000; index += 1) inbox.push(frame(1, 60_000));
    inbox.push(frame(2, 100));
    assert.equal(inbox.take().filter(event => event.kind === "LinkReceived" && event.link === 2).length, 1);
  });

  test("links are heard however much the host tells, and a link is open before what it brings", () => {
    const { inbox } = scene();
    const address = new Uint8Array();
    for (let index = 0; index < 2_000; index += 1) inbox.push({ kind: "Room" });
    inbox.push({
      kind: "LinkOpened",
      link: 1,
      path: "local",
      dialler: true,
      url: "",
      attempt: 0,
      network: "",
      address,
      admitted: false,
    });
    inbox.push(frame(1, 10));
    const kinds = inbox.take().map(event => event.kind);
    assert.equal(kinds.length, 514);
    assert.deepEqual(kinds.slice(-2), ["LinkOpened", "LinkReceived"]);
  });

  test("what the host tells overtakes what links have brought, but a link's end does not", () => {
    const { inbox } = scene();
    inbox.push(frame(1, 10));
    inbox.push({ kind: "LinkClosed", link: 1 });
    inbox.push({ kind: "Room" });
    assert.deepEqual(
      inbox.take().map(event => event.kind),
      ["Room", "LinkReceived", "LinkClosed"],
    );
  });

  test("a turn becomes smaller where it takes long, and larger again where it does not", () => {
    const { inbox } = scene();
    const full = (tookMs: number): number => {
      while (linksOf(inbox.take()).length > 0);
      for (let index = 0; index < 2_000; index += 1) inbox.push(frame(1, 2_048));
      const { length } = inbox.take();
      inbox.took(tookMs);
      return length;
    };
    assert.deepEqual([50, 50, 50, 50, 50, 50, 1, 1, 1].map(full), [128, 64, 32, 16, 8, 8, 8, 16, 32]);
  });

  test("a link of which much waits is not read until little does", () => {
    const { inbox, told } = scene();
    for (let index = 0; index < 10; index += 1) inbox.push(frame(1, 64_000));
    inbox.push(frame(2, 64_000));
    assert.deepEqual(told, ["hold 1"]);
    while (inbox.waiting) inbox.take();
    assert.deepEqual(told, ["hold 1", "read 1"]);
  });

  test("where many links bring much, each of them is held back sooner", () => {
    const { inbox, told } = scene();
    for (let link = 1; link <= 100; link += 1) inbox.push(frame(link, 60_000));
    assert.equal(told[0], "hold 70");
    assert.equal(told.length, 31);
  });

  test("a link that nothing holds back is closed in the end, but not for what many topics have asked for", () => {
    const { inbox, told } = scene();
    for (let index = 0; index < 1_000; index += 1) inbox.push(frame(1, 60_000));
    assert.deepEqual(told, ["hold 1"]);
    for (let index = 0; index < 200; index += 1) inbox.push(frame(1, 60_000));
    assert.equal(told[1], "close 1");
  });

  test("of a link that was closed for what it brought nothing more is worked off", () => {
    const { inbox, told } = scene();
    while (!told.includes("close 1")) inbox.push(frame(1, 60_000));
    inbox.push({ kind: "LinkClosed", link: 1 });
    assert.deepEqual(
      inbox.take().map(event => event.kind),
      ["LinkClosed"],
    );
    assert.equal(inbox.waiting, false);
  });
});
