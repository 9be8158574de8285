// How a Node process gets its engine: a Driver in the calling thread, links over WebSockets.
//
//     const engine = await nodeEngine({ app: "talkbox", storage: { file: "peer.db" }, anchors: ["wss://anchor.example"] });

import { SystemClock } from "./clock.js";
import { edgeConfig } from "./config.js";
import { loadCoreInNode } from "./core.js";
import { Driver } from "./driver.js";
import type { Engine } from "./engine.js";
import { badArgument } from "./errors.js";
import { makeLinks } from "./links/links.js";
import { messageBytesMax, type MakeWebSocket } from "./links/websocket.js";
import { importInNode } from "./node-import.js";
import { randomBytes } from "./platform.js";
import { openMemory } from "./store/memory.js";
import { plainSeed } from "./store/seed.js";
import { openSqlite } from "./store/sqlite.js";
import type { PeerOptions } from "./types.js";

/** Resolves when calls can be answered. Rejects with `bad-argument` if it is not said where to keep things, `storage-unavailable`,
 *  `outdated` or `wasm-failed`. */
export async function nodeEngine(options: PeerOptions): Promise<Engine> {
  const { storage } = options;
  if (storage !== "memory" && typeof storage !== "object") throw badArgument('In Node say storage: "memory" or storage: { file: "peer.db" }.');
  const [module, store] = await Promise.all([loadCoreInNode(options.wasm), storage === "memory" ? openMemory(options.app) : openSqlite(storage.file)]);
  try {
    const seed = await plainSeed(store);
    const config = edgeConfig({ ...options, rtc: false }, seed.bytes, randomBytes(32));
    const links = makeLinks({ webSocket: await nodeWebSocket() });
    // Rows whose key is gone are of another device: as good as lost.
    const driver = new Driver(module.create(config), store, links, new SystemClock(), { lostStore: !store.wasEmpty && seed.fresh });
    await driver.start();
    return driver;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** WebSockets of the package `ws`. */
export async function nodeWebSocket(): Promise<MakeWebSocket> {
  const { WebSocket } = (await importInNode("ws")) as typeof import("ws");
  return url => new WebSocket(url, { perMessageDeflate: false, maxPayload: messageBytesMax });
}
