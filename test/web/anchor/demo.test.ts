// perdure demo: its server, its switch, its histories, and the page where there is none of this.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readHistory } from "../../../web/anchor/history.js";
import { runDemo } from "../browser/demo.js";
import { openBrowser } from "../support/browser.js";
import { projectRoot } from "../support/bundle.js";
import { check, same } from "../support/check.js";
import { serve } from "../support/server.js";
import { cli, dist, openPeer, scratch, startAnchor, until, withoutSqlite } from "./shipped.js";

/** The status of a request with these headers; fetch() would not send them all. */
function status(url: string, method: string, headers: Record<string, string>, body = ""): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers }, response => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end(body);
  });
}

describe("the demo", { timeout: 120_000 }, () => {
  test("serves its files and nothing else, to this machine and nobody else, until Ctrl-C", async () => {
    using folder = scratch();
    await using demo = await runDemo(folder.path);
    const page = await fetch(demo.url);
    same([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    same((await fetch(new URL("perdure.wasm", demo.url))).headers.get("content-type"), "application/wasm");
    for (const path of ["..%2f..%2fpackage.json", "%zz", "index.html/", "nothing"])
      same((await fetch(demo.url + path)).status, 404);
    same(await status(demo.url, "GET", { host: "evil.example" }), 403);
    same(await status(demo.url, "DELETE", { host: new URL(demo.url).host }), 405);
    same(await demo.stop(), 0);
  });

  test("stops and starts the anchor for its own page alone", async () => {
    using folder = scratch();
    await using demo = await runDemo(folder.path);
    const { origin, host } = new URL(demo.url);
    const at = `${demo.url}anchor`;
    const right = { host, origin, "content-type": "application/json" };
    const stop = '{"run":false}';
    same(await status(at, "POST", { ...right, origin: "https://evil.example" }, stop), 403);
    same(await status(at, "POST", { host, "content-type": "application/json" }, stop), 403);
    same(await status(at, "POST", { ...right, "content-type": "text/plain" }, stop), 403);
    same(await status(at, "POST", { ...right, host: "evil.example" }, stop), 403);
    same(await status(at, "POST", { ...right, "sec-fetch-site": "cross-site" }, stop), 403);
    same(await status(at, "POST", right, "{}"), 400);
    same(await (await fetch(at)).json(), { running: true });
    const health = `${demo.anchorUrl.replace("ws", "http")}/healthz`;
    same((await fetch(health)).status, 200);
    same(await status(at, "POST", right, stop), 200);
    same(await (await fetch(at)).json(), { running: false });
    check(
      await fetch(health).then(
        () => false,
        () => true,
      ),
      "the process has ended",
    );
    check((await (await fetch(demo.url)).text()).includes("&#34;running&#34;:false"), "the page says so");
    same(await status(at, "POST", right, '{"run":true}'), 200);
    same((await fetch(health)).status, 200);
  });

  test("fills the room of real messages through the public interface, once, and goes on where it was", async () => {
    using folder = scratch();
    const clone = folder.file("clone");
    const git = (...args: string[]): void =>
      void execFileSync("git", ["-C", clone, "-c", "user.name=Ann Ä", "-c", "user.email=ann@example.org", ...args], {
        stdio: "ignore",
      });
    mkdirSync(clone);
    git("init", "--quiet");
    const commit = (text: string, ...files: string[]): void => {
      for (const file of files) writeFileSync(join(clone, file), text);
      git("add", "--all");
      git("commit", "--quiet", "--message", text);
    };
    commit("first", "a file.txt", "b");
    commit("second", "b");
    const read: unknown[] = [];
    for await (const { author, text, paths } of readHistory(clone)) read.push([author, text, paths]);
    same(read, [
      ["Ann Ä", "first", ["a file.txt", "b"]],
      ["Ann Ä", "second", ["b"]],
    ]);

    for (const count of [2, 2, 3]) {
      if (count === 3) commit("third", "c");
      await using demo = await runDemo(folder.file("data"), ["--history", clone]);
      await until(() => demo.said().includes(`complete: ${count}.`), `all ${count} in the room: ${demo.said()}`);
      await using reader = await openPeer({ app: "perdure-demo", storage: "memory" });
      const room = await reader.join(demo.room);
      await room.synced();
      const texts: unknown[] = [];
      for await (const { value } of room.messages()) texts.push((value as { text: string }).text);
      same(texts, ["first", "second", "third"].slice(0, count));
      same(((await room.map.get("file/b")) as { changes: number; text: string }).changes, 2);
    }
  });

  test("whose history is none ends before it begins, and says what is wrong", async () => {
    using folder = scratch();
    mkdirSync(folder.file("empty"));
    execFileSync("git", ["-C", folder.file("empty"), "init", "--quiet"]);
    for (const [history, said] of [
      [folder.file("nowhere"), /^perdure: There is no .*nowhere\. --history takes the folder of a git clone\.\n$/],
      [folder.file("nowhere.jsonl.gz"), /^perdure: There is no .*nowhere\.jsonl\.gz/],
      [folder.file("empty"), /^perdure: git could not tell the history of .*empty: fatal: /],
    ] as const) {
      const { code, out, err } = await cli(["demo", "--data", folder.file("data"), "--history", history]);
      same([code, out, existsSync(folder.file("data"))], [1, "", false], err);
      check(said.test(err), err);
    }
  });

  test("without a SQLite keeps the anchor in memory, says so in one line, and works as ever", async () => {
    using folder = scratch();
    const { dist: bare, env } = withoutSqlite(folder.path);
    const clone = folder.file("clone");
    mkdirSync(clone);
    for (const args of [
      ["init", "--quiet"],
      [
        "-c",
        "user.name=Ann",
        "-c",
        "user.email=ann@example.org",
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "first",
      ],
    ])
      execFileSync("git", ["-C", clone, ...args], { stdio: "ignore" });
    await using demo = await runDemo(folder.file("data"), ["--history", clone], bare, env);
    const told = demo
      .said()
      .split("\n")
      .filter(line => line.includes("SQLite"));
    same(told, [
      `  The anchor keeps everything in memory, until the demo stops: This Node (${process.versions.node}) has no SQLite. Use Node 22.13 or newer, or run: npm install better-sqlite3`,
    ]);
    check(demo.said().includes("it stores in memory."), demo.said());
    same(readdirSync(folder.file("data")), ["anchor.key", "ports.json"]);
    same((await fetch(demo.url)).status, 200);
    await until(() => demo.said().includes("complete: 1."), "the room is full");
    await using peer = await openPeer({ app: "perdure-demo", storage: "memory" });
    const room = await peer.join(demo.room);
    await room.synced();
    const receipt = await room.append({ text: "kept?" });
    await receipt.anchored();
    // It is the same one when it comes back.
    const { origin, host } = new URL(demo.url);
    for (const run of [false, true])
      same(
        await status(
          `${demo.url}anchor`,
          "POST",
          { host, origin, "content-type": "application/json" },
          JSON.stringify({ run }),
        ),
        200,
      );
    await (await room.append({ text: "still there" })).anchored({ signal: AbortSignal.timeout(20_000) });
    await using newcomer = await openPeer({ app: "perdure-demo", storage: "memory", instance: "newcomer" });
    const again = await newcomer.join(demo.room);
    await until(async () => again.status.current.length === 3, "all three");
    same(await demo.stop(), 0);
    // And the next time, when it has forgotten everything and is given it again.
    await using next = await runDemo(folder.file("data"), [], bare, env);
    same([next.url, next.anchorUrl], [demo.url, demo.anchorUrl]);
    await (await room.append({ text: "and again" })).anchored({ signal: AbortSignal.timeout(20_000) });
  });

  test("says what keeps it from starting", async () => {
    using folder = scratch();
    const { dist: bare } = withoutSqlite(folder.path);
    symlinkSync(join(projectRoot, "node_modules/better-sqlite3"), folder.file("node_modules/better-sqlite3"));
    const demo = (data: string): ReturnType<typeof cli> => cli(["demo", "--data", data], join(bare, "cli.js"));
    writeFileSync(folder.file("a file"), "");
    const notMade = await demo(folder.file("a file/data"));
    check(
      notMade.code === 1 &&
        notMade.err.startsWith(`perdure: The folder ${folder.file("a file/data")} cannot be made (`) &&
        notMade.err.trimEnd().endsWith("Name another one: --data DIR"),
      notMade.err,
    );
    const amongPages = await demo(join(bare, "demo/data"));
    same(
      [amongPages.code, amongPages.err],
      [
        1,
        `perdure: ${join(bare, "demo/data/anchor.db")} lies in ${join(bare, "demo")}, which is served: whoever asked for it would have a private key. Keep it outside of that folder, as with --data DIR.\n`,
      ],
    );
    await using other = await startAnchor({ data: ":memory:", port: 0 });
    const { port } = new URL(other.url);
    const taken = await cli(["demo", "--data", folder.file("data"), "--port", port], join(bare, "cli.js"));
    same(
      [taken.code, taken.err],
      [1, `perdure: Port ${port} on 127.0.0.1 is in use. Choose another one, or 0 for any that is free.\n`],
    );
    rmSync(join(bare, "demo"), { recursive: true });
    const noPages = await demo(folder.file("data"));
    same(
      [noPages.code, noPages.err],
      [1, `perdure: The demo's pages are not in ${join(bare, "demo/")}. In a clone, run: npm run build\n`],
    );
  });

  test("says what is wrong with its options", async () => {
    for (const [args, said] of [
      [["demo", "--links", "3"], /--links is no option of the demo/],
      [["demo", "--port", "x"], /--port needs a number/],
      [["anchor", "--history", "x"], /for the demo/],
    ] as const) {
      const { code, err } = await cli(args);
      same(code, 2);
      check(said.test(err), err);
    }
  });

  test("runs from any static host without an anchor, takes one from a field and keeps it, and says what is wrong with an invite", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    await using host = await serve({ "/deep/down/": { folder: join(dist, "demo") } });
    await using browser = await openBrowser();
    const page = await browser.page(`${host.url}deep/down/room.html`);
    await page.locator("#text:enabled").fill("nobody else is here");
    await page.keyboard.press("Enter");
    await page.locator(".where", { hasText: "only here so far" }).waitFor();
    check(await page.locator("#anchors .hint").isVisible(), "no anchor");
    await page.locator("#anchor").fill(anchor.url);
    await page.keyboard.press("Enter");
    await page.locator(".where", { hasText: "here · anchor" }).waitFor();
    await page.reload();
    await page.locator("#anchors .pill", { hasText: "connected" }).waitFor();
    await page.locator("#name").fill("Dora");
    await page.keyboard.press("Enter");
    await page.locator(".author", { hasText: "Dora" }).waitFor();
    // An invite brings its anchor along.
    await page.locator("#invite").click();
    const invite = new URL(await page.locator("#invitation input").inputValue());
    const other = await browser.page(
      `${host.url}deep/down/room.html?instance=other&${invite.searchParams}${invite.hash}`,
    );
    await other.locator("#messages p", { hasText: "nobody else is here" }).waitFor();
    const wrong = await browser.page(`${host.url}deep/down/?instance=wrong#perdure-wrong`);
    await wrong.locator("#trouble .banner").waitFor();
    check(
      /invite|link/i.test(String(await wrong.textContent("#trouble"))),
      String(await wrong.textContent("#trouble")),
    );
  });

  test("works from the package, which holds the .wasm once", async () => {
    check(!existsSync(join(dist, "demo/sqlite3.wasm")), "no SQLite in the demo");
    using folder = scratch();
    // Where it finds what the package depends on.
    const packed = mkdtempSync(join(projectRoot, "build/packed-"));
    try {
      cpSync(dist, packed, { recursive: true });
      rmSync(join(packed, "demo/perdure.wasm"));
      await using demo = await runDemo(folder.path, [], packed);
      const wasm = await fetch(new URL("perdure.wasm", demo.url));
      same([wasm.status, wasm.headers.get("content-type")], [200, "application/wasm"]);
      await using browser = await openBrowser();
      const page = await browser.page(demo.url);
      await page.locator("#cable-label", { hasText: "webrtc" }).waitFor();
    } finally {
      rmSync(packed, { recursive: true });
    }
  });
});
