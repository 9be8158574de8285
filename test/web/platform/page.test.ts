// It opens wherever a page runs, or says what is missing: pages that lack something, workers of all kinds, frames without an origin, pages that
// require Trusted Types.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { PeerOptions } from "../../../web/src/index.js";
import { openBrowser, type TestBrowser } from "../support/browser.js";
import { projectRoot, testRoot } from "../support/bundle.js";
import { serve, type ServeOptions, type Site, type SiteServer } from "../support/server.js";

type Options = Omit<Partial<PeerOptions>, "worker"> & { worker?: string | false };

let browser: TestBrowser;
let engine: Browser;
before(async () => {
  browser = await openBrowser();
  const made = browser.context.browser();
  assert.ok(made !== null);
  engine = made;
});
after(() => browser?.close());

const entries = ["index", "inline"] as const;
const site = (more: Site = {}): Site => ({
  "/": '<!doctype html><link rel="icon" href="data:,"><p>a page</p>',
  "/try.js": { file: join(testRoot, "platform/try.js") },
  "/dist/": { folder: join(projectRoot, "dist") },
  ...more,
});

interface Visit {
  readonly server: SiteServer;
  readonly context: BrowserContext;
  readonly page: Page;
  readonly said: string[];
}

/** A page of a browser of its own, on a server of its own. */
async function visit(
  run: (visit: Visit) => Promise<void>,
  { more, before: early, ...options }: ServeOptions & { more?: Site; before?: string } = {},
): Promise<void> {
  await using server = await serve(site(more), options);
  const context = await engine.newContext({ permissions: ["camera", "microphone"] });
  try {
    if (early !== undefined) await context.addInitScript(early);
    const page = await context.newPage();
    const said: string[] = [];
    page.on("console", message => said.push(message.text()));
    page.on("pageerror", error => said.push(String(error)));
    await page.goto(server.url);
    await run({ server, context, page, said });
  } finally {
    await context.close();
  }
}

let apps = 0;
const withApp = (options: Options): object => ({ app: `app${++apps}`, ...options });

/** What came of it in the page itself. */
function inPage(page: Page, entry: string, options: Options = {}): Promise<string> {
  return page.evaluate(
    async ([from, given]) => {
      const helper = "/try.js";
      const { attempt } = (await import(helper)) as { attempt(entry: string, options: object): Promise<string> };
      return attempt(`/dist/${from}.js`, given);
    },
    [entry, withApp(options)] as const,
  );
}

test("an rtc with which the browser makes no connection is refused at once, and what it takes is taken", async () => {
  await visit(async ({ page }) => {
    const refused = /^bad-argument: No connection can be made with that rtc: .* leave it out/;
    const tried = async (rtc: object): Promise<string> => inPage(page, "index", { storage: "memory", rtc });
    assert.match(await tried({ iceTransportPolicy: "some" }), refused);
    assert.match(await tried({ iceServers: [{ urls: "stun:a.example:port" }] }), refused);
    assert.match(await tried({ iceTransportPolicy: "relay", iceServers: [{ urls: "stun:a.example" }] }), inMemory);
  });
});

// ---- what may be missing -------------------------------------------------------------------------------------------------------

const without = (name: string): string => {
  const [member, owner] = name.split(".").reverse();
  const holder = owner === undefined ? "globalThis" : `Object.getPrototypeOf(${owner})`;
  return `delete ${holder}.${member}; if ("${member}" in ${holder}) Object.defineProperty(${holder}, "${member}", { value: undefined, configurable: true });\n`;
};
/** A worker that lacks it, too. */
const workersWithout = (name: string): Site =>
  Object.fromEntries(
    ["worker", "worker-opfs"].map(file => [
      `/dist/${file}.js`,
      without(name) + readFileSync(join(projectRoot, "dist", `${file}.js`), "utf8"),
    ]),
  );

