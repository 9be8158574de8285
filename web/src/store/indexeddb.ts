// Rows in IndexedDB, the store that every browser has. It costs by the row, not by the byte, so the core packs what it saves
// together; keys are binary, and their order is IndexedDB's own.
//
// Each save is one read-write transaction of strict durability that asks for the generation first and then writes without
// waiting for the answer: requests run in order, and a foreign generation aborts them all.
//
// What was empty when it was opened is known: at first, reads of a fresh database are answered from memory.

import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from "idb";
import { databaseOf } from "../base/names.js";
import { MemoryBackend } from "./memory.js";
import { OrderedStore, type Backend } from "./ordered.js";
import { newerFormat, unavailable } from "./refusals.js";
import {
  reopening,
  storeFormat,
  type Change,
  type Own,
  type Reopening,
  type Row,
  type SaveOutcome,
  type Stands,
  type Store,
  type Usage,
} from "./store.js";

interface Schema extends DBSchema {
  rows: { key: ArrayBuffer | Uint8Array<ArrayBuffer>; value: unknown };
  own: { key: string; value: unknown };
}
type Database = IDBPDatabase<Schema>;
type Writing = IDBPTransaction<Schema, ("rows" | "own")[], "readwrite">;

export interface IndexedDbOptions {
  /** "relaxed" is told of commits before they are on the disk: for the bench alone. */
  readonly durability?: "strict" | "relaxed";
  /** So much of a fresh database is held in memory; then it is read like any other. Default: 64 KiB. */
  readonly knownBytes?: number;
}

/** Opens the database `perdure:<name>` and takes it over. Rejects with `storage-unavailable` if the browser gives none, with
 *  `outdated` if a newer package has written it. */
export async function openIndexedDb(name: string, options: IndexedDbOptions = {}): Promise<Store & Own> {
  const backend = new IndexedDbBackend(name, options);
  const wasEmpty = await backend.takeOver();
  return new OrderedStore("indexeddb", wasEmpty, backend);
}

/** Only the shim's own values of that database, for rows kept elsewhere; takes nothing over. Rejects as `openIndexedDb` does. */
export async function openIndexedDbOwn(name: string): Promise<Own & { close(): Promise<void> }> {
  const backend = new IndexedDbBackend(name, {});
  await backend.open();
  return new OrderedStore("indexeddb", false, backend);
}

class IndexedDbBackend implements Backend {
  readonly #name: string;
  readonly #durability: "strict" | "relaxed";
  readonly #knownBytes: number;
  #database: Database | undefined; // none once the browser has closed it or a newer version wants it
  #generation = 0;
  #known: MemoryBackend | undefined; // all rows, while they are few and nobody else can have written any

  constructor(name: string, { durability = "strict", knownBytes = 64 * 1024 }: IndexedDbOptions) {
    this.#name = databaseOf(name);
    this.#durability = durability;
    this.#knownBytes = knownBytes;
  }

