// The other tabs of a peer, for one of them: how it talks to them, and by which locks it lives among them and competes for the lead.
//
//     const others = new Others({ locks, peer, version, askMs, hidden, waits, hear, lead, silent });
//     await others.enter();                            // they have heard of this tab; it leads when its turn comes
//     others.leave();

import { peerName, type PeerParts } from "../base/names.js";
import { Asking } from "./asking.js";
import { Bus, type TabMessage } from "./bus.js";
import { Candidate } from "./candidate.js";
import type { Hold } from "./hold.js";
import { OlderTabs } from "./older.js";

export interface OthersOptions {
  readonly locks: LockManager;
  readonly peer: PeerParts;
  readonly version: string;
  /** Who waits asks so often. */
  readonly askMs: number;
  /** Whether the page is. */
  readonly hidden: () => boolean;
  /** Whether this tab neither leads nor follows. */
  readonly waits: () => boolean;
  readonly hear: (message: TabMessage) => void;
  /** The lock is this tab's for as long as the hold stands. Resolves with false if it could not lead: then somebody else may try first. */
  readonly lead: (hold: Hold) => Promise<boolean>;
  /** Nobody answers who waits. */
  readonly silent: () => void;
}

export class Others {
  readonly bus: Bus;
  readonly candidate: Candidate;
  readonly #older: OlderTabs;
  readonly #asking: Asking;
  readonly #hidden: () => boolean;
  #watch = new AbortController(); // of the leader that is followed
  #watched: string | undefined; // that leader

  constructor({ locks, peer, version, askMs, hidden, waits, hear, lead, silent }: OthersOptions) {
    const name = peerName(peer);
    this.#hidden = hidden;
    this.bus = new Bus(name, version, hear);
    const tab = this.bus.id;
    this.#older = new OlderTabs({ peer, locks, tab, version });
    const candidate = new Candidate({ locks, name, tab, older: this.#older, lead });
    this.candidate = candidate;
    this.#asking = new Asking({
      everyMs: askMs,
      waits: () => waits() && candidate.awake,
      leads: () => candidate.leads,
      ask: () => this.hello(),
      silent,
    });
  }

  hello(): void {
    this.bus.say({ kind: "hello", hidden: this.#hidden() });
  }

  /** Resolves when it holds the lock by which they know that it lives, and they have heard of it. */
  async enter(): Promise<void> {
    this.#asking.begin();
    const live = this.candidate.live();
    this.candidate.stand();
    await live;
    this.#older.hello();
    this.hello();
  }

  /** After it was asleep, or was taken for gone. */
  reenter(): void {
    this.candidate.live().catch(() => undefined); // asked for before anyone hears of this tab again
    this.candidate.stand();
    this.hello();
  }

  /** It neither leads nor follows from now on: asks who leads, again and again. */
  wait(): void {
    this.unwatch();
    this.#asking.begin();
  }

  /** Somebody has the lock and will lead, maybe this tab. */
  answered(): void {
    this.#asking.answered();
  }

  /** Calls `gone` when that tab lives no longer, until it watches another or none. */
  watch(leader: string, gone: () => void): void {
    this.unwatch();
    const { signal } = (this.#watch = new AbortController());
    this.#watched = leader;
    this.candidate.watch(leader, signal, () => {
      if (!signal.aborted) gone();
    });
  }

  unwatch(): void {
    this.#watch.abort();
    if (this.#watched !== undefined) this.bus.forget(this.#watched);
    this.#watched = undefined;
  }

  /** Says goodbye, and lets go of everything. */
  leave(): void {
    this.unwatch();
    this.bus.say({ kind: "bye" });
    this.candidate.sleep();
    this.#asking.end();
    this.#older.close();
    this.bus.close();
  }
}
