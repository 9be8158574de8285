// Tabs of the package 0.1.0 on this origin, for the tabs of this one. They step aside for any word of a newer version, and what they
// have accepted is then on the disk. They take the lead with a lock of their own, which this package takes beside its own, but does not
// wait for without an end: a page may hold a lock of that name for something else, and the store's generation keeps out who writes late.

import type { TabMessage } from "./bus.js";
import { oldLeaderLockOf, oldTabLocksOf, oldTabsChannelOf, type PeerParts, oldPeerName } from "../base/names.js";
import { compareVersions } from "../base/version.js";
import type { Hold } from "./hold.js";

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

  /** Resolves when none of them leads, or could not be moved in time, or the hold has ended. None begins to while it stands. */
  async takeLead(hold: Hold): Promise<void> {
    const { patienceMs = 5000 } = this.#options;
    const ended = new Promise<void>(resolve => hold.onEnd(resolve));
    const taken = this.#take(hold, ended);
    if (!(await this.#anyLives())) return; // whoever has it is none of them
    this.hello();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      taken,
      ended,
      new Promise<void>(resolve => {
        timer = setTimeout(resolve, patienceMs);
      }),
    ]);
    clearTimeout(timer);
  }

  close(): void {
    this.#channel?.close();
  }

  // Resolves when it has their lock, or never will. Taken away, it is asked for again: one of them may wait for it.
  async #take(hold: Hold, ended: Promise<void>): Promise<void> {
    const { locks } = this.#options;
    await new Promise<void>(resolve => {
      let had = false;
      const held = (): Promise<void> => {
        had = true;
        resolve();
        return ended;
      };
      locks.request(oldLeaderLockOf(this.#peer), { signal: hold.signal }, held).catch(() => {
        resolve();
        if (had && hold.stands) void this.#take(hold, ended);
      });
    });
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
