// Which store is a peer's. 0.1.0 gave two peers one database where a colon stood in their names ("notes", "team:a" and "notes:team", "a"):
// that one belongs to whichever of them comes first, with all that is in it, and the other begins with an empty one of its own.

import { openDB } from "idb";
import { databaseOf, oldPeerName, peerName, type PeerParts } from "../base/names.js";

/** The name to open a peer's store by. */
export async function storeNameOf(peer: PeerParts): Promise<string> {
  const [name, old] = [peerName(peer), oldPeerName(peer)];
  if (name === old || typeof indexedDB === "undefined") return name;
  try {
    if (await withExisting(databaseOf(name), () => Promise.resolve(true))) return name;
    return (await withExisting(databaseOf(old), database => claimed(database, name))) ? old : name;
  } catch {
    return name; // what the browser refuses, it says again when that is opened
  }
}

type Database = Awaited<ReturnType<typeof openDB>>;

// One transaction: of two who try, one is first.
async function claimed(database: Database, name: string): Promise<boolean> {
  const claim = database.transaction("own", "readwrite");
  const owner: unknown = await claim.store.get("name");
  if (owner === undefined) await claim.store.put(name, "name");
  await claim.done;
  return owner === undefined || owner === name;
}

// False if there is none; none is made.
async function withExisting(name: string, use: (database: Database) => Promise<boolean>): Promise<boolean> {
  let missing = false;
  const opening = openDB(name, undefined, {
    upgrade: (_database, _from, _to, making) => {
      missing = true;
      making.done.catch(() => undefined);
      making.abort();
    },
  });
  let database: Database;
  try {
    database = await opening;
  } catch (error) {
    if (missing) return false;
    throw error;
  }
  try {
    return await use(database);
  } finally {
    database.close();
  }
}
