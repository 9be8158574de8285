// Rows in SQLite, whichever one: `sqlite.ts` and `opfs.ts` bring the connection, the statements are here.

import type { PerdureError } from "../base/errors.js";
import type { Backend } from "./ordered.js";
import { checkOwner, ownerKey, type Owner } from "./owner.js";
import { full, ioError, ioErrorWrite, isDamage, isFull, notDatabase, resultCode } from "./codes.js";
import { newerFormat, noRoom, takenMeanwhile, unavailable } from "./refusals.js";
import {
  reopening,
  storeFormat,
  type Change,
  type Reopening,
  type Row,
  type SaveOutcome,
  type Stands,
  type Usage,
} from "./store.js";

export type SqlValue = Uint8Array | string | number | bigint | null;

/** A connection. `all` and `run` prepare a statement once and keep it. Both throw what `resultCode` understands. */
export interface Sql {
  run(sql: string, ...values: readonly SqlValue[]): void;
  all(sql: string, ...values: readonly SqlValue[]): readonly Record<string, unknown>[];
  close(): void;
}

const schema = [
  "CREATE TABLE rows (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
  "CREATE TABLE own (key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID",
  "CREATE TABLE generation (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL)",
  "INSERT INTO generation VALUES (1, 0)",
  `PRAGMA user_version = ${storeFormat}`,
];

export interface SqlOptions {
  readonly name: string; // in what users are told: "The file peer.db"
  readonly ifDamaged: string; // what helps then, a sentence
  readonly onDamage?: (error: PerdureError) => void; // each time that it shows while the rows are in use
  readonly ours?: () => void; // before the first write to what is known not to be somebody else's
  readonly connect: () => Sql; // called again when the connection has to be made anew
  readonly pragmas: readonly string[]; // after the format is known to be ours
  readonly usage: (sql: Sql) => Usage | Promise<Usage>;
  readonly makeRoom?: (sql: Sql) => void; // on the disk, after a commit that did not fit
  readonly isFull?: (bytes: number) => Promise<boolean>; // where a full disk shows as an I/O error: was there no room for so much?
  readonly isThere?: () => boolean; // false: its file was taken away, or another one put in its place
  readonly owner?: Owner; // none: anybody's may be opened
  readonly released?: () => void; // once the last connection is closed for good
}

export class SqlBackend implements Backend {
  readonly #options: SqlOptions;
  #sql: Sql;
  #generation = 0;
  #isBorrowed = false;

  private constructor(options: SqlOptions) {
    this.#options = options;
    this.#sql = options.connect();
  }

  /** Takes the database over; makes the tables the first time. Where there is no room for that it is opened for reading, and the first save
   *  that fits takes it over. Throws PerdureError. */
  static takeOver(options: SqlOptions): { backend: SqlBackend; wasEmpty: boolean } {
    let backend: SqlBackend | undefined;
    try {
      backend = new SqlBackend(options);
      return { backend, wasEmpty: backend.#open() };
    } catch (error) {
      backend?.close();
      if (error instanceof Error && error.name === "PerdureError") throw error;
      if (isFull(error)) throw noRoom(`${options.name} cannot be opened: there is no room for it.`, error);
      throw isDamage(error)
        ? damageOf(options, error)
        : unavailable(`${options.name} cannot be opened and written.`, error);
    }
  }

  #open(): boolean {
    try {
      return this.#takeOver();
    } catch (error) {
      if (!isFull(error)) throw error;
      try {
        return this.#borrow();
      } catch (why) {
        throw why instanceof Error && why.name === "PerdureError" ? why : error;
      }
    }
  }

  // Its lock keeps all others out, as the generation does that cannot be raised; and SQLite needs no file for it.
  #borrow(): boolean {
    this.#connect(true);
    if (this.#isNew()) throw noRoom(`${this.#options.name} cannot be made.`);
    this.#checkOwner();
    this.#generation = this.#stored();
    this.#isBorrowed = true;
    return this.#isEmpty();
  }

