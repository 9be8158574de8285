// What 0.1.0 has written opens here, and what this package has written opens there.
import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { until } from "../web/support/until.mjs";
import { shows, sides, story, texts, watchLinks } from "./beside.mjs";
import { census, censusOf, inNode, leave, left, live } from "./life.mjs";

const beside = sides();
const portOf = ({ url }) => Number(new URL(url).port);
const count = (values, text) => values.filter(value => value === text).length;

/** Ann goes on with this package until all have heard of it; Ben, of 0.1.0, sees what she adds. Resolves with what both then have. */
async function goOn(ann, ben, { lunch, trip }) {
  const same = await ann.topic("lunch");
  await (await same.append("said by the newer")).anchored();
  await same.map.resolve("place", "both");
  await same.map.set("dish/9", "new");
  await same.markRead();
  await until(ann.status, ({ pending }) => pending === 0);
  await shows(lunch, "said to nobody", "said by the newer");
  await until(lunch.map.view(), entries => entries.get("place") === "both" && entries.get("dish/9") === "new");
  for (const topic of [lunch, trip]) await topic.synced();
  const all = await census(ann);
  assert.deepEqual(
    await census(ben).then(({ topics }) => topics.lunch.messages.map(({ id, value }) => [id, value])),
    all.topics.lunch.messages.map(({ id, value }) => [id, value]),
  );
  return all;
}

/** Somebody who has nothing gets everything from an anchor, by shortcode and by invite. */
async function readAll(eve, invites, all) {
  const found = await eve.joinCode(invites.code);
  await found.synced();
  assert.deepEqual(await texts(found), ["who drives?", "I do"]);
  const table = await eve.join(invites.lunch);
  await table.synced();
  assert.deepEqual(
    JSON.parse(JSON.stringify(await texts(table))).map(value => value.at ?? value),
    all.topics.lunch.messages.map(({ value }) => value.at ?? value),
  );
}

story(
  "stores that 0.1.0 wrote, a peer's and an anchor's, open here with everything in them, and go back to 0.1.0 with what was added",
  async ({ open, file }) => {
    let anchor = await open(beside.first.startAnchor({ data: file("anchor.db"), port: 0 }));
    const anchors = [anchor.url];
    const options = { app: "life", name: "Ann", storage: { file: file("ann.db") }, anchors };
    const ann = await open(beside.first.openPeer(options));
    const ben = await open(beside.first.openPeer({ app: "life", name: "Ben", storage: "memory", anchors }));
    const { invites, ...bens } = await live(inNode(ann), ben);
    await leave(ann);
    await anchor.close();

    const written = await censusOf(beside.first.openPeer, options, left);
    assert.equal(written.topics.lunch.unread, 3);
    assert.equal(written.topics.trip.unread, 1);
    assert.deepEqual(await censusOf(beside.here.openPeer, options, left), written);

    anchor = await open(beside.here.startAnchor({ data: file("anchor.db"), port: portOf(anchor) }));
    assert.deepEqual(written.topics.lunch.anchors, [anchor.id]);
    const upgraded = await open(beside.here.openPeer(options));
    const all = await goOn(upgraded, ben, bens);
    await upgraded.close();
    await ben.close();
    await anchor.close();

    assert.deepEqual(await censusOf(beside.first.openPeer, options), all);
    for (const { startAnchor, openPeer } of [beside.first, beside.here]) {
      const keeper = await open(startAnchor({ data: file("anchor.db"), port: portOf(anchor) }));
      assert.equal(keeper.id, anchor.id);
      const eve = await open(openPeer({ app: "life", storage: "memory", anchors }));
      await readAll(eve, invites, all);
      await eve.close();
      await keeper.close();
    }
  },
);

story(
  "a peer of this package is put back to one old copy of its file ten times and goes on each time: 0.1.0 keeps all and shows what it can read, this package shows each once",
  async ({ open, file }) => {
    const anchor = await open(beside.first.startAnchor({ data: ":memory:", port: 0 }));
    const options = { app: "copies", name: "Ann", storage: { file: file("ann.db") }, anchors: [anchor.url] };
    const ben = await open(beside.first.openPeer({ app: "copies", storage: "memory", anchors: options.anchors }));
    const ann = await open(beside.here.openPeer(options));
    const topic = await ann.topic("lunch");
    const invite = await topic.invite();
    const old = await ben.join(invite);
    await topic.appendAll(["one", "two", "three"]);
    await topic.map.set("place", "first");
    await (await topic.append("the same")).replicated(2);
    await ann.close();
    copyFileSync(file("ann.db"), file("copy.db"));
    const lost = watchLinks(ben);
    for (let round = 0; round < 10; round++) {
      for (const end of ["-wal", "-shm"]) rmSync(file(`ann.db${end}`), { force: true });
      copyFileSync(file("copy.db"), file("ann.db"));
      const back = await open(beside.here.openPeer(options));
      const again = await back.topic("lunch");
      const restored = watchLinks(back);
      // By turns before and after it hears of what it has forgotten.
      if (round % 2 === 1) await again.synced();
      await again.append("the same");
      await again.append(`said ${round}`);
      await again.map.set("place", `place ${round}`);
      await until(back.status, ({ pending }) => pending === 0);
      await shows(again, `said ${Math.max(0, round - 1)}`);
      assert.equal(restored(), 0);
      await back.close();
    }
    assert.equal(lost(), 0);
    const all = ["one", "two", "three", ...Array.from({ length: 10 }, (_, round) => `said ${round}`)];
    // What is said again stands in batches that 0.1.0 cannot read; the places where it was said first stay.
    const seen = await texts(old);
    for (const text of ["one", "two", "three"]) assert.equal(count(seen, text), 1, `0.1.0 shows "${text}": ${seen}`);
    const eve = await open(beside.here.openPeer({ app: "copies", storage: "memory", anchors: options.anchors }));
    const fresh = await eve.join(invite);
    await fresh.synced();
    const now = await texts(fresh);
    for (const text of all) assert.equal(count(now, text), 1, `this package shows "${text}" once: ${now}`);
    assert.equal(count(now, "the same"), 11, String(now));
    assert.equal(await fresh.map.get("place"), "place 9");

    const rolledBack = await open(beside.first.openPeer(options));
    const older = await rolledBack.topic("lunch");
    await older.synced();
    for (const text of ["one", "two", "three"]) assert.equal(count(await texts(older), text), 1, text);
    await (await older.append("said by the older")).replicated(2);
    await rolledBack.close();
    const upgraded = await open(beside.here.openPeer(options));
    const newer = await upgraded.topic("lunch");
    await newer.synced();
    await shows(fresh, "said by the older");
    assert.deepEqual(await texts(newer), await texts(fresh));
    assert.deepEqual(await newer.map.get("place"), await fresh.map.get("place"));
    assert.equal(count(await texts(newer), "said by the older"), 1);
  },
);
