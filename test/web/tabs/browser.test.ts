// Many tabs are one peer: real tabs in Chromium, real workers, locks and stores, and a core that only remembers what it is asked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { leaderLockOf, peerName } from "../../../web/src/base/names.js";
import { openBrowser, type TestBrowser } from "../support/browser.js";
import { bundle } from "../support/bundle.js";
import { pageOf, serve, type Content, type SiteServer } from "../support/server.js";

let server: SiteServer;
let site: Record<string, Content>;
let browser: TestBrowser;
let apps = 0;

before(async () => {
  site = {
    "/": pageOf("/page.js"),
    ...(await bundle(
      { page: "tabs/page.ts", worker: "tabs/worker.ts" },
      { replace: { "wasm/perdure.mjs": "export default undefined;" } },
    )),
  };
  server = await serve(site);
  browser = await openBrowser({ args: ["--host-resolver-rules=MAP plain.test 127.0.0.1"] });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens tabs for one app that no other test uses; all are closed in the end. */
function withTabs(
  name: string,
  run: (openTab: (options?: object) => Promise<Page>, app: string) => Promise<void>,
): void {
  test(name, { timeout: 20_000 }, async () => {
    const app = `app${++apps}`;
    const pages: Page[] = [];
    const openTab = async (options: object = {}): Promise<Page> => {
      const page = await browser.page(server.url);
      pages.push(page);
      await page.evaluate(
        async own => {
          window.engine = await window.tabs.open(own);
        },
        { app, ...options },
      );
      return page;
    };
    try {
      await run(openTab, app);
    } finally {
      for (const page of pages) await page.close();
    }
  });
}

const roleOf = (page: Page): Promise<string> => page.evaluate(() => window.engine.info().tab);
const append = (page: Page): Promise<unknown> => page.evaluate(() => window.engine.call(window.tabs.append()));

withTabs("the first tab leads, the second follows; both are the same device and hear the same", async openTab => {
  const [first, second] = [await openTab(), await openTab()];
  assert.deepEqual([await roleOf(first), await roleOf(second)], ["leader", "follower"]);
  assert.equal(await first.evaluate(() => window.engine.id), await second.evaluate(() => window.engine.id));
  const heard = second.evaluate(
    () =>
      new Promise(resolve => {
        window.engine.onNotice(notice => {
          if (notice.kind === "TopicNotice" && notice.length === 2) resolve(notice.topic);
        });
      }),
  );
  await append(first);
  await append(second);
  assert.equal(await heard, 7);
  // Who comes later is told how things are.
  const third = await openTab();
  assert.equal(
    await third.evaluate(
      () =>
        new Promise(resolve => {
          window.engine.onNotice(notice => {
            if (notice.kind === "TopicNotice") resolve(notice.length);
          });
        }),
    ),
    2,
  );
  assert.match(
    await second.evaluate(() => window.tabs.refusal(window.engine.call({ kind: "TopicShortcode", topic: 7 }))),
    /^not-found: as asked/,
  );
});

withTabs(
  "the leader is closed in the middle of appends: each of them resolves once and is there once",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    await second.evaluate(() => {
      window.results = Promise.all(Array.from({ length: 300 }, () => window.engine.call(window.tabs.append())));
    });
    await second.evaluate(() => window.tabs.until(window.engine, ({ rows }) => rows > 0));
    await first.close();
    const started = Date.now();
    await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ tab }) => tab === "leader"));
    assert.ok(Date.now() - started < 2000, `it took over after ${Date.now() - started} ms`);
    const ids = (await second.evaluate(() => window.results)) as { id: string }[];
    assert.equal(new Set(ids.map(({ id }) => id)).size, 300);
    assert.equal((await second.evaluate(() => window.tabs.digest(window.engine))).rows, 300);
  },
);

