import { context, newPage, started } from "../browser.mjs";
import { bounded, byTurns, middle } from "../measure.mjs";
import { count } from "../messages.mjs";
import { tasksOf } from "../../web/support/tasks.ts";

/** The page's longest task while all messages arrive and its newest 50 are shown, milliseconds of the processor. */
async function longestTask(anchor) {
  const contexts = [await context(), await context()];
  try {
    const [a, b] = [await newPage(contexts[0]), await newPage(contexts[1])];
    const given = { app: crypto.randomUUID(), anchors: [anchor], wanted: count };
    const link = await a.evaluate(async ({ app, anchors }) => {
      const peer = await window.openPeer({ app, anchors });
      window.topic = await peer.topic("bench");
      return window.topic.link(location.href);
    }, given);
    await b.evaluate(
      async ({ app, anchors, link: invite }) => {
        const peer = await window.openPeer({ app, anchors });
        window.topic = await peer.join(invite);
        window.topic.latest(50).subscribe(({ messages }) => window.show(messages.map(({ value }) => value)));
        await window.until(peer.peers, all => all.some(({ path }) => path === "webrtc"));
      },
      { ...given, link },
    );
    const [longest] = await tasksOf(b, async () => {
      await a.evaluate(wanted => window.topic.appendAll(window.texts(wanted)), count);
      await b.evaluate(async wanted => {
        await window.until(window.topic.status, ({ length }) => length >= wanted);
        await new Promise(resolve => {
          requestAnimationFrame(() => setTimeout(resolve));
        });
      }, count);
    });
    return longest;
  } finally {
    for (const made of contexts) await made.close();
  }
}

export const row = {
  name: "arrival",
  work: "the page's longest task while 10,000 messages arrive over WebRTC, in Chromium, on the processor",
  async run() {
    const anchor = /\bws:\/\/\S+/.exec(await started("dist/cli.js", "anchor", "--port", "0", "--data", ":memory:"))[0];
    const { ours } = middle(
      await byTurns({ ours: () => longestTask(anchor) }),
      run => run.ours,
      () => 1,
    );
    return [bounded(ours, 50, { unit: "ms" })];
  },
};
