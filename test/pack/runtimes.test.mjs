// The package under every runtime that the README names: a peer, an anchor, the testing network; what is kept is found again. And the
// README's first command, where nothing has been installed.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { install, others, perdure, root, run } from "./support.mjs";

const ownNode = { name: `Node ${process.versions.node.split(".")[0]}`, command: () => [process.execPath] };
const nodes = [ownNode, ...[22, 24].map(major => ({ name: `Node ${major}`, command: () => [tools.path(`node-${major}/bin/node`)] })).filter(({ name }) => name !== ownNode.name)];
const runtimes = [
  ...nodes,
  { name: "Bun", command: () => [tools.path("@oven/bun-linux-x64-baseline/bin/bun")] },
  { name: "Deno", command: () => [tools.path("@deno/linux-x64-glibc/deno"), "run", "--allow-all"] },
];

let stranger, bare, tools;
before(async () => {
  tools = others();
  stranger = await install();
  bare = await install({ lent: false });
  writeFileSync(join(stranger.folder, "talk.mjs"), talk);
});
after(() => {
  stranger?.remove();
  bare?.remove();
});

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
const told = ["heard: hello", "bad-argument", "anchor", "inline: hello", "kept by a peer: true hello", "kept by an anchor: true hello", "testing: over virtual wires"];

for (const { name, command } of runtimes) {
  test(`${name}: peers talk through an anchor, what they keep is found again, and the testing network needs nobody`, { timeout: 300_000 }, async () => {
    const folder = join(stranger.folder, name);
    mkdirSync(folder);
    const [program, ...args] = command();
    assert.deepEqual((await run(stranger.folder, program, ...args, "talk.mjs", folder)).trim().split("\n"), told);
  });
}

test("the README names what the package is tried with", () => {
  const [named = ""] = /Tested in .*/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  for (const { name } of runtimes) assert.match(named, new RegExp(`\\b${name.replace(" ", "[\\d, and]* ")}\\b`));
});

for (const { name, command } of nodes) {
  test(`${name}: npx perdure demo in an empty folder shows its page, with an anchor that keeps what it is given`, { timeout: 300_000 }, async () => {
    const empty = mkdtempSync(join(tmpdir(), "perdure-empty-"));
    try {
      const env = { ...process.env, PATH: [dirname(command()[0]), process.env.PATH].join(delimiter), XDG_CACHE_HOME: join(empty, "cache") };
      const demo = perdure({ folder: bare.folder, cwd: empty, env }, "demo");
      const page = await (await fetch(await demo.line(/http:\/\/[\w.:]+\//))).text();
      assert.match(page, /<iframe|stage\.js/);
      const { openPeer } = await bare.load("index");
      const peer = await openPeer({ app: "perdure-demo", storage: "memory", anchors: [await demo.line(/\bws:\/\/[\w.:]+/)] });
      await (await (await peer.topic("lunch")).append("hello")).anchored();
      await peer.close();
      assert.deepEqual(await demo.stop(), [0, null]);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });
}
