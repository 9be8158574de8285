// What is promised of topics and of presence: real cores, virtual time.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { code, list, network, two, values } from "./story.js";

describe("topics", () => {
  test("unread counts what others wrote until it is marked read, on this device alone", () =>
    network({}, async net => {
      const { ta, tb, b } = await two(net);
      await net.settle();
      for (let i = 0; i < 5; i++) await ta.append(i);
      await net.settle();
      assert.equal(tb.status.current.unread, 5);
      assert.equal(b.topics.current[0]?.unread, 5);
      const all = await list(tb.messages());
      await tb.markRead(all[2]?.id ?? "");
      assert.equal(tb.status.current.unread, 2);
      await tb.markRead(all[0]?.id ?? "");
      assert.equal(tb.status.current.unread, 2, "going back marks nothing unread");
      await tb.append("own");
      assert.equal(tb.status.current.unread, 2, "what one wrote oneself is not unread");
      await tb.markRead();
      assert.equal(tb.status.current.unread, 0);
      assert.equal(ta.status.current.unread, 0);
      await b.restart();
      await net.settle();
      assert.equal(b.topics.current[0]?.unread, 0);
    }));

  test("what was written before the newest read, but comes after it, is unread", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      await net.settle();
      net.partition([a], [b]);
      await ta.append("while you were cut off");
      await net.advance(60_000);
      await tb.append("later");
      assert.equal(tb.status.current.unread, 0);
      net.heal();
      await net.settle();
      assert.equal(tb.status.current.unread, 1);
      assert.equal(ta.status.current.unread, 1);
      await tb.markRead();
      assert.equal(tb.status.current.unread, 0);
    }));

  test("that are not open are listed with what was unread and when they were last active", () =>
    network({}, async net => {
      const { b, ta, tb } = await two(net);
      await ta.append("x");
      await ta.append("y");
      await net.settle();
      const listed = b.topics.current[0];
      assert.equal(listed?.unread, 2);
      await tb.close();
      assert.deepEqual(b.topics.current[0], listed);
      await b.restart();
      assert.deepEqual(b.topics.current[0], listed);
    }));

  test("left stays on the disk, forgotten does not; either can be entered again", () =>
    network({}, async net => {
      const { b, ta, tb } = await two(net);
      await ta.append("x");
      await net.settle();
      const invite = await tb.invite();
      await tb.leave();
      assert.deepEqual(b.topics.current, []);
      assert.equal(await code(tb.append(1)), "closed");
      const again = await b.join(invite);
      assert.deepEqual(await values(again), ["x"]);
      await again.leave({ forget: true });
      await again.close();
      net.partition([b]);
      const empty = await b.join(invite);
      assert.deepEqual(await values(empty), []);
      net.heal();
      await net.settle();
      assert.deepEqual(await values(empty), ["x"]);
    }));

  test("left by one handle end for the others: who reads live hears that it is closed, and its status claims nothing more", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      const other = await a.join(await ta.invite());
      await net.settle();
      tb.presence.set("here");
      await net.advance(1000);
      assert.deepEqual([other.status.current.state, other.presence.others.current.size], ["live", 1]);
      const told: string[] = [];
      other.status.subscribe(({ state }) => told.push(state));
      const live = code(list(other.messages({ live: true })));
      const copies = code((await other.append(1)).replicated(2));
      await net.advance(10);
      await ta.leave();
      assert.deepEqual(await Promise.all([live, copies]), ["closed", "closed"]);
      await net.advance(0);
      assert.deepEqual(
        [other.status.current.state, other.status.current.peers, other.presence.others.current.size, told.at(-1)],
        ["alone", 0, 0, "alone"],
      );
      assert.equal(await code(other.append(2)), "closed");
      // What was left is entered anew, and the old handle is none on it.
      const again = await a.join(await tb.invite());
      await other.close();
      await again.append(3);
      await net.settle();
      assert.deepEqual([await values(tb), b.topics.current.length], [[1, 3], 1]);
    }));

  test("are entered by an invite, a link that holds one, its fragment, and a shortcode however it is written", () =>
    network({}, async net => {
      const a = await net.open({ app: "talkbox" });
      const topic = await a.create({ name: "spoken", shortcode: true });
      assert.equal((await a.create()).name, undefined);
      const invite = await topic.invite();
      assert.match(invite, /^perdure-[\w-]+$/);
      const link = await topic.link("https://chat.example/room?x=1#old");
      assert.equal(link, `https://chat.example/room?x=1#${invite}`);
      const shortcode = (await topic.shortcode()) ?? "";
      assert.equal(await (await a.topic("plain")).shortcode(), undefined);
      const b = await net.open({ app: "talkbox" });
      for (const way of [invite, ` ${invite}\n`, link, new URL(link), `#${invite}`])
        assert.equal((await b.join(way)).id, topic.id, String(way));
      for (const way of [shortcode, shortcode.toLowerCase(), shortcode.replace(/[-\s]/g, ""), ` ${shortcode} `]) {
        const c = await net.open({ app: "talkbox" });
        assert.equal((await c.joinCode(way)).id, topic.id, way);
      }
      const other = await net.open({ app: "another" });
      const letters = [...shortcode];
      const swapped = letters.map((letter, at) => (at === 0 ? (letter === "7" ? "8" : "7") : letter)).join("");
      for (const wrong of [swapped, shortcode.slice(0, -1), `${shortcode}7`, "", "hello", "perdure-"])
        assert.equal(await code(b.joinCode(wrong)), "bad-invite", wrong);
      for (const wrong of [
        invite.slice(0, -1),
        `${invite}A`,
        invite.replace(/.$/, last => (last === "A" ? "B" : "A")),
        "",
        "hello",
        "https://chat.example/",
        "perdure-",
      ])
        assert.equal(await code(b.join(wrong)), "bad-invite", wrong);
      assert.equal(await code(other.join(invite)), "bad-invite");
    }));
});

