import { newPage } from "../browser.mjs";
import { byTurns, middle, share } from "../measure.mjs";

const amount = 100_000;
const app = "reopen";

async function fill() {
  const page = await newPage();
  await page.evaluate(
    async ([name, wanted]) => {
      const peer = await window.openPeer({ app: name });
      const topic = await peer.topic("bench");
      const doc = new window.Y.Doc();
      const kept = new window.IndexeddbPersistence(name, doc);
      await kept.whenSynced;
      for (let from = 0; from < wanted; from += 1_000) {
        const messages = window.texts(1_000, from);
        await topic.appendAll(messages);
        doc.getArray("bench").push(messages);
      }
      // As one update, which is read fastest.
      await window.storeState(kept);
      await kept.destroy();
      await peer.close();
    },
    [app, amount],
  );
  await page.close();
}

/** On a page of its own, so that nothing is still in memory. */
async function onFreshPage(measure) {
  const page = await newPage();
  const { ms, newest } = await page.evaluate(measure, app);
  await page.close();
  if (!newest.startsWith(`a${String(amount - 1).padStart(9, "0")} `)) throw new Error(`the newest is ${newest}`);
  return ms;
}

const ours = () =>
  onFreshPage(async name => {
    const peer = await window.openPeer({ app: name });
    const began = performance.now();
    const topic = await peer.topic("bench");
    const { messages } = await window.until(topic.latest(50), shown => !shown.loading && shown.messages.length === 50);
    window.show(messages.map(({ value }) => value));
    const ms = performance.now() - began;
    await peer.close();
    return { ms, newest: messages.at(-1).value };
  });

const theirs = () =>
  onFreshPage(async name => {
    const began = performance.now();
    const doc = new window.Y.Doc();
    const kept = new window.IndexeddbPersistence(name, doc);
    await kept.whenSynced;
    const messages = doc.getArray("bench").slice(-50);
    window.show(messages);
    const ms = performance.now() - began;
    await kept.destroy();
    return { ms, newest: messages.at(-1) };
  });

export const row = {
  name: "reopen",
  work: "reopen a topic of 100,000 in Chromium, from topic(name) to the newest 50 shown",
  async run() {
    await fill();
    return [
      share(middle(await byTurns({ ours, theirs })), { against: "y-indexeddb and the last 50 of the same", most: 0.2 }),
    ];
  },
};
