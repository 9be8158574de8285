// Rows in a SQLite file, in Node: with node:sqlite where Node has it, else with the package better-sqlite3, which nobody has to
// install who never opens a file. Write-ahead log, fully synchronous: a commit has survived the power cord when it is told.
//
// The file holds the device's key, so it is made readable for its owner alone.

import { PerdureError } from "../base/errors.js";
import { importInNode } from "../base/node-import.js";
import { OrderedStore } from "./ordered.js";
import type { Owner } from "./owner.js";
import { unavailable } from "./refusals.js";
import { pageBytes, SqlBackend, type Sql, type SqlOptions, type SqlValue } from "./sql.js";
import type { Held, Own, Store } from "./store.js";

export interface SqliteOptions {
  /** Saves that would make the file larger end as "full". Default: no bound but the disk's. */
  readonly maxBytes?: number;
  /** Who opens it. Default: nobody in particular, and it is not asked whose it is. */
  readonly owner?: Owner;
  /** Told each time that the file shows itself damaged while it is in use. */
  readonly onDamage?: (error: PerdureError) => void;
  /** Told once the file is let go. */
  readonly released?: () => void;
}

/** Opens the file, or ":memory:", and takes it over; made with mode 0600 if it is missing. On a full disk what is there can be read and saves end
 *  as "full". Rejects with `storage-full` if nothing is there yet, or another has it open; with `storage-unavailable` if there is no SQLite for Node, if the path cannot be written, or if the file is something else or damaged; with `outdated` if a
 *  newer package has written it; as its owner says if it is another's. */
export async function openSqlite(file: string, options: SqliteOptions = {}): Promise<Store & Own & Held> {
  const connect = await findLibrary();
  // SQLite would take "file:…" for an address, which may lead to another file than the one that was made private.
  const open = (): Sql => {
    const sql = connect(file.startsWith("file:") ? `./${file}` : file);
    // Before anything is read: another opener may be making the file.
    sql.all("PRAGMA busy_timeout = 5000");
    return sql;
  };
  const place = file === ":memory:" ? undefined : await made(file);
  const { maxBytes } = options;
  const { backend, wasEmpty } = SqlBackend.takeOver({
    name: file === ":memory:" ? "The database in memory" : `The file ${file}`,
    ifDamaged:
      "Put back a copy of it, after removing the -wal and -shm beside it, or begin anew without it: that makes a new device.",
    onDamage: error => options.onDamage?.(error),
    ...place,
    ...(options.owner === undefined ? {} : { owner: options.owner }),
    connect: open,
    pragmas: [
      "PRAGMA journal_mode = WAL",
      "PRAGMA synchronous = FULL",
      ...(maxBytes === undefined ? [] : [`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / 4096))}`]),
    ],
    // The log beside the file keeps what a commit that did not fit left in it, until it is emptied into the file.
    makeRoom: sql => {
      sql.all("PRAGMA wal_checkpoint(TRUNCATE)");
    },
    usage: sql => {
      const usage = { usedBytes: pageBytes(sql), persisted: file !== ":memory:" };
      return maxBytes === undefined ? usage : { ...usage, quotaBytes: maxBytes };
    },
    released: () => options.released?.(),
  });
  return new OrderedStore("sqlite", wasEmpty, backend);
}

// What both libraries share, as far as it is used here.
interface Statement {
  run(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
  readonly reader?: boolean;
}
interface Database {
  prepare(sql: string): Statement;
  close(): void;
}
type MakeDatabase = new (file: string) => Database;

/** Why this Node can open no file, and what helps; undefined if it can. */
export async function noSqlite(): Promise<PerdureError | undefined> {
  return findLibrary().then(
    () => undefined,
    (error: unknown) => (error instanceof PerdureError ? error : unavailable("There is no SQLite.", error)),
  );
}

async function findLibrary(): Promise<(file: string) => Sql> {
  const [own, other] = ["node:sqlite", "better-sqlite3"];
  const builtIn = await load(own, "DatabaseSync");
  if (builtIn !== undefined) return file => connected(new builtIn(file));
  const installed = await load(other, "default");
  if (installed === undefined)
    throw unavailable(
      `This Node (${process.versions.node}) has no SQLite. Use Node 22.13 or newer, or run: npm install ${other}`,
    );
  try {
    // Compiled for another Node, or not at all: it is noticed only now.
    new installed(":memory:").close();
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new PerdureError(
      "storage-unavailable",
      `${other} does not run in this Node (${said}). Run: npm rebuild ${other}`,
      { cause },
    );
  }
  return file => connected(new installed(file));
}

async function load(name: string, what: string): Promise<MakeDatabase | undefined> {
  try {
    const module: unknown = await importInNode(name);
    const made: unknown = typeof module === "object" && module !== null ? Reflect.get(module, what) : undefined;
    return typeof made === "function" ? (made as MakeDatabase) : undefined;
  } catch {
    return undefined;
  }
}

function connected(database: Database): Sql {
  const statements = new Map<string, Statement>();
  const prepared = (sql: string): Statement => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  return {
    run: (sql, ...values) => {
      prepared(sql).run(...values);
    },
    // better-sqlite3 refuses `all` for statements that give no rows, as some pragmas do.
    all: (sql, ...values) => {
      const statement = prepared(sql);
      if (statement.reader === false) {
        statement.run(...values);
        return [];
      }
      return statement.all(...values) as Record<string, unknown>[];
    },
    close: () => database.close(),
  };
}

/** Makes the file if it is missing. `isThere`: whether it still stands where it stood; `ours`: takes it from all others' eyes. */
async function made(file: string): Promise<Pick<SqlOptions, "isThere" | "ours">> {
  const { chmodSync, closeSync, openSync, statSync } = (await importInNode("node:fs")) as typeof import("node:fs");
  const { resolve } = (await importInNode("node:path")) as typeof import("node:path");
  // The process may go to another folder.
  const path = resolve(file);
  try {
    closeSync(openSync(path, "a", 0o600));
    const { dev, ino } = statSync(path, { bigint: true });
    return {
      isThere: () => {
        try {
          const now = statSync(path, { bigint: true });
          return now.dev === dev && now.ino === ino;
        } catch (error) {
          return !isMissing(error);
        }
      },
      ours: () => {
        if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
      },
    };
  } catch (error) {
    throw unavailable(`The file ${file} cannot be written.${isMissing(error) ? " Make its folder first." : ""}`, error);
  }
}

function isMissing(error: unknown): boolean {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}
