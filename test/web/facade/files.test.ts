// A Node peer and its file.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { PerdureError } from "../../../web/src/base/errors.js";
import { nodeEngine } from "../../../web/src/host/node.js";
import { Opener } from "../../../web/src/api/open.js";
import type { Peer, Topic } from "../../../web/src/base/types.js";

declare global {
  var testRoot: string;
}

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));
const folder = mkdtempSync(join(tmpdir(), "perdure-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const opener = new Opener(nodeEngine);
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
    await assert.rejects(topic.append("lost"), PerdureError);
    await assert.rejects(topic.append("lost"), { code: "storage-lost", message: /was taken away while it was in use/ });
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

test("a file that a peer of this process has open is no other peer's, by whatever path; closed it is anybody's", async () => {
  const file = join(folder, "one.db");
  mkdirSync(join(folder, "sub"));
  symlinkSync(file, join(folder, "link.db"));
  const peer = await open(file);
  const topic = await peer.topic("lunch");
  for (const path of [file, join(folder, "link.db"), `${folder}/sub/../one.db`, `${folder}//one.db`]) {
    await assert.rejects(open(path, "other"), {
      code: "bad-argument",
      path: "storage",
      message: /^Another peer of this process has .* open: a file is one peer's\. .*the same app, instance and path/,
    });
  }
  await topic.append("still mine");
  const handle = await open(file);
  assert.equal(handle.id, peer.id);
  await peer.close();
  await assert.rejects(open(file, "other"), { code: "bad-argument" });
  await handle.close();
  const other = await open(file, "other");
  await other.close();
});

test("a file that could not be opened can be tried again", async () => {
  for (const attempt of [1, 2])
    await assert.rejects(open(join(folder, "missing", "peer.db")), { code: "storage-unavailable" }, String(attempt));
  for (const attempt of [1, 2]) await assert.rejects(open(folder), { code: "storage-unavailable" }, String(attempt));
  const files = [open(":memory:"), open(":memory:", "other")];
  for (const peer of await Promise.all(files)) await peer.close();
});
