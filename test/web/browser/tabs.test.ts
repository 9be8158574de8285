// Many tabs are one peer, with the real core in them.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { PeerOptions } from "../../../web/src/index.js";
import { serve } from "../support/server.js";
import { open, story } from "./world.js";

story(
  "a worker is one file, and perdure.wasm comes once, for the tab that leads: others ask for it when they take over",
  async ({ app, site, context }) => {
    await using server = await serve(site);
    const shared = await context();
    const asked: string[][] = [];
    const pages = [await shared.newPage(), await shared.newPage()] as const;
    for (const page of pages) {
      await page.goto(server.url);
      await page.evaluate(() => window.ready);
      const before = server.asked.length;
      await open(page, { app });
      asked.push(
        server.asked
          .slice(before)
          .filter(path => path.startsWith("/dist/"))
          .sort(),
      );
    }
    assert.deepEqual(asked, [["/dist/perdure.wasm", "/dist/worker.js"], ["/dist/worker.js"]]);
    const before = server.asked.length;
    await pages[0].close();
    await pages[1].evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
    assert.deepEqual(server.asked.slice(before), ["/dist/perdure.wasm"]);
  },
);

story(
  "a tab closed in the middle of appends: those of both tabs resolve once, none is lost, none is there twice",
  async ({ app, context, page, person }) => {
    const shared = await context();
    const done: string[] = [];
    await shared.exposeFunction("done", (value: string) => void done.push(value));
    const first = await person({}, shared);
    const second = await person({}, shared);
    assert.deepEqual(
      [
        await first.evaluate(() => window.peer.status.current.tab),
        await second.evaluate(() => window.peer.status.current.tab),
      ],
      ["leader", "follower"],
    );
    assert.equal(await first.evaluate(() => window.peer.id), await second.evaluate(() => window.peer.id));
    const write = (name: string): void => {
      const tell = Reflect.get(window, "done") as (value: string) => Promise<void>;
      window.kept["all"] = window.peer.topic("lunch").then(topic => {
        window.topic = topic;
        return Promise.all(
          Array.from({ length: 400 }, async (_, at) => {
            const { id } = await topic.append(`${name} ${at}`);
            void tell(`${name} ${at}`);
            return id;
          }),
        );
      });
    };
    await Promise.all([first.evaluate(write, "first"), second.evaluate(write, "second")]);
    await second.evaluate(() =>
      window.eventually(
        () => window.topic?.status.current.length ?? 0,
        length => length >= 20,
      ),
    );
    await first.close();
    const ids = (await second.evaluate(() => window.kept["all"])) as string[];
    assert.equal(new Set(ids).size, 400);
    assert.equal(
      await second.evaluate(() =>
        window.until(window.peer.status, ({ tab }) => tab === "leader").then(({ tab }) => tab),
      ),
      "leader",
    );
    const values = (await second.evaluate(() => window.all(window.topic))) as string[];
    assert.equal(new Set(values).size, values.length, "none is there twice");
    for (let at = 0; at < 400; at++) assert.ok(values.includes(`second ${at}`), `second ${at} is there`);
    for (const value of done) assert.ok(values.includes(value), `${value} was accepted and is there`);
    // All of it is on the disk.
    await second.close();
    const third = await page(shared);
    assert.deepEqual(
      await third.evaluate(async given => window.all(await (await window.perdure.openPeer(given)).topic("lunch")), {
        app,
      }),
      values,
    );
  },
);

story("a tab that takes over stays linked to others and shows what comes", async ({ context, person, anchor }) => {
  const { url } = await anchor();
  const shared = await context();
  const first = await person({ anchors: [url] }, shared);
  const second = await person({ anchors: [url] }, shared);
  const link = await second.evaluate(async () => {
    window.topic = await window.peer.topic("lunch");
    return window.topic.link(location.href);
  });
  const ben = await person({ anchors: [url] });
  await ben.evaluate(async invite => {
    window.topic = await window.peer.join(invite);
    await window.until(window.peer.status, ({ links }) => links.webrtc === 1);
    await window.topic.append("to the first");
  }, link);
  await second.evaluate(() => window.shows(window.topic, "to the first"));
  await first.close();
  await second.evaluate(() =>
    window.until(window.peer.status, ({ tab, links }) => tab === "leader" && links.webrtc === 1),
  );
  await ben.evaluate(() => window.topic.append("to the second"));
  await second.evaluate(() => window.shows(window.topic, "to the first", "to the second"));
});