  #takeOver(): boolean {
    const sql = this.#sql;
    // Each look is at one state: another opener may be making the tables.
    sql.run("BEGIN");
    this.#isNew();
    sql.run("COMMIT");
    this.#options.ours?.();
    for (const pragma of this.#options.pragmas) sql.all(pragma);
    sql.run("BEGIN IMMEDIATE");
    if (this.#isNew()) for (const statement of schema) sql.run(statement);
    this.#checkOwner();
    sql.run("UPDATE generation SET value = value + 1");
    this.#generation = this.#stored();
    const wasEmpty = this.#isEmpty();
    sql.run("COMMIT");
    return wasEmpty;
  }

  #isEmpty(): boolean {
    return this.#sql.all("SELECT 1 FROM rows LIMIT 1").length === 0;
  }

  // Throws if it is not ours.
  #isNew(): boolean {
    const format = numberIn(this.#sql.all("PRAGMA user_version"), "user_version");
    if (format > storeFormat) throw newerFormat();
    if (format === 0 && this.#sql.all("SELECT 1 FROM sqlite_master LIMIT 1").length > 0)
      throw unavailable(
        `${this.#options.name} is a database of something else, and is left as it is. Name another file.`,
      );
    return format === 0;
  }

  // In the transaction that takes it over: one that belongs to another is left as it is.
  #checkOwner(): void {
    const { owner } = this.#options;
    if (owner === undefined) return;
    checkOwner(
      owner,
      this.getOwn(ownerKey),
      () => this.range(Uint8Array.of(0x54), Uint8Array.of(0x55), 1, false)[0]?.[1],
    );
  }

