// 0.1.0 and this package talk for an hour, each through an anchor of each.
import assert from "node:assert/strict";
import { sides, story, watchLinks } from "./beside.mjs";
import { standStill } from "./hour.mjs";

const beside = sides();

story(
  "an hour of talk between 0.1.0 and this package, through an anchor of each: all is stored, handed on, shown and acknowledged, and no link is lost",
  async ({ open }) => {
    const clock = standStill();
    try {
      const keepers = [
        await open(beside.first.startAnchor({ data: ":memory:", port: 0 })),
        await open(beside.here.startAnchor({ data: ":memory:", port: 0 })),
      ];
      const people = [];
      for (const [at, { openPeer }] of [beside.first, beside.here, beside.first, beside.here].entries()) {
        people.push(
          await open(
            openPeer({
              app: "hour",
              name: `person ${at}`,
              storage: "memory",
              instance: String(at),
              anchors: keepers.map(({ url }) => url),
            }),
          ),
        );
      }
      const topics = [await people[0].topic("lunch")];
      const invite = await topics[0].invite();
      for (const person of people.slice(1)) topics.push(await person.join(invite));
      await clock.until(() => people.every(({ status }) => status.current.links.websocket === 2));
      const lost = people.map(watchLinks);
      const presences = topics.map(({ presence }) => presence.others);
      const heard = topics.map(topic => topic.latest(1));
      for (const view of [...presences, ...heard, ...topics.map(({ members }) => members)]) view.subscribe(() => {});

      const sayings = [];
      const say = async (topic, ...values) => {
        const receipt = await topic.appendAll(values);
        sayings.push(...values);
        return receipt;
      };
      for (let minute = 0; minute < 60; minute++) {
        const [topic, person] = [topics[minute % 4], people[minute % 4]];
        topic.presence.set({ minute });
        const receipt = await say(
          topic,
          `minute ${minute}`,
          ...(minute % 20 === 3 ? [{ minute, long: "long ".repeat(50_000) }] : []),
          ...Array.from({ length: minute % 10 === 5 ? 400 : 0 }, (_, at) => `${minute}.${at}`),
        );
        await topic.map.set(`key ${minute % 7}`, minute);
        let anchored = false,
          replicated = false;
        void receipt.anchored().then(() => (anchored = true));
        void receipt.replicated(5).then(() => (replicated = true));
        await clock.pass(60_000);
        assert.ok(anchored && replicated, `minute ${minute} is acknowledged`);
        assert.equal(person.status.current.pending, 0);
        for (const [at, { status }] of topics.entries())
          assert.deepEqual(
            [status.current.length, status.current.behind],
            [sayings.length, 0],
            `person ${at}, minute ${minute}`,
          );
        for (const [at, { current }] of presences.entries())
          if (at !== minute % 4)
            assert.deepEqual(current.get(person.id), { minute }, `person ${at} sees where person ${minute % 4} is`);
      }
      assert.deepEqual(
        lost.map(count => count()),
        [0, 0, 0, 0],
      );
      const [one, ...others] = await Promise.all(
        topics.map(async topic => {
          const messages = [],
            entries = [];
          for await (const { id, time, value } of topic.messages()) messages.push({ id, time: time.getTime(), value });
          for await (const entry of topic.map.entries()) entries.push(entry);
          return { messages, entries, names: topic.members.current.map(({ name }) => name).sort() };
        }),
      );
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
