// A page on a plain static host, under the strictest policy that WebAssembly allows.

import assert from "node:assert/strict";
import { join } from "node:path";
import { projectRoot } from "../support/bundle.js";
import { serve } from "../support/server.js";
import { open, story } from "./world.js";

const strict = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

for (const [what, withAnchor] of [
  ["alone", false],
  ["with an anchor in connect-src", true],
] as const) {
  story(
    `a static page under a strict Content-Security-Policy works and breaks none of it: ${what}`,
    async ({ site, context, anchor }) => {
      const url = withAnchor ? (await anchor()).url : undefined;
      const csp = url === undefined ? strict : `${strict}; connect-src 'self' ${url}`;
      await using server = await serve(
        { "/perdure/": site["/dist/"] ?? "", "/": { folder: join(projectRoot, "test/pack/page") } },
        { csp },
      );
      const said: string[] = [];
      const browser = await context();
      const open = async (address: string): Promise<import("playwright-core").Page> => {
        const page = await browser.newPage();
        page.on("console", message => said.push(message.text()));
        page.on("pageerror", error => said.push(String(error)));
        await page.goto(address);
        return page;
      };
      const first = await open(url === undefined ? server.url : `${server.url}?anchor=${url}`);
      await first.waitForFunction(
        () => document.title.includes("#perdure-") && document.querySelector("#messages")?.textContent === "hello",
      );
      await first.waitForFunction(
        wanted => document.querySelector("#state")?.textContent === `0 webrtc, ${wanted} websocket, indexeddb`,
        url === undefined ? 0 : 1,
      );
      await first.reload();
      await first.waitForFunction(() => document.querySelector("#messages")?.textContent === "hello, hello");
      if (url !== undefined) {
        const other = await context();
        const second = await other.newPage();
        second.on("console", message => said.push(message.text()));
        await second.goto(await first.title());
        await second.waitForFunction(() => document.querySelector("#messages")?.textContent === "hello, hello, hello");
        await second.waitForFunction(
          () => document.querySelector("#state")?.textContent?.startsWith("1 webrtc") === true,
        );
      }
      assert.deepEqual(said, []);
      assert.equal(
        server.asked.filter(path => path.endsWith(".wasm")).every(path => path === "/perdure/perdure.wasm"),
        true,
      );
    },
  );
}

story("a policy that forbids WebAssembly is named, with what to add to it", async ({ site }) => {
  await using server = await serve({ ...site }, { csp: "default-src 'self'; img-src data:" });
  const { openBrowser } = await import("../support/browser.js");
  await using browser = await openBrowser();
  const page = await browser.page(server.url);
  const told = await page.evaluate(async () => {
    await window.ready;
    return window.perdure.openPeer({ app: "forbidden" }).then(
      () => "it opened",
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  });
  assert.match(told, /^wasm-blocked: .*'wasm-unsafe-eval'/);
});

story(
  "a policy that only the page has, as in a meta element, does not bind its worker, which then fetches and compiles by itself",
  async ({ app, site, page, context }) => {
    const meta = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'self'; connect-src 'none'; img-src data:"><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`;
    await using server = await serve({ ...site, "/": meta });
    const opened = await page(await context());
    await opened.goto(server.url);
    await open(opened, { app });
    assert.deepEqual(
      await opened.evaluate(async () => {
        const topic = await window.peer.topic("lunch");
        await topic.append("x");
        return window.all(topic);
      }),
      ["x"],
    );
  },
);
