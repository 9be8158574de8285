// How a Node process gets its engine: a Driver in the calling thread, links over WebSockets.
//
//     const engine = await nodeEngine({ app: "talkbox", storage: { file: "peer.db" }, anchors: ["wss://anchor.example"] });

import { SystemClock } from "../engine/clock.js";
import { edgeConfig } from "../engine/config.js";
import { loadCoreInNode } from "../engine/core.js";
import { Driver } from "../engine/driver.js";
import type { Engine } from "../engine/engine.js";
import { both } from "../base/both.js";
import { badArgument, PerdureError } from "../base/errors.js";
import { makeLinks } from "../links/links.js";
import { messageBytesMax, type MakeWebSocket } from "../links/websocket.js";
import { importInNode } from "../base/node-import.js";
import { randomBytes } from "../base/platform.js";
import { openMemory } from "../store/memory.js";
import { anchorName, claim, type Owner } from "../store/owner.js";
import { plainSeed } from "../store/seed.js";
import { openSqlite } from "../store/sqlite.js";
import type { PeerOptions } from "../base/types.js";
import { TlsFaults } from "./tls.js";

/** Resolves when calls can be answered. Rejects with `bad-argument` if it is not said where to keep things, or another peer of this
 *  process keeps them there, `storage-unavailable`, `storage-full`, `outdated` or `wasm-failed`. */
export async function nodeEngine(options: PeerOptions): Promise<Engine> {
  const { storage } = options;
  if (storage !== "memory" && typeof storage !== "object")
    throw badArgument('In Node say storage: "memory" or storage: { file: "peer.db" }.');
  let running: Driver | undefined;
  let damaged = false;
  const onDamage = (error: PerdureError): void => {
    if (!damaged) running?.worry(error);
    damaged = running !== undefined;
  };
  const [module, store] = await both(
    loadCoreInNode(options.wasm),
    storage === "memory" ? openMemory(options.app) : openFile(storage.file, options.app, onDamage),
  );
  try {
    const seed = await plainSeed(store, storage === "memory" ? undefined : storage.file);
    const config = edgeConfig({ ...options, rtc: false }, seed.bytes, randomBytes(32));
    const faults = new TlsFaults();
    const links = makeLinks({ webSocket: await nodeWebSocket(faults) });
    // Rows whose key is gone are of another device: as good as lost.
    const driver: Driver = new Driver(module.create(config), store, links, new SystemClock(), {
      lostStore: !store.wasEmpty && seed.fresh,
      explain: notice => faults.explain(notice),
      onSuperseded: () => driver.end(takenOver(typeof storage === "object" ? storage.file : "its memory")),
    });
    running = driver;
    await driver.start();
    await claim(store, options.app);
    return driver;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Files that peers of this process have open, each by its one true path. */
const held = new Set<string>();

async function openFile(
  file: string,
  app: string,
  onDamage: (error: PerdureError) => void,
): Promise<Awaited<ReturnType<typeof openSqlite>>> {
  const path = await truePath(file);
  if (path === undefined) return openSqlite(file);
  if (held.has(path)) {
    throw badArgument(
      `Another peer of this process has ${file} open: a file is one peer's. Open it with the same app and instance to get a second handle on that peer, or name another file.`,
      "storage",
    );
  }
  held.add(path);
  const released = (): void => void held.delete(path);
  try {
    return await openSqlite(file, { owner: ownerOf(file, app), onDamage, released });
  } catch (error) {
    released();
    throw error;
  }
}

/** The file is that app's, whatever its instances: those only tell peers of one process apart. */
function ownerOf(file: string, app: string): Owner {
  return {
    name: app,
    refusal: found =>
      badArgument(
        found === anchorName
          ? `The file ${file} is an anchor's database. Name another file for this peer.`
          : `The file ${file} belongs to the app ${JSON.stringify(found)}. Open it under that name for what is in it. Else name another file, or move this one away: that makes a new device.`,
        "storage",
      ),
  };
}

/** A file's one true path. None in memory, and where the folder is missing, as it is told to whoever opens the file. */
export async function truePath(file: string): Promise<string | undefined> {
  if (file === ":memory:") return undefined;
  const [{ realpathSync }, { basename, dirname, join }] = (await Promise.all([
    importInNode("node:fs"),
    importInNode("node:path"),
  ])) as [typeof import("node:fs"), typeof import("node:path")];
  try {
    return realpathSync(file);
  } catch {
    /* it is not there yet */
  }
  try {
    return join(realpathSync(dirname(file)), basename(file));
  } catch {
    return undefined;
  }
}

function takenOver(file: string): PerdureError {
  return new PerdureError(
    "storage-unavailable",
    `Another process has opened ${file} and writes it from now on, so this peer has stopped. All that it has accepted is in the file. ` +
      "Use one process for each file: end the other one, then close this peer and open it again, or give each a file of its own.",
  );
}

/** WebSockets of the package `ws`. */
export async function nodeWebSocket(faults = new TlsFaults()): Promise<MakeWebSocket> {
  const { WebSocket } = (await importInNode("ws")) as typeof import("ws");
  return url =>
    new WebSocket(url, { perMessageDeflate: false, maxPayload: messageBytesMax })
      .on("error", error => faults.failed(url, error))
      .on("open", () => faults.opened(url));
}
