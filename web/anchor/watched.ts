// A store that is watched: how long saves take, whether the last one was written, whether another could be now.
import type { Change, Own, Reopening, Row, SaveOutcome, Store, StoreKind, Usage } from "../src/store/store.js";
import type { Histogram } from "./metrics.js";

/** The database is tried no more often than this, and by itself when nothing was saved for so long. */
const probeEveryMs = 1_000;
/** A commit that takes longer counts as one that cannot be made. */
const probeMs = 5_000;

const words: Readonly<Record<SaveOutcome, string>> = {
  ok: "", full: "The disk is full.", superseded: "Another anchor has taken over the database.",
  failed: "The database refuses to be written.", unknown: "The database did not confirm a commit.",
};

export class WatchedStore implements Store {
  readonly kind: StoreKind;
  readonly wasEmpty: boolean;
  readonly #store: Store & Own;
  readonly #seconds: Histogram;
  #last: SaveOutcome = "ok";
  #probe: Promise<string> | undefined;
  #probes = 0;

  /** `seconds` is told how long each save took. */
  constructor(store: Store & Own, seconds: Histogram) {
    this.kind = store.kind;
    this.wasEmpty = store.wasEmpty;
    this.#store = store;
    this.#seconds = seconds;
  }

  read(keys: readonly Uint8Array[]): Promise<Row[]> {
    return this.#store.read(keys);
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]> {
    return this.#store.range(from, to, limit, reverse);
  }

  async save(change: Change): Promise<SaveOutcome> {
    const begun = performance.now();
    const outcome = await this.#store.save(change);
    this.#seconds.observe((performance.now() - begun) / 1000);
    // What fails behind a barrier says nothing new.
    if (outcome !== "failed" || this.#last === "ok") this.#last = outcome;
    return outcome;
  }

  async reopen(): Promise<Reopening> {
    const outcome = await this.#store.reopen();
    if (outcome === "ok") this.#last = "ok";
    return outcome;
  }

  usage(): Promise<Usage> {
    return this.#store.usage();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** What keeps the database from being written, in words; empty if nothing does. */
  async trouble(): Promise<string> {
    if (this.#last === "superseded") return words.superseded;
    this.#probe ??= this.#try().finally(() => setTimeout(() => (this.#probe = undefined), probeEveryMs).unref());
    const found = await this.#probe;
    return found === "" && this.#last !== "ok" ? words[this.#last] : found;
  }

  async #try(): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<string>(resolve => (timer = setTimeout(() => resolve("The database takes too long to commit."), probeMs)));
    const written = this.#store.putOwn("probe", ++this.#probes).then(() => "", (error: unknown) => `The database cannot commit (${error instanceof Error ? error.message : String(error)}).`);
    try {
      return await Promise.race([written, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
