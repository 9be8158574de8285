// perdure: data that lives in the browsers of the people who use it.
//
//     const peer = await openPeer({ app: "talkbox", anchors: ["wss://anchor.example"] });
//     const topic = await peer.topic("lunch");
//     topic.latest(50).subscribe(({ messages }) => render(messages));
//     await topic.append({ text: "hello" });
//
// Importing this touches nothing: no window, no storage, no WebAssembly.
import type { Engine } from "./engine/engine.js";
import { browserEngine } from "./host/browser.js";
import { Opener } from "./api/open.js";
import { inNode } from "./base/platform.js";
import type { Peer, PeerOptions } from "./base/types.js";

export { PerdureError } from "./base/errors.js";
export type { ErrorCode } from "./base/errors.js";
export type {
  AnchorInfo,
  Batch,
  Conflict,
  Copies,
  Limits,
  Member,
  Message,
  MessagesOptions,
  Page,
  Peer,
  PeerInfo,
  PeerOptions,
  PeerStatus,
  Presence,
  Receipt,
  Shape,
  Topic,
  TopicInfo,
  TopicMap,
  TopicStatus,
  Version,
  View,
} from "./base/types.js";

async function start(options: PeerOptions): Promise<Engine> {
  if (!inNode) return browserEngine(options);
  const { nodeEngine } = await import("./host/node.js");
  return nodeEngine(options);
}

async function placeOf(file: string): Promise<string | undefined> {
  const { truePath } = await import("./host/node.js");
  return truePath(file);
}

let opener: Opener | undefined;

/** Opens this device's peer. Resolves when it can read and write here, online or not. The same app and instance opened
 *  twice in one page or process gives two handles on one peer, which closes with the last of them: only the anchors of the later call
 *  are added; its name, rtc, limits, wasm and worker do not count. Say `instance` for a second peer. What is kept in memory, or in another
 *  file, is another peer. A worker that opens it has it in its own thread, without WebRTC. Rejects with `bad-argument`,
 *  `storage-unavailable`, `storage-full`, `outdated`, `insecure-context`, `wasm-blocked` or `wasm-failed`, or with the signal's reason. */
export async function openPeer(options: PeerOptions): Promise<Peer> {
  opener ??= new Opener(start, undefined, placeOf);
  return opener.open(options);
}
