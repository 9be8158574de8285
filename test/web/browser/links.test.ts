// Two people, each with a browser of their own, and the ways between them.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { story } from "./world.js";

/** Opens the topic and gives its link. */
export function begins(page: Page, ...values: string[]): Promise<string> {
  return page.evaluate(async first => {
    window.topic = await window.peer.topic("lunch");
    for (const value of first) await window.topic.append(value);
    return window.topic.link(location.href);
  }, values);
}

const joins = (page: Page, link: string): Promise<void> =>
  page.evaluate(async invite => {
    window.topic = await window.peer.join(invite);
  }, link);
const says = (page: Page, value: string): Promise<unknown> =>
  page.evaluate(async text => (await window.topic.append(text)).id, value);
const shows = (page: Page, ...values: string[]): Promise<void> =>
  page.evaluate(wanted => window.shows(window.topic, ...wanted), values);

/** Waits until both see each other by that path. */
async function linked(one: Page, other: Page, path: "webrtc" | "websocket" | "relayed" | "local"): Promise<void> {
  for (const [page, friend] of [
    [one, other],
    [other, one],
  ] as const) {
    const id = await friend.evaluate(() => window.peer.id);
    await page.evaluate(
      async ([whom, by]) => {
        await window.until(window.peer.peers, peers =>
          peers.some(peer => peer.id === whom && peer.state === "connected" && peer.path === by),
        );
      },
      [id, path] as const,
    );
  }
}

story("two people chat over a DataChannel to which the anchor has introduced them", async ({ person, anchor }) => {
  const { url } = await anchor();
  const ann = await person({ anchors: [url], name: "Ann" });
  const link = await begins(ann, "hello");
  const ben = await person({ anchors: [url], name: "Ben" });
  await joins(ben, link);
  await shows(ben, "hello");
  await says(ben, "hello yourself");
  await shows(ann, "hello", "hello yourself");
  await linked(ann, ben, "webrtc");
  for (const page of [ann, ben]) {
    const { state, tab, links, trouble } = await page.evaluate(() =>
      window.until(window.peer.status, ({ links, pending }) => links.relayed === 0 && pending === 0),
    );
    assert.deepEqual(
      { state, tab, links, trouble },
      { state: "online", tab: "leader", links: { webrtc: 1, websocket: 1, relayed: 0, local: 0 }, trouble: [] },
    );
  }
  assert.deepEqual(
    await ann.evaluate(() =>
      window
        .until(
          window.topic.members,
          members => members.length === 2 && members.every(({ online, name }) => online && name !== undefined),
        )
        .then(members => members.map(({ name, own }) => [name, own]).sort()),
    ),
    [
      ["Ann", true],
      ["Ben", false],
    ],
  );
});

story(
  "with the anchor dead they keep talking over the DataChannel, and one who reloads finds all of it",
  async ({ app, person, anchor }) => {
    const started = await anchor();
    const ann = await person({ anchors: [started.url] });
    const link = await begins(ann, "one");
    const ben = await person({ anchors: [started.url] });
    await joins(ben, link);
    await linked(ann, ben, "webrtc");
    await started.kill("SIGKILL");
    for (const page of [ann, ben])
      await page.evaluate(() => window.until(window.peer.status, ({ links }) => links.websocket === 0));
    await says(ann, "two");
    await shows(ben, "one", "two");
    await says(ben, "three");
    await shows(ann, "one", "two", "three");
    assert.equal(await ann.evaluate(() => window.peer.status.current.state), "online");
    await ben.reload();
    await ben.evaluate(
      async given => {
        await window.ready;
        window.peer = await window.perdure.openPeer(given);
        window.topic = await window.peer.topic("lunch");
      },
      { app },
    );
    // The name it was joined by is its own; the invite leads to the same.
    await joins(ben, link);
    await shows(ben, "one", "two", "three");
  },
);

story("where a page makes no connections they talk through the anchor", async ({ person, anchor }) => {
  const { url } = await anchor();
  const ann = await person({ anchors: [url], rtc: false });
  const link = await begins(ann, "hello");
  const ben = await person({ anchors: [url], rtc: false });
  await joins(ben, link);
  await linked(ann, ben, "relayed");
  await says(ben, "hello yourself");
  await shows(ann, "hello", "hello yourself");
  assert.deepEqual(await ann.evaluate(() => window.peer.status.current.links), {
    webrtc: 0,
    websocket: 1,
    relayed: 1,
    local: 0,
  });
});

story(
  "where the network lets no DataChannel through they talk through the anchor while it is tried and after",
  async ({ person, anchor }) => {
    const { url } = await anchor();
    // Only through a TURN server, and there is none: every attempt fails.
    const rtc = { iceTransportPolicy: "relay" } as const;
    const ann = await person({ anchors: [url], rtc });
    const link = await begins(ann, "hello");
    const ben = await person({ anchors: [url], rtc });
    await joins(ben, link);
    await shows(ben, "hello");
    await linked(ann, ben, "relayed");
    await says(ben, "hello yourself");
    await shows(ann, "hello", "hello yourself");
    assert.equal(await ann.evaluate(() => window.peer.status.current.links.webrtc), 0);
  },
);