const inMemory = /^hello in memory$/;
const kept = /^hello in indexeddb$/;
const update = /^storage-unavailable: This browser has no Web Locks or no WebCrypto here.* storage: "memory"/;
const alone = /BroadcastChannel here, by which tabs share what is kept\..* storage: "memory"/;
const opfs = /^hello in opfs$/;
const missing: Readonly<Record<string, { auto: RegExp; indexeddb: RegExp; opfs: RegExp }>> = {
  BroadcastChannel: {
    auto: /^hello in memory storage-unavailable: What happens here is forgotten when the page closes\. This browser has no BroadcastChannel/,
    indexeddb: alone,
    opfs: alone,
  },
  "navigator.locks": { auto: update, indexeddb: update, opfs: update },
  "crypto.subtle": { auto: update, indexeddb: update, opfs: update },
  indexedDB: {
    auto: /^hello in memory storage-unavailable: What happens here is forgotten when the page closes\. This browser has no IndexedDB here/,
    indexeddb: /^storage-unavailable: This browser has no IndexedDB here/,
    opfs: /^storage-unavailable: This browser has no IndexedDB here/,
  },
  localStorage: { auto: kept, indexeddb: kept, opfs },
  "navigator.storage": {
    auto: kept,
    indexeddb: kept,
    opfs: /^storage-unavailable: This browser has no private file system here\..*"auto"/,
  },
  RTCPeerConnection: { auto: kept, indexeddb: kept, opfs },
  Worker: { auto: kept, indexeddb: kept, opfs: /^storage-unavailable: There is no SQLite here\./ },
  requestAnimationFrame: { auto: kept, indexeddb: kept, opfs },
  navigator: { auto: update, indexeddb: update, opfs: update },
};

for (const [name, { auto, indexeddb, opfs: onOpfs }] of Object.entries(missing)) {
  test(`a page without ${name} opens, or says what is missing`, async () => {
    await visit(
      async ({ page }) => {
        for (const entry of entries) {
          assert.match(await inPage(page, entry, { worker: false }), auto, `${entry}, in the page`);
          assert.match(
            await inPage(page, entry, { worker: false, storage: "indexeddb" }),
            indexeddb,
            `${entry}, indexeddb`,
          );
          assert.match(await inPage(page, entry, { worker: false, storage: "memory" }), inMemory, `${entry}, memory`);
          assert.match(await inPage(page, entry, { storage: "memory" }), inMemory, `${entry}, memory in a worker`);
        }
        assert.match(await inPage(page, "index"), auto, "in a worker that lacks it, too");
        assert.match(await inPage(page, "index", { storage: "opfs" }), onOpfs, "on the private file system");
      },
      { before: without(name), more: workersWithout(name) },
    );
  });
}

test('storage: "opfs" in the page itself says what helps', async () => {
  await visit(async ({ page }) => {
    assert.match(
      await inPage(page, "index", { storage: "opfs", worker: false }),
      /^storage-unavailable: There is no SQLite here\..*perdure\/worker-opfs/,
    );
  });
});

// ---- workers -------------------------------------------------------------------------------------------------------------------

const answering = (how: string): string => `import { attempt } from "/try.js";\n${how}`;
const workers: Site = {
  "/dedicated.js": answering(
    "onmessage = async ({ data: [entry, options] }) => postMessage(await attempt(entry, options));",
  ),
  "/shared.js": answering(
    "onconnect = ({ ports: [port] }) => { port.onmessage = async ({ data: [entry, options] }) => port.postMessage(await attempt(entry, options)); };",
  ),
  // Nothing can be imported later there.
  "/service-index.js":
    'import { openPeer } from "/dist/index.js";\nimport { attemptWith } from "/try.js";\nonmessage = async ({ data: [, options], source }) => source.postMessage(await attemptWith(openPeer, options));',
  "/service-inline.js":
    'import { openPeer } from "/dist/inline.js";\nimport { attemptWith } from "/try.js";\nonmessage = async ({ data: [, options], source }) => source.postMessage(await attemptWith(openPeer, options));',
};

