// What strangers do with the package, from the tarball alone.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { install, launch, others, perdure, root, run, visit, webTest } from "./support.mjs";

let stranger;

before(async () => {
  stranger = await install();
});
after(() => stranger?.remove());

test("the tarball holds the built package, its types, its licence and those of what is in it, and no sources or tests", () => {
  for (const file of [
    "package.json",
    "LICENSE",
    "dist/index.js",
    "dist/index.d.ts",
    "dist/worker.js",
    "dist/perdure.wasm",
    "dist/anchor.js",
    "dist/testing.js",
    "dist/cli.js",
    "dist/inline.js",
    "dist/NOTICES.txt",
  ]) {
    assert.ok(stranger.files.includes(file), `${file} is in it`);
  }
  const foreign = stranger.files.filter(
    file =>
      !/^(package\.json|LICENSE|README\.md|dist\/(demo\/)?NOTICES\.txt|dist\/.*\.(js|d\.ts|wasm|html|css|svg))$/.test(
        file,
      ),
  );
  assert.deepEqual(foreign, []);
});

test("installing it runs no script and brings no native module", () => {
  const brought = Object.entries(stranger.installed);
  // The anchor's: WebSockets, and files with all that they stand on.
  const wanted = [
    "ws",
    "@fastify/send",
    "@lukeed/ms",
    "depd",
    "escape-html",
    "fast-decode-uri-component",
    "http-errors",
    "inherits",
    "mime",
    "setprototypeof",
    "statuses",
    "toidentifier",
  ];
  assert.deepEqual(
    brought.map(([place]) => place).sort(),
    ["perdure", ...wanted].map(name => `node_modules/${name}`).sort(),
  );
  assert.deepEqual(
    brought.filter(([, { hasInstallScript }]) => hasInstallScript),
    [],
  );
});

test("every export is there, with types, and importing it touches nothing", async () => {
  const { exports } = JSON.parse(readFileSync(join(stranger.dist, "../package.json"), "utf8"));
  assert.deepEqual(Object.keys(exports), [
    ".",
    "./inline",
    "./worker",
    "./worker-opfs",
    "./anchor",
    "./testing",
    "./perdure.wasm",
    "./package.json",
  ]);
  for (const [name, target] of Object.entries(exports)) {
    for (const file of typeof target === "string" ? [target] : [target.types, target.default])
      assert.ok(stranger.files.includes(file.slice(2)), `${name}: ${file}`);
  }
  // As a page would notice it: whatever a module reaches for at its import is recorded.
  writeFileSync(
    join(stranger.folder, "touch.mjs"),
    `
    const before = new Set(Reflect.ownKeys(globalThis));
    const touched = [];
    const told = ["window", "document", "indexedDB", "localStorage", "Worker", "BroadcastChannel", "fetch"];
    for (const name of told) Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
    for (const name of Object.keys(WebAssembly).concat(["compile", "instantiate", "instantiateStreaming", "Module", "Instance"])) WebAssembly[name] = () => touched.push(name);
    for (const name of ["perdure", "perdure/inline"]) await import(name);
    const added = Reflect.ownKeys(globalThis).filter(key => !before.has(key) && !told.includes(key));
    console.log(JSON.stringify({ touched: touched.filter(name => name !== "window"), added }));
    console.log(process.getActiveResourcesInfo().filter(name => /Timeout|Immediate|TCP|UDP|Worker|MessagePort/.test(name)).length);
  `,
  );
  assert.deepEqual((await run(stranger.folder, process.execPath, "touch.mjs")).trim().split("\n"), [
    '{"touched":[],"added":[]}',
    "0",
  ]);
});

test("npx perdure anchor starts an anchor that says where it is and stops on SIGTERM", async () => {
  const anchor = perdure(stranger.folder, "anchor", "--port", "0", "--data", join(stranger.folder, "anchor.db"));
  const url = await anchor.line(/\bws:\/\/[\w.:]+/);
  assert.equal((await (await fetch(`${url.replace(/^ws/, "http")}/healthz`)).json()).perdure, "anchor");
  assert.deepEqual(await anchor.stop(), [0, null]);
});

