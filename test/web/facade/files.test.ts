// A Node peer and its file.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import Database from "better-sqlite3";
import { PerdureError } from "../../../web/src/base/errors.js";
import { nodeEngine, truePath } from "../../../web/src/host/node.js";
import { Opener } from "../../../web/src/api/open.js";
import { plainSeed } from "../../../web/src/store/seed.js";
import { ownerKey, type Owner } from "../../../web/src/store/owner.js";
import { openSqlite } from "../../../web/src/store/sqlite.js";
import type { Peer, Topic } from "../../../web/src/base/types.js";

declare global {
  var testRoot: string;
}

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));
const folder = mkdtempSync(join(tmpdir(), "perdure-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const opener = new Opener(nodeEngine, undefined, truePath);
const open = (file: string, app = "talkbox"): Promise<Peer> => opener.open({ app, storage: { file }, wasm });

async function values(topic: Topic): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { value } of topic.messages()) found.push(value);
  return found;
}

/** Another process opens the file with what dist/ holds, appends that and ends. */
async function elsewhere(file: string, value: string): Promise<void> {
  const script = `
    import { openPeer } from ${JSON.stringify(pathToFileURL(join(globalThis.testRoot, "../../dist/index.js")).href)};
    const peer = await openPeer({ app: "talkbox", storage: { file: ${JSON.stringify(file)} } });
    await (await peer.topic("lunch")).append(${JSON.stringify(value)});
    await peer.close();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  await once(child, "close");
  assert.equal(child.exitCode, 0);
}

test("after a second process took its file, a peer says so, with what helps, and has lost nothing", {
  timeout: 60_000,
}, async () => {
  const file = join(folder, "peer.db");
  const peer = await open(file);
  const topic = await peer.topic("lunch");
  await topic.append("mine");
  await elsewhere(file, "theirs");
  const wanted =
    `Another process has opened ${file} and writes it from now on, so this peer has stopped. All that it has accepted is in the file. ` +
    "Use one process for each file: end the other one, then close this peer and open it again, or give each a file of its own.";
  for (const what of ["first", "second"])
    await assert.rejects(topic.append(what), { code: "storage-unavailable", message: wanted });
  await assert.rejects(peer.topic("dinner"), { code: "storage-unavailable", message: wanted });
  assert.deepEqual(
    peer.status.current.trouble.map(({ code, message }) => [code, message]),
    [["storage-unavailable", wanted]],
  );
  await peer.close();
  const again = await open(file);
  const lunch = await again.topic("lunch");
  assert.deepEqual(await values(lunch), ["mine", "theirs"]);
  await lunch.append("mine again");
  await again.close();
});

for (const [what, take] of [
  ["deleted", rmSync],
  ["moved away", (file: string) => renameSync(file, `${file}.old`)],
  [
    "replaced",
    (file: string) => {
      rmSync(file);
      writeFileSync(file, "");
    },
  ],
] as const) {
  test(`a peer whose file is ${what} says so, and takes nothing that it could not keep`, async () => {
    const file = join(folder, `${what}.db`);
    const peer = await open(file);
    const topic = await peer.topic("lunch");
    await topic.append("kept");
    take(file);
    for (const what of ["first", "second"])
      await assert.rejects(topic.append(what), { code: "storage-lost", message: /was taken away while it was in use/ });
    assert.deepEqual(
      peer.status.current.trouble.map(({ code }) => code),
      ["storage-lost"],
    );
    await peer.close();
  });
}

test("a peer whose process goes to another folder still finds its file", async () => {
  const from = process.cwd();
  process.chdir(folder);
  try {
    const peer = await open("relative.db");
    const topic = await peer.topic("lunch");
    process.chdir(tmpdir());
    await topic.append("kept");
    await peer.close();
  } finally {
    process.chdir(from);
  }
});

test("a file that a peer of this process has open is no other peer's, by whatever path; closed it is still that peer's", async () => {
  const file = join(folder, "one.db");
  mkdirSync(join(folder, "sub"));
  symlinkSync(file, join(folder, "link.db"));
  const peer = await open(file);
  const topic = await peer.topic("lunch");
  for (const path of [file, join(folder, "link.db"), `${folder}/sub/../one.db`, `${folder}//one.db`]) {
    await assert.rejects(open(path, "other"), {
      code: "bad-argument",
      path: "storage",
      message: /^Another peer of this process has .* open: a file is one peer's\. .*the same app and instance/,
    });
    const handle = await open(path);
    assert.equal(handle.id, peer.id);
    await handle.close();
  }
  await topic.append("still mine");
  const handle = await open(file);
  await peer.close();
  await assert.rejects(open(file, "other"), { code: "bad-argument" });
  await handle.close();
  await assert.rejects(open(file, "other"), { code: "bad-argument" });
  await (await open(file)).close();
});

