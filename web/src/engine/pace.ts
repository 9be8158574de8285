// When a driver takes its turns.
//
// The first event of a quiet time goes in at once (as a microtask); while the thread is busy, one turn a task takes all that came. A save that
// is done within the task of its turn is told in that task, once: whoever waits for it need not wait for another.
//
//   free ── turn ──> taken ── hurry: another turn ──> hurried
//    ^                 └───────────────────────────────┴── a task of its own: the thread is free ──┐
//    └─────────────────────────────────── then one turn, if anything came meanwhile ───────────────┘

import type { Clock } from "./clock.js";

export interface Turned {
  /** Whether there is anything to take a turn for. */
  waiting(): boolean;
  turn(): void;
}

export class Pace {
  readonly #clock: Pick<Clock, "soon">;
  readonly #turned: Turned;
  /** This task. */
  #task: "free" | "taken" | "hurried" = "free";
  /** A turn comes as a microtask. */
  #due = false;

  constructor(clock: Pick<Clock, "soon">, turned: Turned) {
    this.#clock = clock;
    this.#turned = turned;
  }

  /** Something came. `hurry`: it is worth a second turn in this task. */
  want(hurry: boolean): void {
    if (this.#due || this.#task === "hurried" || (this.#task === "taken" && !hurry)) return;
    if (this.#task === "taken") this.#task = "hurried";
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#runIfWanted();
    });
  }

  /** Takes a turn now. */
  run(): void {
    this.#turned.turn();
    if (this.#task !== "free") return;
    this.#task = "taken";
    this.#clock.soon(() => {
      this.#task = "free";
      this.#runIfWanted();
    });
  }

  #runIfWanted(): void {
    if (this.#turned.waiting()) this.run();
  }
}
