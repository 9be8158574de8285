// Many tabs are one peer, with the real core in them.

import assert from "node:assert/strict";
import { serve } from "../support/server.js";
import { open, story } from "./world.js";

story("a worker is one file, and perdure.wasm comes once, for the tab that leads: others ask for it when they take over", async ({ app, site, context }) => {
  await using server = await serve(site);
  const shared = await context();
  const asked: string[][] = [];
  const pages = [await shared.newPage(), await shared.newPage()] as const;
  for (const page of pages) {
    await page.goto(server.url);
    await page.evaluate(() => window.ready);
    const before = server.asked.length;
    await open(page, { app });
    asked.push(server.asked.slice(before).filter(path => path.startsWith("/dist/")).sort());
  }
  assert.deepEqual(asked, [["/dist/perdure.wasm", "/dist/worker.js"], ["/dist/worker.js"]]);
  const before = server.asked.length;
  await pages[0].close();
  await pages[1].evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader"));
  assert.deepEqual(server.asked.slice(before), ["/dist/perdure.wasm"]);
});

story("a tab closed in the middle of appends: those of both tabs resolve once, none is lost, none is there twice", async ({ app, context, page, person }) => {
  const shared = await context();
  const done: string[] = [];
  await shared.exposeFunction("done", (value: string) => void done.push(value));
  const first = await person({}, shared);
  const second = await person({}, shared);
  assert.deepEqual([await first.evaluate(() => window.peer.status.current.tab), await second.evaluate(() => window.peer.status.current.tab)], ["leader", "follower"]);
  assert.equal(await first.evaluate(() => window.peer.id), await second.evaluate(() => window.peer.id));
  const write = (name: string): void => {
    const tell = Reflect.get(window, "done") as (value: string) => Promise<void>;
    window.kept["all"] = window.peer.topic("lunch").then(topic => {
      window.topic = topic;
      return Promise.all(Array.from({ length: 400 }, async (_, at) => {
        const { id } = await topic.append(`${name} ${at}`);
        void tell(`${name} ${at}`);
        return id;
      }));
    });
  };
  await Promise.all([first.evaluate(write, "first"), second.evaluate(write, "second")]);
  await second.evaluate(() => window.eventually(() => window.topic?.status.current.length ?? 0, length => length >= 20));
  await first.close();
  const ids = (await second.evaluate(() => window.kept["all"])) as string[];
  assert.equal(new Set(ids).size, 400);
  assert.equal(await second.evaluate(() => window.until(window.peer.status, ({ tab }) => tab === "leader").then(({ tab }) => tab)), "leader");
  const values = (await second.evaluate(() => window.all(window.topic))) as string[];
  assert.equal(new Set(values).size, values.length, "none is there twice");
  for (let at = 0; at < 400; at++) assert.ok(values.includes(`second ${at}`), `second ${at} is there`);
  for (const value of done) assert.ok(values.includes(value), `${value} was accepted and is there`);
  // All of it is on the disk.
  await second.close();
  const third = await page(shared);
  assert.deepEqual(await third.evaluate(async given => window.all(await (await window.perdure.openPeer(given)).topic("lunch")), { app }), values);
});

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
  await second.evaluate(() => window.until(window.peer.status, ({ tab, links }) => tab === "leader" && links.webrtc === 1));
  await ben.evaluate(() => window.topic.append("to the second"));
  await second.evaluate(() => window.shows(window.topic, "to the first", "to the second"));
});

story("when openPeer has resolved, the lists tell what this device has joined and which anchors it uses: in a worker, in the page, in a tab that follows", async ({ app, context, page }) => {
  const shared = await context();
  const options = { app, anchors: ["ws://127.0.0.1:9"] };
  const told = async (more: object = {}): Promise<unknown> => (await page(shared)).evaluate(async given => {
    window.peer = await window.perdure.openPeer(given as { app: string });
    const { status, topics, anchors } = window.peer;
    return [status.current.tab, topics.current.map(({ name }) => name), anchors.list.current.map(({ url }) => url)];
  }, { ...options, ...more });
  const first = await page(shared);
  await open(first, options);
  await first.evaluate(async () => { for (const name of ["lunch", "dinner"]) await window.peer.topic(name); });
  const known = [["lunch", "dinner"], options.anchors];
  assert.deepEqual(await told(), ["follower", ...known]);
  for (const open of shared.pages()) await open.close();
  for (const worker of [undefined, false]) {
    assert.deepEqual(await told(worker === undefined ? {} : { worker }), ["leader", ...known], String(worker));
    for (const open of shared.pages()) await open.close();
  }
});

story("openPeer twice in a page gives two handles on one peer, which closes with the last of them", async ({ app, page }) => {
  const tab = await page();
  const found = await tab.evaluate(async given => {
    const [one, two] = await Promise.all([window.perdure.openPeer(given), window.perdure.openPeer(given)]);
    const topic = await two.topic("lunch");
    await one.close();
    await one.close();
    const refused = await one.topic("lunch").then(() => "", (error: { code: string }) => error.code);
    await topic.append("still here");
    const values = await window.all(topic);
    await two.close();
    const late = await topic.append("too late").then(() => "", (error: { code: string }) => error.code);
    const again = await window.perdure.openPeer(given);
    return { same: one.id === two.id && again.id === two.id, refused, late, values, kept: await window.all(await again.topic("lunch")) };
  }, { app });
  assert.deepEqual(found, { same: true, refused: "closed", late: "closed", values: ["still here"], kept: ["still here"] });
});
