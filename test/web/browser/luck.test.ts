// Bad luck in a browser: files that a host has lost, a disk that fills up, clocks that jump, pages that sleep.

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openBrowser } from "../support/browser.js";
import { pageOf, serve } from "../support/server.js";
import { open, story } from "./world.js";

/** What becomes of opening a peer there. */
function outcome(page: Page, options: object): Promise<string> {
  return page.evaluate(async given => {
    await window.ready;
    return window.perdure.openPeer(given as { app: string }).then(
      async peer => {
        await (await peer.topic("lunch")).append("x");
        return "it opened";
      },
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );
  }, options);
}

story(
  "a host that has lost perdure.wasm, or sends a page in its place, is told so, and the option named there helps",
  async ({ app, site, folder, context }) => {
    cpSync((site["/dist/"] as { folder: string }).folder, join(folder, "dist"), { recursive: true });
    writeFileSync(join(folder, "dist/perdure.wasm"), "<!doctype html><title>Not found</title>");
    const wasm = readFileSync(join((site["/dist/"] as { folder: string }).folder, "perdure.wasm"));
    await using fallback = await serve({
      ...site,
      "/dist/": { folder: join(folder, "dist") },
      "/static/perdure.wasm": wasm,
      "/static/perdure.bin": wasm,
    });
    const browser = await context();
    const page = await browser.newPage();
    await page.goto(fallback.url);
    for (const place of [{}, { worker: false }]) {
      const told = await outcome(page, { app, ...place });
      assert.match(told, /^wasm-failed: .*something else in place of perdure\.wasm.*openPeer\(\{ wasm \}\)/);
    }
    assert.match(
      await outcome(page, { app, wasm: "/dist/perdure.wasm" }),
      /^wasm-failed: .*sent a page in place of the file.*openPeer\(\{ wasm \}\)/,
    );
    assert.match(
      await outcome(page, { app, wasm: "/nowhere.wasm" }),
      /^wasm-failed: .*not there \(HTTP 404\).*openPeer\(\{ wasm \}\)/,
    );
    assert.equal(await outcome(page, { app: `${app}-a`, wasm: "/static/perdure.wasm" }), "it opened");
    assert.equal(
      await outcome(page, { app: `${app}-b`, wasm: "/static/perdure.bin" }),
      "it opened",
      "as application/octet-stream",
    );
    assert.deepEqual(
      await page.evaluate(async name => {
        const bytes = await (await fetch("/static/perdure.wasm")).arrayBuffer();
        const found: string[] = [];
        for (const [at, given] of [bytes, new Uint8Array(bytes), await WebAssembly.compile(bytes)].entries()) {
          const peer = await window.perdure.openPeer({ app: `${name}-${at}`, wasm: given });
          found.push(peer.status.current.storage.kind);
          await peer.close();
        }
        return found;
      }, app),
      ["indexeddb", "indexeddb", "indexeddb"],
    );
  },
);

story(
  "a host that has lost the worker is told so, and both options named there help",
  async ({ app, site, folder, context }) => {
    const dist = join(folder, "dist");
    cpSync((site["/dist/"] as { folder: string }).folder, dist, { recursive: true });
    const script = readFileSync(join(dist, "worker.js"), "utf8");
    writeFileSync(join(dist, "perdure-worker.js"), script);
    writeFileSync(join(dist, "worker.js"), "<!doctype html><title>Not found</title>");
    await using host = await serve({ ...site, "/dist/": { folder: dist } });
    const browser = await context();
    const page = await browser.newPage();
    await page.goto(host.url);
    assert.match(
      await outcome(page, { app }),
      /^wasm-failed: .*worker could not be started.*openPeer\(\{ worker \}\).*worker: false/,
    );
    assert.equal(await outcome(page, { app: `${app}-a`, worker: "/dist/perdure-worker.js" }), "it opened");
    assert.equal(await outcome(page, { app: `${app}-b`, worker: false }), "it opened");
  },
);

