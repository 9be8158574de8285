// In Node nothing is asked of a page: not by peers, not by the anchor, not by the testing network, whatever a test environment puts there or hides.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { projectRoot, testRoot } from "../support/bundle.js";

const execute = promisify(execFile);
const here = join(testRoot, "platform");
const said = ["grüße 1,2", "over virtual wires"];

/** Runs the story in a process of its own, after that script. */
async function after(script: string): Promise<string[]> {
  const { stdout } = await execute(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(script)}`, join(here, "story.mjs")],
    { timeout: 60_000 },
  );
  return stdout.trim().split("\n");
}

const hide = (...names: string[]): string => `for (const name of ${JSON.stringify(names)}) {
  delete globalThis[name];
  if (name in globalThis) Object.defineProperty(globalThis, name, { value: undefined, configurable: true });
}`;

// Whoever asks one of these for anything is found out.
const put = (...names: string[]): string => `for (const name of ${JSON.stringify(names)}) {
  const asked = () => { throw new Error(name + " was asked"); };
  Object.defineProperty(globalThis, name, { value: new Proxy(function () {}, { get: asked, has: asked, apply: asked, construct: asked }), configurable: true });
}`;

const ofPages = [
  "window",
  "document",
  "location",
  "navigator",
  "localStorage",
  "indexedDB",
  "Worker",
  "BroadcastChannel",
  "RTCPeerConnection",
  "WebSocket",
];

for (const name of ofPages) {
  test(`in Node all entry points work without ${name}, and with one that nobody may ask`, async () => {
    assert.deepEqual(await Promise.all([after(hide(name)), after(put(name))]), [said, said]);
  });
}

test("in Node all entry points work with everything that a page has, as jsdom and happy-dom put it there", async () => {
  assert.deepEqual(
    await after(
      `${put(...ofPages)}; Object.defineProperty(globalThis, "window", { value: globalThis }); globalThis.self = globalThis;`,
    ),
    said,
  );
});

test("in Node all entry points work without what Node has in its modules as well", async () => {
  assert.deepEqual(
    await after(
      hide(
        "TextEncoder",
        "TextDecoder",
        "setImmediate",
        "MessageChannel",
        "crypto",
        "fetch",
        "Response",
        "Blob",
        "DecompressionStream",
        "ReadableStream",
        "atob",
        "structuredClone",
      ),
    ),
    said,
  );
});

test("in Node all entry points work in a realm of its own, with a window and little else: as under Jest with jsdom", async () => {
  const { stdout } = await execute(
    process.execPath,
    ["--no-warnings", "--experimental-vm-modules", join(here, "realm.mjs"), "story.mjs", join(projectRoot, "dist")],
    { timeout: 60_000 },
  );
  assert.deepEqual(stdout.trim().split("\n"), said);
});

const opened =
  'const { openPeer } = await import("perdure"); console.log(await openPeer(options).then(async peer => { await peer.close(); return peer.status.current.storage.kind; }, ({ code, message }) => code + ": " + message));';

/** What openPeer says in Node to these options, written as they are in code. */
async function opens(options: string, before = ""): Promise<string> {
  const script = `${before}\nconst options = ${options};\n${opened}`;
  const { stdout } = await execute(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: projectRoot,
    timeout: 60_000,
  });
  return stdout.trim();
}

test("in Node perdure.wasm may be given as a path, a file:// address, bytes or a module; one that is not there is named, with what helps", async () => {
  assert.equal(await opens('{ app: "x", storage: "memory", wasm: "dist/perdure.wasm" }'), "memory");
  assert.equal(
    await opens('{ app: "x", storage: "memory", wasm: new URL("dist/perdure.wasm", "file://" + process.cwd() + "/") }'),
    "memory",
  );
  const read = 'import { readFileSync } from "node:fs";';
  assert.equal(await opens('{ app: "x", storage: "memory", wasm: readFileSync("dist/perdure.wasm") }', read), "memory");
  assert.equal(
    await opens(
      '{ app: "x", storage: "memory", wasm: await WebAssembly.compile(readFileSync("dist/perdure.wasm")) }',
      read,
    ),
    "memory",
  );
  assert.match(
    await opens('{ app: "x", storage: "memory", wasm: "nowhere/perdure.wasm" }'),
    /^wasm-failed: nowhere\/perdure\.wasm cannot be read\..* copy perdure\/perdure\.wasm beside .*openPeer\(\{ wasm \}\)/,
  );
  assert.match(
    await opens('{ app: "x", storage: "memory", wasm: "package.json" }'),
    /^wasm-failed: package\.json is not perdure\.wasm/,
  );
  const broken = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 9])";
  assert.match(
    await opens(`{ app: "x", storage: "memory", wasm: ${broken} }`),
    /^wasm-failed: perdure\.wasm could not be loaded\. Install the package anew\.$/,
  );
});

test("in Node openPeer says where to keep things, whatever looks like a page", async () => {
  assert.match(
    await opens('{ app: "x" }', "globalThis.window = globalThis;"),
    /^bad-argument: In Node say where to keep things/,
  );
});

test("a polyfill of `process` is no Node, and neither is the page of a desktop shell", async () => {
  const outcome = /^bad-argument: storage: \{ file \} is for Node/;
  const options = '{ app: "x", storage: { file: "x.db" } }';
  assert.match(
    await opens(options, 'const { exit } = process; globalThis.process = { versions: { node: "20.0.0" }, exit };'),
    outcome,
  );
  assert.match(await opens(options, 'process.type = "renderer";'), outcome);
  assert.match(
    await opens(
      options,
      'Object.defineProperty(process, "versions", { value: { ...process.versions, nw: "0.90.0" } }); globalThis.window = globalThis;',
    ),
    outcome,
  );
});

test("an error that nobody caught fills no screen in Node: what runs there has short lines", async () => {
  const dist = join(projectRoot, "dist");
  const inPages = /^(worker|worker-opfs|inline)\.js$/;
  const names = readdirSync(dist).filter(name => name.endsWith(".js") && !inPages.test(name));
  assert.ok(names.length > 10);
  for (const name of names)
    for (const line of readFileSync(join(dist, name), "utf8").split("\n"))
      assert.ok(line.length < 1500, `${name}: a line of ${line.length}`);
  for (const [entry, wrong] of [
    ["index", "openPeer({})"],
    ["anchor", "startAnchor({})"],
    ["testing", "createNetwork({ loss: 5 })"],
  ]) {
    const code = `import * as all from ${JSON.stringify(pathToFileURL(join(dist, `${entry}.js`)).href)}; await all.${wrong};`;
    const crash = await execute(process.execPath, ["--input-type=module", "--eval", code]).catch(
      (error: { stderr: string }) => error,
    );
    assert.match(crash.stderr, /PerdureError/);
    assert.ok(crash.stderr.length < 4000, `${entry}: ${crash.stderr.length} characters`);
  }
});
