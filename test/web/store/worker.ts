// Runs cases of the conformance suite on the stores of browsers. The page relays, and asks the test for room.

import { openDB } from "idb";
import { openIndexedDb, openIndexedDbOwn } from "../../../web/src/store/indexeddb.js";
import { loadSqlite, openOpfs } from "../../../web/src/store/opfs.js";
import { wrappedSeed } from "../../../web/src/store/seed.js";
import type { Own, Store } from "../../../web/src/store/store.js";
import { later } from "../support/check.js";
import { cases, type TestDisk } from "./conformance.js";

const name = `disk-${crypto.randomUUID()}`;
const opened: (Store & Own)[] = [];

let roomMade = later<void>();
async function makeRoom(): Promise<void> {
  roomMade = later<void>();
  postMessage({ kind: "make-room" });
  await roomMade.promise;
}

async function keep(opening: Promise<Store & Own>): Promise<Store & Own> {
  const store = await opening;
  opened.push(store);
  return store;
}

async function closeAll(): Promise<void> {
  for (const store of opened.splice(0)) await store.close();
}

// `known`: reads of a fresh database are answered from memory, as long as little is in it.
const indexedDbDisk = (known: boolean): TestDisk => ({
  open: () => keep(openIndexedDb(name, known ? {} : { knownBytes: 0 })),
  damage: async key => {
    const database = await openDB(`perdure:${name}`);
    await database.put("rows", "text", new Uint8Array(key));
    database.close();
  },
  supersede: async () => {
    await keep(openIndexedDb(name));
  },
  setFormat: async format => {
    const database = await openDB(`perdure:${name}`);
    await database.put("own", format, "format");
    database.close();
  },
  makeRoom,
  second: "takes over",
  dispose: closeAll,
});

// Behind the back of the opener: a second connection within the same pool.
async function behind(sql: string, ...values: Uint8Array[]): Promise<void> {
  const sqlite = await loadSqlite();
  const id = Array.from(new TextEncoder().encode(name), byte => byte.toString(16).padStart(2, "0")).join("");
  const pool = await sqlite.installOpfsSAHPoolVfs({ name: `perdure-${id}`, directory: `/perdure/${id}` });
  const wasPaused = pool.isPaused();
  if (wasPaused) await pool.unpauseVfs();
  const database = new pool.OpfsSAHPoolDb("/rows.db");
  database.exec(sql, values.length > 0 ? { bind: values } : {});
  database.close();
  if (wasPaused) pool.pauseVfs();
}

const opfsDisk: TestDisk = {
  open: () => keep(openOpfs(name)),
  damage: key => behind("UPDATE rows SET value = 'text' WHERE key = ?", key),
  supersede: () => behind("UPDATE generation SET value = value + 1"),
  setFormat: format => behind(`PRAGMA user_version = ${format}`),
  makeRoom,
  second: "is refused",
  dispose: closeAll,
};

async function run(disk: TestDisk, which: string): Promise<void> {
  const found = cases.find(one => one.name === which);
  if (found === undefined) throw new Error(`no case ${which}`);
  try {
    await found.run(disk);
  } finally {
    await disk.dispose();
  }
}

// The store of the durability test has one name for both of its browsers, and stays open.
async function durable(store: Store): Promise<string> {
  for (let n = 0; n < 20; n++) {
    const outcome = await store.save({ puts: [[Uint8Array.of(n), new Uint8Array(300)]], erases: [], eraseRanges: [] });
    if (outcome !== "ok") return outcome;
  }
  return "ok";
}

// Saves while the browser takes the database away: how the first save ended that did not succeed, and what came of it.
async function cutOff(): Promise<unknown> {
  const store = await openIndexedDb("cut");
  await store.save({ puts: [[Uint8Array.of(1), Uint8Array.of(1)]], erases: [], eraseRanges: [] });
  postMessage({ kind: "make-room" }); // here: clears the site's data
  for (let n = 0; ; n++) {
    const outcome = await store.save({
      puts: [[Uint8Array.of(2, n & 255), new Uint8Array(30_000)]],
      erases: [],
      eraseRanges: [],
    });
    if (outcome === "ok") continue;
    const after = await store.save({ puts: [], erases: [Uint8Array.of(1)], eraseRanges: [] });
    // While the browser is at it, it is not to be had; as the core does, one asks again.
    let reopened = await store.reopen();
    while (reopened === "failed") reopened = await store.reopen();
    return [outcome, after, reopened];
  }
}

// The seed of a device: the same each time, another one if what is kept is damaged; and what lies in the database for all to read.
async function seeds(): Promise<unknown> {
  const own = await openIndexedDbOwn(name);
  const [first, second] = [await wrappedSeed(own), await wrappedSeed(own)];
  const kept = (await own.getOwn("seed")) as { key: CryptoKey; sealed: Uint8Array };
  const inTheOpen = kept.sealed.join().includes(first.bytes.join());
  const exported = await crypto.subtle.exportKey("raw", kept.key).then(
    () => "given out",
    () => "refused",
  );
  await own.putOwn("seed", { ...kept, sealed: new Uint8Array(48) });
  const third = await wrappedSeed(own);
  await own.close();
  return [
    first.fresh,
    second.fresh,
    third.fresh,
    first.bytes.join() === second.bytes.join(),
    first.bytes.join() === third.bytes.join(),
    first.bytes.length,
    inTheOpen,
    exported,
  ];
}

type Request =
  | { kind: "case"; store: "indexeddb" | "known" | "opfs"; name: string }
  | { kind: "room-made" }
  | { kind: "fill" | "count"; store: "indexeddb" | "opfs" }
  | { kind: "open"; store: "opfs"; name: string; patienceMs?: number }
  | { kind: "cut" | "seeds" };

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  const answer = (work: Promise<unknown>): void => {
    work.then(
      value => postMessage({ kind: "done", value }),
      (error: unknown) =>
        postMessage({
          kind: "failed",
          text: error instanceof Error ? `${error.stack}` : String(error),
          code: codeOf(error),
        }),
    );
  };
  switch (data.kind) {
    case "room-made":
      roomMade.resolve();
      break;
    case "case":
      answer(run(data.store === "opfs" ? opfsDisk : indexedDbDisk(data.store === "known"), data.name));
      break;
    case "open":
      answer(
        openOpfs(data.name, { patienceMs: data.patienceMs ?? 0 }).then(store => {
          opened.push(store);
        }),
      );
      break;
    case "cut":
      answer(cutOff());
      break;
    case "seeds":
      answer(seeds());
      break;
    case "fill":
      answer((data.store === "opfs" ? openOpfs("durable") : openIndexedDb("durable")).then(durable));
      break;
    case "count":
      answer(
        (data.store === "opfs" ? openOpfs("durable") : openIndexedDb("durable")).then(
          async store => (await store.range(new Uint8Array(), Uint8Array.of(255), 100, false)).length,
        ),
      );
      break;
  }
});

function codeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
}
