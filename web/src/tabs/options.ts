// What a tab is opened with.

import type { PeerParts } from "../base/names.js";
import type { Hold } from "./hold.js";
import type { Lead } from "./leading.js";

export interface TabOptions {
  /** Tabs of one app and instance are one peer. */
  readonly peer: PeerParts;
  readonly version: string;
  /** What the peer is to be kept in; all its tabs have to mean the same. auto is IndexedDB, or memory where there is none and nothing was kept
   *  before; who asked for memory has no locks, and it does not count. */
  readonly storage: "auto" | "indexeddb" | "opfs";
  /** Opens the store and starts the core, which stops when the hold ends. `superseded`: to be called when a save was told so. */
  readonly lead: (hold: Hold, superseded: () => void) => Promise<Lead>;
  /** Told to whoever leads in our place. */
  readonly anchors?: readonly string[];
  /** None: alone, as with storage that other tabs cannot see. */
  readonly locks: LockManager | undefined;
  /** Who waits asks so often. Default: every 2 s. */
  readonly askMs?: number;
}
