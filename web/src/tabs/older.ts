// Tabs of the package 0.1.0 on this origin, for the tabs of this one. They step aside for any word of a newer version, and what they
// have accepted is then on the disk. They take the lead with a lock of their own, which this package takes beside its own, but does not
// wait for without an end: a page may hold a lock of that name for something else, and the store's generation keeps out who writes late.

import type { TabMessage } from "./bus.js";
import { oldLeaderLockOf, oldTabLocksOf, oldTabsChannelOf, type PeerParts, oldPeerName } from "../base/names.js";
import { compareVersions } from "../base/version.js";

export interface OlderOptions {
  readonly peer: PeerParts;
  readonly locks: LockManager;
  /** This tab's id and version. */
  readonly tab: string;
  readonly version: string;
  /** How long one that leads may take to step aside. */
  readonly patienceMs?: number;
}

export class OlderTabs {
  readonly #options: OlderOptions;
  readonly #peer: string;
  readonly #channel: BroadcastChannel | undefined;
  #lead = new AbortController(); // aborted when the lead is given back

  constructor(options: OlderOptions) {
    this.#options = options;
    this.#peer = oldPeerName(options.peer);
    // Where there are none, 0.1.0 does not open.
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(oldTabsChannelOf(this.#peer));
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
  }

  /** Lets them know that a newer version is here. */
  hello(): void {
    this.#channel?.postMessage(this.#said("hello"));
  }

  /** Resolves when none of them leads, or could not be moved in time. None begins to until `release`. */
  async takeLead(): Promise<void> {
    const { locks, patienceMs = 5000 } = this.#options;
    this.release();
    const { signal } = (this.#lead = new AbortController());
    const taken = new Promise<void>(resolve => {
      const hold = (): Promise<void> => {
        resolve();
        return new Promise(done => {
          signal.addEventListener("abort", () => done());
        });
      };
      locks.request(oldLeaderLockOf(this.#peer), { signal }, hold).catch(() => resolve());
    });
    if (!(await this.#anyLives())) return; // whoever has it is none of them
    this.hello();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      taken,
      new Promise<void>(resolve => {
        timer = setTimeout(resolve, patienceMs);
      }),
    ]);
    clearTimeout(timer);
  }

  release(): void {
    this.#lead.abort();
  }

  close(): void {
    this.release();
    this.#channel?.close();
  }

  async #anyLives(): Promise<boolean> {
    const { held = [] } = await this.#options.locks.query().catch(() => ({ held: [] }));
    return held.some(({ name = "" }) => name.startsWith(oldTabLocksOf(this.#peer)));
  }

  // Of this version and newer ones nothing is heard here.
  #hear(data: unknown): void {
    if (typeof data !== "object" || data === null) return;
    const { from, version } = data as { readonly from?: unknown; readonly version?: unknown };
    if (typeof from !== "string" || typeof version !== "string" || compareVersions(version, this.#options.version) >= 0)
      return;
    const inbox = new BroadcastChannel(`${oldTabsChannelOf(this.#peer)}:${from}`);
    inbox.postMessage(this.#said("bye"));
    inbox.close();
  }

  #said(kind: "hello" | "bye"): TabMessage {
    const { tab, version } = this.#options;
    return kind === "hello" ? { kind, hidden: true, from: tab, version } : { kind, from: tab, version };
  }
}
