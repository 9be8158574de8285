// Whether anybody may still answer, for a tab that goes and has calls open: who can neither lead nor follow hopes for another tab, but
// not without an end.
//
//     const hope = new Hope();
//     hope.refused();                                  // it had the lock and could not lead
//     await hope.lost();                               // resolves the second time: all others that wait had their turn in between

const refusalsMax = 2;

export class Hope {
  #refusals = 0; // since somebody has led
  #silent = false;
  #whenLost: (() => void)[] = [];

  /** Somebody leads. */
  answered(): void {
    this.#refusals = 0;
    this.#silent = false;
  }

  /** Somebody has the lock, this tab or another, and is about to lead: that it can is not said yet. */
  stirred(): void {
    this.#silent = false;
  }

  refused(): void {
    this.#refusals++;
    this.#look();
  }

  /** Whoever has the lock answers nothing. */
  silent(): void {
    this.#silent = true;
    this.#look();
  }

  /** Resolves when it is in vain to wait. */
  lost(): Promise<void> {
    return new Promise(resolve => {
      this.#whenLost.push(resolve);
      this.#look();
    });
  }

  #look(): void {
    if (this.#silent || this.#refusals >= refusalsMax) for (const lost of this.#whenLost.splice(0)) lost();
  }
}
