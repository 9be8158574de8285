// The siege: an attacker that was written from src/wire/README.md alone attacks an anchor of this package in all the ways that it
// knows, while two honest members measure how long their questions and answers take by way of it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { describe, test } from "node:test";
import { fromHex, hash, hex, join, networkOf, Topic } from "./bytes.js";
import { attacks } from "./attacks/all.js";
import type { Attacked, Orders } from "./attackers.js";
import { Client } from "./client.js";
import { Member } from "./logs.js";
import { figures, openPeer, Pair, questionsPerSecond, type Figures } from "./pair.js";
import { openDoor, startAnchor, startAttackers, startEcho, type AnchorProcess, type Child } from "./processes.js";
import { Purse } from "./purse.js";

declare const attackersScript: string;

const app = "siege";
const honestAddress = "198.51.100.7";
const MiB = 1 << 20;

/** What the attackers may spend in all ways together. */
const allBytes = 64 * MiB;
const allSockets = 1_024;

const memoryMB = 512;
const quietQuestions = 40;

/** A stall of the whole anchor is waited for so long, to know how long it was. */
const stallMs = 20_000;

/** So that the attackers can fill it with what they have. */
const quotaMB = { total: 16, address: 4 };

const text = (words: string): Uint8Array => join([0xd9, Buffer.byteLength(words)], words);

describe("a client that was written from the page alone", () => {
  test("reads what a peer wrote, writes what it reads, and has it acknowledged by anchor and peer", {
    timeout: 30_000,
  }, async () => {
    await using anchor = await startAnchor("--data", ":memory:");
    await using door = await openDoor(anchor.port, honestAddress);
    const ada = await openPeer({ app, anchors: [door.url], storage: "memory", worker: false });
    try {
      const topic = await ada.create();
      for (let index = 0; index < 20; index += 1) await topic.append(`from ada ${index}`);
      await (await topic.append("x".repeat(200_000))).anchored();
      const purse = new Purse({ bytes: MiB, sockets: 1 }, 30);
      const network = networkOf(app);
      const client = await Client.dial({
        url: `ws://127.0.0.1:${anchor.port}`,
        network,
        address: "203.0.113.1",
        purse,
        careful: true,
      });
      const member = new Member(client, Topic.ofInvite(network, await topic.invite()));
      await member.until(() => member.read(fromHex(ada.id)).length >= 21);
      assert.deepEqual(member.read(fromHex(ada.id))[3], join([0xaa], "from ada 3"));
      member.append(text("hello from outside"));
      member.append(text("and again"));
      await member.until(() =>
        [hex(client.anchor), ada.id].every(acker =>
          member.acks.some(ack => ack.length === 2 && hex(ack.acker) === acker),
        ),
      );
      const heard: unknown[] = [];
      for await (const { author, value } of topic.messages({ limit: 100 }))
        if (author === hex(client.device.id)) heard.push(value);
      assert.deepEqual(heard, ["hello from outside", "and again"]);
      purse.close();
    } finally {
      await ada.close();
    }
  });
});

interface Siege {
  readonly shared: boolean;
  readonly share: number;
}

/** Who is there while the anchor is besieged. */
interface Scene {
  readonly anchor: AnchorProcess;
  readonly pair: Pair;
  /** The topic of the pair, as the witness has it. */
  readonly watched: Watched;
  readonly attackers: Child;
  readonly invite: string;
}

