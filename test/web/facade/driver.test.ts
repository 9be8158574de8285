// The driver: what it hands to a core and when, and how it carries out what the core asks for.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Action, Event, Notice, ReplyBody } from "../../../web/src/engine/boundary.js";
import { Driver } from "../../../web/src/engine/driver.js";
import type { Turns } from "../../../web/src/engine/driver.js";
import type { Clock } from "../../../web/src/engine/clock.js";
import type { LinkEvents, Links } from "../../../web/src/links/types.js";
import { edgeConfig } from "../../../web/src/engine/config.js";
import { loadCoreInNode } from "../../../web/src/engine/core.js";
import { MemoryDisk, openMemory } from "../../../web/src/store/memory.js";
import { VirtualClock, VirtualTime } from "../../../web/src/testing/time.js";
import { own, rest } from "./fake.js";
import { topicNotice } from "../support/notices.js";

/** A core that a test plays. */
class PlayedCore implements Turns {
  readonly id = own;
  readonly shortId = own.slice(0, 16);
  readonly turns: Event[][] = [];
  respond: (event: Event) => Action[] = () => [];
  deadlineMs: number | undefined;
  freed = 0;

  turn(_now: unknown, events: readonly Event[]): { actions: Action[]; deadlineMs?: number } {
    this.turns.push([...events]);
    const actions = events.flatMap(event => this.respond(event));
    return { actions, ...(this.deadlineMs === undefined ? {} : { deadlineMs: this.deadlineMs }) };
  }

  free(): void {
    this.freed++;
  }

  get events(): Event[] {
    return this.turns.flat();
  }
}

/** Replies to every call. */
const answering =
  (reply: (event: Extract<Event, { kind: "Call" }>) => ReplyBody | undefined) =>
  (event: Event): Action[] => {
    const body = event.kind === "Call" ? reply(event) : undefined;
    return event.kind === "Call" && body !== undefined ? [{ kind: "Reply", call: event.call, body }] : [];
  };

async function setup(
  disk = new MemoryDisk(),
  { until, virtual }: { until?: AbortSignal; virtual?: Clock } = {},
): Promise<{
  core: PlayedCore;
  driver: Driver;
  links: LinkEvents;
  sent: unknown[];
  disk: MemoryDisk;
  superseded: () => number;
  woken: (number | undefined)[];
}> {
  const core = new PlayedCore();
  const sent: unknown[] = [];
  let links: LinkEvents | undefined;
  let superseded = 0;
  const makeLinks = (events: LinkEvents): Links => {
    links = events;
    const note =
      (what: string) =>
      (...rest: unknown[]) =>
        void sent.push([what, ...rest]);
    return {
      dial: note("dial"),
      send: note("send"),
      close: note("close"),
      hold: note("hold"),
      rtcOpen: note("rtcOpen"),
      rtcSignal: note("rtcSignal"),
      rtcClose: note("rtcClose"),
      allow: note("allow"),
      closeAll: note("closeAll"),
    };
  };
  const woken: (number | undefined)[] = [];
  const clock = {
    steadyMs: () => 1,
    wallMs: () => 2,
    wakeAt: (at: number | undefined) => void woken.push(at),
    soon: (run: () => void) => void setImmediate(run),
  };
  const driver = new Driver(core, await openMemory("test", disk), makeLinks, virtual ?? clock, {
    onSuperseded: () => superseded++,
    ...(until === undefined ? {} : { until }),
  });
  core.respond = answering(() => ({ kind: "Nothing" }));
  await driver.start();
  await rest();
  core.respond = () => [];
  core.turns.length = 0;
  assert.ok(links);
  return { core, driver, links, sent, disk, superseded: () => superseded, woken };
}

