// What the tab that leads does: opens the storage, unwraps the device's seed, starts the core.

import { SystemClock } from "../engine/clock.js";
import { edgeConfig } from "../engine/config.js";
import { loadCore } from "../engine/core.js";
import { Driver } from "../engine/driver.js";
import { both } from "../base/both.js";
import { closedError, PerdureError, type ErrorData } from "../base/errors.js";
import { makeLinks } from "../links/links.js";
import type { RtcPort } from "../links/rtc.js";
import { canBroadcast } from "../base/platform.js";
import type { StartOptions } from "./start.js";
import { peerName } from "../base/names.js";
import { storeNameOf } from "../store/claim.js";
import { openIndexedDb, openIndexedDbOwn } from "../store/indexeddb.js";
import { openMemory } from "../store/memory.js";
import { unavailable } from "../store/refusals.js";
import { plainSeed, wrappedSeed, type Seed } from "../store/seed.js";
import type { Own, Store } from "../store/store.js";
import type { Hold } from "./hold.js";
import type { Lead } from "./leading.js";

export interface LeadOptions extends StartOptions {
  /** While it stands the storage is this tab's. */
  readonly hold: Hold;
  /** perdure.wasm, if the page has compiled it. */
  readonly compiled: Promise<WebAssembly.Module | undefined>;
  /** Only the worker that was started for it has SQLite in it. */
  readonly openOpfs?: typeof import("../store/opfs.js").openOpfs;
  readonly rtcPort: RtcPort | undefined;
  /** Something is on the disk: from now on an empty store is a lost one. */
  readonly onStored: () => void;
  /** What the browser said when it refused this page locks, and storage with them; or why else nothing can be kept. */
  readonly refused: unknown;
}

/** The lock is ours before the worker that led has let its files go. */
const opfsPatienceMs = 5000;

interface Opened {
  readonly store: Store;
  readonly seed: Seed;
  readonly trouble: readonly ErrorData[];
  close(): Promise<void>;
}

/** Rejects with `storage-unavailable`, `outdated`, `wasm-blocked` or `wasm-failed`, or with whatever else if the hold has ended; then the storage is
 *  let go again. */
export async function takeLead(options: LeadOptions, superseded: () => void): Promise<Lead> {
  const { peer } = options;
  const [module, opened] = await both(
    options.compiled.then(compiled => loadCore(compiled ?? peer.wasm, options.wasmUrl)),
    openStorage(options),
  );
  try {
    const { store, seed, trouble } = opened;
    // Gone while the browser remembers otherwise; or the rows are there and the key to them is not. The core tells the user.
    const lostStore = store.kind !== "memory" && (store.wasEmpty ? options.hadStore : seed.fresh);
    if (!store.wasEmpty) options.onStored();
    const config = edgeConfig(
      { ...peer, rtc: peer.rtc ? {} : false },
      seed.bytes,
      crypto.getRandomValues(new Uint8Array(32)),
    );
    const links = makeLinks({
      webSocket: url => new WebSocket(url),
      ...(options.rtcPort === undefined ? {} : { rtc: options.rtcPort }),
      ...(!canBroadcast()
        ? {}
        : { local: { network: peer.app, ...(options.refused === undefined ? {} : { locks: undefined }) } }),
    });
    const watched = store.wasEmpty && store.kind !== "memory" ? tellFirstSave(store, options.onStored) : store;
    const driver = new Driver(module.create(config), watched, links, new SystemClock(), {
      lostStore,
      trouble,
      onSuperseded: superseded,
      // What is in memory is nobody else's.
      ...(store.kind === "memory" ? {} : { until: options.hold.signal }),
    });
    await driver.start();
    return {
      engine: driver,
      drop: async () => {
        driver.abandon();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openStorage(options: LeadOptions): Promise<Opened> {
  const { peer } = options;
  const { storage = "auto" } = peer;
  if (storage === "memory") return inMemory(peer.app, []);
  const name = options.refused === undefined ? await storeNameOf(peer) : peerName(peer);
  // To open it is to take it over.
  if (!options.hold.stands) throw closedError();
  if (storage === "opfs" && options.refused === undefined) {
    const { openOpfs } = options;
    if (openOpfs === undefined) {
      throw unavailable(
        'There is no SQLite here. storage: "opfs" needs perdure/worker-opfs: not worker: false, not perdure/inline; a worker that is named must be that one. ' +
          'Or leave storage at "auto".',
      );
    }
    const own = await openIndexedDbOwn(name);
    try {
      return await opening(await openOpfs(name, { patienceMs: opfsPatienceMs }), () => wrappedSeed(own));
    } finally {
      await own.close();
    }
  }
  try {
    if (options.refused instanceof PerdureError) throw options.refused;
    if (options.refused !== undefined) throw unavailable("The browser refuses this page its storage.", options.refused);
    const store = await openIndexedDb(name);
    return await opening(store, () => wrappedSeed(store));
  } catch (error) {
    // An empty peer in place of a full one would look like lost data, so memory stands in only where nothing was.
    const refused = error instanceof PerdureError && error.code === "storage-unavailable";
    if (!refused || storage !== "auto" || options.hadStore) throw error;
    return inMemory(name, [
      { code: "storage-unavailable", text: `What happens here is forgotten when the page closes. ${error.message}` },
    ]);
  }
}

async function opening(
  store: Store & Own,
  seedOf: () => Promise<Seed>,
  trouble: readonly ErrorData[] = [],
): Promise<Opened> {
  try {
    return { store, seed: await seedOf(), trouble, close: () => store.close() };
  } catch (error) {
    await store.close();
    if (error instanceof PerdureError) throw error;
    throw new PerdureError("storage-unavailable", "The browser does not keep this device's key.", { cause: error });
  }
}

async function inMemory(name: string, trouble: readonly ErrorData[]): Promise<Opened> {
  const store = await openMemory(name);
  return opening(store, () => plainSeed(store), trouble);
}

function tellFirstSave(store: Store, told: () => void): Store {
  let first = true;
  return {
    kind: store.kind,
    wasEmpty: store.wasEmpty,
    read: keys => store.read(keys),
    range: (from, to, limit, reverse) => store.range(from, to, limit, reverse),
    save: async change => {
      const outcome = await store.save(change);
      if (first && outcome === "ok") {
        first = false;
        told();
      }
      return outcome;
    },
    reopen: () => store.reopen(),
    usage: () => store.usage(),
    close: () => store.close(),
  };
}
