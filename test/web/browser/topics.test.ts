// What a topic carries between people: the five lines, invites, codes, a map that several write.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { selfSigned } from "../anchor/certificate.js";
import { openBrowser } from "../support/browser.js";
import { serve } from "../support/server.js";
import { story } from "./world.js";

// As they stand in the description of the interface. The page has `render` and `share`.
const fiveLines = `import { openPeer } from "perdure";

const peer  = await openPeer({ app: "talkbox", anchors: ["wss://anchor.example"] });
const topic = location.hash.startsWith("#perdure-") ? await peer.join(location.hash) : await peer.topic("lunch");
topic.latest(50).subscribe(({ messages }) => render(messages));
await topic.append({ text: "hello" });
share(await topic.link(location.href));
`;

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once("error", reject)
      .listen(0, "127.0.0.1", () => {
        const address = server.address();
        server.close(() =>
          typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
        );
      });
  });
}

story(
  "the five lines work as they stand, and whoever opens the link they share is in",
  async ({ anchor, folder, site }) => {
    const { cert, key } = selfSigned("anchor.example");
    writeFileSync(join(folder, "cert.pem"), cert);
    writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 });
    const port = await freePort();
    await anchor({ port, more: ["--cert", join(folder, "cert.pem"), "--key", join(folder, "key.pem")] });
    await using server = await serve({
      "/dist/": site["/dist/"] ?? "",
      "/": `<!doctype html><meta charset="utf-8"><title>talkbox</title><link rel="icon" href="data:,">
      <script type="importmap">{ "imports": { "perdure": "/dist/index.js" } }</script>
      <script>
        const render = messages => { document.body.textContent = messages.map(({ value }) => value.text).join(", "); };
        const share = link => { document.title = link; };
      </script>
      <body><script type="module">${fiveLines}</script>`,
    });
    await using browser = await openBrowser({
      args: [`--host-resolver-rules=MAP anchor.example:443 127.0.0.1:${port}`, "--ignore-certificate-errors"],
    });
    const ann = await browser.page(server.url);
    await ann.waitForFunction(() => document.title.includes("#perdure-") && document.body.textContent === "hello");
    const other = await browser.context.browser()?.newContext({ ignoreHTTPSErrors: true });
    const ben = await other?.newPage();
    assert.ok(ben !== undefined);
    await ben.goto(await ann.title());
    for (const page of [ann, ben]) await page.waitForFunction(() => document.body.textContent === "hello, hello");
    assert.deepEqual(browser.said, []);
    await other?.close();
  },
);

story(
  "an invite travels in the fragment of a link; no server ever hears of it",
  async ({ person, page, context, app, server }) => {
    const shared = await context();
    const ann = await person({ instance: "ann" }, shared);
    const { link, invite, id } = await ann.evaluate(async () => {
      const topic = await window.peer.create({ name: "a secret" });
      await topic.append("hello");
      return { link: await topic.link(`${location.href}?page=3#old`), invite: await topic.invite(), id: topic.id };
    });
    assert.equal(link, `${server.url}?page=3#${invite}`);
    assert.match(invite, /^perdure-[\w-]+$/);
    const ben = await page(shared);
    await ben.goto(link);
    const found = await ben.evaluate(async given => {
      await window.ready;
      window.peer = await window.perdure.openPeer({ app: given, instance: "ben" });
      const topic = await window.peer.join(location.hash, { name: "from Ann" });
      await window.shows(topic, "hello");
      const again = await window.peer.topic("from Ann");
      return { id: topic.id, name: topic.name, again: again.id, same: (await topic.invite()).slice(0, 60) };
    }, app);
    assert.deepEqual(found, { id, name: "from Ann", again: id, same: invite.slice(0, 60) });
    assert.ok(!server.asked.some(path => path.includes("perdure-")));
  },
);