/** `share`: of the seconds that each attack may have. */
async function siege({ shared, share }: Siege): Promise<void> {
  const folder = mkdtempSync(path(tmpdir(), "perdure-siege-"));
  try {
    const limits = process.env["SIEGE_QUOTAS"]?.split(" ") ?? [
      "--total-mb",
      String(quotaMB.total),
      "--address-mb",
      String(quotaMB.address),
    ];
    await using anchor = await startAnchor("--data", path(folder, "anchor.db"), ...limits);
    await using echo = await startEcho();
    await using door = await openDoor(anchor.port, honestAddress);
    await using elsewhere = await openDoor(anchor.port, "198.51.100.8");
    await using pair = await Pair.open(door.url, app, echo.url);
    // A third member, from elsewhere: the topic is not one that only the pair's address has entered.
    await using witness = await openPeer({
      app,
      instance: "witness",
      anchors: [elsewhere.url],
      storage: "memory",
      worker: false,
    });
    const invite = await pair.topic.invite();
    const watched = await witness.join(withoutAnchors(invite));
    await using attackers = startAttackers(attackersScript);
    const scene: Scene = { anchor, pair, watched, attackers, invite };
    const orders: Orders = {
      url: `ws://127.0.0.1:${anchor.port}`,
      port: anchor.port,
      app,
      invite,
      members: [pair.ada.id, pair.bob.id],
      ...(shared ? { shared: honestAddress } : {}),
    };
    await attackers.ask(orders);
    const quiet = await measuredQuietly(scene);
    const broken = await underAttack(scene, share, quiet);
    pair.rest();
    broken.push(...(await afterwards(scene)));
    if (!shared) broken.push(...(await newcomer(scene)));
    broken.push(...(await healthOf(anchor)));
    assert.deepEqual(broken, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the pair takes while nobody attacks. */
async function measuredQuietly({ anchor, pair }: Scene): Promise<Figures> {
  pair.begin();
  // The first ones warm it up.
  await pair.answered(10, stallMs);
  const from = performance.now();
  await pair.answered(quietQuestions, stallMs);
  const quiet = figures(pair.samples, from, performance.now());
  console.log(line("quiet", quiet, anchor.memory().nowMB));
  return quiet;
}

/** One attack after the other, and what the pair suffered that it may not. */
async function underAttack(scene: Scene, share: number, quiet: Figures): Promise<string[]> {
  const broken: string[] = [];
  const spent = { bytes: 0, sockets: 0 };
  const wanted = process.env["SIEGE_ATTACKS"]?.split(",");
  for (const name of wanted ?? [])
    assert.ok(
      attacks.some(attack => attack.name === name),
      `no such attack: ${name}`,
    );
  for (const { name, seconds } of attacks.filter(({ name }) => wanted?.includes(name) ?? true)) {
    const { then, reached, ...cost } = await suffered(scene, name, seconds * share);
    spent.bytes += cost.spent.bytes;
    spent.sockets += cost.spent.sockets;
    if (reached.stood === 0) broken.push(`${name}: none of its links stood, so it shows nothing`);
    broken.push(...tooSlow(name, then, quiet));
  }
  console.log(`the attackers spent ${(spent.bytes / MiB).toFixed(1)} MiB and ${spent.sockets} sockets`);
  if (spent.bytes > allBytes || spent.sockets > allSockets) broken.push("the attackers spent more than they may");
  return broken;
}

async function suffered(
  { anchor, pair, attackers }: Scene,
  name: string,
  seconds: number,
): Promise<Attacked & { then: Figures }> {
  const from = performance.now();
  const workedBefore = anchor.worked();
  const attacked = (await attackers.ask({ name, seconds })) as Attacked;
  // What it leaves behind is a part of the attack: a second of questions more, and the answers to all. One that has spent in a
  // moment all that it may has its seconds none the less: of three questions a median says nothing.
  await pair.answered(Math.max(10, Math.ceil(seconds * questionsPerSecond - pair.askedSince(from))), stallMs);
  const to = performance.now();
  await pair.settled(stallMs);
  const then = figures(pair.samples, from, to);
  console.log(
    line(name, then, anchor.memory().nowMB),
    `anchor ${(anchor.worked() - workedBefore).toFixed(1)} s of ${((to - from) / 1000).toFixed(1)};`,
    `${(attacked.spent.bytes / MiB).toFixed(1)} MiB, ${attacked.spent.sockets} sockets;`,
    Object.entries(attacked.reached)
      .map(([what, count]) => `${what} ${count}`)
      .join(", "),
  );
  return { ...attacked, then };
}

function tooSlow(name: string, then: Figures, quiet: Figures): string[] {
  const broken: string[] = [];
  // The machine may have become slower itself: the echo shows it.
  const slower = Math.max(1, then.echoMedianMs / quiet.echoMedianMs);
  if (then.medianMs > 5 * quiet.medianMs * slower) {
    const because = slower > 1 ? `, with the echo ${slower.toFixed(1)} times slower` : "";
    broken.push(
      `${name}: the pair's median is ${ms(then.medianMs)}, more than 5 times the quiet one of ${ms(quiet.medianMs)}${because}`,
    );
  }
  if (then.slowestMs > then.echoSlowestMs + 1000)
    broken.push(`${name}: the pair's slowest is ${ms(then.slowestMs)}, the echo's ${ms(then.echoSlowestMs)}`);
  return broken;
}

/** Whether what honest members say is still kept and passed on. */
async function afterwards({ pair, watched }: Scene): Promise<string[]> {
  const broken: string[] = [];
  const last = await pair.topic.append("the last");
  if (!(await within(stallMs, last.anchored()))) broken.push("what an honest member says is not anchored any more");
  if (!(await within(stallMs, settledAt(pair))))
    broken.push(`${pair.topic.status.current.pending} of an honest member's messages are still pending`);
  if (!(await within(stallMs, holds(watched, "the last")))) broken.push("the witness does not have all");
  return broken;
}

async function healthOf(anchor: AnchorProcess): Promise<string[]> {
  const health = await fetch(`http://127.0.0.1:${anchor.port}/healthz`, { signal: AbortSignal.timeout(5_000) }).then(
    ({ status }) => status,
    String,
  );
  const { nowMB, mostMB } = anchor.memory();
  console.log(`the anchor ends with ${nowMB} MB and had ${mostMB} at most`);
  return [
    ...(health === 200 ? [] : [`/healthz says ${health}`]),
    ...(nowMB > memoryMB ? [`the anchor ends with ${nowMB} MB`] : []),
  ];
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

const line = (
  name: string,
  { count, medianMs, slowestMs, echoMedianMs, echoSlowestMs }: Figures,
  memory: number,
): string =>
  `${name}: median ${ms(medianMs)}, slowest ${ms(slowestMs)} of ${count}; echo ${ms(echoMedianMs)}, ${ms(echoSlowestMs)}; ${memory} MB;`;

/** Whether it comes to that in time. */
async function within(limitMs: number, what: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>(resolve => (timer = setTimeout(() => resolve(false), limitMs)));
  try {
    return await Promise.race([what.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

type Watched = Pair["topic"];

function settledAt({ topic }: Pair): Promise<void> {
  return new Promise(resolve => {
    const leave = topic.status.subscribe(({ pending }) => {
      if (pending > 0) return;
      queueMicrotask(() => leave());
      resolve();
    });
  });
}

async function holds(topic: Watched, wanted: string): Promise<void> {
  for await (const { value } of topic.messages({ live: true })) if (value === wanted) return;
}

/** A member from an address of its own: what it does not come to. */
async function newcomer({ anchor, invite, pair }: Scene): Promise<string[]> {
  await using door = await openDoor(anchor.port, "198.51.100.9");
  await using peer = await openPeer({
    app,
    instance: "newcomer",
    anchors: [door.url],
    storage: "memory",
    worker: false,
  });
  const topic = await peer.join(withoutAnchors(invite));
  if (!(await within(stallMs, holds(topic, "the last")))) return ["a newcomer from elsewhere does not read the topic"];
  topic.presence.set("here");
  const lacks: string[] = [];
  if (!(await within(stallMs, sees(pair.topic, peer.id)))) lacks.push("a newcomer's presence is not shown");
  if (!(await within(stallMs, (await topic.append("new here")).anchored())))
    lacks.push("what a newcomer says is not anchored");
  // The anchor, the other one of the pair, the witness, and the newcomer: invented keys have not taken their places.
  if (!(await within(stallMs, (await pair.topic.append("to all")).replicated(4))))
    lacks.push("a newcomer's acknowledgement does not count");
  return lacks;
}

function sees(topic: Watched, id: string): Promise<void> {
  return new Promise(resolve => {
    const leave = topic.presence.others.subscribe(others => {
      if (!others.has(id)) return;
      queueMicrotask(() => leave());
      resolve();
    });
  });
}

/** The same invite (section 17), that names no anchors: whose it is has another address for them. */
function withoutAnchors(invite: string): string {
  const { network, secret } = Topic.ofInvite(networkOf(app), invite);
  const inner = join([1], network.slice(0, 4), secret, [0]);
  return `perdure-${Buffer.from(join(inner, hash(32, inner).slice(0, 4))).toString("base64url")}`;
}

describe("an honest pair goes on, and the anchor stays within its memory,", () => {
  test("while strangers and members attack it in all ways", { timeout: 140_000 }, () =>
    siege({ shared: false, share: 0.7 }),
  );
  test("while they attack it from the pair's own address", { timeout: 140_000 }, () =>
    siege({ shared: true, share: 0.45 }),
  );
});