withTabs(
  "a new leader is told first which topics are open and what presence is shown, then what was not answered",
  async openTab => {
    const [first, second] = [await openTab(), await openTab({ anchors: ["wss://anchor.example"] })];
    await second.evaluate(async () => {
      await window.engine.call({ kind: "TopicNamed", name: "lunch" });
      await window.engine.call({ kind: "TopicNamed", name: "lunch" });
      await window.engine.call({ kind: "TopicCreate", shortcode: false });
      await window.engine.call({ kind: "ShowPresence", topic: 7, holder: "one", at: 1, value: Uint8Array.of(5) });
      window.results = window.engine.call({ kind: "WaitSynced", topic: 7 });
      window.results.catch(() => undefined);
    });
    assert.ok(
      (await first.evaluate(() => window.tabs.digest(window.engine))).asked.includes("AnchorAdd wss://anchor.example"),
    );
    const presence = second.evaluate(
      () =>
        new Promise(resolve => {
          window.engine.onNotice(notice => {
            if (notice.kind === "PresenceNotice" && notice.value === undefined) resolve("gone");
          });
        }),
    );
    await first.close();
    assert.equal(await presence, "gone");
    const asked = await second.evaluate(() =>
      window.tabs.until(window.engine, found => found.asked.includes("WaitSynced")),
    );
    assert.deepEqual(asked.slice(0, 5), [
      "TopicJoin invite of 7",
      "TopicJoin invite of 7",
      "TopicJoin invite of 8",
      "ShowPresence 5",
      "WaitSynced",
    ]);
  },
);

withTabs(
  "a topic that one tab leaves is not opened again by another that had it open, when that leads",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    const ended = second.evaluate(async () => {
      await window.engine.call({ kind: "TopicNamed", name: "lunch" });
      return new Promise(resolve => {
        window.engine.onNotice(notice => {
          if (notice.kind === "TopicEnded") resolve(notice.topic);
        });
      });
    });
    await first.evaluate(async () => {
      await window.tabs.until(window.engine, ({ asked }) => asked.includes("TopicNamed lunch"));
      await window.engine.call({ kind: "TopicLeave", topic: 7, forget: false });
    });
    assert.equal(await ended, 7);
    await first.close();
    await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ tab }) => tab === "leader"));
    assert.deepEqual((await second.evaluate(() => window.tabs.digest(window.engine))).asked, ["GetDigest"]);
  },
);

withTabs(
  "what a follower waited for ends with its signal or with the follower, and so do its topics and its presence",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    const said = await second.evaluate(async () => {
      const abort = new AbortController();
      const waiting = window.engine.call({ kind: "WaitSynced", topic: 7 }, { signal: abort.signal });
      await window.tabs.until(window.engine, ({ asked }) => asked.includes("WaitSynced"));
      abort.abort(new Error("enough"));
      return waiting.catch((error: unknown) => String(error));
    });
    assert.equal(said, "Error: enough");
    await first.evaluate(() => window.tabs.until(window.engine, ({ asked }) => asked.includes("aborted")));
    await second.evaluate(async () => {
      await window.engine.call({ kind: "TopicNamed", name: "lunch" });
      await window.engine.call({ kind: "ShowPresence", topic: 7, holder: "one", at: 1, value: Uint8Array.of(5) });
      window.engine.call({ kind: "WaitSynced", topic: 7 }).catch(() => undefined);
      await window.tabs.until(window.engine, ({ asked }) => asked.at(-2) === "WaitSynced");
    });
    await second.close();
    await first.evaluate(() =>
      window.tabs.until(
        window.engine,
        ({ asked }) =>
          asked.filter(what => what === "aborted").length === 2 &&
          asked.includes("Release") &&
          asked.includes("TopicClose 7"),
      ),
    );
  },
);

withTabs(
  "a tab of a newer version takes the lead; the older ones say that they are outdated and never lead again",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    await append(first);
    const newer = await openTab({ worker: "/worker.js?version=9.0.0" });
    assert.equal(await roleOf(newer), "leader");
    assert.equal((await newer.evaluate(() => window.tabs.digest(window.engine))).rows, 1);
    for (const page of [first, second]) {
      await page.evaluate(() =>
        window.tabs.untilInfo(window.engine, ({ trouble }) => trouble.some(({ code }) => code === "outdated")),
      );
      assert.match(
        await page.evaluate(() => window.tabs.refusal(window.engine.call(window.tabs.append()))),
        /^outdated: A newer version/,
      );
    }
    await assert.rejects(openTab(), /newer version/);
    // With the newer one gone nobody leads: an old one would not understand what it wrote.
    await newer.close();
    assert.equal(await roleOf(first), "follower");
    const again = await openTab({ worker: "/worker.js?version=9.0.0" });
    assert.equal(await roleOf(again), "leader");
  },
);

