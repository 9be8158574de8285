// A Node peer whose disk is full when it opens its file. As root alone: a disk of that size is needed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Opener } from "../../../web/src/api/open.js";
import { nodeEngine, truePath } from "../../../web/src/host/node.js";
import { openSqlite } from "../../../web/src/store/sqlite.js";
import type { Peer, Topic } from "../../../web/src/base/types.js";

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));
const opener = new Opener(nodeEngine, undefined, truePath);
const open = (file: string, app = "talkbox"): Promise<Peer> => opener.open({ app, storage: { file }, wasm });

/** A disk of 4 MB. `fill`: leaves so many bytes of it. */
function disk(): { path: string; fill: (but?: number) => void; free: () => void } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "perdure-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]);
  const ballast = join(path, "ballast");
  return {
    path,
    fill: (but = 0) => {
      const [room, file] = [Buffer.alloc(but), openSync(ballast, "w")];
      if (but > 0) copyRoom(join(path, "room"), room);
      for (const bytes of [65_536, 4_096])
        try {
          for (;;) writeSync(file, Buffer.alloc(bytes));
        } catch {
          /* full */
        }
      closeSync(file);
      rmSync(join(path, "room"), { force: true });
    },
    free: () => rmSync(ballast),
    [Symbol.dispose]: () => {
      execFileSync("umount", [path]);
      rmdirSync(path);
    },
  };
}

function copyRoom(path: string, room: Buffer): void {
  const file = openSync(path, "w");
  writeSync(file, room);
  closeSync(file);
}

async function values(topic: Topic): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { value } of topic.messages()) found.push(value);
  return found;
}

if (process.getuid?.() === 0 && process.platform === "linux") {
  // With some room the index of the write-ahead log can be made, and the log cannot.
  for (const left of [0, 40_000])
    test(`a file on a disk with ${left} bytes left opens, is read, takes nothing that it cannot keep, and all once there is room`, {
      timeout: 60_000,
    }, async () => {
      using small = disk();
      const file = join(small.path, "peer.db");
      const before = await open(file);
      const topic = await before.topic("lunch");
      for (let at = 0; at < 20; at++) await topic.append(at);
      // As after a crash: what was accepted lies in the log beside the file.
      for (const name of ["peer.db", "peer.db-wal"])
        copyFileSync(join(small.path, name), join(small.path, `crashed-${name}`));
      const { id } = before;
      await before.close();
      small.fill(left);
      for (const name of ["peer.db", "crashed-peer.db"]) {
        const peer = await open(join(small.path, name));
        const lunch = await peer.topic("lunch");
        assert.equal(peer.id, id);
        assert.equal((await values(lunch)).length, 20, name);
        await assert.rejects(lunch.append("x".repeat(100_000)), {
          code: "storage-full",
          message: /[Ff]ree some space/,
        });
        await peer.close();
      }
      const peer = await open(file);
      const lunch = await peer.topic("lunch");
      await assert.rejects(lunch.append("x".repeat(100_000)), { code: "storage-full" });
      assert.ok(peer.status.current.trouble.some(({ code }) => code === "storage-full"));
      small.free();
      for (let tries = 0; peer.status.current.trouble.length > 0 && tries < 600; tries++)
        await new Promise(resolve => setTimeout(resolve, 50));
      await lunch.append("stored");
      // It is one process's, the last that opened it: the first save has taken it over, and let others do the same.
      const next = await openSqlite(file);
      assert.equal(await next.held(), "ok");
      await next.close();
      await assert.rejects(lunch.append("lost"), { code: "storage-unavailable" });
      await peer.close();
      const again = await open(file);
      assert.deepEqual((await values(await again.topic("lunch"))).at(-1), "stored");
      await again.close();
    });

  test("a file that is not there cannot be made on a full disk, and one of another app's is still refused as such", async () => {
    using small = disk();
    const file = join(small.path, "peer.db");
    await (await open(file)).close();
    small.fill();
    await assert.rejects(open(join(small.path, "new.db")), {
      code: "storage-full",
      message: /^The file .*new\.db cannot be .*Free some space and open it again\./,
    });
    await assert.rejects(open(file, "other"), { code: "bad-argument", message: /belongs to the app "talkbox"/ });
    await (await open(file)).close();
  });
}
