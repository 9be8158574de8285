// Who waits asks again and again who leads: the lock may be held by one who never answers.
//
//     const asking = new Asking({ everyMs: 2000, waits, leads, ask, silent });
//     asking.begin();                                  // until it waits no longer
//     asking.answered();                               // somebody has the lock and will lead

export interface AskingOptions {
  readonly everyMs: number;
  readonly waits: () => boolean;
  /** The lock is its own: there is nobody to ask. */
  readonly leads: () => boolean;
  readonly ask: () => void;
  /** Nobody has answered for long. */
  readonly silent: () => void;
}

/** Asked so often for nothing, who waits says so. Own questions: those of a throttled tab come slowly. */
const questionsMax = 5;

export class Asking {
  readonly #options: AskingOptions;
  #questions = 0; // asked for nothing
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#questions = 0;
    this.#timer ??= setInterval(() => this.#next(), this.#options.everyMs);
  }

  answered(): void {
    this.#questions = 0;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    const { waits, leads, ask, silent } = this.#options;
    if (!waits()) return this.end();
    if (leads()) return;
    if (this.#questions++ === questionsMax) silent();
    ask();
  }
}
