// What a caller is told who asks for what cannot be: in words that help.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { FakeEngine, Frames } from "./fake.js";
import { network } from "./story.js";

test("a topic that was left says so to every call, by whatever handle it was left, and what brings one back", async () => {
  const left = { code: "closed", message: "This topic was left. To go on in it, join() it again with its invite." };
  await network({}, async net => {
    const peer = await net.open({ app: "talkbox" });
    const [topic, other, closed] = [await peer.topic("lunch"), await peer.topic("lunch"), await peer.topic("lunch")];
    const waiting = (await other.append(1)).replicated(1);
    await closed.close();
    await Promise.all([assert.rejects(waiting, left), topic.leave()]);
    for (const handle of [topic, other])
      for (const call of [
        () => handle.append(1),
        () => handle.get("x"),
        () => handle.map.get("x"),
        () => handle.invite(),
        () => handle.synced(),
        () => handle.messages().next(),
        async () => handle.presence.set(1),
      ])
        await assert.rejects(call, left);
    await assert.rejects(closed.append(1), { code: "closed", message: /is closed\. Open it again/ });
  });
});

test("a topic that could not be left, for want of room, is closed and can be opened again", async () => {
  const engine = new FakeEngine();
  const topic = await new PeerHandle(engine, new Frames()).topic("lunch");
  engine.call = async () => Promise.reject(new Error("no room"));
  await assert.rejects(topic.leave(), /no room/);
  await assert.rejects(topic.append(1), { code: "closed", message: /is closed\. Open it again/ });
});

test("an invite in place of a topic's name is refused, and so no secret becomes one", async () => {
  await network({}, async net => {
    const peer = await net.open({ app: "talkbox" });
    const topic = await peer.create();
    for (const text of [await topic.invite(), ` ${await topic.invite()}`, await topic.link("https://a.example/")])
      await assert.rejects(peer.topic(text), {
        code: "bad-argument",
        path: "name",
        message: /Did you mean peer\.join\(invite\)\?$/,
      });
    for (const name of ["perdure-dev", "#perdure-is-what-we-talk-about", "perdure"])
      await (await peer.topic(name)).close();
    assert.equal(peer.topics.current.length, 4);
  });
});

test("while something waits for an anchor and none is configured, the peer's trouble says so", async () => {
  await network({}, async net => {
    const peer = await net.open({ app: "talkbox" });
    const topic = await peer.topic("lunch");
    const told = (): string[] => peer.status.current.trouble.map(({ code, message }) => `${code}: ${message}`);
    const none = /^not-found: .* there is none\. Add one: openPeer\(\{ anchors \}\), or peer\.anchors\.add\(\)\.$/;
    const receipt = await topic.append(1);
    assert.deepEqual(told(), []);
    const { signal, abort } = aborting();
    const aborted = receipt.anchored({ signal });
    const waiting = receipt.anchored();
    assert.match(told().join("\n"), none);
    abort();
    await assert.rejects(aborted, { name: "AbortError" });
    await net.advance(60_000);
    assert.equal(told().length, 1, "as long as it lasts");
    peer.anchors.add("wss://nowhere.test");
    await net.advance(100);
    assert.deepEqual(told(), [], "one that does not answer yet stands in anchors.list");
    peer.anchors.remove("wss://nowhere.test");
    await net.advance(100);
    assert.match(told().join("\n"), none);
    await net.anchor();
    await Promise.all([waiting, net.advance(5_000)]);
    assert.deepEqual(told(), []);
  });
});

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
