// What handles in a page and tabs of an origin want of one peer together.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { TabSubscriptions } from "../../../web/src/tabs/subscriptions.js";
import { Network } from "../../../web/src/testing/network.js";
import { Wants } from "../../../web/src/engine/wants.js";

declare global {
  var testRoot: string;
}

const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));

describe("presence of a device", () => {
  const show = (holder: string, value: number | undefined, at = 1, more: { again?: true; topic?: number } = {}) =>
    ({
      kind: "ShowPresence",
      topic: 7,
      holder,
      at,
      ...(value === undefined ? {} : { value: Uint8Array.of(value) }),
      ...more,
    }) as const;
  const shown = (wants: Wants, topic = 7): number | undefined => wants.presenceOf(topic)?.[0];

  test("is the newest of those still open, whoever closes first, and nothing once none is", () => {
    const wants = new Wants();
    for (const [holder, value] of [
      ["one", 1],
      ["two", 2],
      ["three", 3],
    ] as const)
      assert.equal(wants.show(show(holder, value)), true);
    assert.deepEqual(wants.release("two"), []);
    assert.equal(shown(wants), 3);
    assert.deepEqual(wants.release("three"), [7]);
    assert.equal(shown(wants), 1);
    assert.equal(wants.show(show("one", undefined)), true);
    assert.equal(shown(wants), undefined);
    assert.deepEqual(wants.release("one"), []);
  });

  test("goes by who said it last, also where clocks were put back; one that says nothing leaves the others'", () => {
    const wants = new Wants();
    wants.show(show("one", 1, 1000));
    wants.show(show("two", 2, 10));
    assert.equal(shown(wants), 2);
    wants.show(show("one", 3, 5));
    assert.equal(shown(wants), 3);
    assert.equal(wants.show(show("two", undefined)), false);
    assert.equal(shown(wants), 3);
    wants.show(show("one", 4, 5, { topic: 8 }));
    assert.deepEqual(wants.release("one"), [7, 8]);
  });

  test("is the same after another leads, in whatever order they tell it again; what is said from then on is newer", () => {
    const wants = new Wants();
    wants.show(show("two", 2, 2000, { again: true }));
    wants.show(show("one", 1, 1000, { again: true }));
    assert.equal(shown(wants), 2);
    wants.show(show("one", 3, 1500));
    assert.equal(shown(wants), 3);
  });

  test("of two handles on a topic: when the one that spoke last closes, others see what the other one said", async () => {
    await using net = new Network({ wasm });
    const ada = await net.open({ app: "talkbox", name: "Ada" });
    const bob = await net.open({ app: "talkbox", name: "Bob" });
    const [one, two] = [await ada.topic("lunch"), await ada.topic("lunch")];
    const seen = (await bob.join(await one.invite())).presence.others;
    seen.subscribe(() => undefined);
    const sees = async (): Promise<unknown> => {
      await net.advance(1000);
      return seen.current.get(ada.id);
    };
    one.presence.set("one");
    two.presence.set("two");
    assert.equal(await sees(), "two");
    await two.close();
    assert.equal(await sees(), "one");
    const three = await ada.topic("lunch");
    three.presence.set("three");
    assert.equal(await sees(), "three");
    three.presence.set(undefined);
    assert.equal(await sees(), "one");
    await one.close();
    assert.equal(await sees(), undefined);
  });
});

describe("being offline", () => {
  const allow = (holder: string, allowed: boolean, more: { onlines?: number } = {}) =>
    ({ kind: "AllowLinks", allowed, holder, ...more }) as const;

  test("lasts as long as one that asked for it is open, or until anybody asks for the opposite", () => {
    const wants = new Wants();
    wants.allowLinks(allow("one", false));
    wants.allowLinks(allow("two", false));
    wants.release("two");
    assert.equal(wants.linksAllowed, false);
    wants.release("one");
    assert.equal(wants.linksAllowed, true);
    wants.allowLinks(allow("one", false));
    wants.allowLinks(allow("two", true));
    assert.equal(wants.linksAllowed, true);
  });

  test("is not told again by a tab that has heard that another went online, or comes too late to hear it", () => {
    const engine = {
      tab: "follower",
      shortId: "",
      storage: { kind: "memory", persisted: false, usedBytes: 0 },
      trouble: [],
    } as const;
    const subscriptions = new TabSubscriptions();
    subscriptions.follows(engine);
    subscriptions.answered(allow("one", false), { kind: "Nothing" });
    subscriptions.follows({ ...engine, onlines: 0 });
    const late = subscriptions.again([]);
    assert.deepEqual(late, [{ kind: "AllowLinks", allowed: false, holder: "one", onlines: 0 }]);
    const wants = new Wants();
    wants.allowLinks(allow("two", true));
    for (const call of late) if (call.kind === "AllowLinks") wants.allowLinks(call);
    assert.equal(wants.linksAllowed, true);
    subscriptions.informed({ ...engine, onlines: 1 });
    assert.deepEqual(subscriptions.again([]), []);
  });

  test("ends with a tab that is gone, even if it was gone before its question was answered", () => {
    const subscriptions = new TabSubscriptions();
    subscriptions.asking(allow("one", false));
    subscriptions.asking({ kind: "ShowPresence", topic: 7, holder: "two", at: 1, value: Uint8Array.of(1) });
    assert.deepEqual(subscriptions.ending(), [
      { kind: "Release", holder: "one" },
      { kind: "Release", holder: "two" },
    ]);
  });
});
