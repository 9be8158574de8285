// What strangers do with the package, from the tarball alone.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { build, createServer, preview } from "vite";
import { freePort, install, launch, pages, root, run, serve, visit } from "./support.mjs";

let stranger;
let anchor;
let browser;

before(async () => {
  stranger = await install();
  const { startAnchor } = await stranger.load("anchor");
  const { chromiumArgs } = await stranger.load("testing");
  anchor = await startAnchor({ data: ":memory:", port: 0 });
  browser = await launch(chromiumArgs);
});
after(async () => {
  await browser?.close();
  await anchor?.close();
  stranger?.remove();
});

/** Opens it twice, in browsers that know nothing of each other; the second by the link that the first shares. */
async function chats(url) {
  const first = await visit(browser, `${url}?anchor=${anchor.url}`);
  await first.page.waitForFunction(() => document.title.includes("#perdure-"));
  const second = await visit(browser, await first.page.title());
  for (const { page } of [first, second]) {
    await page.waitForFunction(() => document.querySelector("#messages")?.textContent === "hello, hello");
    await page.waitForFunction(() => document.querySelector("#state")?.textContent?.startsWith("1 webrtc, 1 websocket"));
  }
  for (const { page } of [first, second]) await page.context().close();
  return [first, second];
}

test("the tarball holds the built package, its types, its licence and those of what is in it, and no sources or tests", () => {
  for (const file of ["package.json", "LICENSE", "dist/index.js", "dist/index.d.ts", "dist/worker.js", "dist/perdure.wasm", "dist/anchor.js", "dist/testing.js", "dist/cli.js", "dist/inline.js", "dist/NOTICES.txt"]) {
    assert.ok(stranger.files.includes(file), `${file} is in it`);
  }
  const foreign = stranger.files.filter(file => !/^(package\.json|LICENSE|README\.md|dist\/NOTICES\.txt|dist\/.*\.(js|d\.ts|wasm|html|css))$/.test(file));
  assert.deepEqual(foreign, []);
});

test("a page on a plain static host runs it under a strict Content-Security-Policy, which it never breaks", async () => {
  const csp = `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${anchor.url}`;
  const host = await serve({ "/perdure/": stranger.dist, "/": join(pages, "page") }, { "content-security-policy": csp });
  try {
    for (const { said } of await chats(host.url)) assert.deepEqual(said, []);
    assert.deepEqual([...new Set(host.asked.filter(path => path.endsWith(".wasm")))], ["/perdure/perdure.wasm"]);
  } finally {
    await host.close();
  }
});

/** The app of a stranger who uses Vite. */
function viteApp() {
  const app = join(stranger.folder, "app");
  cpSync(join(pages, "vite-app"), app, { recursive: true });
  return { root: app, configFile: false, logLevel: "error", cacheDir: join(stranger.folder, "vite-cache") };
}

test("a Vite app builds with it as with any package, and one perdure.wasm reaches its pages", async () => {
  const app = viteApp();
  await build(app);
  const built = readdirSync(join(app.root, "dist"), { recursive: true }).map(String);
  assert.equal(built.filter(file => /perdure.*\.wasm$/.test(file)).length, 1, built.join(" "));
  const server = await preview({ ...app, preview: { port: 0, host: "localhost" } });
  try {
    for (const { said, asked } of await chats(server.resolvedUrls.local[0])) {
      assert.deepEqual(said, []);
      assert.equal(new Set(asked.filter(url => url.includes(".wasm"))).size, 1, asked.join(" "));
    }
  } finally {
    await server.close();
  }
});

test("Vite's development server serves it", async () => {
  const server = await createServer({ ...viteApp(), server: { port: await freePort(), strictPort: true, host: "localhost" } });
  try {
    await server.listen();
    for (const { said } of await chats(server.resolvedUrls.local[0])) assert.deepEqual(said.filter(line => !line.startsWith("[vite]")), []);
  } finally {
    await server.close();
  }
});

