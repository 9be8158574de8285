// The disk of a test peer: memory that outlives its core, and that can be lost or full.
import { MemoryDisk, openMemory } from "../store/memory.js";
import type { Change, Reopening, Row, SaveOutcome, Store, StoreKind, Usage } from "../store/store.js";

export class TestDisk {
  readonly #disk = new MemoryDisk();
  #used = false;
  /** The store that a running core holds. */
  #store: TestStore | undefined;

  /** While true every save ends as "full". */
  set full(full: boolean) {
    this.#disk.maxBytes = full ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Opens it; what an earlier core still wants to write is lost. `lost`: there was something, and it is gone. */
  async open(): Promise<{ readonly store: Store; readonly lost: boolean }> {
    const store = new TestStore(await openMemory("test", this.#disk));
    this.#store = store;
    const lost = this.#used && store.wasEmpty;
    this.#used = true;
    return { store, lost };
  }

  /** The core is gone: saves under way take no effect any more. */
  crash(): void {
    this.#disk.generation++;
    this.#store = undefined;
  }

  /** Forgets all rows. A core that runs can neither read nor write from now on. */
  lose(): void {
    this.#store?.lose();
    this.#disk.lose();
  }
}

class TestStore implements Store {
  readonly #inner: Store;
  #lost = false;

  constructor(inner: Store) {
    this.#inner = inner;
  }

  get kind(): StoreKind {
    return this.#inner.kind;
  }

  get wasEmpty(): boolean {
    return this.#inner.wasEmpty;
  }

  lose(): void {
    this.#lost = true;
  }

  read(keys: readonly Uint8Array[]): Promise<Row[]> {
    return this.#lost ? Promise.reject(new Error("lost")) : this.#inner.read(keys);
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]> {
    return this.#lost ? Promise.reject(new Error("lost")) : this.#inner.range(from, to, limit, reverse);
  }

  save(change: Change): Promise<SaveOutcome> {
    return this.#lost ? Promise.resolve("lost") : this.#inner.save(change);
  }

  reopen(): Promise<Reopening> {
    return this.#lost ? Promise.resolve("lost") : this.#inner.reopen();
  }

  usage(): Promise<Usage> {
    return this.#inner.usage();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