test("a core whose storage is not its own any more stops within the task that says so, or is not even started", async () => {
  const lock = new AbortController();
  const { core, driver, links, sent } = await setup(new MemoryDisk(), { until: lock.signal });
  const asked = driver.call({ kind: "TopicNamed", name: "lunch" });
  links.received(1, Uint8Array.of(1));
  sent.length = 0;
  lock.abort();
  assert.deepEqual([core.freed, sent], [1, [["closeAll"]]]);
  await assert.rejects(asked, { code: "closed" });
  await rest();
  assert.deepEqual(core.turns, []);
  await assert.rejects(setup(new MemoryDisk(), { until: AbortSignal.abort() }), { code: "closed" });
});

test("start is over when the core has read its rows and told how things stand, or says that it cannot", async () => {
  for (const body of [{ kind: "Nothing" }, { kind: "Error", code: "storage-unavailable", text: "no disk" }] as const) {
    const core = new PlayedCore();
    const none = (): undefined => undefined;
    const links = {
      dial: none,
      send: none,
      close: none,
      rtcOpen: none,
      rtcSignal: none,
      rtcClose: none,
      allow: none,
      closeAll: none,
    };
    const clock = {
      steadyMs: () => 1,
      wallMs: () => 2,
      wakeAt: none,
      soon: (run: () => void) => void setImmediate(run),
    };
    const driver = new Driver(core, await openMemory("test"), () => links, clock);
    let call = 0;
    core.respond = event => {
      if (event.kind === "Call") ({ call } = event);
      if (event.kind === "Start")
        return [{ kind: "ReadRange", read: 1, from: Uint8Array.of(0), to: Uint8Array.of(1), limit: 0, reverse: false }];
      return event.kind === "RowsRead"
        ? [
            { kind: "Reply", call, body },
            { kind: "TopicsNotice", whole: true, topics: [], ended: [] },
          ]
        : [];
    };
    await driver.start();
    const told: Notice[] = [];
    driver.onNotice(notice => told.push(notice));
    assert.deepEqual(told.at(-1), { kind: "TopicsNotice", whole: true, topics: [], ended: [] });
  }
});

test("how much is stored is told within two seconds of the last save, though the core sleeps, and only when it changed", async () => {
  const time = new VirtualTime();
  const { core, driver, disk } = await setup(new MemoryDisk(), { virtual: new VirtualClock(time) });
  const told: number[] = [];
  driver.onInfo(({ storage }) => told.push(storage.usedBytes));
  core.deadlineMs = 60_000;
  let value = new Uint8Array(1000);
  core.respond = event =>
    event.kind === "Visibility"
      ? [{ kind: "Save", save: 1, puts: [[Uint8Array.of(1), value]], erases: [], eraseRanges: [] }]
      : [];
  const save = async (bytes: number): Promise<void> => {
    value = new Uint8Array(bytes);
    driver.visibility(true);
    await time.advance(10);
  };
  await save(1000);
  await save(3000);
  const turns = core.turns.length;
  await time.advance(2000);
  assert.deepEqual(told, [3001]);
  assert.equal(core.turns.length, turns, "the core had no turn for that");
  await save(3000);
  await time.advance(2000);
  await save(5);
  await time.advance(2000);
  assert.deepEqual(told, [3001, disk.usedBytes]);
  core.deadlineMs = undefined;
  const before = core.turns.length;
  await time.advance(60_000);
  assert.equal(core.turns.length, before + 1, "the core wakes when it wanted to");
});

