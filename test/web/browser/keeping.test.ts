// What was accepted stays: over reloads, absences, crashes of the anchor, and browsers that keep nothing.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openBrowser } from "../support/browser.js";
import { open, story } from "./world.js";

story("a reload keeps the device, the topic, its messages, its map and what was read", async ({ app, person }) => {
  const page = await person({ name: "Ann" });
  const before = await page.evaluate(async () => {
    const topic = await window.peer.topic("lunch");
    await topic.appendAll(
      Array.from({ length: 120 }, (_, at) => ({ at, when: new Date(at), bytes: Uint8Array.of(at) })),
    );
    await topic.map.set("menu", ["soup", "bread"]);
    await topic.markRead();
    return { id: window.peer.id, topic: topic.id };
  });
  await page.reload();
  await open(page, { app });
  const after = await page.evaluate(async () => {
    const topic = await window.peer.topic("lunch");
    const values = (await window.all(topic)) as { at: number; when: Date; bytes: Uint8Array }[];
    return {
      id: window.peer.id,
      topic: topic.id,
      menu: await topic.map.get("menu"),
      storage: window.peer.status.current.storage.kind,
      whole:
        values.length === 120 &&
        values.every(({ at, when, bytes }, place) => at === place && when.getTime() === at && bytes[0] === at),
      unread: (await window.until(topic.status, ({ length }) => length > 0)).unread,
    };
  });
  assert.deepEqual(after, { ...before, menu: ["soup", "bread"], storage: "indexeddb", whole: true, unread: 0 });
});

story("what was accepted survives the death of the whole browser", async ({ app, server, folder }) => {
  const profile = join(folder, "profile");
  const first = await openBrowser({ profile });
  const page = await first.page(server.url);
  await page.evaluate(() => window.ready);
  await open(page, { app });
  await page.evaluate(async () => {
    const topic = await window.peer.topic("lunch");
    for (let at = 0; at < 20; at++) await topic.append(at);
  });
  await first.kill();
  await using second = await openBrowser({ profile });
  const again = await second.page(server.url);
  await again.evaluate(() => window.ready);
  await open(again, { app });
  assert.deepEqual(
    await again.evaluate(async () => window.all(await window.peer.topic("lunch"))),
    Array.from({ length: 20 }, (_, at) => at),
  );
});

story(
  "two who are never there at the same time talk through the anchor",
  async ({ app, person, page, context, anchor }) => {
    const { url } = await anchor();
    const [hers, his] = [await context(), await context()];
    const ann = await person({ anchors: [url] }, hers);
    const link = await ann.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      const receipt = await topic.append("are you there?");
      await receipt.anchored();
      return topic.link(location.href);
    });
    await ann.close();
    const ben = await person({ anchors: [url] }, his);
    await ben.evaluate(async invite => {
      const topic = await window.peer.join(invite);
      await window.shows(topic, "are you there?");
      await (await topic.append("now I am")).anchored();
    }, link);
    await ben.close();
    const back = await page(hers);
    await open(back, { app, anchors: [url] });
    await back.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      await window.shows(topic, "are you there?", "now I am");
      await topic.synced();
    });
  },
);

story(
  "an anchor killed in the middle of writing has all that it acknowledged when it is back",
  async ({ person, anchor }) => {
    const first = await anchor();
    const ann = await person({ anchors: [first.url] });
    const link = await ann.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      const acknowledged: number[] = [];
      window.kept["acknowledged"] = acknowledged;
      const write = async (from: number): Promise<void> => {
        for (let at = from; at < 2000; at += 4) {
          const receipt = await window.topic.append(at);
          await receipt.anchored();
          acknowledged.push(at);
        }
      };
      for (let from = 0; from < 4; from++) void write(from).catch(() => undefined);
      return window.topic.link(location.href);
    });
    await ann.evaluate(() =>
      window.eventually(
        () => (window.kept["acknowledged"] as number[]).length,
        count => count >= 100,
      ),
    );
    await first.kill("SIGKILL");
    await ann.evaluate(() => window.until(window.peer.status, ({ links }) => links.websocket === 0));
    const acknowledged = (await ann.evaluate(() => window.kept["acknowledged"])) as number[];
    await ann.close();
    const second = await anchor({ port: first.port });
    const ben = await person({ anchors: [second.url] });
    await ben.evaluate(
      async ([invite, wanted]) => {
        window.topic = await window.peer.join(invite);
        await window.eventually(
          () => window.all(window.topic),
          found => wanted.every(value => found.includes(value)),
        );
      },
      [link, acknowledged] as const,
    );
    assert.ok(acknowledged.length >= 100);
  },
);