test("a file belongs to the app that opened it first, whatever the instance, and another app is told whose it is", async () => {
  const file = join(folder, "owned.db");
  const peer = await open(file);
  const { id } = peer;
  await peer.close();
  await assert.rejects(open(file, "other"), {
    code: "bad-argument",
    path: "storage",
    message: `The file ${file} belongs to the app "talkbox". Open it under that name for what is in it. Else name another file, or move this one away: that makes a new device.`,
  });
  const again = await opener.open({ app: "talkbox", instance: "second", storage: { file }, wasm });
  assert.equal(again.id, id);
  await again.close();
});

test("a file whose opening failed, for want of a core, is let go and is nobody's", async () => {
  const file = join(folder, "failed.db");
  await assert.rejects(opener.open({ app: "first", storage: { file }, wasm: Uint8Array.of(1) }), {
    code: "wasm-failed",
  });
  await (await open(file, "second")).close();
  await assert.rejects(open(file, "first"), { code: "bad-argument", message: /the app "second"/ });
});

test("a file that is refused to another peer stays with who has it open, in another process, too", async () => {
  const file = join(folder, "kept.db");
  const owner: Owner = { name: "one", refusal: found => new PerdureError("bad-argument", found) };
  const store = await openSqlite(file, { owner });
  await store.putOwn(ownerKey, "one");
  await assert.rejects(openSqlite(file, { owner: { ...owner, name: "two" } }), { message: "one" });
  assert.equal(await store.held(), "ok");
  await store.close();
});

test("a file of 0.1.0 is that of the first who opens it", async () => {
  const file = join(folder, "older.db");
  await (await open(file)).close();
  const database = new Database(file);
  database.exec("DELETE FROM own WHERE key = 'owner'");
  database.close();
  await (await open(file, "first")).close();
  await assert.rejects(open(file), { code: "bad-argument", message: /the app "first"/ });
});

test("a file that could not be opened can be tried again", async () => {
  for (const attempt of [1, 2])
    await assert.rejects(open(join(folder, "missing", "peer.db")), { code: "storage-unavailable" }, String(attempt));
  for (const attempt of [1, 2]) await assert.rejects(open(folder), { code: "storage-unavailable" }, String(attempt));
  const files = [open(":memory:"), open(":memory:", "other")];
  for (const peer of await Promise.all(files)) await peer.close();
});

for (const [what, said, damage] of [
  [
    "is no database",
    "is no SQLite database, or its beginning is damaged",
    (file: string) => writeFileSync(file, "x".repeat(8192)),
  ],
  [
    "is a database with nothing whole behind its first page",
    "is damaged",
    (file: string) => {
      const bytes = readFileSync(file);
      bytes.fill(0xff, 4096);
      writeFileSync(file, bytes);
    },
  ],
  [
    "has lost its end",
    "is damaged",
    (file: string) => {
      truncateSync(file, 4096);
    },
  ],
] as const) {
  test(`a file that ${what} is named, with what helps`, async () => {
    const file = join(folder, `damaged ${what}.db`);
    await (await open(file)).close();
    damage(file);
    await assert.rejects(open(file), (error: unknown) => {
      assert.ok(error instanceof PerdureError);
      assert.equal(error.code, "storage-unavailable");
      assert.ok(
        error.message.startsWith(`The file ${file} ${said}. Put back a copy of it, after removing the -wal`),
        error.message,
      );
      return true;
    });
  });
}

test("a file that shows itself damaged while it is in use is named among the troubles, once", async () => {
  const file = join(folder, "damaged inside.db");
  const before = await open(file);
  const topic = await before.topic("lunch");
  for (let at = 0; at < 400; at++) await topic.append("x".repeat(500) + String(at));
  await before.close();
  const bytes = readFileSync(file);
  bytes.fill(0xff, 20 * 4096); // leaves of the rows; what is read to open it lies before
  writeFileSync(file, bytes);
  const peer = await open(file);
  for (let at = 0; at < 3; at++) await assert.rejects(peer.topic("lunch"), { code: "storage-unavailable" });
  const named = peer.status.current.trouble.filter(({ message }) =>
    message.startsWith(`The file ${file} is damaged. `),
  );
  assert.equal(named.length, 1);
  assert.ok(peer.status.current.trouble.every(({ message }) => !/[Rr]eload|page/.test(message)));
  await peer.close();
});

test("a file whose key cannot be read is named", async () => {
  const unreadable = {
    getOwn: () => Promise.reject(new Error("disk I/O error")),
    putOwn: <T>(_key: string, value: T) => Promise.resolve(value),
  };
  await assert.rejects(plainSeed(unreadable, "peer.db"), {
    code: "storage-unavailable",
    message: /^The key of this device cannot be read or stored in the file peer\.db: disk I\/O error\. Put back a copy/,
  });
});
