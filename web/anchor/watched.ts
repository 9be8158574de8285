// A store that is watched: how long saves take, whether what it was given can be kept, whether it still belongs to this process.
//
// A save that fails begins a trouble, which ends only when as much as that save would have written is written: a small row that still
// fits says nothing. Until then it is tried every few seconds, beside the saves.
import type { Change, Held, Own, Reopening, Row, SaveOutcome, Store, StoreKind, Usage } from "../src/store/store.js";
import type { Histogram } from "./metrics.js";

/** Where nothing failed, whoever asks for the health has it tried, no more often than this. */
const probeEveryMs = 1_000;
/** A commit that takes longer counts as one that cannot be made. */
const probeMs = 5_000;
/** What has failed is tried again after so long, each time a little later. */
const againMs = 1_000;
const againMsMax = 15_000;
/** At least one page of a log is to fit; a save that was larger than the other is tried in part. */
const realBytesMin = 64 * 1024;
const realBytesMax = 4 << 20;
/** Whose the store is, is looked up so often. */
const heldEveryMs = 400;

const words: Readonly<Record<Exclude<SaveOutcome, "ok" | keyof typeof gone>, string>> = {
  full: "The disk is full: what does not fit is not stored, and those who bring it are told. It is tried again all the time; make room.",
  failed: "The database refuses to be written. It is tried again all the time.",
  unknown: "The database did not confirm a commit. It is tried again all the time.",
};
const gone = {
  superseded: "Another anchor has taken over the database.",
  lost: "The database is not there any more.",
} as const;

export interface WatchEvents {
  /** What it was given cannot be kept, for that reason. Not told again until it is well. */
  failing(why: string): void;
  /** What was too large before can be kept. */
  well(): void;
  /** The store is not this process's any more. */
  lost(how: "superseded" | "lost"): void;
}

interface Trouble {
  readonly why: string;
  bytes: number;
  pauseMs: number;
}

export class WatchedStore implements Store {
  readonly kind: StoreKind;
  readonly wasEmpty: boolean;
  readonly #store: Store & Own & Held;
  readonly #seconds: Histogram;
  readonly #events: WatchEvents;
  readonly #looking: ReturnType<typeof setInterval>;
  #trouble: Trouble | undefined;
  #behindBarrier = false;
  #gone: "superseded" | "lost" | undefined;
  #closed = false;
  #again: ReturnType<typeof setTimeout> | undefined;
  #probe: Promise<string> | undefined;
  #probes = 0;

  /** `seconds` is told how long each save took. */
  constructor(store: Store & Own & Held, seconds: Histogram, events: WatchEvents) {
    this.kind = store.kind;
    this.wasEmpty = store.wasEmpty;
    this.#store = store;
    this.#seconds = seconds;
    this.#events = events;
    this.#looking = setInterval(() => void this.#look(), heldEveryMs);
    this.#looking.unref();
  }

  read(keys: readonly Uint8Array[]): Promise<Row[]> {
    return this.#store.read(keys);
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]> {
    return this.#store.range(from, to, limit, reverse);
  }

  async save(change: Change): Promise<SaveOutcome> {
    const begun = performance.now();
    const bytes = change.puts.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const outcome = await this.#store.save(change);
    this.#seconds.observe((performance.now() - begun) / 1000);
    if (outcome === "superseded" || outcome === "lost") this.#end(outcome);
    else if (outcome !== "ok") {
      // What fails behind a barrier says nothing new.
      if (!this.#behindBarrier) this.#fail(words[outcome], bytes);
      this.#behindBarrier = true;
    } else if (this.#trouble !== undefined && bytes >= this.#trouble.bytes) this.#recover();
    return outcome;
  }

  async reopen(): Promise<Reopening> {
    const outcome = await this.#store.reopen();
    if (outcome === "ok") this.#behindBarrier = false;
    else if (outcome !== "failed") this.#end(outcome);
    return outcome;
  }

  usage(): Promise<Usage> {
    return this.#store.usage();
  }

  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#looking);
    clearTimeout(this.#again);
    return this.#store.close();
  }

  /** What keeps it from storing what it is given, in words; empty if nothing does. */
  async trouble(): Promise<string> {
    await this.#look();
    if (this.#gone !== undefined) return gone[this.#gone];
    if (this.#trouble !== undefined) return this.#trouble.why;
    this.#probe ??= this.#try(1).finally(() => setTimeout(() => (this.#probe = undefined), probeEveryMs).unref());
    const found = await this.#probe;
    if (found !== "" && !this.#closed) this.#fail(found, 0);
    return found;
  }

  async #look(): Promise<void> {
    const held = await this.#store.held().catch(() => "failed" as const);
    if (held === "superseded" || held === "lost") this.#end(held);
  }

  #end(how: "superseded" | "lost"): void {
    if (this.#gone !== undefined || this.#closed) return;
    this.#gone = how;
    this.#events.lost(how);
  }

  #fail(why: string, bytes: number): void {
    const size = Math.min(Math.max(bytes, realBytesMin), realBytesMax);
    if (this.#trouble !== undefined) {
      this.#trouble.bytes = Math.max(this.#trouble.bytes, size);
      return;
    }
    this.#trouble = { why, bytes: size, pauseMs: againMs };
    this.#events.failing(why);
    this.#tryAgain(this.#trouble);
  }

  #recover(): void {
    clearTimeout(this.#again);
    this.#trouble = undefined;
    this.#events.well();
  }

  #tryAgain(trouble: Trouble): void {
    if (this.#closed) return;
    this.#again = setTimeout(() => {
      const { bytes } = trouble;
      void this.#try(bytes).then(found => {
        if (this.#trouble !== trouble || this.#closed) return;
        if (found === "" && bytes >= trouble.bytes) return this.#recover();
        trouble.pauseMs = Math.min(2 * trouble.pauseMs, againMsMax);
        this.#tryAgain(trouble);
      });
    }, trouble.pauseMs);
    this.#again.unref();
  }

  /** Whether so many bytes can be written; they are not left there. */
  async #try(bytes: number): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<string>(
      resolve =>
        (timer = setTimeout(
          () => resolve("The database takes too long to commit. It is tried again all the time."),
          probeMs,
        )),
    );
    const why = (error: unknown): string =>
      `The database cannot commit (${error instanceof Error ? error.message : String(error)}). It is tried again all the time.`;
    const written = this.#store
      .putOwn("probe", bytes === 1 ? ++this.#probes : new Uint8Array(bytes))
      .then(() => "", why);
    // At once behind it, so that no save finds its room taken.
    if (bytes > 1) this.#store.putOwn("probe", ++this.#probes).catch(() => undefined);
    try {
      return await Promise.race([written, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
