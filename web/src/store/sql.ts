// Rows in SQLite, whichever one: `sqlite.ts` and `opfs.ts` bring the connection, the statements are here.

import type { Backend } from "./ordered.js";
import { newerFormat, unavailable } from "./refusals.js";
import {
  reopening,
  storeFormat,
  type Change,
  type Reopening,
  type Row,
  type SaveOutcome,
  type Usage,
} from "./store.js";

export type SqlValue = Uint8Array | string | number | bigint | null;

/** A connection. `all` and `run` prepare a statement once and keep it. Both throw what `resultCode` understands. */
export interface Sql {
  run(sql: string, ...values: readonly SqlValue[]): void;
  all(sql: string, ...values: readonly SqlValue[]): readonly Record<string, unknown>[];
  close(): void;
}

// SQLite's result codes, https://www.sqlite.org/rescode.html
const full = 13;
const ioError = 10;
const ioErrorWrite = ioError | (3 << 8);
const schema = [
  "CREATE TABLE rows (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
  "CREATE TABLE own (key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID",
  "CREATE TABLE generation (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), value INTEGER NOT NULL)",
  "INSERT INTO generation VALUES (1, 0)",
  `PRAGMA user_version = ${storeFormat}`,
];

export interface SqlOptions {
  readonly name: string; // in what users are told: "The file peer.db"
  readonly connect: () => Sql; // called again when the connection has to be made anew
  readonly pragmas: readonly string[]; // after the format is known to be ours
  readonly usage: (sql: Sql) => Usage | Promise<Usage>;
  readonly makeRoom?: (sql: Sql) => void; // on the disk, after a commit that did not fit
  readonly isFull?: (bytes: number) => Promise<boolean>; // where a full disk shows as an I/O error: was there no room for so much?
  readonly isThere?: () => boolean; // false: its file was taken away, or another one put in its place
  readonly released?: () => void; // once the last connection is closed for good
}

export class SqlBackend implements Backend {
  readonly #options: SqlOptions;
  #sql: Sql;
  #generation = 0;

  private constructor(options: SqlOptions) {
    this.#options = options;
    this.#sql = options.connect();
  }

  /** Takes the database over; makes the tables the first time. Throws PerdureError. */
  static takeOver(options: SqlOptions): { backend: SqlBackend; wasEmpty: boolean } {
    let backend: SqlBackend | undefined;
    try {
      backend = new SqlBackend(options);
      return { backend, wasEmpty: backend.#takeOver() };
    } catch (error) {
      backend?.close();
      if (error instanceof Error && error.name === "PerdureError") throw error;
      throw unavailable(`${options.name} cannot be opened and written.`, error);
    }
  }

  #takeOver(): boolean {
    const sql = this.#sql;
    const format = numberIn(sql.all("PRAGMA user_version"), "user_version");
    if (format > storeFormat) throw newerFormat();
    if (format === 0 && sql.all("SELECT 1 FROM sqlite_master LIMIT 1").length > 0)
      throw unavailable(`${this.#options.name} is a database of something else.`);
    for (const pragma of this.#options.pragmas) sql.all(pragma);
    sql.run("BEGIN IMMEDIATE");
    // Another opener may have made the tables in between.
    if (numberIn(sql.all("PRAGMA user_version"), "user_version") === 0)
      for (const statement of schema) sql.run(statement);
    sql.run("UPDATE generation SET value = value + 1");
    this.#generation = this.#stored();
    const wasEmpty = sql.all("SELECT 1 FROM rows LIMIT 1").length === 0;
    sql.run("COMMIT");
    return wasEmpty;
  }

  read(keys: readonly Uint8Array[]): Row[] {
    return keys.flatMap(key =>
      this.#sql.all("SELECT value FROM rows WHERE key = ?", key).map(({ value }) => [key, asBytes(value)] as const),
    );
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Row[] {
    const rows = this.#sql.all(
      `SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key ${reverse ? "DESC" : "ASC"} LIMIT ?`,
      from,
      to,
      limit === 0 ? -1 : limit,
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
      sql.run("BEGIN IMMEDIATE");
      if (this.#stored() !== this.#generation) {
        this.#rollBack();
        return "superseded";
      }
      for (const [from, to] of change.eraseRanges) sql.run("DELETE FROM rows WHERE key >= ? AND key < ?", from, to);
      for (const key of change.erases) sql.run("DELETE FROM rows WHERE key = ?", key);
      for (const [key, value] of change.puts)
        sql.run("INSERT INTO rows VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
      committing = true;
      sql.run("COMMIT");
      return "ok";
    } catch (error) {
      this.#rollBack();
      const code = resultCode(error);
      if (code === full) return "full";
      if ((code & 0xff) !== ioError) return "failed";
      // Writes come before the commit is sealed: one that failed has sealed nothing. A sync that failed may have.
      if ((await this.#options.isFull?.(sizeOf(change))) === true) return "full";
      return committing && code !== ioErrorWrite ? "unknown" : "failed";
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
      this.#disconnect();
      this.#sql = this.#options.connect();
      for (const pragma of this.#options.pragmas) this.#sql.all(pragma);
      return reopening(this.#stored(), this.#generation);
    }
  }

  usage(): Usage | Promise<Usage> {
    return this.#options.usage(this.#sql);
  }

  getOwn(key: string): unknown {
    const value = this.#sql.all("SELECT value FROM own WHERE key = ?", key)[0]?.["value"];
    return ArrayBuffer.isView(value) ? asBytes(value) : (value ?? undefined);
  }

  putOwn(key: string, value: unknown): void {
    if (!(value instanceof Uint8Array || typeof value === "string" || typeof value === "number"))
      throw new TypeError(`own value ${key} is not bytes, text or a number`);
    const put = (): void =>
      this.#sql.run("INSERT INTO own VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
    try {
      put();
    } catch (error) {
      if (resultCode(error) !== full || !this.#makeRoom()) throw error;
      try {
        put();
      } catch (again) {
        this.#makeRoom();
        throw again;
      }
    }
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

// Each library tells SQLite's result code in its own way: `errcode` (Node), `resultCode` (wasm), `code: "SQLITE_FULL"`.
function resultCode(error: unknown): number {
  if (typeof error !== "object" || error === null) return 0;
  for (const field of ["errcode", "resultCode"]) {
    const code: unknown = Reflect.get(error, field);
    if (typeof code === "number") return code;
  }
  const name: unknown = Reflect.get(error, "code");
  if (typeof name !== "string") return 0;
  if (name === "SQLITE_IOERR_WRITE") return ioErrorWrite;
  return name === "SQLITE_FULL" ? full : name.startsWith("SQLITE_IOERR") ? ioError : 0;
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
