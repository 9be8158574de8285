// The lock of the tab that leads, as who has it holds it. It stands until it is given back, or is taken away: by a script that steals
// it, or by the browser from a page that sleeps. Once it has ended it never stands again: who gets the lock anew has another hold.
//
//     const hold = new Hold();
//     hold.onEnd(() => driver.abandon());              // within the task in which it ends, before anything else
//     if (!hold.stands) return;                        // after whatever was waited for

export class Hold {
  readonly #ended = new AbortController();

  get stands(): boolean {
    return !this.#ended.signal.aborted;
  }

  /** Aborted when it ends. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Calls `ended` when it ends, at once if it has. */
  onEnd(ended: () => void): void {
    if (this.stands) this.signal.addEventListener("abort", () => ended(), { once: true });
    else ended();
  }

  /** The lock is given back, or is gone. */
  end(): void {
    this.#ended.abort();
  }
}
