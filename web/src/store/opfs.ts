// Rows in SQLite on the origin private file system: faster than IndexedDB for many rows, half a megabyte more to load, so only
// on request. In a dedicated worker (worker-opfs.ts); no special headers.
//
// SQLite's pool of access handles belongs to one worker at a time. Whoever comes second is told so: an empty database in its
// place would look like lost data.

import startSqlite, { type Sqlite3Static } from "@sqlite.org/sqlite-wasm";
import { OrderedStore } from "./ordered.js";
import { unavailable } from "./refusals.js";
import { SqlBackend, type Sql, type SqlValue } from "./sql.js";
import type { Own, Store, Usage } from "./store.js";

export interface OpfsOptions {
  /** A worker that is about to end may still hold the database: ask again for so long. Default: not at all. */
  readonly patienceMs?: number;
}

/** Opens the database of that name and takes it over. Rejects with `storage-unavailable` if this is no dedicated worker, the
 *  browser has no such file system here (private windows), or another worker holds the database; with `outdated` if a newer
 *  package has written it. */
export async function openOpfs(name: string, options: OpfsOptions = {}): Promise<Store & Own> {
  if (globalThis.navigator?.storage?.getDirectory === undefined || "document" in globalThis) {
    throw unavailable('This browser has no private file system here. Leave the option storage at "auto".');
  }
  const sqlite = await loadSqlite();
  if (held.has(name)) throw unavailable("This worker has the database open already.");
  held.add(name);
  let pool: Pool | undefined;
  const released = (): void => {
    // lets the handles go for the next worker
    if (pool?.isPaused() === false) pool.pauseVfs();
    held.delete(name);
  };
  try {
    const taken = (pool = await takePool(sqlite, name, options.patienceMs ?? 0));
    const { backend, wasEmpty } = SqlBackend.takeOver({
      name: "The browser's database",
      ifDamaged:
        "What helps is to delete what the browser keeps for this site: that deletes all peers and all data of this origin. " +
        "Topics come back only by their invites, to a new device, with what others hold.",
      connect: () => connect(new taken.OpfsSAHPoolDb("/rows.db")),
      pragmas: ["PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY"],
      usage,
      isFull: lacksRoomFor,
      released,
    });
    return new OrderedStore("opfs", wasEmpty, backend);
  } catch (error) {
    released();
    throw error;
  }
}

type Pool = Awaited<ReturnType<Sqlite3Static["installOpfsSAHPoolVfs"]>>;
const held = new Set<string>(); // names open in this worker
let loaded: Promise<Sqlite3Static> | undefined;

/** SQLite, started once in this worker. Rejects with `storage-unavailable`; the next call tries again. */
export function loadSqlite(): Promise<Sqlite3Static> {
  return (loaded ??= startSqlite().catch((error: unknown) => {
    loaded = undefined;
    throw unavailable("SQLite could not be started.", error);
  }));
}

const askAgainMs = 50;

async function takePool(sqlite: Sqlite3Static, name: string, patienceMs: number): Promise<Pool> {
  const id = Array.from(new TextEncoder().encode(name), byte => byte.toString(16).padStart(2, "0")).join("");
  const options = {
    name: `perdure-${id}`,
    directory: `/perdure/${id}`,
    initialCapacity: 4, // the database, its journal, and room
    preserveOnInitFailure: true,
    forceReinitIfPreviouslyFailed: true, // the latter is missing in the types
  };
  for (let left = patienceMs; ; left -= askAgainMs) {
    try {
      const pool = await sqlite.installOpfsSAHPoolVfs(options);
      return pool.isPaused() ? await pool.unpauseVfs() : pool;
    } catch (error) {
      const isHeld = error instanceof Error && error.name === "NoModificationAllowedError";
      if (!isHeld) throw unavailable("The browser refuses its private file system.", error);
      if (left <= 0) throw unavailable("Another tab or worker holds this database. Close it.", error);
    }
    await new Promise(resolve => setTimeout(resolve, askAgainMs));
  }
}

function connect(database: InstanceType<Pool["OpfsSAHPoolDb"]>): Sql {
  type Statement = ReturnType<typeof database.prepare>;
  const statements = new Map<string, Statement>();
  const bound = (sql: string, values: readonly SqlValue[]): Statement => {
    const statement = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, statement);
    if (values.length > 0) statement.bind([...values]);
    return statement;
  };
  const all = (sql: string, ...values: readonly SqlValue[]): Record<string, unknown>[] => {
    const statement = bound(sql, values);
    try {
      const rows: Record<string, unknown>[] = [];
      while (statement.step()) rows.push(statement.get({}));
      return rows;
    } finally {
      statement.reset(true);
    }
  };
  return {
    run: (sql, ...values) => {
      all(sql, ...values);
    },
    all,
    close: () => {
      for (const statement of statements.values()) statement.finalize();
      database.close();
    },
  };
}

// What only workers have, and so the types of pages lack.
interface SyncFile {
  write(bytes: Uint8Array, options: { at: number }): number;
  close(): void;
}
interface WorkerFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncFile>;
}

// SQLite only says that writing failed, and browsers blur how much room there is: trying tells.
async function lacksRoomFor(bytes: number): Promise<boolean> {
  const root = await navigator.storage.getDirectory();
  const name = `perdure-room-${crypto.randomUUID()}`;
  let file: SyncFile | undefined;
  try {
    file = await ((await root.getFileHandle(name, { create: true })) as WorkerFile).createSyncAccessHandle();
    const piece = new Uint8Array(1 << 16);
    for (let at = 0; at < bytes + piece.length; at += piece.length) file.write(piece, { at });
    return false;
  } catch (error) {
    return error instanceof Error && error.name === "QuotaExceededError";
  } finally {
    file?.close();
    await root.removeEntry(name).catch(() => undefined);
  }
}

async function usage(): Promise<Usage> {
  const [estimate, persisted] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()]);
  const used = { usedBytes: estimate.usage ?? 0, persisted };
  return estimate.quota === undefined ? used : { ...used, quotaBytes: estimate.quota };
}