  read(keys: readonly Uint8Array[]): Row[] {
    return this.#watched(() =>
      keys.flatMap(key =>
        this.#sql.all("SELECT value FROM rows WHERE key = ?", key).map(({ value }) => [key, asBytes(value)] as const),
      ),
    );
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Row[] {
    const rows = this.#watched(() =>
      this.#sql.all(
        `SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key ${reverse ? "DESC" : "ASC"} LIMIT ?`,
        from,
        to,
        limit === 0 ? -1 : limit,
      ),
    );
    return rows.map(({ key, value }) => [asBytes(key), asBytes(value)] as const);
  }

  async commit(change: Change): Promise<SaveOutcome> {
    const outcome = await this.#commit(change);
    if (outcome !== "full" || !this.#makeRoom()) return outcome;
    const again = await this.#commit(change);
    if (again === "full") this.#makeRoom();
    return again;
  }

  async #commit(change: Change): Promise<SaveOutcome> {
    if (this.#isGone()) return "failed";
    const sql = this.#sql;
    let committing = false;
    try {
      if (!this.#begin()) {
        this.#rollBack();
        return "superseded";
      }
      for (const [from, to] of change.eraseRanges) sql.run("DELETE FROM rows WHERE key >= ? AND key < ?", from, to);
      for (const key of change.erases) sql.run("DELETE FROM rows WHERE key = ?", key);
      for (const [key, value] of change.puts)
        sql.run("INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
      committing = true;
      sql.run("COMMIT");
      this.#committed();
      return "ok";
    } catch (error) {
      this.#rollBack();
      this.#look(error);
      const code = resultCode(error);
      if (code === full) return "full";
      if ((code & 0xff) !== ioError) return "failed";
      // Writes come before the commit is sealed: one that failed has sealed nothing. A sync that failed may have.
      if ((await this.#options.isFull?.(sizeOf(change))) === true) return "full";
      return committing && code !== ioErrorWrite ? "unknown" : "failed";
    }
  }

  // False if it is not ours any more.
  #begin(): boolean {
    this.#sql.run("BEGIN IMMEDIATE");
    if (this.#stored() !== this.#generation) return false;
    if (this.#isBorrowed) this.#sql.run("UPDATE generation SET value = value + 1");
    return true;
  }

  #committed(): void {
    if (!this.#isBorrowed) return;
    this.#isBorrowed = false;
    this.#generation++;
    // Whoever opens it next may take it over, as always; unless there is no room for that yet.
    for (const alone of [false, true])
      try {
        this.#connect(alone);
        this.#stored();
        return;
      } catch {
        /* what comes next says so */
      }
  }

  held(): Reopening {
    return this.#isGone() ? "lost" : reopening(this.#stored(), this.#generation);
  }

  recover(): Reopening {
    if (this.#isGone()) return "lost";
    try {
      return reopening(this.#stored(), this.#generation);
    } catch {
      this.#connect(this.#isBorrowed);
      return reopening(this.#stored(), this.#generation);
    }
  }

  #connect(alone: boolean): void {
    this.#disconnect();
    this.#sql = this.#options.connect();
    if (alone) this.#sql.all("PRAGMA locking_mode = EXCLUSIVE");
    for (const pragma of this.#options.pragmas) this.#sql.all(pragma);
  }

  usage(): Usage | Promise<Usage> {
    return this.#options.usage(this.#sql);
  }

  getOwn(key: string): unknown {
    const value = this.#sql.all("SELECT value FROM own WHERE key = ?", key)[0]?.["value"];
    return ArrayBuffer.isView(value) ? asBytes(value) : (value ?? undefined);
  }

  putOwn<T>(key: string, value: T, stands?: Stands<T>): T {
    if (!(value instanceof Uint8Array || typeof value === "string" || typeof value === "number"))
      throw new TypeError(`own value ${key} is not bytes, text or a number`);
    const put = (): T => this.#putOwn(key, value, stands);
    try {
      return put();
    } catch (error) {
      if (resultCode(error) !== full || !this.#makeRoom()) throw error;
      try {
        return put();
      } catch (again) {
        this.#makeRoom();
        throw again;
      }
    }
  }

  #putOwn<T>(key: string, value: T & SqlValue, stands: Stands<T> | undefined): T {
    const sql = this.#sql;
    try {
      if (!this.#begin()) throw takenMeanwhile(this.#options.name);
      const found = this.getOwn(key);
      const there = stands?.(found) === true ? found : value;
      if (there === value)
        sql.run("INSERT INTO own VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
      sql.run("COMMIT");
      this.#committed();
      return there;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #watched<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#look(error);
      throw error;
    }
  }

  #look(error: unknown): void {
    if (isDamage(error)) this.#options.onDamage?.(damageOf(this.#options, error));
  }

  close(): void {
    this.#disconnect();
    this.#options.released?.();
  }

  #disconnect(): void {
    try {
      this.#sql.close();
    } catch {
      /* it was closed or broken */
    }
  }

  #makeRoom(): boolean {
    try {
      this.#options.makeRoom?.(this.#sql);
    } catch {
      /* there is not even room for that */
    }
    return this.#options.makeRoom !== undefined;
  }

  // An open file that has no name any more can be written on and on, and is gone with the process.
  #isGone(): boolean {
    return this.#options.isThere?.() === false;
  }

  #stored(): number {
    return numberIn(this.#sql.all("SELECT value FROM generation"), "value");
  }

  #rollBack(): void {
    try {
      this.#sql.run("ROLLBACK");
    } catch {
      /* SQLite has rolled back already */
    }
  }
}

/** The bytes that the database takes, for stores that stand in a file of their own. */
export function pageBytes(sql: Sql): number {
  return numberIn(sql.all("PRAGMA page_count"), "page_count") * numberIn(sql.all("PRAGMA page_size"), "page_size");
}

function damageOf({ name, ifDamaged }: SqlOptions, error: unknown): PerdureError {
  const is =
    (resultCode(error) & 0xff) === notDatabase ? "is no SQLite database, or its beginning is damaged" : "is damaged";
  return unavailable(`${name} ${is}. ${ifDamaged}`, error);
}

function sizeOf(change: Change): number {
  return change.puts.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}

function numberIn(rows: readonly Record<string, unknown>[], column: string): number {
  return Number(rows[0]?.[column] ?? 0);
}

// Plain arrays of this realm (a Buffer's slice would share memory, and test environments have a realm of their own). A value damaged beyond being
// bytes reads as no bytes at all.
function asBytes(value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value)) return new Uint8Array();
  return value.constructor === Uint8Array
    ? (value as Uint8Array)
    : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
