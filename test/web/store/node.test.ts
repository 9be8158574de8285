// The stores that run in Node: memory and SQLite.

import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { MemoryDisk, openMemory } from "../../../web/src/store/memory.js";
import { plainSeed } from "../../../web/src/store/seed.js";
import { openSqlite } from "../../../web/src/store/sqlite.js";
import type { Own, Store } from "../../../web/src/store/store.js";
import { check, refusal, same } from "../support/check.js";
import { cases, type TestDisk } from "./conformance.js";

function memoryDisk(small: boolean): TestDisk {
  const disk = new MemoryDisk();
  if (small) disk.maxBytes = 6 << 20;
  return {
    open: () => openMemory("test", disk),
    damage: async key => disk.put(key, new Uint8Array()),
    supersede: async () => {
      await openMemory("test", disk);
    },
    setFormat: async format => {
      disk.own.set("format", format);
    },
    makeRoom: async () => {
      disk.maxBytes = Infinity;
    },
    second: "takes over",
    dispose: async () => undefined,
  };
}

function sqliteDisk(small: boolean): TestDisk {
  const folder = mkdtempSync(join(tmpdir(), "perdure-store-"));
  const file = join(folder, "rows.db");
  const opened: (Store & Own)[] = [];
  const behind = (run: (database: Database.Database) => void): void => {
    const database = new Database(file);
    run(database);
    database.close();
  };
  return {
    open: async () => {
      const store = await openSqlite(file, small ? { maxBytes: 6 << 20 } : {});
      opened.push(store);
      return store;
    },
    damage: async key => behind(database => database.prepare("UPDATE rows SET value = 'text' WHERE key = ?").run(key)),
    supersede: async () => {
      opened.push(await openSqlite(file));
    },
    setFormat: async format => behind(database => database.pragma(`user_version = ${format}`)),
    makeRoom: async () => undefined, // what did not fit was large, and there is room for little
    second: "takes over",
    dispose: async () => {
      for (const store of opened) await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

// The process that a test kills: saves row after row and tells each once it is durable.
const saver = process.env["PERDURE_TEST_SAVER"];
if (saver !== undefined) {
  const store = await openSqlite(saver);
  for (let n = 0; ; n++) {
    const outcome = await store.save({
      puts: [[new Uint8Array([n >> 8, n & 255]), new Uint8Array(300)]],
      erases: [],
      eraseRanges: [],
    });
    if (outcome !== "ok") process.exit(1);
    writeSync(1, `${n + 1}\n`);
  }
}

// One of many processes that open a file at once: tells the seed it would run with, and whether the file is still its own.
const racer = process.env["PERDURE_TEST_RACER"];
if (racer !== undefined) {
  const store = await openSqlite(racer);
  const { bytes } = await plainSeed(store);
  await new Promise(resolve => setTimeout(resolve, 200));
  writeSync(1, `${await store.held()} ${Buffer.from(bytes).toString("hex")}\n`);
  process.exit(0);
}

async function race(file: string): Promise<string> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PERDURE_TEST_RACER: file },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (said += data.toString()));
  await once(child, "close");
  return said;
}

for (const [kind, make] of [
  ["memory", memoryDisk],
  ["sqlite in Node", sqliteDisk],
] as const) {
  describe(`store: ${kind}`, () => {
    for (const { name, run, small } of cases) {
      test(name, async () => {
        const disk = make(small === true);
        try {
          await run(disk);
        } finally {
          await disk.dispose();
        }
      });
    }
  });
}

test("in Node the device's seed lies in the store and stays the same", async () => {
  const disk = new MemoryDisk();
  const [first, second] = [
    await plainSeed(await openMemory("test", disk)),
    await plainSeed(await openMemory("test", disk)),
  ];
  same([first.fresh, second.fresh, first.bytes.length], [true, false, 32]);
  same(first.bytes, second.bytes);
});