describe("turns", () => {
  test("take together what comes together, and one a task while the thread is busy", async () => {
    const { core, links } = await setup();
    core.turns.length = 0;
    for (let i = 0; i < 3; i++) links.received(1, new Uint8Array(1));
    assert.equal(core.turns.length, 0);
    await Promise.resolve();
    assert.equal(core.turns.length, 1);
    for (let i = 0; i < 10; i++) {
      links.received(1, new Uint8Array(1));
      await Promise.resolve();
    }
    assert.equal(core.turns.length, 1);
    await rest();
    await rest();
    assert.deepEqual(
      core.turns.map(turn => turn.length),
      [3, 10],
    );
  });

  test("take at most 512 events of the host or a mebibyte, and a share of what links brought, in order, and lose none", async () => {
    const { core, links } = await setup();
    core.turns.length = 0;
    for (let i = 0; i < 1200; i++) links.drained(1, i);
    for (let i = 0; i < 3; i++) links.received(i, new Uint8Array(1 << 20));
    for (let i = 0; i < 10; i++) await rest();
    assert.deepEqual(
      core.turns.map(turn => turn.length),
      [513, 513, 177],
    );
    assert.deepEqual(
      core.events.flatMap(event => (event.kind === "LinkDrained" ? [event.buffered] : [])),
      Array.from({ length: 1200 }, (_, i) => i),
    );
  });

  test("set the alarm to the deadline, or off", async () => {
    const { core, driver, woken } = await setup();
    core.deadlineMs = 77;
    driver.network(false);
    await rest();
    core.deadlineMs = undefined;
    driver.visibility(true);
    await rest();
    await rest();
    assert.deepEqual(woken.slice(-2), [77, undefined]);
    assert.deepEqual(core.events.slice(-2), [
      { kind: "Network", online: false },
      { kind: "Visibility", hidden: true },
    ]);
  });

  test("that fail end it: calls reject, links close, and it is told", async () => {
    const { core, driver, sent } = await setup();
    const waiting = driver.call({ kind: "WaitSynced", topic: 1 });
    await rest();
    const broken = new Error("unreachable executed");
    core.respond = () => {
      throw broken;
    };
    driver.network(true);
    await assert.rejects(waiting, { code: "wasm-failed" });
    await assert.rejects(driver.call({ kind: "Close" }), { code: "wasm-failed" });
    assert.deepEqual(sent.at(-1), ["closeAll"]);
    assert.equal(driver.info().trouble[0]?.code, "wasm-failed");
    await driver.close();
  });
});

describe("actions", () => {
  test("on rows come back as what became of them, reads after the saves before them", async () => {
    const { core, driver } = await setup();
    const key = Uint8Array.of(1);
    core.respond = event =>
      event.kind !== "Network"
        ? []
        : [
            {
              kind: "Save",
              save: 1,
              puts: [
                [key, Uint8Array.of(7)],
                [Uint8Array.of(2), Uint8Array.of(8)],
              ],
              erases: [],
              eraseRanges: [],
            },
            { kind: "Read", read: 1, keys: [key, Uint8Array.of(9)] },
            { kind: "ReadRange", read: 2, from: Uint8Array.of(0), to: Uint8Array.of(9), limit: 1, reverse: true },
            { kind: "Reopen" },
          ];
    core.turns.length = 0;
    driver.network(true);
    for (let i = 0; i < 5; i++) await rest();
    assert.deepEqual(core.events.slice(1), [
      { kind: "Saved", save: 1, outcome: "ok" },
      { kind: "RowsRead", read: 1, ok: true, rows: [[key, Uint8Array.of(7)]] },
      { kind: "RowsRead", read: 2, ok: true, rows: [[Uint8Array.of(2), Uint8Array.of(8)]] },
      { kind: "Reopened", outcome: "ok" },
    ]);
  });

  test("tell the host when another core has the store", async () => {
    const { core, driver, disk, superseded } = await setup();
    await openMemory("test", disk);
    core.respond = event =>
      event.kind === "Network"
        ? [{ kind: "Save", save: 1, puts: [[Uint8Array.of(1), Uint8Array.of(7)]], erases: [], eraseRanges: [] }]
        : [];
    driver.network(true);
    for (let i = 0; i < 5; i++) await rest();
    assert.deepEqual(core.events.at(-1), { kind: "Saved", save: 1, outcome: "superseded" });
    assert.equal(superseded(), 1);
  });

  test("tell the host that another core has the store also when that shows as it is opened again", async () => {
    const { core, driver, disk, superseded } = await setup();
    await openMemory("test", disk);
    core.respond = event => (event.kind === "Network" ? [{ kind: "Reopen" }] : []);
    driver.network(true);
    for (let i = 0; i < 5; i++) await rest();
    assert.deepEqual(core.events.at(-1), { kind: "Reopened", outcome: "superseded" });
    assert.equal(superseded(), 1);
  });

  test("on links reach the links in order, and theirs the core", async () => {
    const { core, driver, links, sent } = await setup();
    core.respond = event =>
      event.kind !== "Network"
        ? []
        : [
            { kind: "Dial", url: "ws://a", network: "00" },
            { kind: "Send", link: 1, bytes: Uint8Array.of(1) },
            { kind: "RtcOpen", attempt: 2, initiator: true, ice: ["stun:a"] },
            { kind: "RtcSignal", attempt: 2, signal: "offer", text: "v=0" },
            { kind: "RtcClose", attempt: 2 },
            { kind: "CloseLink", link: 1 },
          ];
    driver.network(true);
    await rest();
    assert.deepEqual(sent, [
      ["dial", "ws://a", "00"],
      ["send", 1, Uint8Array.of(1)],
      ["rtcOpen", 2, true, ["stun:a"]],
      ["rtcSignal", 2, "offer", "v=0"],
      ["rtcClose", 2],
      ["close", 1],
    ]);
    core.turns.length = 0;
    links.opened(5, "datachannel", true, { attempt: 2 });
    links.closed(5);
    links.dialFailed("ws://a");
    links.signal(2, "answer", "v=1");
    links.rtcFailed(2);
    await rest();
    await rest();
    assert.deepEqual(core.events, [
      { kind: "DialFailed", url: "ws://a" },
      { kind: "RtcSignal", attempt: 2, signal: "answer", text: "v=1" },
      { kind: "RtcFailed", attempt: 2 },
      {
        kind: "LinkOpened",
        link: 5,
        path: "datachannel",
        dialler: true,
        url: "",
        attempt: 2,
        network: "",
        address: new Uint8Array(),
        admitted: false,
      },
      { kind: "LinkClosed", link: 5 },
    ]);
  });
});

