// Links in real Chromium: WebRTC with its channel moved to the worker and left in the page, and the bus between peers of one origin.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { openBrowser, type TestBrowser } from "../support/browser.js";
import { bundle } from "../support/bundle.js";
import { pageOf, serve, type SiteServer } from "../support/server.js";

let server: SiteServer;
let browser: TestBrowser;

before(async () => {
  server = await serve({
    "/": pageOf("/page.js"),
    ...(await bundle({ page: "links/page.ts", worker: "links/worker.ts" })),
  });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

const onPage = (name: string, run: (page: Page) => Promise<void>): void => {
  test(name, { timeout: 30_000 }, async () => {
    const page = await browser.page(server.url);
    try {
      await run(page);
    } finally {
      await page.close();
    }
  });
};

onPage("this browser moves data channels to workers", async page => {
  assert.equal(await page.evaluate(() => window.tools.canMoveChannels()), true);
});

const ways = [
  ["moved to the workers", [true, true]],
  ["left in the page", [false, false]],
  ["moved on one side only", [true, false]],
] as const;
for (const [how, moves] of ways) {
  describe(`a data channel ${how}`, () => {
    onPage("opens on both sides, the initiator as the dialler, and carries small messages both ways", async page => {
      const { a, b } = await page.evaluate(async given => {
        const { a, b, toB, toA } = await window.tools.linked(given);
        a.call("send", toB, Uint8Array.of(1, 2));
        b.call("send", toA, Uint8Array.of(3));
        a.call("send", toB, new Uint8Array());
        await Promise.all([a.count("received", 1), b.count("received", 2)]);
        const facts = (peer: typeof a): unknown[] => peer.reports.filter(([event]) => event !== "signal");
        return { a: facts(a), b: facts(b) };
      }, moves);
      assert.deepEqual(a, [
        ["opened", 1, "datachannel", true, { attempt: 11 }],
        ["received", 1, [3]],
      ]);
      assert.deepEqual(b, [
        ["opened", 1, "datachannel", false, { attempt: 22 }],
        ["received", 1, [1, 2]],
        ["received", 1, []],
      ]);
    });

    onPage("carries 32 MiB in order, and whoever waits for drained is never left waiting", async page => {
      const waits = await page.evaluate(async given => {
        const { a, b, toB } = await window.tools.linked(given);
        a.order({ kind: "blast", link: toB, count: 2000, size: 16 * 1024 });
        const [blasted] = await Promise.all([a.until("blasted"), b.until("counted", 2000)]);
        return blasted[1];
      }, moves);
      assert.ok(Number(waits) > 10, `it waited ${String(waits)} times`);
    });

    onPage("lets out what was sent before it closes, and each side hears of the end once", async page => {
      const [a, b] = await page.evaluate(async given => {
        const { a, b, toB, toA } = await window.tools.linked(given);
        for (let n = 0; n < 100; n++)
          a.call("send", toB, Uint8Array.of(0, 0, 0, n, ...new Array<number>(5000).fill(n)));
        a.call("close", toB);
        await Promise.all([a.until("closed", toB), b.until("counted", 100), b.until("closed", toA)]);
        const ends = (peer: typeof a): number =>
          peer.reports.filter(([event]) => event === "closed" || event === "rtcFailed").length;
        return [ends(a), ends(b)];
      }, moves);
      assert.deepEqual([a, b], [1, 1]);
    });

    onPage("ends with its attempt", async page => {
      await page.evaluate(async given => {
        const { a, b, toB, toA } = await window.tools.linked(given);
        b.call("rtcClose", 22);
        await Promise.all([a.until("closed", toB), b.until("closed", toA)]);
      }, moves);
    });
  });
}

onPage("an attempt that is given nonsense fails once, and a forgotten one is silent", async page => {
  const ends = await page.evaluate(async () => {
    const { TestLinks } = window.tools;
    const a = new TestLinks();
    a.call("rtcOpen", 1, false, []);
    a.call("rtcSignal", 1, "offer", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    a.call("rtcSignal", 1, "candidate", "nonsense");
    a.call("rtcOpen", 2, true, []);
    a.call("rtcClose", 2);
    a.call("rtcOpen", 3, true, []);
    await a.until("signal", 3, "offer");
    a.call("rtcSignal", 3, "answer", "nonsense");
    await Promise.all([a.until("rtcFailed", 1), a.until("rtcFailed", 3)]);
    return a.reports.filter(([event]) => event === "rtcFailed");
  });
  assert.deepEqual(ends, [
    ["rtcFailed", 1],
    ["rtcFailed", 3],
  ]);
});

test("a closed page is noticed at once by the page it was connected to", { timeout: 30_000 }, async () => {
  const [one, other] = [await browser.page(server.url), await browser.page(server.url)];
  const relay = async (from: Page, to: Page): Promise<void> => {
    await from.exposeFunction("relay", (kind: string, text: string) =>
      to.evaluate(([k, t]) => window.links.call("rtcSignal", 1, k, t), [kind, text] as const),
    );
  };
  await relay(one, other);
  await relay(other, one);
  for (const [page, initiator] of [
    [other, false],
    [one, true],
  ] as const) {
    await page.evaluate(first => {
      const links = (window.links = new window.tools.TestLinks());
      const sink = {
        call: (_method: string, _attempt: number, kind: string, text: string) =>
          Reflect.get(window, "relay")(kind, text),
      };
      links.signalTo(sink as unknown as typeof links, 1);
      links.call("rtcOpen", 1, first, []);
    }, initiator);
  }
  await Promise.all([one, other].map(page => page.evaluate(() => window.links.until("opened"))));
  await one.close({ runBeforeUnload: false });
  const started = Date.now();
  await other.evaluate(() => window.links.until("closed"));
  assert.ok(Date.now() - started < 3000);
  await other.close();
});

for (const locks of [true, false]) {
  describe(`peers of one origin, ${locks ? "with locks" : "by silence"}`, () => {
    onPage(
      "find each other, one of them the dialler, and exchange messages in order with back-pressure",
      async page => {
        const diallers = await page.evaluate(async withLocks => {
          const { TestLinks } = window.tools;
          const options = { network: `bus${String(withLocks)}`, locks: withLocks };
          const peers = [new TestLinks(options), new TestLinks(options), new TestLinks(options)];
          for (const peer of peers) await Promise.all([peer.until("opened", 1), peer.until("opened", 2)]);
          const [a, b] = [peers[0], peers[1]];
          if (a === undefined || b === undefined) throw new Error();
          a.order({ kind: "blast", link: 1, count: 500, size: 16 * 1024 });
          await Promise.all([a.until("blasted"), Promise.race(peers.slice(1).map(peer => peer.until("counted", 500)))]);
          return peers.flatMap(peer => peer.reports.filter(([event]) => event === "opened").map(report => report[3]));
        }, locks);
        assert.equal(diallers.length, 6);
        assert.equal(diallers.filter(dialler => dialler === true).length, 3);
      },
    );

    onPage("hear each other leave", async page => {
      await page.evaluate(async withLocks => {
        const { TestLinks } = window.tools;
        const options = { network: `leave${String(withLocks)}`, locks: withLocks };
        const [a, b] = [new TestLinks(options), new TestLinks(options)];
        await Promise.all([a.until("opened"), b.until("opened")]);
        a.call("closeAll");
        await Promise.all([a.until("closed"), b.until("closed")]);
      }, locks);
    });

    onPage("notice one that died without a word", async page => {
      await page.evaluate(async withLocks => {
        const { TestLinks } = window.tools;
        const options = { network: `death${String(withLocks)}`, locks: withLocks };
        const [a, b] = [new TestLinks(options), new TestLinks(options)];
        await Promise.all([a.until("opened"), b.until("opened")]);
        a.terminate();
        await b.until("closed");
      }, locks);
    });
  });
}

onPage("two frames of one origin find each other", async page => {
  await page.evaluate(async () => {
    const frame = document.createElement("iframe");
    frame.src = "/";
    document.body.append(frame);
    await new Promise(resolve => {
      frame.onload = resolve;
    });
    const inner = frame.contentWindow as unknown as Window & typeof globalThis;
    const [a, b] = [
      new window.tools.TestLinks({ network: "frames" }),
      new inner.tools.TestLinks({ network: "frames" }),
    ];
    await Promise.all([a.until("opened"), b.until("opened")]);
    a.call("send", 1, Uint8Array.of(7));
    await b.until("received", 1);
    frame.remove();
    await a.until("closed");
  });
});
