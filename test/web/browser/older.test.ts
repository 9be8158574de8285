// Tabs of the package 0.1.0 and of this one on one origin: one core at a time, and nothing is lost.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { PeerOptions } from "../../../web/src/index.js";
import { open, story } from "./world.js";

/** Opens the peer of a page with 0.1.0; rejects as that does. */
async function openOlder(page: Page, options: Partial<PeerOptions> & { app: string }): Promise<void> {
  await page.evaluate(
    async given => {
      const older = "/older/index.js";
      window.perdure = (await import(older)) as typeof window.perdure;
      window.peer = await window.perdure.openPeer(given);
    },
    options as object as PeerOptions,
  );
}

const append = (page: Page, ...values: string[]): Promise<void> =>
  page.evaluate(async all => {
    window.topic = await window.peer.topic("lunch");
    for (const value of all) await window.topic.append(value);
  }, values);
const values = (page: Page): Promise<unknown[]> =>
  page.evaluate(async () => window.all(await window.peer.topic("lunch")));
const idOf = (page: Page): Promise<string> => page.evaluate(() => window.peer.id);
const refusal = (asked: Promise<unknown>): Promise<string> => asked.then(() => "it was not refused", String);

for (const worker of [undefined, false] as const) {
  const where = worker === false ? ", in the page" : "";
  const mode = worker === undefined ? {} : { worker };

  story(
    `a tab of 0.1.0 is there first: this one takes the lead, with all that the other has accepted${where}`,
    async ({ app, context, page }) => {
      const shared = await context();
      const [older, newer] = [await page(shared), await page(shared)];
      await openOlder(older, { app, ...mode });
      await append(older, "one", "two");
      await open(newer, { app, ...mode });
      assert.equal(await newer.evaluate(() => window.peer.status.current.tab), "leader");
      assert.equal(await idOf(newer), await idOf(older));
      await append(newer, "three");
      assert.deepEqual(await values(newer), ["one", "two", "three"]);
      await older.evaluate(() =>
        window.until(window.peer.status, ({ trouble }) => trouble.some(({ code }) => code === "outdated")),
      );
      assert.match(await refusal(append(older, "four")), /newer version of this app runs in another tab/);
      // Reloaded, it is of this version.
      await older.reload();
      await open(older, { app, ...mode });
      assert.equal(await older.evaluate(() => window.peer.status.current.tab), "follower");
      await append(older, "four");
      assert.deepEqual(await values(newer), ["one", "two", "three", "four"]);
    },
  );

  story(
    `a tab of this version is there first: one of 0.1.0 says that it is outdated, and nothing changes for this one${where}`,
    async ({ app, context, page }) => {
      const shared = await context();
      const [older, newer, other] = [await page(shared), await page(shared), await page(shared)];
      await open(newer, { app, ...mode });
      await open(other, { app, ...mode });
      await append(newer, "one");
      assert.match(await refusal(openOlder(older, { app, ...mode })), /newer version of this app runs in another tab/);
      await append(newer, "two");
      await append(other, "three");
      assert.deepEqual(await other.evaluate(() => window.peer.status.current.trouble), []);
      await newer.close();
      await other.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
      assert.match(await refusal(openOlder(older, { app, ...mode })), /newer version of this app runs in another tab/);
      assert.deepEqual(await values(other), ["one", "two", "three"]);
    },
  );
}

