// Who leads, in virtual time: whoever runs a core holds the lock, and who waits for a leader waits with an end.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, before, describe, test } from "node:test";
import type { CallBody } from "../../../web/src/engine/boundary.js";
import { PerdureError } from "../../../web/src/base/errors.js";
import { leaderLockOf, oldLeaderLockOf, oldTabLocksOf } from "../../../web/src/base/names.js";
import { Hold } from "../../../web/src/tabs/hold.js";
import type { Tab } from "../../../web/src/tabs/tab.js";
import { enterWorld, idOf, Locks, openChannels, pass, World } from "./world.js";

let leave: () => void = () => undefined;
before(() => {
  leave = enterWorld();
});
after(() => leave());

const lock = leaderLockOf("talkbox:default");
const oldLock = oldLeaderLockOf("talkbox:default");

async function inWorld(story: (world: World) => Promise<void>): Promise<void> {
  const world = new World();
  try {
    await story(world);
    assert.ok(world.mostRunning <= 1, "two cores ran at once");
  } finally {
    await world.close();
  }
}

/** What it came to by now. */
function outcome(promise: Promise<unknown>): { readonly is: string } {
  const found = { is: "open" };
  promise.then(
    () => {
      found.is = "done";
    },
    (error: unknown) => {
      found.is = error instanceof PerdureError ? error.code : String(error);
    },
  );
  return found;
}

async function opened(opening: Promise<Tab>, withinMs = 500): Promise<Tab> {
  const found = outcome(opening);
  await pass(withinMs);
  assert.equal(found.is, "done");
  return opening;
}

const append = (topic: number, tag = topic): CallBody => ({
  kind: "Append",
  topic,
  tag: new Uint8Array(16).fill(tag),
  ops: [],
});

async function topicOf(tab: Tab, body: CallBody): Promise<number> {
  const asking = tab.call(body);
  await pass(100);
  const reply = await asking;
  assert.equal(reply.kind, "OpenedTopic");
  return reply.topic;
}

/** Two tabs whose lock a script has stolen for long: nobody answers what the second has asked. */
async function silenced(world: World): Promise<{
  first: Tab;
  second: Tab;
  asked: ReturnType<typeof outcome>;
  giveBack: () => void;
}> {
  const [first, second] = [await opened(world.open()), await opened(world.open())];
  const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
  const giveBack = world.locks.steal(lock);
  await pass(0);
  const asked = outcome(second.call(append(topic)));
  await pass(20_000);
  return { first, second, asked, giveBack };
}

test("a hold ends once, and who hears of it hears within that task", () => {
  const hold = new Hold();
  const heard: string[] = [];
  hold.onEnd(() => heard.push("first"));
  hold.onEnd(() => heard.push("second"));
  assert.ok(hold.stands);
  hold.end();
  hold.end();
  hold.onEnd(() => heard.push("late"));
  assert.deepEqual([hold.stands, heard], [false, ["first", "second", "late"]]);
  assert.deepEqual(getEventListeners(hold.signal, "abort"), []); // whoever keeps it keeps nothing else
});

