import { newPage } from "../browser.mjs";
import { byTurns, middle, speed } from "../measure.mjs";

const amount = 300;

/** Milliseconds for each append that is awaited until its receipt. */
const appended = (page, worker) =>
  page.evaluate(
    async ([wanted, relaxed]) => {
      const peer = await window.openPeer({ app: crypto.randomUUID(), ...(relaxed ? { worker: relaxed } : {}) });
      const topic = await peer.topic("bench");
      await topic.append("the first of all");
      const messages = window.texts(wanted);
      const began = performance.now();
      for (const message of messages) await topic.append(message);
      const ms = performance.now() - began;
      await peer.close();
      return ms / wanted;
    },
    [amount, worker],
  );

/** Milliseconds for each transaction that puts one row. */
const committed = (page, durability) =>
  page.evaluate(
    async ([wanted, how]) => {
      const opening = indexedDB.open(crypto.randomUUID(), 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("rows");
      const database = await new Promise((resolve, reject) => {
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error);
      });
      const commit = (row, key) =>
        new Promise((resolve, reject) => {
          const writing = database.transaction("rows", "readwrite", { durability: how });
          writing.objectStore("rows").put(row, key);
          writing.oncomplete = () => resolve();
          writing.onabort = () => reject(writing.error);
        });
      const encoder = new TextEncoder();
      const rows = window.texts(wanted).map(message => encoder.encode(message));
      await commit(rows[0], -1);
      const began = performance.now();
      for (const [key, row] of rows.entries()) await commit(row, key);
      const ms = performance.now() - began;
      database.close();
      return ms / wanted;
    },
    [amount, durability],
  );

export const row = {
  name: "append-strict",
  work: "append one after another on IndexedDB, in Chromium",
  async run() {
    const page = await newPage();
    const strict = await byTurns({ ours: () => appended(page), theirs: () => committed(page, "strict") });
    const relaxed = await byTurns({
      ours: () => appended(page, "/relaxed-worker.js"),
      theirs: () => committed(page, "relaxed"),
    });
    await page.close();
    return [
      speed(middle(strict), { work: "strict, as it ships", against: "bare one-row strict commits", least: 0.7 }),
      speed(middle(relaxed), { work: "what relaxed would give", against: "bare one-row relaxed commits" }),
    ];
  },
};