test("Node imports it: two peers talk through an anchor, and the testing network needs none", async () => {
  writeFileSync(join(stranger.folder, "talk.mjs"), `
    import { openPeer, PerdureError } from "perdure";
    import { startAnchor } from "perdure/anchor";
    import { createNetwork } from "perdure/testing";

    const anchor = await startAnchor({ data: ":memory:", port: 0 });
    const ann = await openPeer({ app: "talk", storage: "memory", instance: "ann", anchors: [anchor.url] });
    const ben = await openPeer({ app: "talk", storage: { file: "ben.db" }, instance: "ben", anchors: [anchor.url] });
    const topic = await ann.topic("lunch");
    const same = await ben.join(await topic.invite());
    const heard = same.messages({ live: true }).next();
    await (await topic.append({ text: "hello" })).replicated(2);
    console.log((await heard).value.value.text);
    console.log(await openPeer({ app: "" }).catch(error => error instanceof PerdureError && error.code));
    for (const one of [ann, ben, anchor]) await one.close();

    const network = createNetwork({ seed: 7 });
    const [one, two] = [await network.open({ app: "test" }), await network.open({ app: "test", instance: "second" })];
    const shared = await one.topic("lunch");
    const there = await two.join(await shared.invite());
    await shared.append("over virtual wires");
    await network.settle();
    for await (const message of there.messages()) console.log(message.value);
    await network.close();
  `);
  assert.deepEqual((await run(stranger.folder, process.execPath, "talk.mjs")).trim().split("\n"), ["hello", "bad-argument", "over virtual wires"]);
});

test("npx perdure anchor starts an anchor that says where it is and stops on SIGTERM", async () => {
  const child = spawn(join(stranger.folder, "node_modules/.bin/perdure"), ["anchor", "--port", "0", "--data", join(stranger.folder, "anchor.db")], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const url = await new Promise((resolve, reject) => {
    closed.then(() => reject(new Error("it ended")));
    createInterface({ input: child.stdout }).on("line", line => {
      const found = /\bws:\/\/\S+/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
  });
  assert.equal((await (await fetch(`${url.replace(/^ws/, "http")}/healthz`.replace(/(?<!:)\/\//, "/"))).json()).perdure, "anchor");
  child.kill("SIGTERM");
  assert.deepEqual(await closed, [0, null]);
});

const users = `
  import { openPeer, PerdureError, type Peer, type Topic, type View } from "perdure";
  import { startAnchor } from "perdure/anchor";
  import { chromiumArgs, createNetwork } from "perdure/testing";

  interface Chat { text: string; when?: Date }
  interface Card { title: string }
  declare function render(messages: readonly { value: Chat; author: string; time: Date }[]): void;
  declare function share(link: string): void;

  export async function main(): Promise<void> {
    const peer: Peer = await openPeer({ app: "talkbox", anchors: ["wss://anchor.example", new URL("ws://localhost:8787")] });
    const topic = location.hash ? await peer.join<{ message: Chat; entry: Card }>(location.hash) : await peer.topic<{ message: Chat; entry: Card }>("lunch");
    topic.latest(50).subscribe(({ messages }) => render(messages));
    await topic.append({ text: "hello" });
    share(await topic.link(location.href));
    // @ts-expect-error a message of another shape
    await topic.append({ title: "hello" });
    const cards: View<ReadonlyMap<string, Card>> = topic.map.view({ prefix: "card/" });
    for await (const [key, { title }] of topic.map.entries()) console.log(key, title, cards.current.size);
    for await (const message of topic.messages({ live: true, signal: AbortSignal.timeout(1) })) console.log(message.value.text.length);
    const loose: Topic = await peer.topic("anything");
    await loose.append([1, "two", new Uint8Array(3)]);
    peer.status.subscribe(({ trouble, links }) => console.log(trouble.map(({ code }) => code === "storage-lost"), links.webrtc));
    try { await peer.joinCode("nonsense"); } catch (error) { if (error instanceof PerdureError && error.code === "bad-invite") console.log(error.path); }
    await peer.close();
    const anchor = await startAnchor({ data: ":memory:" });
    const network = createNetwork({ seed: 1 });
    console.log(anchor.url, chromiumArgs.length, await network.settle());
  }
`;

test("tsc --strict accepts the types, for bundlers and for Node, with a lib that stops at ES2022", async () => {
  const folder = join(stranger.folder, "typed");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "app.ts"), users);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  for (const [module, moduleResolution] of [["ESNext", "bundler"], ["NodeNext", "NodeNext"]]) {
    const strict = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...strict, module, moduleResolution, target: "ES2022", lib: ["ES2022", "DOM"], types: [] }, files: ["app.ts"] }));
    await run(folder, process.execPath, join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json");
  }
});