function inWorker(
  page: Page,
  kind: "dedicated" | "shared" | "service",
  entry: string,
  options: Options = {},
): Promise<string> {
  return page.evaluate(
    async ([which, from, given]) => {
      const message = [`/dist/${from}.js`, given];
      if (which === "dedicated") {
        const worker = new Worker("/dedicated.js", { type: "module" });
        const said = new Promise<string>((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(String(data));
          worker.onerror = event => reject(new Error(event.message));
        });
        worker.postMessage(message);
        return said.finally(() => worker.terminate());
      }
      if (which === "shared") {
        const { port } = new SharedWorker(`/shared.js?${from}`, { type: "module" });
        const said = new Promise<string>(resolve => {
          port.onmessage = ({ data }) => resolve(String(data));
        });
        port.postMessage(message);
        return said;
      }
      const registration = await navigator.serviceWorker.register(`/service-${from}.js`, {
        type: "module",
        scope: `/${from}/`,
      });
      const worker = registration.installing ?? registration.waiting ?? registration.active;
      if (worker === null) return "there is no worker";
      if (worker.state !== "activated")
        await new Promise<void>(resolve =>
          worker.addEventListener("statechange", () => {
            if (worker.state === "activated") resolve();
          }),
        );
      const said = new Promise<string>(resolve => {
        navigator.serviceWorker.onmessage = ({ data }) => resolve(String(data));
      });
      navigator.serviceWorker.startMessages();
      worker.postMessage(message);
      return said;
    },
    [kind, entry, withApp(options)] as const,
  );
}

test("a dedicated worker opens a peer in its own thread, with every storage, or in the worker that it is told", async () => {
  await visit(
    async ({ page, server }) => {
      for (const entry of entries) {
        assert.match(await inWorker(page, "dedicated", entry), kept);
        assert.match(await inWorker(page, "dedicated", entry, { storage: "memory" }), inMemory);
        assert.match(await inWorker(page, "dedicated", entry, { worker: false, rtc: { iceServers: [] } }), kept);
      }
      assert.equal(
        server.asked.some(path => path.startsWith("/dist/worker")),
        false,
        "no further worker",
      );
      assert.match(await inWorker(page, "dedicated", "index", { storage: "opfs" }), opfs);
      assert.match(await inWorker(page, "dedicated", "index", { worker: "/dist/worker.js" }), kept);
      assert.equal(server.asked.includes("/dist/worker.js"), true);
      assert.match(
        await inWorker(page, "dedicated", "inline", { storage: "opfs" }),
        /^storage-unavailable: There is no SQLite here\./,
      );
    },
    { more: workers },
  );
});

test("a shared worker opens a peer in its own thread; the private file system is not for it", async () => {
  await visit(
    async ({ page }) => {
      for (const entry of entries) {
        assert.match(await inWorker(page, "shared", entry), kept);
        assert.match(await inWorker(page, "shared", entry, { storage: "memory" }), inMemory);
      }
      assert.match(await inWorker(page, "shared", "index", { storage: "opfs" }), /^storage-unavailable: /);
    },
    { more: workers },
  );
});

test("a service worker opens a peer with perdure/inline; with the package in parts it is told why not", async () => {
  await visit(
    async ({ page }) => {
      assert.match(await inWorker(page, "service", "inline"), kept);
      assert.match(await inWorker(page, "service", "inline", { storage: "memory" }), inMemory);
      assert.match(
        await inWorker(page, "service", "index"),
        /^wasm-failed: A service worker loads nothing later .*perdure\/inline/,
      );
    },
    { more: workers },
  );
});

test("a worker's peer and that of its page are one device: what one says the other has", async () => {
  await visit(
    async ({ page }) => {
      const read = await page.evaluate(async () => {
        const shipped = "/dist/index.js";
        const { openPeer } = (await import(shipped)) as typeof import("../../../web/src/index.js");
        const peer = await openPeer({ app: "both" });
        const topic = await peer.topic("lunch");
        const heard = topic.messages({ live: true }).next();
        const worker = new Worker("/dedicated.js", { type: "module" });
        worker.postMessage(["/dist/index.js", { app: "both" }]);
        const { value } = await heard;
        await peer.close();
        return String(value?.value);
      });
      assert.equal(read, "hello");
    },
    { more: workers },
  );
});

// ---- frames without an origin ----------------------------------------------------------------------------------------------------

const cors = { headers: { "access-control-allow-origin": "*" } };
const framed = (base: string): string => `<!doctype html><script type="module">
  import { attempt } from "${base}try.js";
  onmessage = async ({ data: [entry, options] }) => parent.postMessage(await attempt(entry, options), "*");
  parent.postMessage("ready", "*");
</script>`;

