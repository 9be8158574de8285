// The Web Locks of a tab: one by which the others know that it lives, and one that all tabs of a name compete for. Who has that leads.
//
//     const candidate = new Candidate({ locks, name: "talkbox:default", tab: bus.id, older, lead });
//     const live = candidate.live();
//     candidate.stand();                               // calls lead() whenever the lock is this tab's
//     await live;                                      // before anybody hears of this tab: locks are had in the order in which they are asked for

import { leaderLockOf, tabLockOf } from "../base/names.js";
import type { OlderTabs } from "./older.js";

export interface CandidateOptions {
  readonly locks: LockManager;
  /** Tabs of one name are one peer. */
  readonly name: string;
  readonly tab: string;
  readonly older: Pick<OlderTabs, "takeLead" | "release">;
  /** Resolves with false if it could not: then somebody else may try first. The lock is kept until release(). */
  readonly lead: () => Promise<boolean>;
}

/** After a failed takeover someone else may be luckier; then it is tried again. */
const retryMs = 1000;
/** How long a frozen leader can keep others waiting. */
const renewMs = 3000;

export class Candidate {
  readonly #options: CandidateOptions;
  #awake = new AbortController(); // aborted while the tab sleeps, and in the end: it holds no lock then
  #stands = false; // it waits for the lock or has it
  #leads = false; // it has it
  #release: () => void = () => undefined;

  constructor(options: CandidateOptions) {
    this.#options = options;
  }

  get awake(): boolean {
    return !this.#awake.signal.aborted;
  }
  /** The lock is this tab's. */
  get leads(): boolean {
    return this.#leads;
  }

  /** Calls `gone` when that tab lives no longer, unless the signal is aborted first: who gets its lock knows. */
  watch(tab: string, signal: AbortSignal, gone: () => void): void {
    const { locks, name } = this.#options;
    locks.request(tabLockOf(name, tab), { signal }, gone).catch(() => undefined);
  }

  /** Resolves when it has that lock. */
  live(): Promise<void> {
    const { locks, name, tab } = this.#options;
    return new Promise((resolve, reject) => {
      const { signal } = this.#awake;
      const hold = (): Promise<void> => {
        resolve();
        return new Promise(done => {
          signal.addEventListener("abort", () => done());
        });
      };
      locks.request(tabLockOf(name, tab), { signal }, hold).catch(reject);
    });
  }

  /** Waits for the lock and leads while it has it; then again, for as long as it is awake. */
  stand(): void {
    if (this.#stands) return;
    this.#stands = true;
    void this.#standing().finally(() => {
      this.#stands = false;
    });
  }

  /** Gives the lock back, if it has it. */
  release(): void {
    this.#release();
  }

  /** Lets go of everything, within this task. */
  sleep(): void {
    this.#awake.abort();
    this.#release();
  }

  wake(): void {
    if (!this.awake) this.#awake = new AbortController();
  }

  async #standing(): Promise<void> {
    while (this.awake) {
      const led = await this.#compete();
      if (!led && this.awake)
        await new Promise(resolve => {
          setTimeout(resolve, retryMs);
        });
    }
  }

  // A browser takes a lock from a page that is frozen in its cache when the lock is asked for, but not while it is waited for. So it
  // is asked for again and again.
  async #compete(): Promise<boolean> {
    const { locks, name } = this.#options;
    const attempt = new AbortController();
    const end = (): void => attempt.abort();
    const renewal = setTimeout(end, renewMs);
    const { signal } = this.#awake;
    signal.addEventListener("abort", end);
    try {
      return await locks.request(leaderLockOf(name), { signal: attempt.signal }, () => {
        clearTimeout(renewal);
        return this.#leadWhileAllowed();
      });
    } catch {
      return attempt.signal.aborted;
    } finally {
      clearTimeout(renewal);
      signal.removeEventListener("abort", end);
    }
  }

  async #leadWhileAllowed(): Promise<boolean> {
    const { older, lead } = this.#options;
    const released = new Promise<void>(resolve => {
      this.#release = () => {
        older.release();
        resolve();
      };
    });
    this.#leads = true;
    try {
      await older.takeLead();
      if (!this.awake || !(await lead())) return false;
      await released;
      return true;
    } finally {
      this.#leads = false;
      older.release();
    }
  }
}
