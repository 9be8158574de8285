// The package under every runtime that the README names: a peer, an anchor, the testing network; what is kept is found again.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { install, others, root, run } from "./support.mjs";

const { nodes, runtimes: unlike } = others();
const majors = await Promise.all(nodes.map(async node => /^v(\d+)/.exec(await run(".", node, "--version"))[1]));
const runtimes = [...nodes.map((node, at) => ({ name: `Node ${majors[at]}`, command: [node] })), ...unlike];

let stranger;
before(async () => {
  stranger = await install();
  writeFileSync(join(stranger.folder, "talk.mjs"), talk);
});
after(() => stranger?.remove());

const talk = `
  import { openPeer, PerdureError } from "perdure";
  import { openPeer as openInline } from "perdure/inline";
  import { startAnchor } from "perdure/anchor";
  import { createNetwork } from "perdure/testing";

  const [folder] = process.argv.slice(2);
  const keeps = { data: folder + "/anchor.db", port: 0 };
  const first = await startAnchor(keeps);
  const ben = { app: "talk", storage: { file: folder + "/ben.db" }, instance: "ben", anchors: [first.url] };
  const ann = await openPeer({ app: "talk", storage: "memory", instance: "ann", anchors: [first.url] });
  const before = await openPeer(ben);
  const topic = await ann.topic("lunch");
  const invite = await topic.invite();
  const heard = (await before.join(invite, { name: "lunch" })).messages({ live: true }).next();
  await (await topic.append({ text: "hello" })).replicated(2);
  console.log("heard:", (await heard).value.value.text);
  console.log(await openPeer({ app: "" }).catch(error => error instanceof PerdureError && error.code));
  console.log((await (await fetch(first.url.replace(/^ws/, "http") + "/healthz")).json()).perdure);
  const eve = await openInline({ app: "talk", storage: "memory", instance: "eve", anchors: [first.url] });
  for await (const { value } of (await eve.join(invite)).messages({ live: true })) {
    console.log("inline:", value.text);
    break;
  }
  for (const one of [ann, before, eve, first]) await one.close();

  const again = await openPeer(ben);
  for await (const { value } of (await again.topic("lunch")).messages()) console.log("kept by a peer:", again.id === before.id, value.text);
  await again.close();
  const second = await startAnchor(keeps);
  const fay = await openPeer({ app: "talk", storage: "memory", instance: "fay", anchors: [second.url] });
  const found = await fay.join(invite);
  await found.synced();
  for await (const { value } of found.messages()) console.log("kept by an anchor:", second.id === first.id, value.text);
  for (const one of [fay, second]) await one.close();

  const network = createNetwork({ seed: 7 });
  const [one, two] = [await network.open({ app: "test" }), await network.open({ app: "test", instance: "second" })];
  const shared = await one.topic("lunch");
  const there = await two.join(await shared.invite());
  await shared.append("over virtual wires");
  await network.settle();
  for await (const { value } of there.messages()) console.log("testing:", value);
  await network.close();
`;
const told = [
  "heard: hello",
  "bad-argument",
  "anchor",
  "inline: hello",
  "kept by a peer: true hello",
  "kept by an anchor: true hello",
  "testing: over virtual wires",
];

for (const { name, command } of runtimes) {
  test(`${name}: peers talk through an anchor, what they keep is found again, and the testing network needs nobody`, {
    timeout: 300_000,
  }, async () => {
    const folder = join(stranger.folder, name);
    mkdirSync(folder, { recursive: true });
    const [program, ...args] = command;
    assert.deepEqual((await run(stranger.folder, program, ...args, "talk.mjs", folder)).trim().split("\n"), told);
  });
}

test("the README names what the package is tried with", () => {
  const [named = ""] = /Tested in .*/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  for (const { name } of runtimes) assert.match(named, new RegExp(`\\b${name.replace(" ", "[\\d, and]* ")}\\b`));
});