/** What came of it in a frame that may run scripts and nothing else. */
function inFrame(
  page: Page,
  server: SiteServer,
  how: "src" | "srcdoc",
  entry: string,
  options: Options = {},
): Promise<string> {
  return page.evaluate(
    async ([attribute, html, address, given]) => {
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", "allow-scripts");
      frame[attribute] = attribute === "src" ? "/frame.html" : html;
      const said = new Promise<string>(resolve => {
        addEventListener("message", function hear({ source, data }) {
          if (source !== frame.contentWindow) return;
          if (data === "ready") return frame.contentWindow?.postMessage([address, given], "*");
          removeEventListener("message", hear);
          resolve(String(data));
        });
      });
      document.body.append(frame);
      return said.finally(() => frame.remove());
    },
    [how, framed(server.url), `${server.url}dist/${entry}.js`, withApp(options)] as const,
  );
}

const forgotten =
  /^hello in memory storage-unavailable: What happens here is forgotten when the page closes\. A page without an origin of its own, as in <iframe sandbox>, has no storage\. Add allow-same-origin/;
const noStorage =
  /^storage-unavailable: A page without an origin of its own, as in <iframe sandbox>, has no storage\. Add allow-same-origin.*storage: "memory"/;

for (const how of ["src", "srcdoc"] as const) {
  test(`a frame without an origin of its own (sandbox="allow-scripts", ${how}) opens in memory, and says why it keeps nothing`, async () => {
    await visit(
      async ({ page, server }) => {
        for (const entry of entries) {
          assert.match(await inFrame(page, server, how, entry), forgotten, entry);
          assert.match(await inFrame(page, server, how, entry, { storage: "memory" }), inMemory, entry);
          assert.match(await inFrame(page, server, how, entry, { worker: false }), forgotten, entry);
          assert.match(await inFrame(page, server, how, entry, { storage: "indexeddb" }), noStorage, entry);
          assert.match(
            await inFrame(page, server, how, entry, { worker: false, storage: "indexeddb" }),
            noStorage,
            entry,
          );
          assert.match(await inFrame(page, server, how, entry, { storage: "opfs" }), noStorage, entry);
        }
        assert.equal(server.asked.includes("/dist/worker.js"), true, "in a worker");
      },
      { ...cors, more: { "/frame.html": framed("/") } },
    );
  });
}

test("where the worker of a frame without an origin cannot start, the error names the sandbox", async () => {
  await visit(
    async ({ page, server }) => {
      const [index, inline] = [
        await inFrame(page, server, "src", "index"),
        await inFrame(page, server, "src", "inline"),
      ];
      for (const said of [index, inline])
        assert.match(
          said,
          /^wasm-failed: Perdure's worker could not be started\. This page has no origin of its own, as in <iframe sandbox>: .*worker: false/,
        );
      assert.match(await inFrame(page, server, "src", "index", { worker: false }), forgotten);
    },
    {
      headers: { ...cors.headers, "content-security-policy": "worker-src 'none'" },
      more: { "/frame.html": framed("/") },
    },
  );
});

// ---- Trusted Types -----------------------------------------------------------------------------------------------------------------

const requires = "require-trusted-types-for 'script'; ";

test("a page that requires Trusted Types and allows our policy opens, and nothing breaks its policy", async () => {
  await visit(
    async ({ page, said }) => {
      for (const options of [{}, { storage: "memory" }, { worker: false }] as const)
        assert.match(await inPage(page, "index", options), /^hello in (indexeddb|memory)$/);
      assert.match(await inPage(page, "index", { storage: "opfs" }), opfs);
      assert.deepEqual(said, []);
    },
    { csp: `${requires}trusted-types perdure#worker` },
  );
  await visit(
    async ({ page, said }) => {
      assert.match(await inPage(page, "inline"), kept);
      assert.deepEqual(said, []);
    },
    { csp: `${requires}trusted-types perdure#worker` },
  );
});

test("a page that requires Trusted Types without a list of policies opens, too", async () => {
  await visit(
    async ({ page, said }) => {
      for (const entry of entries) assert.match(await inPage(page, entry), kept);
      assert.deepEqual(said, []);
    },
    { csp: requires },
  );
});

const given =
  /^wasm-failed: This page requires Trusted Types\. Give a TrustedScriptURL in openPeer\(\{ worker \}\), or .*perdure#worker.*worker: false/;