story(
  "when openPeer has resolved, the lists tell what this device has joined and which anchors it uses: in a worker, in the page, in a tab that follows",
  async ({ app, context, page }) => {
    const shared = await context();
    const options = { app, anchors: ["ws://127.0.0.1:9"] };
    const told = async (more: object = {}): Promise<unknown> =>
      (await page(shared)).evaluate(
        async given => {
          window.peer = await window.perdure.openPeer(given as { app: string });
          const { status, topics, anchors } = window.peer;
          return [
            status.current.tab,
            topics.current.map(({ name }) => name),
            anchors.list.current.map(({ url }) => url),
          ];
        },
        { ...options, ...more },
      );
    const first = await page(shared);
    await open(first, options);
    await first.evaluate(async () => {
      for (const name of ["lunch", "dinner"]) await window.peer.topic(name);
    });
    const known = [["lunch", "dinner"], options.anchors];
    assert.deepEqual(await told(), ["follower", ...known]);
    for (const open of shared.pages()) await open.close();
    for (const worker of [undefined, false]) {
      assert.deepEqual(await told(worker === undefined ? {} : { worker }), ["leader", ...known], String(worker));
      for (const open of shared.pages()) await open.close();
    }
  },
);

story(
  "openPeer twice in a page gives two handles on one peer, which closes with the last of them",
  async ({ app, page }) => {
    const tab = await page();
    const found = await tab.evaluate(
      async given => {
        const [one, two] = await Promise.all([window.perdure.openPeer(given), window.perdure.openPeer(given)]);
        const topic = await two.topic("lunch");
        await one.close();
        await one.close();
        const refused = await window.code(one.topic("lunch"));
        await topic.append("still here");
        const values = await window.all(topic);
        await two.close();
        const late = await window.code(topic.append("too late"));
        const again = await window.perdure.openPeer(given);
        return {
          same: one.id === two.id && again.id === two.id,
          refused,
          late,
          values,
          kept: await window.all(await again.topic("lunch")),
        };
      },
      { app },
    );
    assert.deepEqual(found, {
      same: true,
      refused: "closed",
      late: "closed",
      values: ["still here"],
      kept: ["still here"],
    });
  },
);

/** The page takes a lock of that name for itself, and keeps it. */
const takeLock = (page: Page, name: string): Promise<void> =>
  page.evaluate(
    lock =>
      new Promise<void>(resolve => {
        void navigator.locks.request(lock, () => {
          resolve();
          return new Promise(() => undefined);
        });
      }),
    name,
  );

story(
  "locks that an app takes for itself, by the names that 0.1.0 had for its own, keep nobody waiting",
  async ({ app, context, page }) => {
    const shared = await context();
    const [one, two, three] = [await page(shared), await page(shared), await page(shared)];
    for (const name of ["perdure", `perdure:${app}`, `perdure:${app}:default`, `perdure:${app}:default:tabs`])
      await takeLock(one, name);
    await open(one, { app });
    await open(two, { app });
    await open(three, { app, worker: false });
    assert.deepEqual(
      await Promise.all([one, two, three].map(tab => tab.evaluate(() => window.peer.status.current.tab))),
      ["leader", "follower", "follower"],
    );
    await three.evaluate(async () => {
      await (await window.peer.topic("lunch")).append("through two tabs");
    });
    await two.close();
    await one.evaluate(() => window.peer.close());
    await three.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
    assert.deepEqual(await three.evaluate(async () => window.all(await window.peer.topic("lunch"))), [
      "through two tabs",
    ]);
  },
);

