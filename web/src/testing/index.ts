// perdure/testing: a whole network in one process, in virtual time. No browser, no socket; one WebAssembly instance for all.
//
//     const net = createNetwork({ seed: 7, latencyMs: 40 });
//     const [a, b] = [await net.open({ app: "talkbox" }), await net.open({ app: "talkbox" })];
//     const topic = await a.topic("lunch");
//     const other = await b.join(await topic.invite());
//     net.partition([a], [b]);
//     await topic.append("hello");                     // resolves without advance()
//     net.heal();
//     await net.settle();                              // other has it, too
//
// Every run from one seed is the same run. Links are ordered and reliable, as real ones are: a lost packet is a late one.
import type { PeerOptions } from "../base/types.js";
import type { TestNetwork } from "./types.js";
import { Network } from "./network.js";

export { chromiumArgs, firefoxPrefs } from "./browsers.js";
export type { TestAnchor, TestNetwork, TestPeer } from "./types.js";
export type TestPeerOptions = Pick<PeerOptions, "app" | "name" | "instance">;

/** A network without peers. The same seed, default 1, gives the same run. latencyMs: one way, default 30. loss: the part of
 *  messages, from 0 to below 1, that are late by a retransmission, default 0. */
export function createNetwork(options: { seed?: number; latencyMs?: number; loss?: number } = {}): TestNetwork {
  return new Network(options);
}