test("a page that requires Trusted Types and does not allow our policy is told its name, and takes a TrustedScriptURL of its own", async () => {
  const named =
    /^wasm-failed: This page requires Trusted Types\. Add perdure#worker to trusted-types .*TrustedScriptURL.*openPeer\(\{ worker \}\).*worker: false/;
  await visit(
    async ({ page }) => {
      for (const entry of entries) {
        assert.match(await inPage(page, entry), named);
        assert.match(await inPage(page, entry, { worker: false }), kept);
      }
      assert.match(await inPage(page, "index", { worker: "/dist/worker.js" }), given);
      assert.match(
        await page.evaluate(async () => {
          const helper = "/try.js";
          const { attempt } = (await import(helper)) as { attempt(entry: string, options: object): Promise<string> };
          const { trustedTypes } = globalThis as unknown as {
            trustedTypes: { createPolicy(name: string, rules: object): { createScriptURL(url: string): object } };
          };
          const worker = trustedTypes
            .createPolicy("app", { createScriptURL: (url: string) => url })
            .createScriptURL("/dist/worker.js");
          return attempt("/dist/index.js", { app: "trusted", worker });
        }),
        kept,
      );
    },
    { csp: `${requires}trusted-types app` },
  );
});

test("our policy vouches for no script that it was handed: an address of the app's stays a text", async () => {
  await visit(
    async ({ page }) => {
      assert.match(await inPage(page, "index", { worker: "/dist/worker.js" }), given);
      assert.match(await inPage(page, "index", { worker: "https://elsewhere.test/worker.js" }), given);
    },
    { csp: `${requires}trusted-types perdure#worker` },
  );
});

// ---- addresses and parts -------------------------------------------------------------------------------------------------------------

test("worker may be a text, a URL, a TrustedScriptURL or false, and an address that is none is named", async () => {
  await visit(async ({ page }) => {
    assert.match(await inPage(page, "index", { worker: "http://" }), /^bad-argument: worker is no address here/);
    assert.match(await inPage(page, "index", { wasm: "http://" }), /^bad-argument: wasm is no address here/);
    assert.match(
      await inPage(page, "index", { worker: {} as string }),
      /^bad-argument: worker must be the address of perdure\/worker .*TrustedScriptURL/,
    );
    assert.match(await inPage(page, "index", { worker: "/dist/worker.js" }), kept);
  });
});

test("a worker of another origin starts from a Blob, and hears what is said before it has loaded", async () => {
  await using files = await serve(site(), cors);
  await visit(async ({ page, said }) => {
    assert.match(await inPage(page, "index", { worker: `${files.url}dist/worker.js` }), kept);
    assert.match(
      await inPage(page, "index", { worker: `${files.url}dist/nowhere.js` }),
      /^wasm-failed: Perdure's worker could not be started\..*openPeer\(\{ worker \}\)/,
    );
    assert.equal(
      said.some(text => /Uncaught/.test(text)),
      false,
    );
  });
});

test("where a part of the package is missing on the host, that is what the error says", async () => {
  await visit(async ({ page, server }) => {
    await page.evaluate(async shipped => {
      await import(shipped);
    }, "/dist/index.js");
    // What is loaded later is not there any more.
    await page.route(`${server.url}dist/*`, route => route.abort());
    assert.match(
      await inPage(page, "index", { worker: false }),
      /^wasm-failed: A part of Perdure could not be loaded\..*perdure\/inline/,
    );
  });
});

test("where Vite has bundled the package without its files, what mends that is said first", async () => {
  const deps = "/node_modules/.vite/deps/";
  const page = "<!doctype html><p>the page in place of the file";
  const more = {
    [deps]: { folder: join(projectRoot, "dist") },
    [`${deps}worker.js`]: page,
    [`${deps}perdure.wasm`]: page,
  };
  await visit(
    async ({ page }) => {
      for (const [worker, told] of [
        [
          undefined,
          /^wasm-failed: Perdure's worker could not be started\. Vite .*optimizeDeps: \{ exclude: \["perdure"\] \}/,
        ],
        [false, /^wasm-failed: The server sent something else .* Vite .*optimizeDeps: \{ exclude: \["perdure"\] \}/],
      ] as const)
        assert.match(await inPage(page, `..${deps}index`, worker === undefined ? {} : { worker }), told);
    },
    { more },
  );
});