describe("presence", () => {
  test("sends the newest at most ten times a second, and nothing over 4 KiB", () =>
    network({ latencyMs: 1 }, async net => {
      const { a, ta, tb } = await two(net);
      await net.settle();
      const seen: unknown[] = [];
      tb.presence.others.subscribe(others => {
        if (others.has(a.id)) seen.push(others.get(a.id));
      });
      for (let at = 0; at < 300; at++) {
        ta.presence.set({ at });
        await net.advance(10);
      }
      await net.advance(1000);
      assert.deepEqual(seen.at(-1), { at: 299 });
      assert.ok(seen.length <= 32 && seen.length >= 25, `${seen.length} in three seconds`);
      assert.throws(() => ta.presence.set("x".repeat(4097)), { code: "too-large" });
      ta.presence.set("x".repeat(4096));
      await net.advance(1000);
      assert.equal((tb.presence.others.current.get(a.id) as string).length, 4096);
      ta.presence.set(undefined);
      await net.advance(1000);
      assert.equal(tb.presence.others.current.size, 0);
    }));

  test("is gone when its topic, its peer or its power goes, and is not found again in a topic that was closed meanwhile", () =>
    network({}, async net => {
      const { a, b, ta, tb } = await two(net);
      const c = await net.open({ app: "talkbox" });
      const tc = await c.join(await ta.invite());
      await net.settle();
      const here = async (): Promise<number> => {
        await net.advance(1000);
        return tc.presence.others.current.size;
      };
      ta.presence.set("a");
      tb.presence.set("b");
      assert.equal(await here(), 2);
      await ta.close();
      assert.equal(await here(), 1);
      b.crash();
      await net.advance(10_000);
      assert.equal(await here(), 0);
      await b.restart();
      tb.presence.set("b again");
      assert.equal(await here(), 1);
      const invite = await tc.invite();
      await tc.close();
      await b.close();
      await net.advance(20_000);
      const again = await c.join(invite);
      await net.advance(1000);
      assert.equal(again.presence.others.current.size, 0);
      assert.equal(a.status.current.trouble.length, 0);
    }));
});