describe("whoever runs a core holds the lock", () => {
  test("a tab that sleeps and wakes while it takes the lead leads once, with the lock", () =>
    inWorld(async world => {
      world.openingMs = 400;
      const opening = world.open();
      await pass(200);
      const asleep = outcome(opening);
      // A tab has to be there to be put to sleep: another one takes over from this.
      await pass(400);
      assert.equal(asleep.is, "done");
      const [first, second] = [await opening, await opened(world.open())];
      first.sleep();
      await pass(200); // the second opens the store
      assert.ok(world.locks.holds(lock));
      second.sleep();
      assert.equal(world.running, 0);
      second.resumed();
      await pass(3000);
      assert.equal(second.info().tab, "leader");
      assert.equal(world.running, 1);
      assert.ok(world.locks.holds(lock));
      // A third follows, and leads when the second is gone.
      const third = await opened(world.open());
      assert.equal(third.info().tab, "follower");
    }));

  test("a tab that sleeps while it takes the lead lets the lock go at once", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const third = await opened(world.open());
      world.openingMs = 60_000;
      first.sleep();
      await pass(300);
      world.openingMs = 0;
      second.sleep();
      await pass(300);
      assert.equal(third.info().tab, "leader");
    }));

  test("a leader whose lock a script steals stops its core at once, and leads again when it is given back", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
      assert.deepEqual([first.info().tab, world.running], ["leader", 1]);
      const giveBack = world.locks.steal(lock);
      await pass(0);
      assert.equal(world.running, 0);
      const asked = outcome(second.call(append(topic)));
      await pass(5000);
      assert.deepEqual([world.running, asked.is], [0, "open"]);
      giveBack();
      await pass(5000);
      assert.deepEqual([world.running, asked.is], [1, "done"]);
      assert.deepEqual([first.info().tab, second.info().tab].sort(), ["follower", "leader"]);
    }));

  test("tabs by turns leave no channel open and ask for no lock twice", () =>
    inWorld(async world => {
      for (const name of ["lunch", "dinner", "tea"])
        await topicOf(await opened(world.open()), { kind: "TopicNamed", name }); // they tell each leader of it
      const used = async (): Promise<unknown> => {
        const { pending = [] } = await world.locks.query();
        return [pending.length, openChannels()];
      };
      const before = await used();
      for (let turn = 0; turn < 4; turn++) {
        const giveBack = world.locks.steal(lock);
        await pass(1000);
        giveBack();
        await pass(5000);
        assert.deepEqual(await used(), before, `after ${turn + 1}`);
      }
    }));

  test("where the lock is stolen for good, all tabs say that nobody answers, and close", () =>
    inWorld(async world => {
      const { first, second, asked, giveBack } = await silenced(world);
      for (const tab of [first, second])
        assert.deepEqual(
          tab.info().trouble.map(({ code }) => code),
          ["storage-unavailable"],
        );
      const closed = outcome(second.close());
      await pass(100);
      assert.deepEqual([closed.is, asked.is], ["done", "closed"]);
      giveBack();
    }));

  test("a tab whose lock is stolen while it starts its core does not lead without it", () =>
    inWorld(async world => {
      world.openingMs = 500;
      const opening = world.open();
      await pass(200);
      const giveBack = world.locks.steal(lock);
      await pass(2000);
      assert.equal(world.running, 0);
      giveBack();
      const tab = await opened(opening, 5000);
      assert.deepEqual([tab.info().tab, world.running], ["leader", 1]);
    }));

  test("the storage is not opened for a lock that is gone, nor twice at once by one tab", () =>
    inWorld(async world => {
      const holds: Hold[] = [];
      const first = await opened(world.open());
      const second = await opened(
        world.open({
          lead: hold => {
            assert.ok(
              holds.every(({ stands }) => !stands),
              "two holds of one tab",
            );
            assert.ok(hold.stands);
            holds.push(hold);
          },
        }),
      );
      world.openingMs = 1000;
      first.sleep();
      for (let i = 0; i < 3; i++) {
        await pass(200);
        second.sleep();
        second.resumed();
      }
      await pass(5000);
      assert.deepEqual([second.info().tab, world.running], ["leader", 1]);
    }));
});

describe("a tab of 0.1.0", () => {
  /** One that lives and leads, and does not step aside. */
  async function stubborn(locks: Locks): Promise<() => void> {
    let leave: () => void = () => undefined;
    const gone = new Promise<void>(resolve => {
      leave = resolve;
    });
    for (const name of [oldLock, `${oldTabLocksOf("talkbox:default")}0a`]) void locks.request(name, () => gone);
    await pass(0);
    return leave;
  }

  test("that holds the lead is waited for, but not without an end", () =>
    inWorld(async world => {
      const gone = await stubborn(world.locks);
      const opening = world.open();
      await pass(4000);
      assert.equal(world.running, 0);
      await opened(opening, 2000);
      assert.equal(world.running, 1);
      gone();
    }));

  test("that holds the lead keeps no tab from sleeping, which then leads only with the lock", () =>
    inWorld(async world => {
      const first = await opened(world.open());
      const second = await opened(world.open());
      // Its lock comes free with the first, and the old tab is before the second.
      let gone: () => void = () => undefined;
      void world.locks.request(`${oldTabLocksOf("talkbox:default")}0a`, () => new Promise(() => undefined));
      void world.locks.request(oldLock, () => new Promise<void>(resolve => (gone = resolve)));
      await pass(0);
      first.sleep();
      await pass(1000);
      second.sleep();
      second.resumed();
      await pass(1000);
      assert.equal(world.running, 0);
      gone();
      await pass(3000);
      assert.deepEqual([second.info().tab, world.running], ["leader", 1]);
      assert.ok(world.locks.holds(lock) && world.locks.holds(oldLock));
    }));

  test("gets no lead while this one has it, also when its lock was stolen meanwhile", () =>
    inWorld(async world => {
      await opened(world.open());
      const giveBack = world.locks.steal(oldLock);
      await pass(100);
      giveBack();
      await pass(100);
      const old = outcome(world.locks.request(oldLock, () => undefined));
      await pass(1000);
      assert.deepEqual([old.is, world.running], ["open", 1]);
    }));
});