story(
  "a worker that breaks while it runs rejects what waits and what comes later, and closing still ends",
  async ({ app, site, server, context }) => {
    const { folder } = site["/dist/"] as { folder: string };
    const script = readFileSync(join(folder, "worker.js"), "utf8");
    server.put(
      "/dist/broken.js",
      `new BroadcastChannel("break").onmessage = () => { throw new Error("out of luck"); };\n${script}`,
    );
    const shared = await context();
    const page = await shared.newPage();
    await page.goto(server.url);
    await open(page, { app, worker: "/dist/broken.js" });
    const found = await page.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("accepted");
      const waiting = window.code(window.topic.synced());
      new BroadcastChannel("break").postMessage(1);
      const codes = [await waiting, await window.code(window.topic.append("x"))];
      const trouble = window.peer.status.current.trouble.map(({ code }) => code);
      await window.peer.close();
      return { codes, trouble };
    });
    assert.deepEqual(found, { codes: ["wasm-failed", "wasm-failed"], trouble: ["wasm-failed"] });
    await open(page, { app });
    assert.deepEqual(await page.evaluate(async () => window.all(await window.peer.topic("lunch"))), ["accepted"]);
  },
);

/** The package that lies there, once more and under another version. */
function copyAs(version: string, dist: string, folder: string): void {
  cpSync(dist, folder, { recursive: true });
  const { version: own } = JSON.parse(readFileSync(join(globalThis.testRoot, "../../package.json"), "utf8")) as {
    version: string;
  };
  let changed = 0;
  // inline.js is all of it once more.
  for (const name of readdirSync(folder).filter(file => file.endsWith(".js") && file !== "inline.js")) {
    const script = readFileSync(join(folder, name), "utf8");
    if (!script.includes(`"${own}"`)) continue;
    changed++;
    writeFileSync(join(folder, name), script.replaceAll(`"${own}"`, `"${version}"`));
  }
  assert.equal(changed, 3); // the page's part and both workers
}

story(
  "two versions of the package in two tabs: the newer leads, the older says that it is outdated; what it wrote is there",
  async ({ app, site, folder, context, server }) => {
    const newer = join(folder, "newer");
    copyAs("9.0.0", (site["/dist/"] as { folder: string }).folder, newer);
    server.put("/newer/", { folder: newer });
    server.put("/newer.html", pageOf("/page.js"));
    const shared = await context();
    const [old, young] = [await shared.newPage(), await shared.newPage()];
    for (const page of [old, young]) await page.goto(server.url);
    await open(old, { app });
    await old.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      for (let at = 0; at < 20; at++) await window.topic.append(at);
      window.kept["late"] = Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          window.topic.append(20 + at).then(
            () => 20 + at,
            (error: { code: string }) => error.code,
          ),
        ),
      );
    });
    await young.evaluate(
      async given => {
        const path = "/newer/index.js";
        window.peer = await ((await import(path)) as typeof window.perdure).openPeer(given);
      },
      { app },
    );
    assert.equal(await young.evaluate(() => window.peer.status.current.tab), "leader");
    await old.evaluate(() =>
      window.until(window.peer.status, ({ trouble }) => trouble.some(({ code }) => code === "outdated")),
    );
    const late = (await old.evaluate(() => window.kept["late"])) as (number | string)[];
    assert.ok(late.every(result => typeof result === "number" || result === "outdated"));
    assert.equal(await old.evaluate(() => window.code(window.topic.append("x"))), "outdated");
    const values = await young.evaluate(async () => window.all(await window.peer.topic("lunch")));
    const accepted = [
      ...Array.from({ length: 20 }, (_, at) => at),
      ...late.filter(result => typeof result === "number"),
    ];
    for (const value of accepted) assert.ok(values.includes(value), `${value} was accepted and is there`);
    assert.equal(new Set(values).size, values.length);
  },
);

