// The Web Locks of a tab: one by which the others know that it lives, and one that all tabs of a name compete for. Who has that leads.
//
//     const candidate = new Candidate({ locks, name: "talkbox:default", tab: bus.id, older, lead });
//     const live = candidate.live();
//     candidate.stand();                               // calls lead() whenever the lock is this tab's
//     await live;                                      // before anybody hears of this tab: locks are had in the order in which they are asked for

import { leaderLockOf, tabLockOf } from "../base/names.js";
import { Hold } from "./hold.js";
import type { OlderTabs } from "./older.js";

export interface CandidateOptions {
  readonly locks: LockManager;
  /** Tabs of one name are one peer. */
  readonly name: string;
  readonly tab: string;
  readonly older: Pick<OlderTabs, "takeLead">;
  /** Leads for as long as the hold stands. Resolves with false if it could not: then somebody else may try first. */
  readonly lead: (hold: Hold) => Promise<boolean>;
}

/** After a failed takeover someone else may be luckier; then it is tried again. */
const retryMs = 1000;
/** How long a frozen leader can keep others waiting. */
const renewMs = 3000;

export class Candidate {
  readonly #options: CandidateOptions;
  #awake = new AbortController(); // aborted while the tab sleeps, and in the end: it holds no lock then
  #living: Promise<void> | undefined; // it waits for the lock by which they know that it lives, or has it
  #stands = false; // it waits for the lock or has it
  #hold: Hold | undefined; // while it has the lock: what listens to one is a whole core

  constructor(options: CandidateOptions) {
    this.#options = options;
  }

  get awake(): boolean {
    return !this.#awake.signal.aborted;
  }
  /** The lock is this tab's. */
  get leads(): boolean {
    return this.#hold?.stands === true;
  }

  /** Calls `gone` when that tab lives no longer, unless the signal is aborted first: who gets its lock knows. */
  watch(tab: string, signal: AbortSignal, gone: () => void): void {
    const { locks, name } = this.#options;
    locks.request(tabLockOf(name, tab), { signal }, gone).catch(() => undefined);
  }

  /** Resolves when it has that lock, which it asks for unless it has it. */
  live(): Promise<void> {
    return (this.#living ??= this.#live(this.#awake.signal));
  }

  #live(signal: AbortSignal): Promise<void> {
    const { locks, name, tab } = this.#options;
    return new Promise((resolve, reject) => {
      const hold = (): Promise<void> => {
        resolve();
        return new Promise(done => {
          if (signal.aborted) done();
          signal.addEventListener("abort", () => done());
        });
      };
      locks
        .request(tabLockOf(name, tab), { signal }, hold)
        .catch(reject)
        .finally(() => {
          // It was refused, or taken away; if this tab has slept since, what is asked for now is another one.
          if (signal === this.#awake.signal) this.#living = undefined;
        });
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

  /** Lets go of everything, within this task. */
  sleep(): void {
    this.#hold?.end();
    this.#awake.abort();
    this.#living = undefined;
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
    const hold = new Hold();
    const end = (): void => attempt.abort();
    const renewal = setTimeout(end, renewMs);
    const { signal } = this.#awake;
    signal.addEventListener("abort", end);
    try {
      return await locks.request(leaderLockOf(name), { signal: attempt.signal }, () => {
        clearTimeout(renewal);
        if (signal.aborted) return false; // it was given just when this tab fell asleep
        return this.#leadWhile(hold);
      });
    } catch {
      return attempt.signal.aborted;
    } finally {
      hold.end(); // it may have been taken away
      if (this.#hold === hold) this.#hold = undefined;
      clearTimeout(renewal);
      signal.removeEventListener("abort", end);
    }
  }

  // Resolves when the hold ends, whatever is under way: then the lock is let go.
  #leadWhile(hold: Hold): Promise<boolean> {
    this.#hold = hold;
    return new Promise(resolve => {
      let led = false;
      hold.onEnd(() => resolve(led));
      const attempt = async (): Promise<void> => {
        const { older, lead } = this.#options;
        await older.takeLead(hold);
        led = hold.stands && (await lead(hold));
        if (!led) hold.end();
      };
      attempt().catch(() => hold.end());
    });
  }
}
