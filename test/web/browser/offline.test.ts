// A peer that is linked to nobody, because its user wants it so or its machine has no network.

import assert from "node:assert/strict";

import { open, story } from "./world.js";

story(
  "a peer that goes offline is alone in all its tabs, goes on, and meets the others again",
  async ({ app, anchor, context, page, person }) => {
    const { url } = await anchor();
    const options = { app, anchors: [url] };
    const ann = await person(options);
    const invite = await ann.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      return window.topic.invite();
    });
    // Ben is another device of Ann's browser: they meet over the local bus, over WebRTC and through the anchor.
    const ben = await person({ ...options, instance: "ben" }, ann.context());
    const bensTab = await page(ann.context());
    await open(bensTab, { ...options, instance: "ben" });
    const cleo = await person(options, await context());
    for (const one of [ben, bensTab, cleo])
      await one.evaluate(async text => {
        window.topic = await window.peer.join(text);
      }, invite);
    await ann.evaluate(() => window.until(window.topic.status, ({ peers }) => peers >= 2));

    await bensTab.evaluate(() => window.peer.offline());
    for (const tab of [ben, bensTab])
      await tab.evaluate(() => window.until(window.peer.status, ({ state }) => state === "offline"));
    await ann.evaluate(() => window.topic.append("to whoever is there"));
    await cleo.evaluate(() => window.shows(window.topic, "to whoever is there"));
    for (const text of ["one", "two"]) await ben.evaluate(value => window.topic.append(value), text);
    await ben.evaluate(() => window.shows(window.topic, "one", "two"));
    await ben.evaluate(() =>
      window.until(window.peer.status, ({ pending, state }) => pending === 2 && state === "offline"),
    );

    await bensTab.evaluate(() => window.peer.online());
    for (const one of [ann, ben, cleo])
      await one.evaluate(() => window.until(window.topic.status, ({ length }) => length === 3));
    await ben.evaluate(() => window.until(window.peer.status, ({ pending }) => pending === 0));

    // What the tab has asked for ends with it.
    await bensTab.evaluate(() => window.peer.offline());
    await ben.evaluate(() => window.until(window.peer.status, ({ state }) => state === "offline"));
    await bensTab.close();
    await ben.evaluate(() => window.until(window.peer.status, ({ state }) => state === "online"));
  },
);

story(
  "a machine that goes offline ends its links at once, and finds the others again when it is back",
  async ({ app, anchor, person }) => {
    const { url } = await anchor();
    const ann = await person({ app, anchors: [url] });
    const invite = await ann.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      return window.topic.invite();
    });
    const ben = await person({ app, anchors: [url] });
    await ben.evaluate(async text => {
      window.topic = await window.peer.join(text);
    }, invite);
    await ann.evaluate(() => window.until(window.peer.status, ({ links }) => links.webrtc === 1));

    await ben.context().setOffline(true);
    await ben.evaluate(() => window.until(window.peer.status, ({ state }) => state === "offline"));
    await ann.evaluate(() => window.until(window.peer.status, ({ links }) => links.webrtc + links.relayed === 0));
    for (const one of [ann, ben]) await one.evaluate(() => window.topic.append("said apart"));
    assert.deepEqual(await ben.evaluate(() => window.all(window.topic)), ["said apart"]);

    await ben.context().setOffline(false);
    for (const one of [ann, ben]) await one.evaluate(() => window.shows(window.topic, "said apart", "said apart"));
    await ben.evaluate(() =>
      window.until(window.peer.status, ({ links, pending }) => links.webrtc === 1 && pending === 0),
    );
  },
);