story("a page that was there all the time finds the restarted anchor by itself", async ({ person, anchor }) => {
  const first = await anchor();
  const ann = await person({ anchors: [first.url] });
  await ann.evaluate(async () => {
    window.topic = await window.peer.topic("lunch");
    await (await window.topic.append("one")).anchored();
  });
  await first.kill("SIGKILL");
  await ann.evaluate(async () => {
    await window.until(window.peer.anchors.list, ([known]) => known?.state !== "connected");
    window.kept["two"] = (await window.topic.append("two")).anchored();
  });
  await anchor({ port: first.port });
  await ann.evaluate(async () => {
    await window.kept["two"];
    await window.until(window.peer.status, ({ pending }) => pending === 0);
  });
});

story('storage: "opfs" keeps all in SQLite over a reload', async ({ app, person }) => {
  const page = await person({ storage: "opfs" });
  const id = await page.evaluate(async () => {
    const topic = await window.peer.topic("lunch");
    for (let at = 0; at < 30; at++) await topic.append(at);
    return window.peer.id;
  });
  await page.reload();
  await open(page, { app, storage: "opfs" });
  const found = await page.evaluate(async () => {
    const { kind } = window.peer.status.current.storage;
    return {
      id: window.peer.id,
      kind,
      values: await window.all(await window.peer.topic("lunch")),
      trouble: window.peer.status.current.trouble.map(({ code }) => code),
    };
  });
  assert.deepEqual(found, { id, kind: "opfs", values: Array.from({ length: 30 }, (_, at) => at), trouble: [] });
});

story("a browser that refuses storage keeps the peer in memory and says so", async ({ app, server, folder }) => {
  // As a user forbids it: no site may keep anything.
  const profile = join(folder, "profile");
  mkdirSync(join(profile, "Default"), { recursive: true });
  writeFileSync(
    join(profile, "Default", "Preferences"),
    JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }),
  );
  await using browser = await openBrowser({ profile });
  const page = await browser.page(server.url);
  await page.evaluate(() => window.ready);
  assert.equal(
    await page.evaluate(async () => {
      try {
        return String(localStorage.length);
      } catch {
        return "refused";
      }
    }),
    "refused",
  );
  await open(page, { app });
  const found = await page.evaluate(async () => {
    const topic = await window.peer.topic("lunch");
    await topic.append("hello");
    await window.shows(topic, "hello");
    const { storage, trouble } = window.peer.status.current;
    return { kind: storage.kind, codes: trouble.map(({ code }) => code) };
  });
  assert.deepEqual(found, { kind: "memory", codes: ["storage-unavailable"] });
});

story("a peer asked to forget everything keeps nothing and has no trouble with it", async ({ app, person }) => {
  const page = await person({ storage: "memory" });
  const first = await page.evaluate(async () => {
    await (await window.peer.topic("lunch")).append("hello");
    return {
      id: window.peer.id,
      kind: window.peer.status.current.storage.kind,
      trouble: window.peer.status.current.trouble.length,
      databases: (await indexedDB.databases()).length,
    };
  });
  assert.deepEqual({ ...first, id: "" }, { id: "", kind: "memory", trouble: 0, databases: 0 });
  await page.reload();
  await open(page, { app, storage: "memory" });
  assert.notEqual(await page.evaluate(() => window.peer.id), first.id);
});

story(
  "storage that the browser has lost is told, and its contents come back from the anchor",
  async ({ app, person, anchor }) => {
    const { url } = await anchor();
    const page = await person({ anchors: [url] });
    const link = await page.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      await (await topic.append("hello")).anchored();
      const address = await topic.link(location.href);
      await window.peer.close();
      for (const { name } of await indexedDB.databases()) {
        await new Promise((resolve, reject) => {
          const request = indexedDB.deleteDatabase(name ?? "");
          request.onsuccess = resolve;
          request.onerror = request.onblocked = reject;
        });
      }
      return address;
    });
    await page.reload();
    await open(page, { app, anchors: [url] });
    const codes = await page.evaluate(async invite => {
      const trouble = (await window.until(window.peer.status, ({ trouble }) => trouble.length > 0)).trouble.map(
        ({ code }) => code,
      );
      await window.shows(await window.peer.join(invite), "hello");
      return trouble;
    }, link);
    assert.deepEqual(codes, ["storage-lost"]);
  },
);