withTabs(
  "a leader whose store was taken over can write nothing, begins anew and loses no append",
  async (openTab, app) => {
    const page = await openTab();
    await append(page);
    await page.evaluate(async name => {
      await (await window.tabs.openIndexedDb(`${name}:default`)).close();
    }, app);
    assert.match(JSON.stringify(await append(page)), /Appended/);
    assert.equal((await page.evaluate(() => window.tabs.digest(window.engine))).rows, 2);
  },
);

withTabs(
  "a tab that comes back from the back/forward cache follows whoever leads by then, or leads again",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    const back = (page: Page): Promise<unknown> =>
      page.evaluate(() => {
        dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
        return new Promise<void>(resolve => {
          setTimeout(() => {
            dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
            resolve();
          }, 100);
        });
      });
    await back(first);
    await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ tab }) => tab === "leader"));
    await append(first);
    await back(first);
    await append(first);
    await second.close();
    await first.evaluate(() => window.tabs.untilInfo(window.engine, ({ tab }) => tab === "leader"));
    await append(first);
    assert.equal((await first.evaluate(() => window.tabs.digest(window.engine))).rows, 3);
  },
);

withTabs(
  "closing a leader brings everything to the disk and lets the next tab lead; afterwards calls are refused",
  async openTab => {
    const [first, second] = [await openTab(), await openTab()];
    const after = await first.evaluate(async () => {
      const appends = Array.from({ length: 20 }, () => window.engine.call(window.tabs.append()));
      await Promise.all(appends);
      await window.engine.close();
      await window.engine.close();
      return window.tabs.refusal(window.engine.call(window.tabs.append()));
    });
    assert.match(after, /^closed/);
    await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ tab }) => tab === "leader"));
    assert.equal((await second.evaluate(() => window.tabs.digest(window.engine))).rows, 20);
  },
);

withTabs("closing a follower waits for what it has written", async openTab => {
  const [first, second] = [await openTab(), await openTab()];
  const settled = await second.evaluate(async () => {
    const appends = Array.from({ length: 20 }, () =>
      window.engine.call(window.tabs.append()).then(
        () => "ok",
        () => "refused",
      ),
    );
    await window.engine.close();
    return Promise.all(appends);
  });
  assert.deepEqual(new Set(settled), new Set(["ok"]));
  assert.equal((await first.evaluate(() => window.tabs.digest(window.engine))).rows, 20);
});

withTabs("the core hears of the network and of visibility as long as one tab is seen", async openTab => {
  const [first, second] = [await openTab(), await openTab()];
  const hide = (page: Page, hidden: boolean): Promise<void> =>
    page.evaluate(to => {
      Object.defineProperty(document, "visibilityState", { configurable: true, value: to ? "hidden" : "visible" });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await first.evaluate(() => dispatchEvent(new Event("offline")));
  await first.evaluate(() => window.tabs.until(window.engine, ({ asked }) => asked.includes("network false")));
  await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ storage }) => storage.usedBytes === 2));
  await hide(first, true);
  await hide(second, true);
  const asked = await first.evaluate(() =>
    window.tabs.until(window.engine, found => found.asked.includes("hidden true")),
  );
  assert.ok(asked.indexOf("hidden false") < asked.indexOf("hidden true"));
});

/** A page that never lets go of that lock; it takes it from whoever has it, if it is told to. */
const hold = (page: Page, name: string, steal = false): Promise<void> =>
  page.evaluate(
    ([lock, taking]) =>
      new Promise<void>(resolve => {
        void navigator.locks.request(lock, { steal: taking }, () => {
          resolve();
          return new Promise(() => undefined);
        });
      }),
    [name, steal] as const,
  );
const silent =
  /^storage-unavailable: Another tab has the lead in this app and does not answer, as one does that a debugger has stopped\. Close or reload the other tabs of this app\.$/;

withTabs(
  "a lead that is held by who never answers: who opens a tab is told so, and can open it when that is over",
  async (openTab, app) => {
    const worker = "/worker.js?ask=100";
    const holder = await browser.page(server.url);
    await hold(holder, leaderLockOf(peerName({ app })));
    const tab = await browser.page(server.url);
    assert.match(await tab.evaluate(own => window.tabs.refusal(window.tabs.open(own)), { app, worker }), silent);
    await tab.close();
    await holder.close();
    assert.equal(await roleOf(await openTab({ worker })), "leader");
  },
);

