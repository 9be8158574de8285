// A second engine: the package in Firefox, alone and with Chromium.

import assert from "node:assert/strict";
import { after } from "node:test";
import type { BrowserContext, Page } from "puppeteer-core";
import type { PeerOptions } from "../../../web/src/index.js";
import { story } from "../browser/world.js";
import { openFirefox, type TestFirefox } from "../support/firefox.js";

let started: Promise<TestFirefox> | undefined;
after(async () => {
  await (await started?.catch(() => undefined))?.[Symbol.asyncDispose]();
});

/** A page with its peer open. */
async function person(
  url: string,
  options: Partial<PeerOptions> & { app: string },
  context?: BrowserContext,
): Promise<Page> {
  const firefox = await (started ??= openFirefox());
  const page = await firefox.page(url, context);
  await opens(page, options);
  return page;
}

function opens(page: Page, options: Partial<PeerOptions> & { app: string }): Promise<void> {
  return page.evaluate(async given => {
    await window.ready;
    window.peer = await window.perdure.openPeer(given as PeerOptions);
  }, options as object);
}

interface AnyPage {
  evaluate<A, R>(run: (argument: A) => R | Promise<R>, argument: A): Promise<R>;
}

async function begins(page: AnyPage, ...values: string[]): Promise<string> {
  return page.evaluate(async first => {
    window.topic = await window.peer.topic("lunch");
    for (const value of first) await window.topic.append(value);
    return window.topic.link(location.href);
  }, values);
}

const joins = (page: AnyPage, link: string): Promise<void> =>
  page.evaluate(async invite => {
    window.topic = await window.peer.join(invite);
  }, link);
const says = (page: AnyPage, value: string): Promise<string> =>
  page.evaluate(async text => (await window.topic.append(text)).id, value);
const shows = (page: AnyPage, ...values: string[]): Promise<void> =>
  page.evaluate(wanted => window.shows(window.topic, ...wanted), values);
const linked = (page: AnyPage, path: string): Promise<unknown> =>
  page.evaluate(async by => {
    await window.until(
      window.peer.peers,
      peers => peers.some(peer => peer.role === "edge" && peer.state === "connected" && peer.path === by),
      30_000,
    );
  }, path);

story(
  "in Firefox two people chat over a DataChannel, bridged through the page, and a reload keeps all",
  async ({ app, server, anchor }) => {
    const { url } = await anchor();
    const ann = await person(server.url, { app, anchors: [url], name: "Ann" });
    const link = await begins(ann, "hello");
    const ben = await person(server.url, { app, anchors: [url], name: "Ben" });
    await joins(ben, link);
    await shows(ben, "hello");
    await says(ben, "hello yourself");
    await shows(ann, "hello", "hello yourself");
    await linked(ann, "webrtc");
    await linked(ben, "webrtc");
    // More than one message of a channel, so that the bridge has to hold back.
    await ann.evaluate(async () => {
      await (
        await window.topic.appendAll(Array.from({ length: 40 }, (_, at) => `${at} `.padEnd(50_000, "-")))
      ).replicated(2);
    });
    assert.equal(
      await ben.evaluate(
        async () => (await window.until(window.topic.status, ({ length }) => length === 42, 30_000)).length,
      ),
      42,
    );
    const id = await ben.evaluate(() => window.peer.id);
    await ben.reload();
    await opens(ben, { app });
    const found = await ben.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
      const values = await window.all(window.topic);
      const { storage, trouble } = window.peer.status.current;
      return {
        id: window.peer.id,
        count: values.length,
        first: values.slice(0, 2),
        kind: storage.kind,
        trouble: trouble.map(({ code }) => code),
      };
    }, link);
    assert.deepEqual(found, { id, count: 42, first: ["hello", "hello yourself"], kind: "indexeddb", trouble: [] });
    await Promise.all([ann.close(), ben.close()]);
  },
);

story("in Firefox without connections of pages two people talk through the anchor", async ({ app, server, anchor }) => {
  const { url } = await anchor();
  const ann = await person(server.url, { app, anchors: [url], rtc: false });
  const link = await begins(ann, "hello");
  const ben = await person(server.url, { app, anchors: [url], rtc: false });
  await joins(ben, link);
  await linked(ann, "relayed");
  await says(ben, "hello yourself");
  await shows(ann, "hello", "hello yourself");
  await Promise.all([ann.close(), ben.close()]);
});

story("in Firefox a second tab is the same peer, and takes over when the first is closed", async ({ app, server }) => {
  const shared = await (await (started ??= openFirefox())).context();
  const first = await person(server.url, { app }, shared);
  const second = await person(server.url, { app }, shared);
  assert.equal(await first.evaluate(() => window.peer.id), await second.evaluate(() => window.peer.id));
  assert.deepEqual(
    [
      await first.evaluate(() => window.peer.status.current.tab),
      await second.evaluate(() => window.peer.status.current.tab),
    ],
    ["leader", "follower"],
  );
  await begins(first, "one");
  await begins(second, "two");
  await shows(first, "one", "two");
  await first.close();
  await says(second, "three");
  await second.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
  await shows(second, "one", "two", "three");
  await second.close();
});

story("Firefox and Chromium talk over a DataChannel", async ({ app, server, anchor, person: inChromium }) => {
  const { url } = await anchor();
  const fox = await person(server.url, { app, anchors: [url] });
  const link = await begins(fox, "from Firefox");
  const chrome = await inChromium({ anchors: [url] });
  const page = chrome as AnyPage;
  await joins(page, link);
  await shows(page, "from Firefox");
  await says(page, "from Chromium");
  await shows(fox, "from Firefox", "from Chromium");
  await linked(fox, "webrtc");
  await linked(page, "webrtc");
  const ids = [await fox.evaluate(() => window.peer.id), await chrome.evaluate(() => window.peer.id)];
  assert.notEqual(ids[0], ids[1]);
  await fox.close();
});
