// Rows: ordered byte keys to byte values, all that the core asks of a disk.
//
//     const store = await openMemory("talkbox");
//     await store.save({ puts: [[key, value]], erases: [], eraseRanges: [] });   // "ok": durable, all of it
//     await store.range(from, to, 50, true);                                     // the last 50 before `to`
//
// Four stores hold to this page, and one suite (test/web/store/conformance.ts) holds them to it: memory, IndexedDB,
// SQLite on OPFS, SQLite in Node.

/** A key and its value. What comes out of a store belongs to the caller. */
export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** What one save writes, all or none: ranges and keys are erased first, then the rows are put. */
export interface Change {
  readonly puts: readonly Row[];
  readonly erases: readonly Uint8Array[];
  readonly eraseRanges: readonly (readonly [from: Uint8Array, to: Uint8Array])[];
}

/** ok: durable. full, failed: nothing of it was written. superseded: another opener has taken the store over, nothing was
 *  written and nothing ever will be. unknown: it may or may not have been written. lost: its rows are gone. */
export type SaveOutcome = "ok" | "full" | "superseded" | "failed" | "unknown" | "lost";

/** superseded: another opener has taken the store over. lost: its rows are gone. Neither ever changes. failed: it cannot be opened now. */
export type Reopening = "ok" | "superseded" | "lost" | "failed";

export type StoreKind = "indexeddb" | "opfs" | "sqlite" | "memory";

export interface Usage {
  readonly usedBytes: number;
  readonly quotaBytes?: number;
  readonly persisted: boolean; // the browser has promised not to evict it; always so in a file, never in memory
}

export interface Store {
  readonly kind: StoreKind;
  /** There were no rows when it was opened. */
  readonly wasEmpty: boolean;
  /** Those rows that exist, in the order of the keys asked for. Sees every save issued before. Rejects if the store cannot be read. */
  read(keys: readonly Uint8Array[]): Promise<Row[]>;
  /** At most `limit` rows with from <= key < to, ascending, or descending from `to` if `reverse`. Limit 0: all of them. Sees every
   *  save issued before. Rejects if the store cannot be read. */
  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]>;
  /** Atomic, in order, durable once it resolves "ok". The bytes are copied before it returns. Never rejects: after anything but
   *  "ok" all later saves give "failed" and write nothing, until `reopen`. */
  save(change: Change): Promise<SaveOutcome>;
  /** Lifts the barrier that a bad save left. The barrier stays if it ends otherwise than "ok", as it does in a closed store. */
  reopen(): Promise<Reopening>;
  usage(): Promise<Usage>;
  /** Resolves when what was issued before is done and the store is let go. Later saves fail. Closing twice is harmless. */
  close(): Promise<void>;
}

/** Whether what was found in a value's place, or undefined, is to stay there. */
export type Stands<T> = (found: unknown) => found is T;

/** The shim's own few values beside the core's rows: the device seed, the format. They are not part of any save. */
export interface Own {
  getOwn(key: string): Promise<unknown>;
  /** What is there stays if it `stands`, by default nothing does; else the value is put, in one step. Resolves with what is there then,
   *  durably. Rejects if it cannot be written. In SQLite a value is bytes, text or a number, and only who holds the store writes any. */
  putOwn<T>(key: string, value: T, stands?: Stands<T>): Promise<T>;
}

/** A store that can be asked whether it still belongs to its opener. */
export interface Held {
  /** superseded: another opener has taken it over; lost: its rows are gone. Writes nothing. Rejects if the store cannot be read. */
  held(): Promise<Reopening>;
}

/** Opens a store and takes it over: the generation that it raises makes every save of an earlier opener "superseded".
 *  Rejects with PerdureError: `storage-unavailable` if there is no such store to be had (the message says why), `outdated` if a
 *  newer version of the package has written it; then nothing in it was touched. */
export interface OpenStore {
  (name: string): Promise<Store & Own>;
}

/** The layout of rows and own values. A store that says a greater number belongs to a newer package and is left alone. */
export const storeFormat = 1;

/** What the generation says that is found in a store which an opener of generation `own` held. */
export function reopening(found: unknown, own: number): Reopening {
  if (found === own) return "ok";
  return typeof found === "number" && found > own ? "superseded" : "lost";
}

/** Says whether a is before, at or after b in the order of keys. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