story(
  "a page thawed from the back/forward cache while another tab leads follows it, and misses nothing",
  async ({ app, site, anchor, person }) => {
    const { url } = await anchor();
    // What must not be stored is not kept for going back either.
    await using host = await serve(site, { headers: { "cache-control": "no-cache" } });
    await using browser = await openBrowser({ without: ["--disable-back-forward-cache"] });
    const first = await browser.page(host.url);
    const second = await browser.page(host.url);
    await open(first, { app, anchors: [url] });
    await open(second, { app, anchors: [url] });
    const link = await first.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("before");
      window.topic.presence.set("at the table");
      window.kept["thawed"] = new Promise(resolve => {
        addEventListener("pageshow", ({ persisted }) => resolve(persisted));
      });
      return window.topic.link(location.href);
    });
    const ben = await person({ anchors: [url] });
    await ben.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
      await window.until(window.topic.presence.others, others => others.size === 1);
    }, link);
    assert.equal(await first.evaluate(() => window.peer.status.current.tab), "leader");
    await first.goto(`${host.url.replace("localhost", "127.0.0.1")}page.js`);
    await second.evaluate(async () => {
      await window.until(window.peer.status, ({ tab }) => tab === "leader");
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("meanwhile");
    });
    await ben.evaluate(() => window.until(window.topic.presence.others, others => others.size === 0));
    // A thawed page does not load again.
    await first.goBack({ waitUntil: "commit" });
    await first.waitForFunction(() => window.kept !== undefined);
    // A browser that was quicker to freeze it than it was to let go has thrown it away: then it begins anew.
    if ((await first.evaluate(() => window.kept["thawed"])) !== true) {
      await open(first, { app, anchors: [url] });
      await first.evaluate(async () => {
        window.topic = await window.peer.topic("lunch");
        window.topic.presence.set("at the table");
      });
    }
    await first.evaluate(async () => {
      await window.until(window.peer.status, ({ tab }) => tab === "follower");
      await window.topic.append("back");
      await window.shows(window.topic, "before", "meanwhile", "back");
    });
    await second.evaluate(() => window.shows(window.topic, "before", "meanwhile", "back"));
    await ben.evaluate(() => window.shows(window.topic, "before", "meanwhile", "back"));
    await ben.evaluate(() =>
      window.until(window.topic.presence.others, others => [...others.values()].includes("at the table")),
    );
    await second.close();
    await first.evaluate(async () => {
      await window.until(window.peer.status, ({ tab }) => tab === "leader");
      await (await window.topic.append("alone")).anchored();
    });
  },
);

/** Appends long messages, five at once, until one is refused. Resolves with what became of each: they begin with their numbers. */
const fill = (writer: Page): Promise<string[]> =>
  writer.evaluate(async () => {
    const codes: string[] = [];
    for (let at = 0; at < 200 && codes.at(-1) !== "storage-full"; at += 5) {
      const five = Array.from({ length: 5 }, (_, next) => `${at + next} `.padEnd(50_000, "-"));
      codes.push(...(await Promise.all(five.map(text => window.code(window.topic.append(text))))));
    }
    return codes;
  });

