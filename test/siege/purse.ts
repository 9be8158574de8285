// What an attacker may spend: bytes, sockets and time. All that it opens is ended with it.

/** Thrown when there is nothing left to spend. */
export class Spent extends Error {}

export interface Spending {
  readonly bytes: number;
  readonly sockets: number;
}

export class Purse {
  #bytes = 0;
  #sockets = 0;
  readonly #ends: (() => void)[] = [];
  readonly #until: number;

  constructor(
    readonly limits: Spending,
    seconds: number,
  ) {
    this.#until = performance.now() + seconds * 1000;
  }

  get spent(): Spending {
    return { bytes: this.#bytes, sockets: this.#sockets };
  }

  get hasTime(): boolean {
    return performance.now() < this.#until;
  }

  get millisecondsLeft(): number {
    return Math.max(0, this.#until - performance.now());
  }

  spend(bytes: number): void {
    if (this.#bytes + bytes > this.limits.bytes || !this.hasTime) throw new Spent("no bytes or no time left");
    this.#bytes += bytes;
  }

  socket(): void {
    if (this.#sockets >= this.limits.sockets || !this.hasTime) throw new Spent("no sockets or no time left");
    this.#sockets += 1;
  }

  /** Throws what is no lack of means. */
  excuse(error: unknown): void {
    if (!(error instanceof Spent)) throw error;
  }

  /** It is ended with the attack. */
  holds(end: () => void): void {
    this.#ends.push(end);
  }

  /** Lets what has come in be heard. */
  turn(): Promise<void> {
    return new Promise(resolve => setImmediate(resolve));
  }

  /** Resolves when the time is over. */
  over(): Promise<void> {
    return new Promise(resolve => setTimeout(resolve, this.millisecondsLeft));
  }

  close(): void {
    for (const end of this.#ends) end();
  }
}
