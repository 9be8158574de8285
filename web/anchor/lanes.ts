// So many at a time; the others wait in line.
//
//     const lanes = new Lanes(2);
//     await lanes.run(async () => …);

export class Lanes {
  readonly #count: number;
  readonly #line: (() => void)[] = [];
  #running = 0;

  constructor(count: number) {
    this.#count = count;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** What that gives, once it is its turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#count) this.#running++;
    else await new Promise<void>(resolve => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
