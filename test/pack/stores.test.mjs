// What 0.1.0 has kept in a browser opens under this package on the same origin, and goes back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { sides, story } from "./beside.mjs";
import { left, live } from "./life.mjs";
import { launch, pages, serve } from "./support.mjs";

let browser, host;
const beside = sides(async ({ first, here }) => {
  const script = path => ({ text: readFileSync(join(pages, path)), type: "text/javascript" });
  browser = await launch(here.chromiumArgs);
  host = await serve({
    "/": { text: '<!doctype html><link rel="icon" href="data:,">', type: "text/html" },
    "/pack/life.mjs": script("life.mjs"),
    "/web/support/until.mjs": script("../web/support/until.mjs"),
    "/first/": first.dist,
    "/here/": here.dist,
  });
});
after(async () => {
  await browser?.close();
  await host?.close();
});

/** A page with that side's package, and the options of the peer there. */
async function visit(context, side, options) {
  const page = await context.newPage();
  await page.goto(host.url);
  await page.evaluate(
    async ([side, options]) => {
      Object.assign(
        window,
        await import(`/${side}/index.js`),
        await import("/pack/life.mjs"),
        await import("/web/support/until.mjs"),
        { options },
      );
    },
    [side, options],
  );
  return page;
}

/** Ann in a page of 0.1.0 and Ben in Node, until she has left. */
async function liveInPage(page, ben) {
  await page.evaluate(async () => {
    window.ann = await openPeer(options);
  });
  await live((step, ...args) => page.evaluate(([step, args]) => window[step](ann, ...args), [step, args]), ben);
  await ben.close();
  await page.evaluate(() => leave(ann));
  await page.close();
}

/** Ann goes on in a page of this package, with nobody to hear it. Resolves with the census of what is there then. */
async function goOn(page) {
  const all = await page.evaluate(async () => {
    const peer = await openPeer(options);
    const lunch = await peer.topic("lunch");
    await lunch.append("said by the newer");
    await lunch.map.resolve("place", "both");
    await lunch.markRead();
    const seen = await census(peer, { pending: 3 });
    await peer.close();
    return seen;
  });
  await page.close();
  assert.deepEqual(
    all.topics.lunch.messages.slice(-2).map(({ value }) => value),
    ["said to nobody", "said by the newer"],
  );
  return all;
}

for (const storage of ["indexeddb", "opfs"]) {
  story(
    `what 0.1.0 kept in Chromium, ${storage}, opens here with everything in it, and goes back to 0.1.0 with what was added`,
    async ({ open }) => {
      const anchor = await open(beside.first.startAnchor({ data: ":memory:", port: 0 }));
      const anchors = [anchor.url];
      const ben = await open(beside.first.openPeer({ app: "life", name: "Ben", storage: "memory", anchors }));
      const context = await open(browser.newContext());
      const visitWith = side => visit(context, side, { app: "life", name: "Ann", storage, anchors });
      const seenBy = async (side, due) => {
        const page = await visitWith(side);
        const seen = await page.evaluate(due => censusOf(openPeer, options, due), due);
        await page.close();
        return seen;
      };
      await liveInPage(await visitWith("first"), ben);
      const { id } = anchor;
      await anchor.close();

      const written = await seenBy("first", left);
      assert.equal(written.kind, storage);
      assert.equal(written.topics.lunch.unread, 3);
      assert.equal(written.topics.trip.unread, 1);
      assert.deepEqual(written.topics.lunch.anchors, [id]);
      assert.deepEqual(await seenBy("here", left), written);

      const all = await goOn(await visitWith("here"));
      assert.deepEqual(await seenBy("first", { pending: 3 }), all);
    },
  );
}