test("an anchor with a certificate serves a folder and peers on one port", async () => {
  const { selfSigned } = await webTest("anchor/certificate.ts");
  const { cert, key } = selfSigned("127.0.0.1");
  const files = { "cert.pem": cert, "key.pem": key, "site/index.html": "<!doctype html><title>served</title>" };
  mkdirSync(join(stranger.folder, "site"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(stranger.folder, name), text);
  const anchor = perdure(
    stranger.folder,
    "anchor",
    "--port",
    "0",
    "--data",
    "secure.db",
    "--cert",
    "cert.pem",
    "--key",
    "key.pem",
    "--serve",
    "site",
  );
  const url = await anchor.line(/\bwss:\/\/[\w.:]+/);
  writeFileSync(
    join(stranger.folder, "secure.mjs"),
    `
    import { openPeer } from "perdure";
    const [url] = process.argv.slice(2);
    const peer = await openPeer({ app: "talk", storage: "memory", anchors: [url] });
    await (await (await peer.topic("lunch")).append("hello")).anchored();
    console.log(peer.anchors.list.current[0].state, (await (await fetch(url.replace(/^wss/, "https"))).text()).includes("served"));
    await peer.close();
  `,
  );
  assert.equal(
    await run(
      stranger.folder,
      "env",
      `NODE_EXTRA_CA_CERTS=${join(stranger.folder, "cert.pem")}`,
      process.execPath,
      "secure.mjs",
      url,
    ),
    "connected true\n",
  );
  assert.deepEqual(await anchor.stop(), [0, null]);
});

test("npx perdure demo prints one link: two browsers on one page, whose server can be stopped and started there", async () => {
  const demo = perdure(stranger.folder, "demo", "--data", "shown");
  const url = await demo.line(/http:\/\/[\w.:]+\//);
  const { chromiumArgs } = await stranger.load("testing");
  const browser = await launch(chromiumArgs);
  try {
    const { page } = await visit(browser, url);
    await page.getByText("webrtc").waitFor();
    const [left, right] = [page.frameLocator("iframe").nth(0), page.frameLocator("iframe").nth(1)];
    const say = async text => {
      await left.getByPlaceholder("Write a message").fill(text);
      await left.getByRole("button", { name: "Send" }).click();
      await right.getByText(text).waitFor();
    };
    await say("hello");
    await page.getByRole("button", { name: "Stop the server" }).click();
    await page.getByText("server stopped").waitFor();
    await say("still there");
    await page.getByRole("button", { name: "Start it again" }).click();
    await page.getByText("server running").waitFor();
  } finally {
    await browser.close();
  }
  assert.deepEqual(await demo.stop(), [0, null]);
});

const users = `
  import { openPeer, PerdureError, type Peer, type Topic, type View } from "perdure";
  import { openPeer as openInline, type Peer as InlinePeer } from "perdure/inline";
  import wasm from "perdure/perdure.wasm";
  import "perdure/worker";
  import "perdure/worker-opfs";
  import { startAnchor } from "perdure/anchor";
  import { chromiumArgs, createNetwork } from "perdure/testing";

  interface Chat { text: string; when?: Date }
  interface Card { title: string }
  declare function render(messages: readonly { value: Chat; author: string; time: Date }[]): void;
  declare function share(link: string): void;

  export async function main(): Promise<void> {
    const peer: Peer = await openPeer({ app: "talkbox", anchors: ["wss://anchor.example", new URL("ws://localhost:8787")] });
    const topic = location.hash.startsWith("#perdure-") ? await peer.join<{ message: Chat; entry: Card }>(location.hash) : await peer.topic<{ message: Chat; entry: Card }>("lunch");
    topic.latest(50).subscribe(({ messages }) => render(messages));
    await topic.append({ text: "hello" });
    share(await topic.link(location.href));
    // @ts-expect-error a message of another shape
    await topic.append({ title: "hello" });
    const cards: View<ReadonlyMap<string, Card>> = topic.map.view({ prefix: "card/" });
    for await (const [key, { title }] of topic.map.entries()) console.log(key, title, cards.current.size);
    for await (const message of topic.messages({ live: true, signal: AbortSignal.timeout(1) })) console.log(message.value.text.length);
    // @ts-expect-error an entry of another shape
    await topic.batch(batch => { batch.append({ text: "hello" }); batch.set("card/1", { text: "no card" }); });
    const any: Topic = topic;
    // @ts-expect-error what anything may be said in is no topic of cards
    const cardsOnly: Topic<{ entry: Card }> = any;
    console.log(cardsOnly.id);
    const loose: Topic = await peer.topic("anything");
    await loose.append([1, "two", new Uint8Array(3)]);
    peer.status.subscribe(({ trouble, links }) => console.log(trouble.map(({ code }) => code === "storage-lost"), links.webrtc));
    try { await peer.joinCode("nonsense"); } catch (error) { if (error instanceof PerdureError && error.code === "bad-invite") console.log(error.path); }
    await peer.close();
    const same: InlinePeer = await openInline({ app: "talkbox", wasm, worker: false });
    await using closing: Peer = same;
    console.log(closing.shortId);
    const anchor = await startAnchor({ data: ":memory:" });
    const network = createNetwork({ seed: 1 });
    console.log(anchor.url, chromiumArgs.length, await network.settle());
  }
`;

// An app for Node, whose `lib` has no DOM.
const server = `
  import { openPeer, PerdureError, type Peer, type PeerOptions, type Topic } from "perdure";
  import { openPeer as openInline } from "perdure/inline";
  import { startAnchor, type Anchor } from "perdure/anchor";
  import { chromiumArgs, createNetwork, type TestPeer } from "perdure/testing";
  import { readFile } from "node:fs/promises";

  const options: PeerOptions = { app: "talkbox", storage: { file: "peer.db" }, rtc: false, wasm: await readFile("perdure.wasm"), signal: AbortSignal.timeout(1) };
  const peer: Peer = await openPeer(options);
  await using other: Peer = await openInline({ app: "talkbox", storage: "memory", anchors: [new URL("ws://localhost:8787")], wasm: new URL("file:///perdure.wasm") });
  const topic: Topic<{ message: { text: string } }> = await peer.topic("lunch");
  for await (const { value, time } of topic.messages({ live: true })) console.log(value.text, time, other.id, chromiumArgs.length);
  const anchor: Anchor = await startAnchor({ data: ":memory:" });
  const tester: TestPeer = await createNetwork().open({ app: "talkbox" });
  console.log(anchor.url, tester.id, new PerdureError("closed", "").code);
`;

// What may be handed in where the compiler knows browsers, with the way of resolving that knows no exports.
const options = `
  import { openPeer } from "perdure";
  declare const config: RTCConfiguration;
  declare const module: WebAssembly.Module;
  declare const bytes: BufferSource;
  /** As @types/trusted-types has it. */
  declare class TrustedScriptURL { private constructor(); private brand: true; }
  declare const trusted: TrustedScriptURL;
  export const peers = [
    openPeer({ app: "x", rtc: config, wasm: module, worker: trusted }), openPeer({ app: "x", rtc: { iceServers: [{ urls: "stun:x" }] }, wasm: bytes, worker: new URL("x:y") }),
    // @ts-expect-error no list of servers
    openPeer({ app: "x", rtc: { iceServers: 3 } }),
    // @ts-expect-error no address
    openPeer({ app: "x", worker: true }),
  ];
`;

for (const [compiler, place] of [
  ["this TypeScript", () => join(root, "node_modules/typescript")],
  ["TypeScript 5.2", () => others().path("typescript-5.2")],
]) {
  const strict = {
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    target: "ES2022",
  };
  const compile = async (files, ...ways) => {
    const folder = join(stranger.folder, "typed");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    await Promise.all(
      ways.map(async way => {
        const config = `${way.module}-${way.moduleResolution}-${way.lib.join("-")}.json`;
        writeFileSync(
          join(folder, config),
          JSON.stringify({ compilerOptions: { ...strict, types: [], ...way }, files: Object.keys(files) }),
        );
        await run(folder, process.execPath, join(place(), "bin/tsc"), "-p", config);
      }),
    );
  };

  test(`tsc --strict accepts the types, for bundlers, for Node and for what knows no exports, with a lib that stops at ES2022: ${compiler}`, async () => {
    const lib = ["ES2022", "DOM"];
    await compile(
      { "app.ts": users },
      { module: "ESNext", moduleResolution: "bundler", lib },
      { module: "NodeNext", moduleResolution: "NodeNext", lib },
    );
    // The way of old: every sub-path has its types.
    await compile({ "app.ts": users, "options.ts": options }, { module: "ESNext", moduleResolution: "node10", lib });
  });

  test(`tsc --strict accepts the types in an app for Node that has no DOM: ${compiler}`, async () => {
    const types = { types: ["node"], typeRoots: [join(root, "node_modules/@types")], lib: ["ES2022"] };
    await compile(
      { "server.ts": server },
      { module: "NodeNext", moduleResolution: "NodeNext", ...types },
      { module: "ESNext", moduleResolution: "node10", ...types },
    );
  });
}