withTabs(
  "a tab that is open says that nobody answers until somebody does; what it was asked meanwhile is done then",
  async (openTab, app) => {
    const worker = "/worker.js?ask=100";
    const [first, second] = [await openTab({ worker }), await openTab({ worker })];
    const holder = await browser.page(server.url);
    await hold(holder, leaderLockOf(peerName({ app })), true);
    await first.close();
    const told = await second.evaluate(() => window.tabs.untilInfo(window.engine, ({ trouble }) => trouble.length > 0));
    assert.match(told.trouble.map(({ code, text }) => `${code}: ${text}`).join(), silent);
    await second.evaluate(() => {
      window.results = window.engine.call(window.tabs.append());
    });
    await holder.close();
    await second.evaluate(() => window.results);
    assert.deepEqual(await second.evaluate(() => [window.engine.info().tab, window.engine.info().trouble]), [
      "leader",
      [],
    ]);
  },
);

withTabs(
  "closing a tab whose leader is gone: it brings what it was asked to write to the disk itself",
  async (openTab, app) => {
    const [first, second] = [await openTab(), await openTab()];
    const holder = await browser.page(server.url);
    await hold(holder, leaderLockOf(peerName({ app })), true);
    await first.close();
    const closing = second.evaluate(async () => {
      const appends = Array.from({ length: 20 }, () =>
        window.engine.call(window.tabs.append()).then(
          () => "ok",
          () => "refused",
        ),
      );
      await window.engine.close();
      return Promise.all(appends);
    });
    await second.evaluate(() => undefined); // by now it is asked to
    await holder.close();
    assert.deepEqual(new Set(await closing), new Set(["ok"]));
    const third = await openTab();
    assert.equal((await third.evaluate(() => window.tabs.digest(window.engine))).rows, 20);
  },
);

withTabs(
  "closing a tab that nobody answers ends, and says that what it was asked is not done",
  async (openTab, app) => {
    const worker = "/worker.js?ask=100";
    const [first, second] = [await openTab({ worker }), await openTab({ worker })];
    const holder = await browser.page(server.url);
    await hold(holder, leaderLockOf(peerName({ app })), true);
    await first.close();
    const said = await second.evaluate(async () => {
      const refused = window.tabs.refusal(window.engine.call(window.tabs.append()));
      await window.engine.close();
      return refused;
    });
    assert.match(said, /^closed: /);
    await holder.close();
  },
);

withTabs("who takes long to open the store says so to who asks, and is waited for", async openTab => {
  const [first, second] = [
    openTab({ worker: "/worker.js?ask=150&slow=2000" }),
    openTab({ worker: "/worker.js?ask=150&slow=2000" }),
  ];
  assert.deepEqual((await Promise.all([first, second].map(async page => roleOf(await page)))).sort(), [
    "follower",
    "leader",
  ]);
});

withTabs("two instances of one app are two devices", async openTab => {
  const [first, second] = [await openTab(), await openTab({ instance: "other" })];
  assert.deepEqual([await roleOf(first), await roleOf(second)], ["leader", "leader"]);
  assert.notEqual(await first.evaluate(() => window.engine.id), await second.evaluate(() => window.engine.id));
});

const refusalAt = async (url: string, options: object): Promise<string> => {
  const page = await browser.page(url);
  try {
    return await page.evaluate(own => window.tabs.refusal(window.tabs.open(own)), options);
  } finally {
    await page.close();
  }
};

test("a worker that is not there, or that the page's policy forbids, is said to be so, with what helps", async () => {
  assert.match(
    await refusalAt(server.url, { worker: "/nowhere.js" }),
    /^wasm-failed: .*worker-src.*openPeer\(\{ worker \}\).*worker: false/,
  );
  await using strict = await serve(site, { csp: "default-src 'self'; worker-src 'none'" });
  assert.match(await refusalAt(strict.url, {}), /^wasm-failed: .*worker-src/);
});

test("a worker of another origin is started all the same, where that origin allows it", {
  timeout: 20_000,
}, async () => {
  await using other = await serve(site, { headers: { "access-control-allow-origin": "*" } });
  const page = await browser.page(server.url);
  const role = await page.evaluate(
    async worker => (await window.tabs.open({ app: "elsewhere", worker })).info().tab,
    `${other.url}worker.js`,
  );
  assert.equal(role, "leader");
  await page.close();
});

test("a page without https is told so", async () => {
  assert.match(await refusalAt(server.url.replace("localhost", "plain.test"), {}), /^insecure-context: .*https/);
});
