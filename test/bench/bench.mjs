// What is measured. run.mjs bundles this with the shim, so that it can look at single turns and count bytes.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { LoroDoc } from "loro-crdt";
import * as Y from "yjs";
import { Core } from "../../web/src/core.ts";
import { nodeEngine } from "../../web/src/host-node.ts";
import { Opener } from "../../web/src/open.ts";
import { Network } from "../../web/src/testing/network.ts";
import { Port } from "../../web/src/testing/wires.ts";

const at = process.argv.indexOf("--runs");
const runs = at < 0 ? 5 : Number(process.argv[at + 1]);
const count = 10_000;
const extra = 10;
const latencyMs = 100;
const wasm = readFileSync("build/wasm/perdure.wasm");

const text = (n, by = "a") => `${by}${String(n).padStart(9, "0")} `.padEnd(120, "the quick brown fox jumps over the lazy dog ");
const messages = Array.from({ length: count }, (_, n) => text(n));

// ---- looking in -------------------------------------------------------------------------------------------------------------
/** Milliseconds that each core has spent in its turns, by its id; what crosses the boundary is in it. */
const turnMs = new Map();
const { turn } = Core.prototype;
Core.prototype.turn = function (...args) {
  const began = performance.now();
  const result = turn.apply(this, args);
  turnMs.set(this.id, (turnMs.get(this.id) ?? 0) + performance.now() - began);
  return result;
};
/** Bytes sent from each port, which is one peer. */
const sent = new Map();
const { send } = Port.prototype;
Port.prototype.send = function (link, bytes) {
  sent.set(this, (sent.get(this) ?? 0) + bytes.length);
  return send.call(this, link, bytes);
};

const median = numbers => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** Milliseconds of `measured`; what `prepared` makes is not in them. */
async function timed(measured, prepared = () => undefined) {
  const all = [];
  for (let n = 0; n < runs; n++) {
    const given = await prepared();
    globalThis.gc?.();
    const began = performance.now();
    const told = await measured(given);
    all.push(told?.ms ?? performance.now() - began);
    await told?.end?.();
  }
  return median(all);
}

// ---- Perdure ----------------------------------------------------------------------------------------------------------------
let instance = 0;
async function alone() {
  const peer = await new Opener(nodeEngine).open({ app: "bench", instance: String(++instance), storage: "memory", wasm });
  return { peer, topic: await peer.topic("bench") };
}

const appendAll = () => timed(async ({ peer, topic }) => {
  await topic.appendAll(messages);
  return { ms: undefined, end: () => peer.close() };
}, alone);

const appendEach = () => timed(async ({ peer, topic }) => {
  const began = performance.now();
  for (const message of messages) await topic.append(message);
  return { ms: performance.now() - began, end: () => peer.close() };
}, alone);

/** Two members of a topic who have seen each other. */
async function two() {
  const net = new Network({ seed: 1, latencyMs, wasm });
  const [a, b] = [await net.open({ app: "bench" }), await net.open({ app: "bench" })];
  const here = await a.topic("bench");
  const other = await b.join(await here.invite());
  const lengths = [0, 0];
  here.status.subscribe(({ length }) => (lengths[0] = length));
  other.status.subscribe(({ length }) => (lengths[1] = length));
  await net.settle();
  const until = async length => {
    const began = net.now.getTime();
    while (lengths[0] < length || lengths[1] < length) {
      if (net.now.getTime() - began > 600_000) throw new Error(`after ten minutes they have ${lengths} messages instead of ${length}`);
      await net.advance(10);
    }
    return net.now.getTime() - began;
  };
  return { net, a, b, here, other, until };
}

/** The receiver's turns, from the wire's bytes to what is handed to the store. */
const receive = fill => timed(async ({ net, b, until }) => {
  turnMs.clear();
  await until(count);
  return { ms: turnMs.get(b.id), end: () => net.close() };
}, async () => {
  const world = await two();
  world.net.partition([world.a], [world.b]);
  await fill(world.here);
  world.net.heal();
  return world;
});
const all = topic => topic.appendAll(messages);
const each = async topic => {
  for (const message of messages) await topic.append(message);
};