  async open(): Promise<Database> {
    if (typeof indexedDB === "undefined") throw unavailable("This browser has no IndexedDB here.");
    let database: Database;
    try {
      database = await openDB<Schema>(this.#name, 1, {
        upgrade: fresh => {
          fresh.createObjectStore("rows");
          fresh.createObjectStore("own");
        },
        blocking: () => this.#drop(),
        terminated: () => {
          this.#database = undefined;
        },
      });
    } catch (error) {
      if (nameOf(error) === "VersionError") throw newerFormat();
      throw unavailable(
        "The browser refuses to open its database. Private windows and blocked site data do that; so does a full disk.",
        error,
      );
    }
    this.#database = database;
    return database;
  }

  // True if there were no rows.
  async takeOver(): Promise<boolean> {
    const database = await this.open();
    try {
      const writing = this.#write(database);
      const own = writing.objectStore("own");
      const [format, generation, keys] = await Promise.all([
        own.get("format"),
        own.get("generation"),
        writing.objectStore("rows").getAllKeys(null, 1),
      ]);
      if (typeof format === "number" && format > storeFormat) {
        await writing.done;
        throw newerFormat();
      }
      this.#generation = (typeof generation === "number" ? generation : 0) + 1;
      await Promise.all([own.put(storeFormat, "format"), own.put(this.#generation, "generation"), writing.done]);
      if (keys.length === 0) this.#known = new MemoryBackend();
      return keys.length === 0;
    } catch (error) {
      this.#drop();
      if (nameOf(error) === "PerdureError") throw error;
      throw unavailable("The browser's database cannot be written.", error);
    }
  }

  async read(keys: readonly Uint8Array[]): Promise<Row[]> {
    const database = this.#open();
    if (this.#known !== undefined) return this.#known.read(keys);
    const rows = database.transaction("rows").store;
    const values = await Promise.all(keys.map(key => rows.get(new Uint8Array(key))));
    return keys.flatMap((key, i) => (values[i] === undefined ? [] : [[key, asBytes(values[i])] as const]));
  }

  async range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Promise<Row[]> {
    const database = this.#open();
    if (this.#known !== undefined) return this.#known.range(from, to, limit, reverse);
    const rows = database.transaction("rows").store;
    let wanted = IDBKeyRange.bound(new Uint8Array(from), new Uint8Array(to), false, true);
    if (reverse && limit > 0) {
      // getAll only counts upwards: one step of a cursor finds where the last `limit` rows begin.
      let start = await rows.openKeyCursor(wanted, "prev");
      if (start !== null && limit > 1) start = await start.advance(limit - 1);
      if (start !== null) wanted = IDBKeyRange.bound(start.key, new Uint8Array(to), false, true);
    }
    const [keys, values] = await Promise.all([
      rows.getAllKeys(wanted, limit || undefined),
      rows.getAll(wanted, limit || undefined),
    ]);
    const found = keys.map((key, i) => [asBytes(key), asBytes(values[i])] as const);
    return reverse ? found.reverse() : found;
  }

  async commit(change: Change): Promise<SaveOutcome> {
    const outcome = await this.#commit(change);
    if (this.#known === undefined) return outcome;
    this.#known.commit(change);
    if (outcome !== "ok" || this.#known.usage().usedBytes > this.#knownBytes) this.#known = undefined;
    return outcome;
  }

  async #commit(change: Change): Promise<SaveOutcome> {
    let writing: Writing;
    try {
      writing = this.#write(this.#open());
    } catch {
      return "failed"; // no transaction ever began
    }
    writing.done.catch(() => undefined);
    const rows = writing.objectStore("rows");
    let foreign = false;
    try {
      const asked = writing
        .objectStore("own")
        .get("generation")
        .then(generation => {
          foreign = generation !== this.#generation;
          if (foreign) writing.abort();
        });
      const writes: Promise<unknown>[] = [asked];
      for (const [from, to] of change.eraseRanges)
        writes.push(rows.delete(IDBKeyRange.bound(new Uint8Array(from), new Uint8Array(to), false, true)));
      for (const key of change.erases) writes.push(rows.delete(new Uint8Array(key)));
      for (const [key, value] of change.puts) writes.push(rows.put(value, new Uint8Array(key)));
      // Which request failed does not matter: `done` tells how the transaction ended.
      for (const write of writes) write.catch(() => undefined);
      await writing.done;
      return "ok";
    } catch (error) {
      if (foreign) return "superseded";
      try {
        writing.abort();
      } catch {
        /* it is over already */
      }
      return outcomeOf(error);
    }
  }

  async recover(): Promise<Reopening> {
    // A database that the browser has taken away may not have been told so yet: then it is opened anew.
    const held = await this.#database?.get("own", "generation").catch(() => undefined);
    if (held !== undefined) return reopening(held, this.#generation);
    this.#drop();
    return reopening(await (await this.open()).get("own", "generation"), this.#generation);
  }

  async usage(): Promise<Usage> {
    const storage = globalThis.navigator?.storage;
    if (storage === undefined) return { usedBytes: 0, persisted: false };
    const [estimate, persisted] = await Promise.all([storage.estimate(), storage.persisted()]);
    const used = { usedBytes: estimate.usage ?? 0, persisted };
    return estimate.quota === undefined ? used : { ...used, quotaBytes: estimate.quota };
  }

  getOwn(key: string): Promise<unknown> {
    return this.#open().get("own", key);
  }

  async putOwn<T>(key: string, value: T, stands?: Stands<T>): Promise<T> {
    const writing = this.#write(this.#open());
    const own = writing.objectStore("own");
    const change = async (): Promise<T> => {
      const found: unknown = await own.get(key);
      if (stands?.(found) === true) return found;
      await own.put(value, key);
      return value;
    };
    const [there] = await Promise.all([change(), writing.done]);
    return there;
  }

  close(): void {
    this.#drop();
  }

  #write(database: Database): Writing {
    return database.transaction(["own", "rows"], "readwrite", { durability: this.#durability });
  }

  #open(): Database {
    if (this.#database === undefined) throw unavailable("The browser has closed its database. Reload the page.");
    return this.#database;
  }

  #drop(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}

// An abort that nobody here asked for and that carries no error is a connection that was cut: the commit may have been under
// way. The same goes for errors that browsers themselves call unknown.
function outcomeOf(error: unknown): SaveOutcome {
  switch (nameOf(error)) {
    case "QuotaExceededError":
      return "full";
    case "UnknownError":
    case "AbortError":
      return "unknown";
    default:
      return "failed";
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

// A row damaged beyond being bytes reads as no bytes at all, which the core knows to be damage.
function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array();
}