story(
  "a disk that fills up in the middle of a stream of appends: what was accepted stays, the rest is refused, and it goes on when there is room",
  async ({ app, server, page, context }) => {
    const shared = await context();
    const writer = await page(shared);
    const devtools = await shared.newCDPSession(writer);
    const { origin } = new URL(server.url);
    // Before anything is stored: for half a minute Chromium goes by the room that it found at first.
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 2_000_000 });
    await open(writer, { app });
    await writer.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("first");
    });
    const results = await fill(writer);
    assert.ok(results.includes("ok") && results.includes("storage-full"), results.join(" "));
    assert.deepEqual([...new Set(results)].sort(), ["ok", "storage-full"]);
    const told = await writer.evaluate(async () => {
      const { trouble } = await window.until(window.peer.status, ({ trouble: now }) => now.length > 0);
      return trouble.map(({ code, message }) => `${code}: ${message}`);
    });
    assert.equal(told.length, 1);
    assert.match(told[0] ?? "", /^storage-full: .{20}/);
    const accepted = results.filter(result => result === "ok").length;
    assert.equal((await writer.evaluate(() => window.all(window.topic))).length, 1 + accepted, "reading goes on");
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    await writer.evaluate(() =>
      window.eventually(
        () => window.code(window.topic.append("room again")),
        result => result === "ok",
      ),
    );
    await writer.evaluate(() => window.until(window.peer.status, ({ trouble }) => trouble.length === 0));
    await writer.close();
    const reader = await page(shared);
    await open(reader, { app });
    const values = (await reader.evaluate(async () => window.all(await window.peer.topic("lunch")))) as string[];
    assert.equal(new Set(values).size, values.length);
    const wanted = [
      "first",
      ...results.flatMap((result, at) => (result === "ok" ? [`${at} `.padEnd(50_000, "-")] : [])),
      "room again",
    ];
    for (const value of wanted) assert.ok(values.includes(value), `${value.slice(0, 20)} was accepted and is there`);
    assert.ok(!values.some(value => results[Number.parseInt(value, 10)] === "storage-full"), "what was refused is not");
  },
);

story(
  "a clock set back by a day while the page is open: everything still stands in the order in which it was said",
  async ({ app, site, server, person, anchor }) => {
    const { folder } = site["/dist/"] as { folder: string };
    const script = readFileSync(join(folder, "worker.js"), "utf8");
    server.put(
      "/dist/clock.js",
      `{ const real = Date.now; let by = 0; new BroadcastChannel("clock").onmessage = ({ data }) => { by = data; postMessage({ kind: "stored" }); }; Date.now = () => real.call(Date) + by; }\n${script}`,
    );
    const { url } = await anchor();
    const ann = await person({ anchors: [url], worker: "/dist/clock.js" });
    const link = await ann.evaluate(async () => {
      window.topic = await window.peer.topic("lunch");
      await window.topic.append("today");
      return window.topic.link(location.href);
    });
    const ben = await person({ anchors: [url] });
    await ben.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
      await window.shows(window.topic, "today");
    }, link);
    await ann.evaluate(async key => {
      localStorage.removeItem(key);
      new BroadcastChannel("clock").postMessage(-24 * 3600 * 1000);
      // The worker has heard of it once it says so.
      await window.eventually(
        () => localStorage.getItem(key),
        found => found !== null,
      );
      await window.topic.append("a day earlier, says the clock");
    }, `perdure:${app}:default`);
    await ben.evaluate(async () => {
      await window.shows(window.topic, "today", "a day earlier, says the clock");
      await window.topic.append("answer");
    });
    await ann.evaluate(async () => {
      await window.shows(window.topic, "today", "a day earlier, says the clock", "answer");
      await (await window.topic.append("and back")).replicated(2);
    });
    await ben.evaluate(() =>
      window.shows(window.topic, "today", "a day earlier, says the clock", "answer", "and back"),
    );
    assert.deepEqual(await ann.evaluate(() => window.peer.status.current.trouble.map(({ code }) => code)), []);
  },
);

