// Perdure in Node: the core in the calling thread, rows in memory; what its turns take and its wires carry can be looked at.
//
//     const { peer, topic, disk } = await alone();
//     const { net, a, b, here, other, until } = await two();
import { readFileSync } from "node:fs";
import { SystemClock } from "../../web/src/engine/clock.ts";
import { edgeConfig } from "../../web/src/engine/config.ts";
import { Core, loadCore } from "../../web/src/engine/core.ts";
import { Driver } from "../../web/src/engine/driver.ts";
import { makeLinks } from "../../web/src/links/links.ts";
import { PeerHandle } from "../../web/src/api/peer.ts";
import { MemoryDisk, openMemory } from "../../web/src/store/memory.ts";
import { plainSeed } from "../../web/src/store/seed.ts";
import { Network } from "../../web/src/testing/network.ts";
import { Port } from "../../web/src/testing/wires.ts";

const wasm = readFileSync("dist/perdure.wasm");
const shared = await loadCore(wasm);

export const newModule = () => loadCore(wasm);
export const latencyMs = 100;
/** What a message really takes: a tenth of it varies. */
export const tripMs = 1.05 * latencyMs;

/** A peer without any network, on that store, which keeps its key. */
export async function peerOn(store, module = shared) {
  const { bytes: device } = await plainSeed(store);
  const noSockets = makeLinks({
    webSocket: () => {
      throw new Error("there is no network here");
    },
  });
  const driver = new Driver(
    module.create(edgeConfig({ app: "bench", rtc: false }, device, crypto.getRandomValues(new Uint8Array(32)))),
    store,
    noSockets,
    new SystemClock(),
  );
  await driver.start();
  return new PeerHandle(driver);
}

/** The same in memory, with its topic and the disk beneath. */
export async function alone() {
  const disk = new MemoryDisk();
  const peer = await peerOn(await openMemory("bench", disk));
  return { peer, topic: await peer.topic("bench"), disk };
}

/** Milliseconds that each core has spent in its turns, by its id; what crosses the boundary is in it. */
export const turnMs = new Map();
const { turn } = Core.prototype;
Core.prototype.turn = function (...args) {
  const began = performance.now();
  const result = turn.apply(this, args);
  turnMs.set(this.id, (turnMs.get(this.id) ?? 0) + performance.now() - began);
  return result;
};

/** What was sent since this was last emptied: from which port, which is one peer, and how many bytes. */
export const sent = [];
const { send } = Port.prototype;
Port.prototype.send = function (link, bytes) {
  sent.push({ from: this, bytes: bytes.length });
  return send.call(this, link, bytes);
};
export const sentBytes = frames => frames.reduce((sum, { bytes }) => sum + bytes, 0);

/** Two members of a topic who have seen each other, in virtual time. */
export async function two() {
  const net = new Network({ seed: 1, latencyMs, wasm });
  const [a, b] = [await net.open({ app: "bench" }), await net.open({ app: "bench" })];
  const here = await a.topic("bench");
  const other = await b.join(await here.invite());
  const lengths = [0, 0];
  here.status.subscribe(({ length }) => (lengths[0] = length));
  other.status.subscribe(({ length }) => (lengths[1] = length));
  await net.settle();
  /** Advances until both have so many messages; the milliseconds that took. */
  const until = async length => {
    const began = net.now.getTime();
    while (lengths[0] < length || lengths[1] < length) {
      if (net.now.getTime() - began > 600_000)
        throw new Error(`after ten minutes they have ${lengths} messages instead of ${length}`);
      await net.advance(5);
    }
    return net.now.getTime() - began;
  };
  return { net, a, b, here, other, until };
}
