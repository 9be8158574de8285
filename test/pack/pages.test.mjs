// Pages of plain static hosts: where the files come from, what a policy allows, what a host gets wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pages, refusal, serve, visit, world } from "./support.mjs";

let here;
before(async () => {
  here = await world();
});
after(() => here?.end());

const html =
  '<!doctype html><title>chat</title><link rel="icon" href="data:,"><p id="messages"></p><p id="state"></p><script type="module" src="app.js"></script>';
const chat = readFileSync(join(pages, "app/chat.js"), "utf8");

/** A page below `path` that imports the package from there. */
const page = (from, { options = {}, path = "/" } = {}) => ({
  [`${path}page.html`]: { text: html },
  [`${path}chat.js`]: { text: chat },
  [`${path}app.js`]: {
    text: `import { openPeer } from ${JSON.stringify(from)};\nimport { chat } from "./chat.js";\nchat(openPeer, ${JSON.stringify(options)});\n`,
  },
});
const beside = () => ({ "/perdure/": here.stranger.dist });

/** Runs `use` while these hosts stand. */
async function under(hosts, use) {
  try {
    return await use(...hosts);
  } finally {
    for (const host of hosts) await host.close();
  }
}
const wasmOf = host => [...new Set(host.asked.filter(path => path.endsWith(".wasm")))];

test("a page under a strict Content-Security-Policy runs it and never breaks the policy", async () => {
  const csp = `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${here.anchor.url}`;
  await under(
    [await serve({ ...beside(), "/": join(pages, "page") }, { "content-security-policy": csp })],
    async host => {
      for (const { said } of await here.chats(host.url)) assert.deepEqual(said, []);
      assert.deepEqual(wasmOf(host), ["/perdure/perdure.wasm"]);
    },
  );
});

test("perdure/inline is one file: a page that has it asks for nothing else", async () => {
  await under(
    [
      await serve({
        ...page("./inline.js"),
        "/inline.js": { text: readFileSync(join(here.stranger.dist, "inline.js")) },
      }),
    ],
    async host => {
      for (const { said } of await here.chats(`${host.url}page.html`)) assert.deepEqual(said, []);
      assert.deepEqual([...new Set(host.asked)].sort(), ["/app.js", "/chat.js", "/inline.js", "/page.html"]);
    },
  );
});

test("perdure/inline under a policy without blob: names worker-src and the way around, and works that way", async () => {
  const csp = `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${here.anchor.url}; img-src data:`;
  const inline = { "/inline.js": { text: readFileSync(join(here.stranger.dist, "inline.js")) } };
  await under([await serve({ ...page("./inline.js"), ...inline }, { "content-security-policy": csp })], async host => {
    assert.match(
      await refusal(here.browser, `${host.url}page.html`),
      /^wasm-failed: .*worker-src .*blob:.*worker: false/,
    );
  });
  await under(
    [
      await serve(
        { ...page("./inline.js", { options: { worker: false } }), ...inline },
        { "content-security-policy": csp },
      ),
    ],
    async host => {
      for (const { said } of await here.chats(`${host.url}page.html`)) assert.deepEqual(said, []);
    },
  );
});

test("the package may come from another origin: the worker starts from a Blob that imports it", async () => {
  const files = await serve(beside(), { "access-control-allow-origin": "*" });
  await under([files, await serve(page(`${files.url}perdure/index.js`))], async (_, host) => {
    for (const { said } of await here.chats(`${host.url}page.html`)) assert.deepEqual(said, []);
    assert.deepEqual(wasmOf(files), ["/perdure/perdure.wasm"]);
  });
});

test("from another origin under a policy: without blob: the error names worker-src and the option, with it all works", async () => {
  const files = await serve(beside(), { "access-control-allow-origin": "*" });
  const csp = `default-src 'self' data:; script-src 'self' ${files.url} 'wasm-unsafe-eval'; connect-src 'self' ${files.url} ${here.anchor.url}`;
  const headers = more => ({ "content-security-policy": csp + more });
  const closed = await serve(page(`${files.url}perdure/index.js`), headers(""));
  const open = await serve(page(`${files.url}perdure/index.js`), headers(`; worker-src blob: ${files.url}`));
  await under([files, closed, open], async () => {
    assert.match(
      await refusal(here.browser, `${closed.url}page.html`),
      /^wasm-failed: .*worker-src .*blob:.*openPeer\(\{ worker \}\)/,
    );
    for (const { said } of await here.chats(`${open.url}page.html`)) assert.deepEqual(said, []);
  });
});

