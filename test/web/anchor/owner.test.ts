// Whose a database is: an anchor's, or that of an app's peers.

import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { check, same } from "../support/check.js";
import { openPeer, scratch, startAnchor } from "./shipped.js";

const openAnchor = (data: string) => startAnchor({ data, port: 0 });
const open = (file: string, ...anchors: readonly string[]) => openPeer({ app: "talkbox", storage: { file }, anchors });

async function refused(opening: Promise<AsyncDisposable>, path: string, words: RegExp): Promise<void> {
  const why: unknown = await opening.then(
    async opened => {
      await opened[Symbol.asyncDispose]();
      return new Error("it was opened");
    },
    (error: unknown) => error,
  );
  const { code, path: where, message } = why as { code?: string; path?: string; message: string };
  same([code, where], ["bad-argument", path], message);
  check(words.test(message), message);
}

/** As 0.1.0 left it. */
function unnamed(file: string): void {
  const database = new Database(file);
  database.exec("DELETE FROM own WHERE key = 'owner'");
  database.close();
}

describe("a database", { timeout: 60_000 }, () => {
  test("of an anchor is no peer's and a peer's no anchor's: whoever comes is told so, and who runs goes on", async () => {
    using folder = scratch();
    const [data, file] = [folder.file("anchor.db"), folder.file("peer.db")];
    await using anchor = await openAnchor(data);
    await using peer = await open(file, anchor.url);
    const topic = await peer.topic("lunch");
    await refused(open(data), "storage", /is an anchor's database/);
    await refused(openAnchor(file), "data", /belongs to a peer of the app "talkbox"/);
    await (await topic.append("both go on")).anchored();
    let ended = false;
    anchor.ended.then(
      () => (ended = true),
      () => (ended = true),
    );
    await new Promise(resolve => setTimeout(resolve, 1_000));
    same([ended, peer.status.current.trouble], [false, []]);
  });

  test("of 0.1.0, which does not say whose it is, is told by the topics in it; without any it is the first one's", async () => {
    using folder = scratch();
    const [data, file, fresh] = [folder.file("anchor.db"), folder.file("peer.db"), folder.file("fresh.db")];
    const ids: string[] = [];
    {
      await using anchor = await openAnchor(data);
      await using peer = await open(file, anchor.url);
      await (await (await peer.topic("lunch")).append("kept")).anchored();
      ids.push(anchor.id, peer.id);
    }
    await (await open(fresh)).close();
    for (const one of [data, file, fresh]) unnamed(one);
    await refused(open(data), "storage", /is an anchor's database/);
    await refused(openAnchor(file), "data", /belongs to a peer\. Name another/);
    {
      await using anchor = await openAnchor(data);
      await using peer = await open(file);
      same([anchor.id, peer.id], ids);
    }
    await (await openAnchor(fresh)).close();
    await refused(open(fresh), "storage", /is an anchor's database/);
  });
});