story(
  "a tab of 0.1.0 in the middle of appends: whatever it accepted is there, once",
  async ({ app, context, page }) => {
    const shared = await context();
    const accepted: string[] = [];
    await shared.exposeFunction("accepted", (value: string) => void accepted.push(value));
    const [older, newer] = [await page(shared), await page(shared)];
    await openOlder(older, { app });
    await older.evaluate(async () => {
      const tell = Reflect.get(window, "accepted") as (value: string) => Promise<void>;
      window.topic = await window.peer.topic("lunch");
      window.kept["all"] = (async () => {
        for (let at = 0; ; at++) {
          const said = [0, 1, 2, 3].map(async part => {
            await window.topic.append(`${at}.${part}`);
            await tell(`${at}.${part}`);
          });
          if ((await Promise.allSettled(said)).some(({ status }) => status === "rejected")) return;
        }
      })();
      await window.eventually(
        () => window.topic.status.current.length,
        length => length >= 40,
      );
    });
    await open(newer, { app });
    await append(newer, "the newer one's");
    await older.evaluate(() => window.kept["all"]);
    const found = (await values(newer)) as string[];
    assert.equal(new Set(found).size, found.length, "none is there twice");
    for (const value of [...accepted, "the newer one's"])
      assert.ok(found.includes(value), `${value} was accepted and is there`);
    assert.ok(accepted.length >= 40);
    // All of it is on the disk, and 0.1.0 opens it again: an app may go back.
    for (const open of [older, newer]) await open.close();
    const again = await page(shared);
    await openOlder(again, { app });
    assert.deepEqual(await values(again), found);
    await append(again, "back");
    await again.close();
    const last = await page(shared);
    await open(last, { app });
    assert.deepEqual(await values(last), [...found, "back"]);
  },
  { timeout: 120_000 },
);

story(
  "both open at the same moment, over and over: what either accepts is there in the end",
  async ({ app, context, page }) => {
    const shared = await context();
    const accepted: string[] = [];
    for (let round = 0; round < 6; round++) {
      const pages = [await page(shared), await page(shared)] as const;
      const [older, newer] = round % 2 === 0 ? pages : [pages[1], pages[0]];
      const begin = [
        openOlder(older, { app }).then(async () => {
          await append(older, `older ${round}`);
          accepted.push(`older ${round}`);
        }),
        open(newer, { app }).then(async () => {
          await append(newer, `newer ${round}`);
          accepted.push(`newer ${round}`);
        }),
      ];
      const [left, right] = await Promise.allSettled(begin);
      assert.equal(right?.status, "fulfilled", String((right as PromiseRejectedResult).reason));
      // 0.1.0 calls it by another name if it hears of the newer one before it has its own lock.
      if (left?.status === "rejected")
        assert.match(String(left.reason), /newer version of this app|AbortError: signal is aborted/);
      const found = await values(newer);
      for (const value of accepted)
        assert.equal(found.filter(other => other === value).length, 1, `${value} is there once`);
      for (const tab of pages) await tab.close();
    }
  },
  { timeout: 120_000 },
);

story(
  "what 0.1.0 kept under a name that two peers had is the first one's who asks; the other is another device, and so it stays",
  async ({ app, context, page }) => {
    const shared = await context();
    const [first, second] = [
      { app, instance: "team:a" },
      { app: `${app}:team`, instance: "a" },
    ];
    const older = await page(shared);
    await openOlder(older, first);
    await append(older, "kept");
    const id = await idOf(older);
    await older.close();
    const ids: string[][] = [];
    for (let round = 0; round < 2; round++) {
      const [one, two] = [await page(shared), await page(shared)];
      await open(one, first);
      await open(two, second);
      assert.deepEqual(
        [
          await one.evaluate(() => window.peer.status.current.tab),
          await two.evaluate(() => window.peer.status.current.tab),
        ],
        ["leader", "leader"],
      );
      await append(one, `one ${round}`);
      await append(two, `two ${round}`);
      assert.deepEqual(await values(one), ["kept", "one 0", "one 1"].slice(0, round + 2));
      assert.deepEqual(await values(two), ["two 0", "two 1"].slice(0, round + 1));
      assert.deepEqual(await two.evaluate(() => window.peer.status.current.trouble), []);
      ids.push([await idOf(one), await idOf(two)]);
      await one.close();
      await two.close();
    }
    assert.equal(ids[0]?.[0], id);
    assert.notEqual(ids[0]?.[1], id);
    assert.deepEqual(ids[0], ids[1]);
  },
);