test("it runs below any path", async () => {
  const path = "/some/where/";
  await under(
    [await serve({ ...page("./lib/index.js", { path }), [`${path}lib/`]: here.stranger.dist })],
    async host => {
      for (const { said } of await here.chats(`${host.url}some/where/page.html`)) assert.deepEqual(said, []);
    },
  );
});

test("a host that does not know the type of .wasm files is good enough", async () => {
  await under(
    [await serve({ ...page("./perdure/index.js"), ...beside() }, {}, { ".wasm": "application/octet-stream" })],
    async host => {
      for (const { said } of await here.chats(`${host.url}page.html`)) assert.deepEqual(said, []);
    },
  );
});

test("a host that sends a page in place of a file gets an error that names the option that helps", async () => {
  const instead = { text: "<!doctype html><p>Welcome</p>", type: "text/html" };
  await under(
    [await serve({ ...page("./perdure/index.js"), "/perdure/perdure.wasm": instead, ...beside() })],
    async host => {
      assert.match(
        await refusal(here.browser, `${host.url}page.html`),
        /^wasm-failed: .*something else in place of perdure\.wasm.*openPeer\(\{ wasm \}\)/,
      );
    },
  );
  await under(
    [
      await serve({
        ...page("./perdure/index.js", { options: { wasm: "lost.wasm" } }),
        "/lost.wasm": instead,
        ...beside(),
      }),
    ],
    async host => {
      assert.match(
        await refusal(here.browser, `${host.url}page.html`),
        /^wasm-failed: .*lost\.wasm is not perdure\.wasm: the server sent a page.*openPeer\(\{ wasm \}\)/,
      );
    },
  );
  await under(
    [await serve({ ...page("./perdure/index.js"), "/perdure/worker.js": instead, ...beside() })],
    async host => {
      assert.match(
        await refusal(here.browser, `${host.url}page.html`),
        /^wasm-failed: Perdure's worker could not be started\..*openPeer\(\{ worker \}\)/,
      );
    },
  );
});

test("on plain http a page is told to use https, and runs in memory if it says so", async () => {
  await under([await serve({ ...page("./perdure/index.js"), ...beside() })], async host => {
    assert.match(
      await refusal(here.browser, `http://app.test:${host.port}/page.html`),
      /^insecure-context: .*https:.*storage: "memory"/,
    );
  });
  await under(
    [await serve({ ...page("./perdure/index.js", { options: { storage: "memory" } }), ...beside() })],
    async host => {
      const { page: tab } = await visit(
        here.browser,
        `http://app.test:${host.port}/page.html?anchor=${here.anchor.url}`,
      );
      await tab.waitForFunction(() => /1 websocket, memory$/.test(document.querySelector("#state")?.textContent ?? ""));
      await tab.context().close();
    },
  );
});

test("a peer on the private file system loads SQLite, which no other page does", async () => {
  await under(
    [await serve({ ...page("./perdure/index.js", { options: { storage: "opfs" } }), ...beside() })],
    async host => {
      for (const { said } of await here.chats(`${host.url}page.html`)) assert.deepEqual(said, []);
      assert.deepEqual(host.asked.filter(path => path.includes("worker")).slice(0, 1), ["/perdure/worker-opfs.js"]);
      assert.deepEqual(wasmOf(host), ["/perdure/perdure.wasm"]);
    },
  );
  await under(
    [
      await serve({
        ...page("./inline.js", { options: { storage: "opfs" } }),
        "/inline.js": { text: readFileSync(join(here.stranger.dist, "inline.js")) },
      }),
    ],
    async host => {
      assert.match(
        await refusal(here.browser, `${host.url}page.html`),
        /^storage-unavailable: .*perdure\/worker-opfs.*perdure\/inline/,
      );
    },
  );
});
