// Time as a Driver sees it.

import { given } from "../base/platform.js";

/** Clocks and the two ways of doing something later. Tests put virtual time in its place. */
export interface Clock {
  /** Milliseconds that never go back. */
  steadyMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Runs once at that steady time, in place of what was asked for before; undefined: not at all. */
  wakeAt(steadyMs: number | undefined, run: () => void): void;
  /** Runs in a task of its own, as soon as the thread is free: what came meanwhile is in by then. */
  soon(run: () => void): void;
}

/** What setTimeout can wait for at most. */
const timerMax = 0x7fffffff;

/** Those of this thread. */
export class SystemClock implements Clock {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #firesAt = 0;
  #wanted: { readonly at: number; readonly run: () => void } | undefined;
  readonly #tasks = new Tasks();

  steadyMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  wakeAt(steadyMs: number | undefined, run: () => void): void {
    this.#wanted = steadyMs === undefined ? undefined : { at: steadyMs, run };
    // A timer that fires earlier will look again: most turns put the time off, and starting a timer costs more than a look.
    if (steadyMs !== undefined && this.#timer !== undefined && this.#firesAt <= steadyMs) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (steadyMs !== undefined) this.#arm(steadyMs);
  }

  #arm(steadyMs: number): void {
    const wait = Math.min(Math.max(Math.ceil(steadyMs - performance.now()), 0), timerMax);
    this.#firesAt = performance.now() + wait;
    this.#timer = setTimeout(() => this.#fire(), wait);
  }

  #fire(): void {
    this.#timer = undefined;
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    if (performance.now() < wanted.at) return this.#arm(wanted.at);
    this.#wanted = undefined;
    wanted.run();
  }

  soon(run: () => void): void {
    this.#tasks.add(run);
  }
}

/** Tasks without the 4 ms that nested timers wait. */
class Tasks {
  readonly #waiting: (() => void)[] = [];
  readonly #kick: () => void;

  constructor() {
    const run = (): void => this.#waiting.shift()?.();
    const later: typeof setImmediate | undefined = given("setImmediate", "node:timers");
    if (later !== undefined) {
      this.#kick = () => void later(run);
    } else {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = run;
      this.#kick = () => port2.postMessage(0);
    }
  }

  add(run: () => void): void {
    this.#waiting.push(run);
    this.#kick();
  }
}
