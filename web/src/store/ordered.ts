// What all stores have in common: order, the failure barrier, copies of what is handed in. A backend below it only has to
// carry out one thing at a time.
//
// Reads run beside one another; a save waits for what was issued before it, and what comes later waits for the save.

import { PerdureError } from "../base/errors.js";
import {
  compareBytes,
  type Change,
  type Held,
  type Own,
  type Reopening,
  type Row,
  type SaveOutcome,
  type Stands,
  type Store,
  type StoreKind,
  type Usage,
} from "./store.js";

/** One opener's hold on a disk. Never called while a commit is under way. */
export interface Backend {
  read(keys: readonly Uint8Array[]): Row[] | Promise<Row[]>;
  /** from < to; limit 0: all. */
  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Row[] | Promise<Row[]>;
  /** Atomic and durable; compares the generation in the same transaction. May reject: then nothing was written. */
  commit(change: Change): SaveOutcome | Promise<SaveOutcome>;
  /** Makes the disk usable again after trouble. May reject: then it is not to be had now. */
  recover(): Reopening | Promise<Reopening>;
  /** As `recover`, of a disk without trouble. Where it is left out nobody can take the disk away. */
  held?(): Reopening | Promise<Reopening>;
  usage(): Usage | Promise<Usage>;
  getOwn(key: string): unknown;
  putOwn<T>(key: string, value: T, stands?: Stands<T>): T | Promise<T>;
  close(): void | Promise<void>;
}

/** A save that failed waits no longer than this for what the disk says then. */
const lookMs = 1000;

export class OrderedStore implements Store, Own, Held {
  readonly kind: StoreKind;
  readonly wasEmpty: boolean;
  readonly #backend: Backend;
  #saves: Promise<unknown> = Promise.resolve(); // until the last save issued is done
  #all: Promise<unknown> = Promise.resolve(); // until everything issued is done
  #barrier = false;
  #recovering: Promise<Reopening> | undefined;
  #closed: Promise<void> | undefined;

  constructor(kind: StoreKind, wasEmpty: boolean, backend: Backend) {
    this.kind = kind;
    this.wasEmpty = wasEmpty;
    this.#backend = backend;
  }

  read(keys: readonly Uint8Array[]): Promise<Row[]> {
    const wanted = keys.map(copy);
    return this.#reading(() => this.#backend.read(wanted));
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]> {
    const [first, end] = [copy(from), copy(to)];
    return this.#reading(() => (!before(first, end) ? [] : this.#backend.range(first, end, limit, reverse)));
  }

  async save(change: Change): Promise<SaveOutcome> {
    const kept = copyChange(change);
    return this.#writing(async () => {
      if (this.#barrier) return "failed";
      const outcome = await this.#commit(kept);
      this.#barrier = outcome !== "ok";
      return outcome;
    }, "failed");
  }

  // A disk that was taken away only shows once it is looked at anew.
  async #commit(change: Change): Promise<SaveOutcome> {
    const outcome = await attempt(() => this.#backend.commit(change));
    if (outcome !== "failed" && outcome !== "unknown") return outcome;
    let late: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise(resolve => (late = setTimeout(resolve, lookMs)));
    const found = await Promise.race([this.#recover(), patience]);
    clearTimeout(late);
    return found === "lost" ? "lost" : outcome;
  }

  #recover(): Promise<Reopening> {
    const asked = async (): Promise<Reopening> => {
      try {
        return await this.#backend.recover();
      } catch {
        return "failed"; // not to be had
      } finally {
        this.#recovering = undefined;
      }
    };
    return (this.#recovering ??= asked());
  }

  async reopen(): Promise<Reopening> {
    return this.#writing(async () => {
      const outcome = await this.#recover();
      this.#barrier = outcome !== "ok";
      return outcome;
    }, "failed");
  }

  held(): Promise<Reopening> {
    return this.#reading(() => this.#backend.held?.() ?? "ok");
  }
  usage(): Promise<Usage> {
    return this.#reading(() => this.#backend.usage());
  }
  getOwn(key: string): Promise<unknown> {
    return this.#reading(() => this.#backend.getOwn(key));
  }

  async putOwn<T>(key: string, value: T, stands?: Stands<T>): Promise<T> {
    const there = await this.#writing<{ readonly value: T } | undefined>(
      async () => ({ value: await this.#backend.putOwn(key, value, stands) }),
      undefined,
    );
    if (there === undefined) throw closedStore();
    return there.value;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#all.then(() => this.#recovering).then(() => this.#backend.close()));
  }

  #reading<T>(run: () => T | Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(closedStore());
    const done = this.#saves.then(run);
    this.#all = Promise.allSettled([this.#all, done]).then(nothing); // not the rows that were read
    return done;
  }

  #writing<T>(run: () => Promise<T>, closed: T): Promise<T> {
    if (this.#closed !== undefined) return Promise.resolve(closed);
    const done = this.#all.then(run);
    this.#all = this.#saves = done.then(nothing, nothing);
    return done;
  }
}

async function attempt(commit: () => SaveOutcome | Promise<SaveOutcome>): Promise<SaveOutcome> {
  try {
    return await commit();
  } catch {
    return "failed";
  }
}

// Exact copies: a view of the core's memory dies at its next call, and a view of a large buffer would drag all of it along.
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function copyChange(change: Change): Change {
  return {
    puts: change.puts.map(([key, value]) => [copy(key), copy(value)] as const),
    erases: change.erases.map(copy),
    eraseRanges: change.eraseRanges
      .map(([from, to]) => [copy(from), copy(to)] as const)
      .filter(([from, to]) => before(from, to)),
  };
}

function before(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) < 0;
}
function closedStore(): PerdureError {
  return new PerdureError("closed", "The store is closed.");
}
function nothing(): void {
  /* what happened has been told to the caller */
}