describe("calls", () => {
  test("resolve with their replies and reject with their errors", async () => {
    const { core, driver } = await setup();
    core.respond = answering(({ body }) =>
      body.kind === "TopicJoin"
        ? { kind: "Error", code: "bad-invite", text: "cut" }
        : { kind: "Text", text: body.kind },
    );
    const [a, b] = await Promise.allSettled([
      driver.call({ kind: "TopicInvite", topic: 1 }),
      driver.call({ kind: "TopicJoin", invite: "x" }),
    ]);
    assert.deepEqual(a, { status: "fulfilled", value: { kind: "Text", text: "TopicInvite" } });
    assert.ok(b.status === "rejected" && b.reason.code === "bad-invite" && b.reason.message === "cut");
  });

  test("that are aborted reject with the reason, and the core is told to forget them", async () => {
    const { core, driver } = await setup();
    const end = new AbortController();
    const call = driver.call({ kind: "WaitSynced", topic: 1 }, { signal: end.signal });
    await rest();
    const asked = core.events.at(-1);
    const reason = new Error("enough");
    end.abort(reason);
    await assert.rejects(call, reason);
    await rest();
    const cancel = core.events.at(-1);
    assert.ok(asked?.kind === "Call" && cancel?.kind === "Call");
    assert.deepEqual(cancel.body, { kind: "Cancel", call: asked.call });
    await assert.rejects(driver.call({ kind: "WaitSynced", topic: 1 }, { signal: end.signal }), reason);
  });

  test("that close a topic reach the core with its last handle only", async () => {
    const { core, driver } = await setup();
    core.respond = answering(({ body }) =>
      body.kind === "TopicNamed" ? { kind: "OpenedTopic", topic: 7, id: "ff", invite: "" } : { kind: "Nothing" },
    );
    await driver.call({ kind: "TopicNamed", name: "a" });
    await driver.call({ kind: "TopicNamed", name: "a" });
    await driver.call({ kind: "TopicClose", topic: 7 });
    assert.ok(!core.events.some(event => event.kind === "Call" && event.body.kind === "TopicClose"));
    await driver.call({ kind: "TopicClose", topic: 7 });
    assert.ok(core.events.some(event => event.kind === "Call" && event.body.kind === "TopicClose"));
  });

  test("after close are closed, and close waits until the core says that all is on disk", async () => {
    const { core, driver, sent } = await setup();
    const waiting = driver.call({ kind: "WaitSynced", topic: 1 });
    let saved = false;
    core.respond = answering(({ body }) => (body.kind === "Close" ? { kind: "Nothing" } : undefined));
    const closing = driver.close().then(() => {
      saved = true;
    });
    await assert.rejects(driver.call({ kind: "TopicInvite", topic: 1 }), { code: "closed" });
    assert.equal(saved, false);
    await Promise.all([closing, driver.close()]);
    await assert.rejects(waiting, { code: "closed" });
    assert.deepEqual(
      core.events.slice(-2).map(event => (event.kind === "Call" ? event.body.kind : event.kind)),
      ["Close", "Goodbye"],
    );
    assert.deepEqual(sent, [["closeAll"]]);
    assert.equal(core.freed, 1);
  });
});