story(
  "two instances of one origin meet without any server, and move to a DataChannel",
  async ({ app, context, person }) => {
    const shared = await context();
    const ann = await person({ instance: "ann" }, shared);
    const link = await begins(ann, "hello");
    const ben = await person({ instance: "ben" }, shared);
    await ben.evaluate(() => {
      const paths: string[] = [];
      window.kept["paths"] = paths;
      window.peer.peers.subscribe(peers => {
        for (const { path } of peers) if (paths.at(-1) !== path) paths.push(path);
      });
    });
    await joins(ben, link);
    await shows(ben, "hello");
    await says(ben, "hello yourself");
    await shows(ann, "hello", "hello yourself");
    await linked(ann, ben, "webrtc");
    await ben.evaluate(() =>
      window.eventually(
        () => window.kept["paths"] as string[],
        paths => paths.join(" ") === "local webrtc",
      ),
    );
    assert.notEqual(await ann.evaluate(() => window.peer.id), await ben.evaluate(() => window.peer.id));
    // One that makes no connections stays local.
    const eve = await person({ app, instance: "eve", rtc: false }, shared);
    await joins(eve, link);
    await shows(eve, "hello", "hello yourself");
    await linked(ann, eve, "local");
  },
);

story("with worker: false all of it runs in the page", async ({ person, anchor }) => {
  const { url } = await anchor();
  const ann = await person({ anchors: [url], worker: false });
  const link = await begins(ann, "hello");
  const ben = await person({ anchors: [url], worker: false });
  await joins(ben, link);
  await linked(ann, ben, "webrtc");
  await says(ben, "hello yourself");
  await shows(ann, "hello", "hello yourself");
  assert.equal(ann.workers().length, 0);
});

story(
  "presence appears, changes, and goes with whoever showed it: by word, by leaving, within ten seconds of a crash",
  async ({ person, anchor }) => {
    const { url } = await anchor();
    const ann = await person({ anchors: [url] });
    const link = await begins(ann);
    const [ben, eve] = [await person({ anchors: [url] }), await person({ anchors: [url] })];
    for (const page of [ben, eve]) await joins(page, link);
    const present = (wanted: Record<string, unknown>): Promise<unknown> =>
      ann.evaluate(
        sought =>
          window.until(
            window.topic.presence.others,
            others =>
              others.size === Object.keys(sought).length &&
              Object.entries(sought).every(([id, value]) => JSON.stringify(others.get(id)) === JSON.stringify(value)),
          ),
        wanted,
      );
    const [benId, eveId] = [await ben.evaluate(() => window.peer.id), await eve.evaluate(() => window.peer.id)];
    await ben.evaluate(() => window.topic.presence.set({ x: 1 }));
    await eve.evaluate(() => window.topic.presence.set("typing"));
    await present({ [benId]: { x: 1 }, [eveId]: "typing" });
    // Many at once: the newest wins.
    await ben.evaluate(() => {
      for (let x = 2; x <= 200; x++) window.topic.presence.set({ x });
    });
    await present({ [benId]: { x: 200 }, [eveId]: "typing" });
    await ben.evaluate(() => window.topic.presence.set(undefined));
    await present({ [eveId]: "typing" });
    await ben.evaluate(() => window.topic.presence.set("here"));
    await present({ [benId]: "here", [eveId]: "typing" });
    await eve.close();
    await present({ [benId]: "here" });
    await ben.goto("chrome://crash").catch(() => undefined);
    await present({});
  },
);

story(
  "someone in a tunnel writes on, and so do the others; back in the light all have all of it",
  async ({ person, anchor, cable }) => {
    const { url } = await anchor();
    const wire = await cable(url);
    const ann = await person({ anchors: [url] });
    const link = await begins(ann, "one");
    const ben = await person({ anchors: [wire.url], rtc: false });
    await joins(ben, link);
    await shows(ben, "one");
    // An invite brings its anchors: without this there would be another way.
    await ben.evaluate(other => window.peer.anchors.remove(other), url);
    wire.cut();
    await ben.evaluate(() =>
      window.until(window.peer.status, ({ state, links }) => state !== "online" && links.websocket === 0),
    );
    await says(ann, "two");
    await says(ben, "three");
    await shows(ben, "one", "three");
    assert.equal(
      (await ben.evaluate(() => window.until(window.peer.status, ({ pending }) => pending === 1))).pending,
      1,
    );
    wire.mend();
    await shows(ben, "one", "two", "three");
    await shows(ann, "one", "two", "three");
    await ben.evaluate(() =>
      window.until(window.peer.status, ({ state, pending }) => state === "online" && pending === 0),
    );
  },
);
