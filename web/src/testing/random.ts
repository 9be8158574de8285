// Randomness from a seed: the same seed gives the same numbers, everywhere.

/** Chris Doty-Humphrey's sfc32. Good enough to shake a test, no secret. */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9;
  #d = 1;

  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 0x100000000) >>> 0;
    for (let i = 0; i < 16; i++) this.u32();
  }

  u32(): number {
    const t = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return this.u32() / 0x100000000;
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.u32() & 255);
  }
}
