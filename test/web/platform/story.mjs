// What Node makes of the package: every entry point that runs there, and what each of them said. Run as it is, and by realm.mjs.
const { openPeer } = await import("perdure");
const { openPeer: openInline } = await import("perdure/inline");
const { startAnchor } = await import("perdure/anchor");
const { createNetwork } = await import("perdure/testing");

const anchor = await startAnchor({ data: ":memory:", port: 0 });
const anchors = [anchor.url];
const ann = await openPeer({ app: "story", instance: "ann", storage: "memory", worker: false, anchors });
const ben = await openInline({ app: "story", instance: "ben", storage: { file: ":memory:" }, anchors });
const topic = await ann.topic("lunch");
const same = await ben.join(await topic.invite());
await (await topic.append({ text: "grüße", bytes: new Uint8Array([1, 2]) })).replicated(2);
for await (const { value } of same.messages()) console.log(value.text, value.bytes.join());
for (const one of [ann, ben, anchor]) await one.close();

const network = createNetwork({ seed: 7 });
const [one, two] = [await network.open({ app: "test" }), await network.open({ app: "test", instance: "second" })];
const shared = await one.topic("lunch");
const there = await two.join(await shared.invite());
await shared.append("over virtual wires");
await network.settle();
for await (const { value } of there.messages()) console.log(value);
await network.close();
