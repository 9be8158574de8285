// The stores of browsers, in real Chromium: IndexedDB, and SQLite on the origin private file system.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { openBrowser, type TestBrowser } from "../support/browser.js";
import { bundle, projectRoot } from "../support/bundle.js";
import { pageOf, serve, type Content, type SiteServer } from "../support/server.js";
import { cases } from "./conformance.js";

let server: SiteServer;
let site: Readonly<Record<string, Content>>;
let browser: TestBrowser;

before(async () => {
  const files = await bundle({ page: "store/page.ts", worker: "store/worker.ts" });
  const wasm = { file: resolve(projectRoot, "node_modules/@sqlite.org/sqlite-wasm/dist/sqlite3.wasm") };
  site = { "/": pageOf("/page.js"), "/sqlite3.wasm": wasm, ...files };
  server = await serve(site);
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const openPage = (where: TestBrowser = browser): Promise<Page> => where.page(server.url);
const ask = (page: Page, request: object, keep = false): Promise<unknown> =>
  page.evaluate(([what, stay]) => window.ask(what, stay), [request, keep] as const);

// An origin of its own, because browsers remember for a while how much room there was.
async function onSmallOrigin(run: (page: Page) => Promise<unknown>): Promise<void> {
  await using other = await serve(site);
  const page = await browser.context.newPage();
  const session = await browser.context.newCDPSession(page);
  const origin = other.url.slice(0, -1);
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 6 << 20 });
  await page.exposeFunction("makeRoom", () => session.send("Storage.overrideQuotaForOrigin", { origin }));
  await page.goto(other.url);
  await run(page);
  await page.close();
}

function conforms(store: "indexeddb" | "known" | "opfs"): void {
  let page: Page;
  before(async () => {
    page = await openPage();
  });
  after(async () => {
    await page?.close();
  });
  for (const { name, small } of cases) {
    test(name, async () => {
      if (small !== true) await ask(page, { kind: "case", store, name });
      else await onSmallOrigin(other => ask(other, { kind: "case", store, name }));
    });
  }
}

describe("store: indexeddb in Chromium, fresh and known by heart", () => conforms("known"));

for (const store of ["indexeddb", "opfs"] as const) {
  describe(`store: ${store} in Chromium`, () => {
    conforms(store);

    test("what was told durable survives SIGKILL of the browser", async () => {
      const profile = mkdtempSync(join(tmpdir(), "perdure-profile-"));
      try {
        const first = await openBrowser({ profile });
        assert.equal(await ask(await openPage(first), { kind: "fill", store }, true), "ok");
        await first.kill();
        const second = await openBrowser({ profile });
        assert.equal(await ask(await openPage(second), { kind: "count", store }), 20);
        await second.close();
      } finally {
        rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  });
}

test("a database on the private file system that another tab holds is refused, and given once that tab is gone", async () => {
  const [first, second] = [await openPage(), await openPage()];
  await ask(first, { kind: "open", store: "opfs", name: "held" }, true);
  await assert.rejects(ask(second, { kind: "open", store: "opfs", name: "held" }), /storage-unavailable/);
  await first.close();
  await assert.doesNotReject(ask(second, { kind: "open", store: "opfs", name: "held" }));
  await second.close();
});

test("whoever is patient gets the database as soon as the worker that held it has ended", async () => {
  const [first, second] = [await openPage(), await openPage()];
  await ask(first, { kind: "open", store: "opfs", name: "patience" }, true);
  const patient = ask(second, { kind: "open", store: "opfs", name: "patience", patienceMs: 10_000 });
  await first.close();
  await assert.doesNotReject(patient);
  await second.close();
});

test("a database that the browser takes away in the middle of saves ends them, and it is not reopened as an empty one", async () => {
  await using other = await serve(site);
  const page = await browser.context.newPage();
  const session = await browser.context.newCDPSession(page);
  await page.exposeFunction("makeRoom", () =>
    session.send("Storage.clearDataForOrigin", { origin: other.url.slice(0, -1), storageTypes: "indexeddb" }),
  );
  await page.goto(other.url);
  const [outcome, after, reopened] = (await ask(page, { kind: "cut" })) as [string, string, string];
  assert.match(outcome, /^(unknown|failed|lost)$/);
  assert.deepEqual([after, reopened], ["failed", "lost"]);
  await page.close();
});

test("the device's seed stays the same, is sealed under a key that the browser does not give out, and is made anew if it is damaged", async () => {
  const page = await openPage();
  assert.deepEqual(await ask(page, { kind: "seeds" }), [true, false, true, true, false, 32, false, "refused"]);
  await page.close();
});