describe("SQLite in Node", () => {
  const inFolder = (name: string, run: (file: string) => Promise<void>): void => {
    test(name, async () => {
      const folder = mkdtempSync(join(tmpdir(), "perdure-store-"));
      try {
        await run(join(folder, "rows.db"));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  };

  inFolder("can be asked whose it is, which writes nothing", async file => {
    const first = await openSqlite(file);
    same(await first.held(), "ok");
    const second = await openSqlite(file);
    same([await first.held(), await second.held()], ["superseded", "ok"]);
    await first.close();
    await second.close();
  });

  inFolder("of two who open a fresh file only the one that holds it makes the device's seed", async file => {
    const [first, second] = [await openSqlite(file), await openSqlite(file)];
    const [refused, seed] = await Promise.allSettled([plainSeed(first), plainSeed(second)]);
    check(refused.status === "rejected" && String(refused.reason).includes("Another process has opened"), "told why");
    check(seed.status === "fulfilled" && seed.value.fresh, "the other has made it");
    same((await plainSeed(second)).bytes, seed.status === "fulfilled" ? seed.value.bytes : undefined);
    await first.close();
    await second.close();
  });

  inFolder(
    "of processes that open a fresh file at once, the one that keeps it runs with the seed that lies in it",
    async file => {
      const said = (await Promise.all([race(file), race(file), race(file), race(file)])).join("");
      const store = await openSqlite(file);
      const { bytes, fresh } = await plainSeed(store);
      check(!fresh && said.includes(`ok ${Buffer.from(bytes).toString("hex")}`), said);
      check(!/database is locked|something else/.test(said), said);
      await store.close();
    },
  );

  inFolder("its files are readable for their owner alone, even if the file was there before", async file => {
    writeFileSync(file, "", { mode: 0o644 });
    const store = await openSqlite(file);
    await store.save({ puts: [[new Uint8Array([1]), new Uint8Array([1])]], erases: [], eraseRanges: [] });
    for (const name of [file, `${file}-wal`, `${file}-shm`]) same(statSync(name).mode & 0o777, 0o600, name);
    await store.close();
  });

  inFolder(
    "a file that is no database, a foreign database and a missing folder are said to be so and left as they are",
    async file => {
      writeFileSync(file, "these are not the rows you are looking for, by a long way, not at all", { mode: 0o644 });
      same(await refusal(openSqlite(file)), "storage-unavailable");
      same(statSync(file).mode & 0o777, 0o644);
      rmSync(file);
      const foreign = new Database(file);
      foreign.exec("CREATE TABLE photos (name)");
      foreign.close();
      chmodSync(file, 0o644);
      same(await refusal(openSqlite(file)), "storage-unavailable");
      same([statSync(file).mode & 0o777, readdirSync(dirname(file)).length], [0o644, 1]);
      same(await refusal(openSqlite(join(file, "nowhere", "rows.db"))), "storage-unavailable");
    },
  );

  inFolder("a cut file is refused or its reads reject: it is never an empty store", async file => {
    const store = await openSqlite(file);
    await store.save({
      puts: Array.from({ length: 2000 }, (_, n) => [new Uint8Array([n >> 8, n & 255]), new Uint8Array(200)] as const),
      erases: [],
      eraseRanges: [],
    });
    await store.close();
    truncateSync(file, Math.floor(statSync(file).size / 2));
    let read = 0;
    try {
      const cut = await openSqlite(file);
      check(!cut.wasEmpty, "it does not pass for empty");
      read = (await cut.range(new Uint8Array([0]), new Uint8Array([255]), 5000, false)).length;
    } catch {
      /* refused, as it should be */
    }
    check(read === 0, "no half of it was read");
  });

  inFolder("what was told durable survives SIGKILL of the process", async file => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, PERDURE_TEST_SAVER: file },
    });
    let told = 0;
    child.stdout.on("data", (data: Buffer) => {
      told = Number(data.toString().trim().split("\n").at(-1));
      if (told >= 50) child.kill("SIGKILL");
    });
    await once(child, "exit");
    const store = await openSqlite(file);
    const rows = await store.range(new Uint8Array([0]), new Uint8Array([255, 255]), 100_000, false);
    check(told >= 50 && rows.length >= told, `${rows.length} rows of ${told}`);
    await store.close();
  });
});
