// Time that is a number we add to.
import { setImmediate } from "node:timers";
import type { Clock } from "../engine/clock.js";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** More turns than this without time going on: something asks to be woken at once, for ever. */
const sameInstantMax = 100_000;

/** One time for a whole network. What is due runs only while time is advanced; what is due now, soon. */
export class VirtualTime {
  /** Milliseconds since 1970 when it began. */
  static readonly epoch = Date.UTC(2026, 0, 1);
  #now = 0;
  #order = 0;
  /** A binary heap by time, then by order of asking. */
  readonly #heap: Due[] = [];
  /** Asked for and not yet run. */
  #soon = 0;
  #advancing: Promise<unknown> = Promise.resolve();

  get now(): number {
    return this.#now;
  }

  /** Runs at that time; returns how to call it off. */
  at(time: number, run: () => void): () => void {
    const due: Due = { at: Math.max(time, this.#now), order: this.#order++, run, cancelled: false };
    if (due.at <= this.#now) this.soon(() => due.cancelled || run());
    else this.#push(due);
    return () => (due.cancelled = true);
  }

  /** Runs after what is going on, at the same virtual time and without being asked to advance. */
  soon(run: () => void): void {
    this.#soon++;
    setImmediate(() => {
      this.#soon--;
      run();
    });
  }

  /** Resolves when nothing is left to do at this time. */
  async drain(): Promise<void> {
    let turns = 0;
    do {
      // A task later all promises that could go on have gone on.
      await new Promise(resolve => setImmediate(resolve));
      if (++turns > sameInstantMax) throw new Error("time does not go on: something wakes itself for ever");
    } while (this.#soon > 0);
  }

  /** Runs what falls due in the next so many milliseconds, in order. Two that advance do it one after the other. */
  advance(ms: number): Promise<void> {
    const done = this.#advancing.then(() => this.#advance(ms));
    this.#advancing = done.catch(() => undefined);
    return done;
  }

  async #advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.drain();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#now = next.at;
      if (this.#runDue()) await this.drain();
    }
    this.#now = end;
  }

  /** Runs what is due now, all of it before anything that it sets going: what reaches a peer at one time is one turn of its core.
   *  False if all of that had been called off. */
  #runDue(): boolean {
    let ran = false;
    for (let due = this.#heap[0]; due !== undefined && due.at <= this.#now; due = this.#heap[0]) {
      this.#pop();
      if (due.cancelled) continue;
      due.run();
      ran = true;
    }
    return ran;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && before(due, heap[parent]); parent = (at - 1) >> 1) {
      heap[at] = heap[parent] ?? due;
      at = parent;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (right !== undefined && before(right, left)) child++;
      const least = heap[child];
      if (least === undefined || !before(least, last)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Due, b: Due | undefined): boolean {
  return b === undefined || a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The clock of one peer in virtual time; its wall clock may be wrong. */
export class VirtualClock implements Clock {
  offsetMs = 0;
  readonly #time: VirtualTime;
  #wanted: { readonly at: number; readonly cancel: () => void } | undefined;
  #wake: () => void = () => undefined;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  steadyMs(): number {
    return this.#time.now;
  }

  wallMs(): number {
    return VirtualTime.epoch + this.#time.now + this.offsetMs;
  }

  wakeAt(steadyMs: number | undefined, run: () => void): void {
    this.#wake = run;
    // Most turns leave the time as it was.
    if (this.#wanted?.at === steadyMs) return;
    this.#wanted?.cancel();
    this.#wanted =
      steadyMs === undefined ? undefined : { at: steadyMs, cancel: this.#time.at(steadyMs, () => this.#fire()) };
  }

  #fire(): void {
    this.#wanted = undefined;
    this.#wake();
  }

  soon(run: () => void): void {
    this.#time.soon(run);
  }
}