story("an invite that is cut, mistyped or of another app is refused and says what to do", async ({ person }) => {
  const ann = await person();
  const codes = await ann.evaluate(async () => {
    const invite = await (await window.peer.topic("lunch")).invite();
    const other = await window.perdure.openPeer({ app: "another-app", storage: "memory" });
    const told = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => "accepted",
        (error: { code: string; message: string }) => `${error.code} ${error.message.length > 20}`,
      );
    const mistyped = invite.slice(0, 30) + (invite[30] === "A" ? "B" : "A") + invite.slice(31);
    return Promise.all(
      [
        window.peer.join(invite.slice(0, -3)),
        window.peer.join(mistyped),
        window.peer.join("perdure-"),
        window.peer.join("https://page.example/#"),
        other.join(invite),
      ].map(told),
    );
  });
  assert.deepEqual(
    codes,
    Array.from({ length: 5 }, () => "bad-invite true"),
  );
});

story("a shortcode that is read out loud leads in; a slip of the tongue does not", async ({ person, anchor }) => {
  const { url } = await anchor();
  const ann = await person({ anchors: [url] });
  const code = await ann.evaluate(async () => {
    window.topic = await window.peer.create({ shortcode: true });
    await window.topic.append("hello");
    return window.topic.shortcode();
  });
  assert.ok(code !== undefined);
  assert.equal(code.replace(/[-\s]/g, "").length, 13);
  const ben = await person({ anchors: [url] });
  const slip = await ben.evaluate(async spoken => {
    const wrong = spoken.replace(/[0-9A-Za-z]/, first => (first === "7" ? "8" : "7"));
    return window.code(window.peer.joinCode(wrong));
  }, code);
  assert.equal(slip, "bad-invite");
  await ben.evaluate(async spoken => {
    window.topic = await window.peer.joinCode(` ${spoken.toLowerCase()} `);
    await window.shows(window.topic, "hello");
  }, code);
  assert.equal(await ann.evaluate(async () => (await window.peer.topic("lunch")).shortcode()), undefined);
});

/** The first conflict that is seen there, and how many more there are. */
const conflictAt = (page: Page) =>
  page.evaluate(async () => {
    const [conflict, ...more] = await window.until(window.topic.map.conflicts(), found => found.length > 0);
    return {
      key: conflict?.key,
      winner: conflict?.winner.value,
      losers: (conflict?.losers ?? []).map(({ value }) => value),
      more: more.length,
    };
  });

story(
  "two write one key while apart: both see the conflict, one resolves it, both agree",
  async ({ person, anchor }) => {
    const first = await anchor();
    const ann = await person({ anchors: [first.url], rtc: false });
    const link = await ann.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.map.set("menu", "soup");
      await window.topic.map.set("place", "kitchen");
      return window.topic.link(location.href);
    });
    const ben = await person({ anchors: [first.url], rtc: false });
    await ben.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
      await window.until(window.topic.map.view(), view => view.get("menu") === "soup" && view.size === 2);
    }, link);
    await first.kill("SIGTERM");
    for (const page of [ann, ben])
      await page.evaluate(() => window.until(window.peer.status, ({ links }) => links.websocket === 0));
    await ann.evaluate(() => window.topic.map.set("menu", "bread"));
    await ben.evaluate(() => window.topic.map.set("menu", "cake"));
    assert.deepEqual(await ben.evaluate(() => window.topic.map.conflicts().current.length), 0);
    await anchor({ port: first.port });
    const seen = await conflictAt(ann);
    assert.deepEqual(await conflictAt(ben), seen);
    const { key, winner, losers, more } = seen;
    assert.deepEqual(
      { key, values: [winner, ...losers].sort(), more },
      { key: "menu", values: ["bread", "cake"], more: 0 },
    );
    await ann.evaluate(() => window.topic.map.resolve("menu", "bread and cake"));
    for (const page of [ann, ben]) {
      await page.evaluate(async () => {
        await window.until(window.topic.map.view(), view => view.get("menu") === "bread and cake");
        await window.until(window.topic.map.conflicts(), found => found.length === 0);
      });
    }
    assert.deepEqual(
      await ben.evaluate(async () => {
        const values: unknown[] = [];
        for await (const { value } of window.topic.map.history("menu")) values.push(value);
        return [values[0], values.slice(1, 3).sort(), values[3], window.topic.map.size];
      }),
      ["bread and cake", ["bread", "cake"], "soup", 2],
    );
  },
);
