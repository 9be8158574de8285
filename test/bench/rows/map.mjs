import { LoroDoc } from "loro-crdt";
import { mapOf, merged, updateOf } from "../loro.mjs";
import { byTurns, middle, speed, timed } from "../measure.mjs";
import { text } from "../messages.mjs";
import { alone, turnMs, two } from "../peer.mjs";

const [sets, keys, batch] = [100_000, 10_000, 256];

/** Every write, batch by batch. */
const batches = Array.from({ length: Math.ceil(sets / batch) }, (_, b) =>
  Array.from({ length: Math.min(batch, sets - b * batch) }, (_, n) => [
    `key ${(b * batch + n) % keys}`,
    text(b * batch + n),
  ]),
);

async function written() {
  const { peer, topic } = await alone();
  const ms = await timed(async () => {
    for (const entries of batches) await topic.map.setAll(entries);
  });
  await peer.close();
  return ms;
}

async function writtenByLoro() {
  const doc = new LoroDoc();
  const ms = await timed(() => {
    for (const entries of batches) mapOf(entries, doc);
  });
  doc.free();
  return ms;
}

const entriesOf = (by, key) => Array.from({ length: keys }, (_, n) => [key(n, by), text(n, by)]);

/** What one side's turns take to merge the other's map, from the wire's bytes to what is handed to the store. */
const mergedMap = key => async () => {
  const { net, a, b, here, other, until } = await two();
  net.partition([a], [b]);
  for (const [topic, by] of [
    [here, "a"],
    [other, "b"],
  ]) {
    await topic.map.setAll(entriesOf(by, key));
    // Comes after all of them.
    await topic.append("the last");
  }
  net.heal();
  globalThis.gc?.();
  turnMs.clear();
  await until(2);
  const ms = turnMs.get(b.id);
  await net.close();
  return ms;
};

const mergedByLoro = key => {
  const update = updateOf(mapOf(entriesOf("a", key)));
  return async () => {
    const doc = mapOf(entriesOf("b", key));
    const ms = await timed(() => {
      merged(update, doc);
    });
    doc.free();
    return ms;
  };
};

async function merging(work, key) {
  const found = await byTurns({ ours: mergedMap(key), theirs: mergedByLoro(key) }, { warm: 1 });
  return speed(middle(found), { work, against: "Loro's import of the other's update", least: 1 });
}

export const row = {
  name: "map",
  work: "maps",
  run: async () => [
    speed(middle(await byTurns({ ours: written, theirs: writtenByLoro }, { warm: 1 })), {
      work: "100,000 sets on 10,000 keys in batches of 256",
      against: "Loro, a commit for each batch",
      least: 1,
    }),
    await merging("merge two maps of the same 10,000 keys, every one in conflict", n => `key ${n}`),
    await merging("merge two maps of 10,000 keys each of its own", (n, by) => `${by} ${n}`),
  ],
};