story(
  "of a hundred topics that it has joined a peer opens the one it is asked for, and shows what is new in all",
  async ({ app, person, page, context, anchor }) => {
    const { url } = await anchor();
    const shared = await context();
    const ann = await person({ anchors: [url] }, shared);
    const links = await ann.evaluate(async () => {
      const made: string[] = [];
      for (let at = 0; at < 100; at++) {
        const topic = await window.peer.create({ name: `topic ${at}` });
        await topic.append(`hello ${at}`);
        made.push(await topic.link(location.href));
        await topic.close();
      }
      await window.peer.close();
      return made;
    });
    const again = await page(shared);
    await open(again, { app, anchors: [url] });
    const found = await again.evaluate(async () => {
      const began = performance.now();
      const topic = await window.peer.topic("topic 42");
      await window.shows(topic, "hello 42");
      return {
        ms: performance.now() - began,
        names: window.peer.topics.current.map(({ name }) => name),
        unread: window.peer.topics.current.reduce((sum, { unread }) => sum + unread, 0),
      };
    });
    assert.deepEqual([...found.names].sort(), Array.from({ length: 100 }, (_, at) => `topic ${at}`).sort());
    assert.equal(found.unread, 0);
    assert.ok(found.ms < 2_000, `${found.ms} ms`);
    const ben = await person({ anchors: [url] });
    await ben.evaluate(async link => {
      window.topic = await window.peer.join(link);
      await window.shows(window.topic, "hello 42");
      await (await window.topic.append("to the open one")).replicated(2);
    }, links[42] ?? "");
    await again.evaluate(async () => {
      await window.until(window.peer.topics, topics =>
        topics.some(({ name, unread }) => name === "topic 42" && unread === 1),
      );
    });
  },
);

story(
  "messages in every script and direction, emoji, and 256 KiB of zeros arrive as they were",
  async ({ person, anchor }) => {
    const { url } = await anchor();
    const ann = await person({ anchors: [url] });
    const ben = await person({ anchors: [url] });
    const texts = [
      "Ελληνικά Русский Հայերեն ქართული",
      "العربية עברית فارسی ܐܪܡܝܐ ދިވެހި",
      "हिन्दी বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල",
      "ไทย ລາວ မြန်မာ ខ្មែរ བོད་ཡིག",
      "中文 日本語 한국어 ᠮᠣᠩᠭᠣᠯ",
      "አማርኛ ⵜⴰⵎⴰⵣⵉⵖⵜ ߒߞߏ",
      "𐎠𐎡𐎢 𓀀𓁐 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎𠜱",
      "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🇪🇺 👍🏽 ❤️‍🔥",
      "\u202eright to left\u202c \u2066isolate\u2069",
      "e\u0301 é \u1e9b\u0323",
      "Z̷̡̛a̷l̵g̶o̴",
      "\u0000\u0001\u001f\u007f\u0085\u2028\u2029\ufeff\ufffd\uffff",
      "\ud83d half a pair \udca9",
      "",
      " ",
      "null",
      "\\u0041",
      "<script>alert(1)</script>",
      "'; DROP TABLE messages; --",
    ];
    const link = await ann.evaluate(async given => {
      window.topic = await window.peer.topic("ᠮᠣᠩᠭᠣᠯ 🜂");
      for (const text of given) await window.topic.append(text);
      await window.topic.append({ zeros: new Uint8Array(256 * 1024 - 16) });
      for (const text of given.filter(key => key !== "" && !key.includes("half")))
        await window.topic.map.set(text, { [text]: text });
      return window.topic.link(location.href);
    }, texts);
    const found = await ben.evaluate(
      async ([invite, amount]) => {
        window.topic = await window.peer.join(invite);
        await window.until(window.topic.status, ({ length }) => length === amount + 1);
        const values = await window.all(window.topic);
        const { zeros } = values.pop() as { zeros: Uint8Array };
        await window.eventually(
          () => window.topic.map.size,
          size => size === amount - 2,
        );
        const entries: [string, unknown][] = [];
        for await (const entry of window.topic.map.entries()) entries.push(entry);
        return { values, zeros: zeros.length, clean: zeros.every(byte => byte === 0), entries };
      },
      [link, texts.length] as const,
    );
    assert.deepEqual(found.values, texts);
    assert.deepEqual([found.zeros, found.clean], [256 * 1024 - 16, true]);
    assert.deepEqual(
      new Map(found.entries),
      new Map(texts.filter(key => key !== "" && !key.includes("half")).map(text => [text, { [text]: text }])),
    );
  },
);