/** Bytes both ways and round trips until both have all, from the first byte of the handshake on. */
async function sync() {
  const { net, a, b, here, other, until } = await two();
  await here.appendAll(messages);
  await until(count);
  await net.settle();
  net.partition([a], [b]);
  for (let n = 0; n < extra; n++) {
    await here.append(text(n, "x"));
    await other.append(text(n, "y"));
  }
  sent.clear();
  net.heal();
  const ms = await until(count + 2 * extra);
  const bytes = [...sent.values()].reduce((sum, n) => sum + n, 0);
  await net.close();
  return { bytes, trips: ms / (2 * latencyMs * 1.05) };
}

// ---- Loro and Yjs -----------------------------------------------------------------------------------------------------------
const loro = {
  all() {
    const doc = new LoroDoc();
    const list = doc.getList("bench");
    for (const message of messages) list.push(message);
    doc.commit();
    return doc;
  },
  each() {
    const doc = new LoroDoc();
    const list = doc.getList("bench");
    for (const message of messages) {
      list.push(message);
      doc.commit();
    }
    return doc;
  },
  receive: from => timed(bytes => void new LoroDoc().import(bytes), () => from().export({ mode: "update" })),
  sync() {
    const a = loro.all();
    const b = new LoroDoc();
    b.import(a.export({ mode: "update" }));
    for (let n = 0; n < extra; n++) {
      a.getList("bench").push(text(n, "x"));
      a.commit();
      b.getList("bench").push(text(n, "y"));
      b.commit();
    }
    const [ofA, ofB] = [a.version(), b.version()];
    return ofA.encode().length + ofB.encode().length + a.export({ mode: "update", from: ofB }).length + b.export({ mode: "update", from: ofA }).length;
  },
};
const yjs = {
  all() {
    const doc = new Y.Doc();
    doc.getArray("bench").push(messages);
    return doc;
  },
  each() {
    const doc = new Y.Doc();
    for (const message of messages) doc.getArray("bench").push([message]);
    return doc;
  },
  receive: from => timed(bytes => void Y.applyUpdate(new Y.Doc(), bytes), () => Y.encodeStateAsUpdate(from())),
  sync() {
    const a = yjs.all();
    const b = new Y.Doc();
    Y.applyUpdate(b, Y.encodeStateAsUpdate(a));
    for (let n = 0; n < extra; n++) {
      a.getArray("bench").push([text(n, "x")]);
      b.getArray("bench").push([text(n, "y")]);
    }
    const [ofA, ofB] = [Y.encodeStateVector(a), Y.encodeStateVector(b)];
    return ofA.length + ofB.length + Y.encodeStateAsUpdate(a, ofB).length + Y.encodeStateAsUpdate(b, ofA).length;
  },
};
const unused = make => timed(() => void make());

// ---- the table --------------------------------------------------------------------------------------------------------------
const form = (value, unit) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ${unit}`.padStart(12);
function row(what, unit, ours, ...others) {
  const cells = others.map(other => `${form(other, unit)} ${`×${(ours / other).toFixed(1)}`.padStart(7)}`);
  console.log(`${what.padEnd(34)}${form(ours, unit)}${cells.join("")}`);
}

const { version: ofLoro } = JSON.parse(readFileSync("test/bench/node_modules/loro-crdt/package.json", "utf8"));
const { version: ofYjs } = JSON.parse(readFileSync("test/bench/node_modules/yjs/package.json", "utf8"));
console.log(`${count} messages of 120 characters; median of ${runs}; ×: Perdure's figure as a multiple of theirs
Node ${process.versions.node}, ${cpus()[0]?.model ?? "unknown processor"}; perdure.wasm ${wasm.length} bytes, Loro ${ofLoro}, Yjs ${ofYjs}
Only Perdure signs, seals, verifies and hands to a store.

${"".padEnd(34)}${"Perdure".padStart(12)}${"Loro".padStart(12)}${"".padStart(8)}${"Yjs".padStart(12)}`);
row("append, all at once", "ms", await appendAll(), await unused(loro.all), await unused(yjs.all));
row("append, one after another", "ms", await appendEach(), await unused(loro.each), await unused(yjs.each));
row("receive, appended at once", "ms", await receive(all), await loro.receive(loro.all), await yjs.receive(yjs.all));
row("receive, appended one by one", "ms", await receive(each), await loro.receive(loro.each), await yjs.receive(yjs.each));
const { bytes, trips } = await sync();
row(`sync, ${extra} new on each side`, "B", bytes, loro.sync(), yjs.sync());
row("  its round trips", "", trips, 1, 1);