describe("closing", () => {
  test("ends where the storage refuses every tab, and what was not stored is refused", () =>
    inWorld(async world => {
      const [first, second, third] = [
        await opened(world.open()),
        await opened(world.open()),
        await opened(world.open()),
      ];
      const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
      world.writes = false;
      const appends = [second, third].map(tab => outcome(tab.call(append(topic))));
      await pass(100);
      world.refuses = new PerdureError("storage-unavailable", "no disk");
      first.sleep();
      const closing = [second, third].map(tab => outcome(tab.close()));
      await pass(15_000);
      assert.deepEqual(
        closing.map(({ is }) => is),
        ["done", "done"],
      );
      assert.deepEqual(
        appends.map(({ is }) => is),
        ["closed", "closed"],
      );
    }));

  test("ends also where all have long said that nobody can lead", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
      world.writes = false;
      const asked = outcome(second.call(append(topic)));
      await pass(100);
      world.refuses = new PerdureError("storage-unavailable", "no disk");
      first.sleep();
      await pass(60_000);
      assert.deepEqual(
        second.info().trouble.map(({ text }) => text),
        ["no disk"],
      );
      const closed = outcome(second.close());
      await pass(100);
      assert.deepEqual([closed.is, asked.is], ["done", "closed"]);
    }));

  for (const who of ["another tab", "this one"])
    test(`waits again once ${who} has the lock, after all were silent for long`, () =>
      inWorld(async world => {
        const { first, second, asked, giveBack } = await silenced(world);
        assert.equal(second.info().trouble.length, 1);
        world.openingMs = 4000;
        if (who === "this one") first.sleep();
        giveBack();
        await pass(100);
        const closed = outcome(second.close());
        await pass(1000);
        assert.deepEqual([closed.is, asked.is], ["open", "open"]);
        await pass(5000);
        assert.deepEqual([closed.is, asked.is], ["done", "done"]);
      }));

  test("waits for another tab that can lead where this one cannot", () =>
    inWorld(async world => {
      const first = await opened(world.open());
      const unable = { now: false };
      const second = await opened(
        world.open({
          lead: () => {
            if (unable.now) throw new PerdureError("storage-unavailable", "not here");
          },
        }),
      );
      await opened(world.open());
      const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
      unable.now = true;
      world.writes = false;
      const asked = outcome(second.call(append(topic)));
      await pass(100);
      world.writes = true;
      first.sleep();
      const closed = outcome(second.close());
      await pass(5000);
      assert.deepEqual([closed.is, asked.is], ["done", "done"]);
    }));
});

describe("topics that a follower has open are open with the next leader", () => {
  for (const [what, body] of [
    ["that was made", { kind: "TopicCreate", shortcode: true }],
    ["that was opened by its name", { kind: "TopicNamed", name: "lunch" }],
  ] as const) {
    test(`one ${what}, also when the leader goes right after it`, () =>
      inWorld(async world => {
        const [first, second] = [await opened(world.open()), await opened(world.open())];
        const asking = second.call(body);
        let topic = 0;
        void asking.then(reply => {
          if (reply.kind === "OpenedTopic") ({ topic } = reply);
          first.sleep();
        });
        await pass(3000);
        assert.equal(second.info().tab, "leader");
        assert.equal(topic, 1);
        const asked = outcome(second.call(append(topic)));
        await pass(100);
        assert.equal(asked.is, "done");
      }));
  }

  test("one that was made, once, though the leader closes before it has told of it", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const asking = second.call({ kind: "TopicCreate", shortcode: false });
      while (!world.asked.includes("TopicCreate")) await pass(0);
      void first.close();
      await pass(3000);
      assert.equal(second.info().tab, "leader");
      assert.deepEqual(await asking, { kind: "OpenedTopic", topic: 1, id: idOf(1), invite: "invite 1" });
      assert.equal(world.topics().length, 1);
    }));

  test("one that was opened by a name and was given another since", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const topic = await topicOf(second, { kind: "TopicNamed", name: "lunch" });
      await topicOf(first, { kind: "TopicJoin", invite: `invite ${topic}`, name: "dinner" });
      first.sleep();
      await pass(3000);
      const asked = outcome(second.call(append(topic)));
      await pass(100);
      assert.deepEqual([second.info().tab, asked.is], ["leader", "done"]);
    }));

  test("one that is still called so, by its name: an invite would bring back anchors that were taken away", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      for (const name of ["lunch", "dinner"]) await topicOf(second, { kind: "TopicNamed", name });
      world.asked.length = 0;
      first.sleep();
      await pass(3000);
      assert.deepEqual([second.info().tab, world.asked], ["leader", ["TopicNamed", "TopicNamed"]]);
    }));

  test("one that was made by a tab that stops leading, too", () =>
    inWorld(async world => {
      const [first, second] = [await opened(world.open()), await opened(world.open())];
      const topic = await topicOf(first, { kind: "TopicCreate", shortcode: false });
      first.sleep();
      await pass(3000);
      assert.equal(second.info().tab, "leader");
      first.resumed();
      await pass(3000);
      const asked = outcome(first.call(append(topic)));
      await pass(100);
      assert.deepEqual([first.info().tab, asked.is], ["follower", "done"]);
    }));
});