story(
  "of storage that is cleared under an open page the first append already says that it is lost",
  async ({ person }) => {
    const page = await person({});
    await page.evaluate(async () => (await window.peer.topic("lunch")).append("kept"));
    const session = await page.context().newCDPSession(page);
    const origin = new URL(page.url()).origin;
    await session.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
    const told = await page.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      return topic.append("late").catch(({ code }: { code: string }) => code);
    });
    assert.equal(told, "storage-lost");
  },
);

/** Keeps a copy of that database in a page that stays. Keys of devices cannot be exported, but copied within a browser. */
function keepCopy(page: Page, database: string): Promise<void> {
  return page.evaluate(async name => {
    const opened = await window.done(indexedDB.open(name));
    const copy = new Map<string, (readonly [IDBValidKey, unknown])[]>();
    for (const store of opened.objectStoreNames) {
      const all = opened.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([window.done(all.getAllKeys()), window.done(all.getAll())]);
      copy.set(
        store,
        keys.map((key, at) => [key, values[at]] as const),
      );
    }
    opened.close();
    window.kept["copy"] = copy;
  }, database);
}

/** The database holds what it held then, and nothing else. */
function putBack(page: Page, database: string): Promise<void> {
  return page.evaluate(async name => {
    const copy = window.kept["copy"] as Map<string, [IDBValidKey, unknown][]>;
    const opened = await window.done(indexedDB.open(name));
    const writing = opened.transaction([...copy.keys()], "readwrite");
    for (const [store, records] of copy) {
      writing.objectStore(store).clear();
      for (const [key, value] of records) writing.objectStore(store).put(value, key);
    }
    await new Promise((resolve, reject) => {
      writing.oncomplete = resolve;
      writing.onabort = reject;
    });
    opened.close();
  }, database);
}

story(
  "a peer whose IndexedDB is put back to the same copy ten times in a row loses nothing",
  async ({ app, person, page, context, anchor }) => {
    const { url } = await anchor();
    const hers = await context();
    // A page of that origin that has no peer.
    const bare = await page(hers);
    const database = `perdure:${app}:default`;
    const first = await person({ anchors: [url] }, hers);
    const { id, link } = await first.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      await topic.appendAll(["one", "two"]);
      await (await topic.append("the same")).anchored();
      return { id: window.peer.id, link: await topic.link(location.href) };
    });
    const ben = await person({ anchors: [url] });
    await ben.evaluate(async invite => {
      await window.shows((window.topic = await window.peer.join(invite)), "one", "two", "the same");
    }, link);
    await first.evaluate(() => window.peer.close());
    await first.close();
    await keepCopy(bare, database);

    const said = ["one", "two", "the same"];
    let ann = bare;
    for (let round = 0; round < 10; round++) {
      await putBack(bare, database);
      ann = await person({ anchors: [url] }, hers);
      const text = round % 2 === 0 ? "the same" : `said ${round}`;
      said.push(text);
      // Two rounds before she hears of what she has forgotten, two rounds after.
      const again = await ann.evaluate(
        async ([text, hearFirst]) => {
          window.topic = await window.peer.topic("lunch");
          if (hearFirst) await window.topic.synced();
          await (await window.topic.append(text)).replicated(2);
          await window.until(window.peer.status, ({ pending }) => pending === 0);
          return window.peer.id;
        },
        [text, round % 4 >= 2] as const,
      );
      assert.equal(again, id);
      if (round === 9) break;
      await ann.evaluate(() => window.peer.close());
      await ann.close();
    }
    const shown = (where: Page): Promise<unknown[]> =>
      where.evaluate(async count => {
        await window.eventually(
          () => window.all(window.topic),
          ({ length }) => length === count,
        );
        return window.all(window.topic);
      }, said.length);
    const [here, there] = [await shown(ann), await shown(ben)];
    assert.deepEqual([...here].sort(), said.sort());
    assert.deepEqual(there, here);
  },
  { timeout: 120_000 },
);