story(
  "channels that an app has by the names of ours carry its own messages and disturb nobody",
  async ({ app, context, page }) => {
    const shared = await context();
    const [one, two] = [await page(shared), await page(shared)];
    await one.evaluate(given => {
      const say = [
        null,
        5,
        "hello",
        {},
        { kind: "hello" },
        { kind: "hello", from: 7, version: "9.0.0" },
        { from: "x", version: 3 },
        { kind: "hello", from: "y", version: "" },
      ];
      for (const name of [`perdure:${given}`, `perdure:${given}:default:tabs`]) {
        const channel = new BroadcastChannel(name);
        setInterval(() => {
          for (const message of say) channel.postMessage(message);
        }, 20);
      }
    }, app);
    const faults: string[] = [];
    two.on("pageerror", error => faults.push(String(error)));
    await open(two, { app, worker: false });
    await two.evaluate(async () => {
      const topic = await window.peer.topic("lunch");
      for (let at = 0; at < 20; at++) await topic.append(at);
    });
    assert.deepEqual([await two.evaluate(() => window.peer.status.current.trouble), faults], [[], []]);
  },
);

story(
  "names that read alike when they are joined are two peers: at the same time, in each other's tabs, and when they open again",
  async ({ app, context, page }) => {
    const shared = await context();
    const both = [
      { app: `${app}:team`, instance: "a" },
      { app, instance: "team:a" },
      { app: `${app}%3Ateam`, instance: "a" },
      { app: `${app}:team:a` },
      { app, instance: "team:a:default" },
    ];
    const tell = async (): Promise<unknown[]> => {
      const found: unknown[] = [];
      const tabs: Page[] = [];
      for (const options of both) {
        const tab = await page(shared);
        tabs.push(tab);
        await open(tab, { ...options, anchors: [] });
        found.push([
          await tab.evaluate(() => window.peer.id),
          await tab.evaluate(() => window.peer.status.current.tab),
          await tab.evaluate(async () => {
            const topic = await window.peer.topic("lunch");
            if (topic.status.current.length === 0) await topic.append(window.peer.id);
            return window.all(topic);
          }),
        ]);
      }
      for (const tab of tabs) await tab.close();
      return found;
    };
    const first = (await tell()) as [string, string, string[]][];
    assert.equal(new Set(first.map(([id]) => id)).size, both.length);
    for (const [id, role, values] of first) assert.deepEqual([role, values], ["leader", [id]]);
    assert.deepEqual(await tell(), first);
    const other = await page(shared);
    const kept = await other.evaluate(async () => [
      Object.keys(localStorage).length,
      (await indexedDB.databases()).length,
    ]);
    assert.deepEqual(kept, [both.length, both.length]);
  },
  { timeout: 120_000 },
);

story(
  "two tabs show presence: when the one that spoke last closes, others see what the other one still shows; the same of two handles in a page, and after another tab leads",
  async ({ app, context, person }) => {
    const shared = await context();
    const [one, two, three] = [
      await person({}, shared),
      await person({}, shared),
      await person({ instance: "other" }, shared),
    ];
    const link = await one.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      window.topic.presence.set("one");
      return window.topic.link(location.href);
    });
    await three.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
    }, link);
    const sees = (wanted: string | undefined): Promise<unknown> =>
      three.evaluate(
        value =>
          window
            .until(window.topic.presence.others, others =>
              value === null ? others.size === 0 : others.size === 1 && [...others.values()][0] === value,
            )
            .then(() => undefined),
        wanted ?? null,
      );
    const show = (tab: Page, value: string): Promise<void> =>
      tab.evaluate(async said => {
        window.topic = await window.peer.topic("lunch");
        window.topic.presence.set(said);
      }, value);
    await sees("one");
    await show(two, "two");
    await sees("two");
    await two.close();
    await sees("one");
    // Two handles in one page.
    const four = await person({}, shared);
    await show(four, "four");
    await sees("four");
    await four.evaluate(
      async given => {
        const handle = await window.perdure.openPeer(given);
        window.kept["handle"] = handle;
        (await handle.topic("lunch")).presence.set("five");
      },
      { app },
    );
    await sees("five");
    await four.evaluate(() => (window.kept["handle"] as typeof window.peer).close());
    await sees("four");
    // The leader goes: its value goes with it, and those of others are told to the next one.
    await show(one, "one again");
    await sees("one again");
    await one.close();
    await sees("four");
    await four.close();
    await sees(undefined);
  },
);