test("the latest notice of each kind, topic and device is told again to who comes later, without what was new in it", async () => {
  const { core, driver } = await setup();
  const news = { timeline: true, copies: true, keys: ["k"] };
  const notices: Extract<Action, Notice>[] = [
    { kind: "PeersNotice", peers: [] },
    topicNotice(news),
    topicNotice({ ...news, length: 2 }),
    topicNotice({ ...news, topic: 2 }),
    { kind: "PresenceNotice", topic: 1, device: "aa", value: Uint8Array.of(1) },
    { kind: "PresenceNotice", topic: 1, device: "bb", value: Uint8Array.of(2) },
    { kind: "PresenceNotice", topic: 1, device: "aa" },
  ];
  core.respond = event => (event.kind === "Network" ? notices : []);
  const all: Notice[] = [];
  driver.onNotice(notice => all.push(notice));
  driver.network(true);
  await rest();
  assert.deepEqual(all, notices);
  const later: Notice[] = [];
  const leave = driver.onNotice(notice => later.push(notice));
  assert.deepEqual(later, [
    { kind: "PeersNotice", peers: [] },
    topicNotice({ length: 2 }),
    topicNotice({ topic: 2 }),
    notices[5],
  ]);
  leave();
  driver.network(true);
  await rest();
  assert.equal(later.length, 4);
});

test("a topic that is closed is told ended, and who comes later hears nothing of it: neither how it was nor who was present", async () => {
  const { core, driver } = await setup();
  const notices: Extract<Action, Notice>[] = [
    { kind: "PresenceNotice", topic: 7, device: "aa", value: Uint8Array.of(1) },
    { kind: "PresenceNotice", topic: 8, device: "aa", value: Uint8Array.of(2) },
  ];
  core.respond = event =>
    event.kind === "Network"
      ? notices
      : answering(({ body }) =>
          body.kind === "TopicNamed" ? { kind: "OpenedTopic", topic: 7, id: "ff", invite: "" } : { kind: "Nothing" },
        )(event);
  await driver.call({ kind: "TopicNamed", name: "a" });
  driver.network(true);
  await rest();
  const told: Notice[] = [];
  driver.onNotice(notice => told.push(notice));
  await driver.call({ kind: "TopicClose", topic: 7 });
  assert.deepEqual(told, [...notices, { kind: "TopicEnded", topic: 7 }]);
  const later: Notice[] = [];
  driver.onNotice(notice => later.push(notice));
  assert.deepEqual(later, notices.slice(1));
});

test("short ids are those of SHA-256", async () => {
  const module = await loadCoreInNode(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));
  const seeds = { deviceSeed: Uint8Array.from({ length: 32 }, (_, i) => i), randomSeed: new Uint8Array(32) };
  const core = module.create(edgeConfig({ app: "talkbox" }, seeds.deviceSeed, seeds.randomSeed));
  const sha256 = (id: string): string => createHash("sha256").update(Buffer.from(id, "hex")).digest("hex");
  assert.equal(core.shortId, sha256(core.id).slice(0, 16));
  core.free();
});
