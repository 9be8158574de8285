// 0.1.0 and this package talk for an hour, each through an anchor of each.
import assert from "node:assert/strict";
import { sides, story, watchLinks } from "./beside.mjs";
import { standStill } from "./hour.mjs";

const beside = sides();

/** What is said in a minute: now and then something long, or many things at once. */
const sayingsOf = minute => [
  `minute ${minute}`,
  ...(minute % 20 === 3 ? [{ minute, long: "long ".repeat(50_000) }] : []),
  ...Array.from({ length: minute % 10 === 5 ? 400 : 0 }, (_, at) => `${minute}.${at}`),
];

/** Four people by turns of 0.1.0 and of this package, who know an anchor of each, and the topic of each of them. */
async function gather(open, clock) {
  const keepers = [
    await open(beside.first.startAnchor({ data: ":memory:", port: 0 })),
    await open(beside.here.startAnchor({ data: ":memory:", port: 0 })),
  ];
  const anchors = keepers.map(({ url }) => url);
  const people = [];
  for (const [at, { openPeer }] of [beside.first, beside.here, beside.first, beside.here].entries()) {
    const options = { app: "hour", name: `person ${at}`, storage: "memory", instance: String(at), anchors };
    people.push(await open(openPeer(options)));
  }
  const topics = [await people[0].topic("lunch")];
  const invite = await topics[0].invite();
  for (const person of people.slice(1)) topics.push(await person.join(invite));
  await clock.until(() => people.every(({ status }) => status.current.links.websocket === 2));
  return { people, topics };
}

/** Subscribes to what each of them sees. Returns a check: whether all hold so many messages and see in which minute that one speaks. */
function watch({ people, topics }) {
  const presences = topics.map(({ presence }) => presence.others);
  const heard = topics.map(topic => topic.latest(1));
  for (const view of [...presences, ...heard, ...topics.map(({ members }) => members)]) view.subscribe(() => {});
  return ({ minute, length, speaker }) => {
    for (const [at, { status }] of topics.entries())
      assert.deepEqual([status.current.length, status.current.behind], [length, 0], `person ${at}, minute ${minute}`);
    for (const [at, { current }] of presences.entries())
      if (at !== speaker)
        assert.deepEqual(current.get(people[speaker].id), { minute }, `person ${at} sees where person ${speaker} is`);
  };
}

/** Says these and sets an entry; a minute later all of it is acknowledged. */
async function speak({ topic, person, minute, clock }, values) {
  topic.presence.set({ minute });
  const receipt = await topic.appendAll(values);
  await topic.map.set(`key ${minute % 7}`, minute);
  let anchored = false,
    replicated = false;
  void receipt.anchored().then(() => (anchored = true));
  void receipt.replicated(5).then(() => (replicated = true));
  await clock.pass(60_000);
  assert.ok(anchored && replicated, `minute ${minute} is acknowledged`);
  assert.equal(person.status.current.pending, 0);
}

/** All that there is in a topic. */
async function contents(topic) {
  const messages = [],
    entries = [];
  for await (const { id, time, value } of topic.messages()) messages.push({ id, time: time.getTime(), value });
  for await (const entry of topic.map.entries()) entries.push(entry);
  return { messages, entries, names: topic.members.current.map(({ name }) => name).sort() };
}

story(
  "an hour of talk between 0.1.0 and this package, through an anchor of each: all is stored, handed on, shown and acknowledged, and no link is lost",
  async ({ open }) => {
    const clock = standStill();
    try {
      const { people, topics } = await gather(open, clock);
      const lost = people.map(watchLinks);
      const allShow = watch({ people, topics });
      const sayings = [];
      for (let minute = 0; minute < 60; minute++) {
        const speaker = minute % 4;
        const values = sayingsOf(minute);
        sayings.push(...values);
        await speak({ topic: topics[speaker], person: people[speaker], minute, clock }, values);
        allShow({ minute, length: sayings.length, speaker });
      }
      assert.deepEqual(
        lost.map(count => count()),
        [0, 0, 0, 0],
      );
      const [one, ...others] = await Promise.all(topics.map(contents));
      assert.deepEqual(
        one.messages.map(({ value }) => value),
        sayings,
      );
      assert.deepEqual(
        one.names,
        people.map((_, at) => `person ${at}`),
      );
      for (const other of others) assert.deepEqual(other, one);
    } finally {
      clock.run();
    }
  },
);