story(
  "two tabs ask to be offline: so they are as long as one of them is open, whoever leads; anybody's online() ends it",
  async ({ app, context, person, anchor }) => {
    const { url } = await anchor();
    const shared = await context();
    const options = { anchors: [url] };
    const [one, two] = [await person(options, shared), await person(options, shared)];
    const stateOf = (tab: Page): Promise<string> => tab.evaluate(() => window.peer.status.current.state);
    const becomes = (tab: Page, state: string): Promise<unknown> =>
      tab.evaluate(
        wanted => window.until(window.peer.status, status => status.state === wanted).then(() => undefined),
        state,
      );
    await becomes(two, "online");
    await one.evaluate(() => window.peer.offline());
    await two.evaluate(() => window.peer.offline());
    await becomes(one, "offline");
    await two.close();
    const three = await person(options, shared);
    await three.evaluate(async () => {
      await (await window.peer.topic("lunch")).append("heard by the leader");
    });
    assert.deepEqual([await stateOf(one), await stateOf(three)], ["offline", "offline"]);
    // Two handles in one page.
    await one.evaluate(
      async given => {
        const handle = await window.perdure.openPeer(given);
        handle.offline();
        await (await handle.topic("lunch")).close();
        await handle.close();
        await (await window.peer.topic("lunch")).close();
      },
      { app },
    );
    assert.equal(await stateOf(one), "offline");
    await three.evaluate(() => window.peer.offline());
    await one.close();
    await three.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
    await three.evaluate(async () => {
      await (await window.peer.topic("lunch")).append("by the next leader");
    });
    assert.equal(await stateOf(three), "offline");
    const four = await person(options, shared);
    await four.evaluate(() => window.peer.online());
    await becomes(three, "online");
    await three.close();
    await four.evaluate(() =>
      window.until(window.peer.status, ({ tab, state }) => tab === "leader" && state === "online"),
    );
  },
);

/** Which storage it has when it is opened with these, or why it is not. It is closed again. */
const kindOrRefusal = (tab: Page, options: Partial<PeerOptions> & { app: string }): Promise<string> =>
  tab.evaluate(
    given =>
      window.perdure.openPeer(given).then(
        async peer => {
          const { kind } = peer.status.current.storage;
          await peer.close();
          return kind;
        },
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      ),
    options as object as PeerOptions,
  );

const lunchOf = (tab: Page): Promise<unknown[]> =>
  tab.evaluate(async () => window.all(await window.peer.topic("lunch")));

story(
  "a storage that is named is the one that is had, or the reason is told: in one page, and across tabs",
  async ({ app, context, page }) => {
    const shared = await context();
    // What is in memory is a peer of its own.
    const one = await page(shared);
    const kinds = await one.evaluate(
      async given => {
        const first = await window.perdure.openPeer({ ...given, storage: "memory" });
        const second = await window.perdure.openPeer({ ...given, storage: "indexeddb" });
        await (await first.topic("lunch")).append("gone");
        await (await second.topic("lunch")).append("kept");
        const found = [first.status.current.storage.kind, second.status.current.storage.kind, first.id === second.id];
        await first.close();
        await (await second.topic("lunch")).append("kept, too");
        window.peer = second;
        return found;
      },
      { app },
    );
    assert.deepEqual(kinds, ["memory", "indexeddb", false]);
    const said =
      /^bad-argument: (This page|Another tab) has this app open with storage: "indexeddb"; here it is "opfs"\. Name the same storage wherever the app is opened, or give one of them an instance of its own\.$/;
    assert.match(await kindOrRefusal(one, { app, storage: "opfs" }), said);
    const two = await page(shared);
    assert.match(await kindOrRefusal(two, { app, storage: "opfs" }), said);
    assert.equal(await kindOrRefusal(two, { app, storage: "memory" }), "memory");
    assert.equal(await kindOrRefusal(two, { app, storage: "opfs", instance: "own" }), "opfs");
    await open(two, { app, storage: "indexeddb" });
    await one.close();
    await two.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
    assert.deepEqual(await lunchOf(two), ["kept", "kept, too"]);
  },
);

story("a tab in memory takes nothing from one that is not", async ({ app, context, page }) => {
  const shared = await context();
  const [fleeting, lasting] = [await page(shared), await page(shared)];
  await open(fleeting, { app, storage: "memory" });
  await open(lasting, { app, storage: "indexeddb" });
  await lasting.evaluate(async () => {
    window.topic = await window.peer.topic("lunch");
    await window.topic.append("kept");
  });
  await fleeting.close();
  await lasting.evaluate(() => window.topic.append("kept, too"));
  await lasting.reload();
  await open(lasting, { app });
  assert.deepEqual(await lunchOf(lasting), ["kept", "kept, too"]);
});

story(
  "where all is kept in files, who names another storage or none is told the reason, in that page and in another tab",
  async ({ app, context, page }) => {
    const shared = await context();
    const first = await page(shared);
    await open(first, { app, storage: "opfs" });
    await first.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("in a file");
    });
    const second = await page(shared);
    for (const storage of ["indexeddb", "auto", undefined] as const) {
      assert.match(
        await kindOrRefusal(second, { app, ...(storage === undefined ? {} : { storage }) }),
        /^bad-argument: Another tab has this app open with storage: "opfs"; here (it is "indexeddb"|no storage is named, which means "indexeddb")\. /,
      );
    }
    assert.match(await kindOrRefusal(first, { app, storage: "indexeddb" }), /^bad-argument: This page has /);
    await open(second, { app, storage: "opfs" });
    await first.close();
    await second.evaluate(async () => {
      await (await window.peer.topic("lunch")).append("and one more");
    });
    assert.deepEqual(await lunchOf(second), ["in a file", "and one more"]);
  },
);

story(
  "tabs that are given no storage are peers of their own, and none ends with another; who insists on one is told why",
  async ({ app, context, server }) => {
    const shared = await context();
    await shared.addInitScript(() => {
      Object.defineProperty(window, "indexedDB", { value: undefined });
    });
    const [one, two] = [await shared.newPage(), await shared.newPage()];
    for (const tab of [one, two]) {
      await tab.goto(server.url);
      await open(tab, { app, worker: false });
      await tab.evaluate(async () => {
        window.topic = await window.peer.topic("lunch");
        await window.topic.append("mine");
      });
      assert.deepEqual(
        await tab.evaluate(() => [
          window.peer.status.current.tab,
          window.peer.status.current.storage.kind,
          window.peer.status.current.trouble.map(({ code }) => code),
        ]),
        ["leader", "memory", ["storage-unavailable"]],
      );
    }
    assert.notEqual(await one.evaluate(() => window.peer.id), await two.evaluate(() => window.peer.id));
    await one.close();
    await two.evaluate(() => window.topic.append("and on"));
    assert.deepEqual(await two.evaluate(() => window.all(window.topic)), ["mine", "and on"]);
    const said = await two.evaluate(
      given =>
        window.perdure.openPeer(given).then(
          () => "it opened",
          (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
        ),
      { app, worker: false as const, storage: "indexeddb" as const },
    );
    assert.match(
      said,
      /^storage-unavailable: This page has this app open and could keep it in memory only\. .*This browser has no IndexedDB here\.$/,
    );
  },
);
