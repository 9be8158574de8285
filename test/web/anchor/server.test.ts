// The anchor's one port, with nothing behind it: requests, static files, links.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { WebSocket } from "ws";
import { StaticFiles } from "../../../web/anchor/files.js";
import { settingsOf } from "../../../web/anchor/options.js";
import { AnchorServer, messageBytesMax } from "../../../web/anchor/server.js";
import { check, refusal, same } from "../support/check.js";
import { ask, dial, network, none, run } from "./port.js";

function folder(): { path: string; gone: () => void } {
  const path = mkdtempSync(join(tmpdir(), "perdure-serve-"));
  const site = join(path, "site");
  mkdirSync(join(site, "inner"), { recursive: true });
  mkdirSync(join(site, ".git"));
  writeFileSync(join(path, "secret.txt"), "secret");
  mkdirSync(join(path, "site-2"));
  writeFileSync(join(path, "site-2/other.txt"), "secret");
  writeFileSync(join(site, "index.html"), "<p>home</p>");
  writeFileSync(join(site, "inner/index.html"), "<p>inner</p>");
  writeFileSync(join(site, "a b.txt"), "spaced");
  writeFileSync(join(site, "empty.txt"), "");
  writeFileSync(join(site, "perdure.wasm"), "wasm");
  writeFileSync(join(site, ".env"), "secret");
  writeFileSync(join(site, ".git/config"), "secret");
  for (const place of ["", "inner"]) {
    mkdirSync(join(site, place, ".well-known"));
    writeFileSync(join(site, place, ".well-known/word"), place === "" ? "to be asked for" : "secret");
    writeFileSync(join(site, place, ".well-known/.hidden"), "secret");
  }
  symlinkSync(".git", join(site, "leads-to-hidden"));
  symlinkSync(".env", join(site, "leads-to-hidden.txt"));
  symlinkSync("../secret.txt", join(site, "leads-out.txt"));
  symlinkSync("index.html", join(site, "leads-in.html"));
  return { path: site, gone: () => rmSync(path, { recursive: true }) };
}

describe("requests", () => {
  test("the health is 200 while all is well and 503 with the reason when the database cannot commit", async () => {
    let trouble = "";
    await using anchor = await run({}, { health: async () => trouble });
    const well = await ask(anchor.port, "/healthz");
    same([well.status, JSON.parse(well.body)], [200, { perdure: "anchor", status: "ok" }]);
    trouble = "The disk is full.";
    const ill = await ask(anchor.port, "/healthz");
    same([ill.status, JSON.parse(ill.body)], [503, { perdure: "anchor", status: "failing", trouble }]);
  });

  test("an anchor that is not ready says so", async () => {
    const server = new AnchorServer(settingsOf({ data: ":memory:", port: 0 }), undefined, () => undefined);
    const port = await server.listen();
    same((await ask(port, "/healthz")).status, 503);
    same((await ask(port, "/metrics")).status, 503);
    await server.close();
  });

  test("without a folder there is a word of welcome and nothing else", async () => {
    await using anchor = await run();
    const home = await ask(anchor.port, "/");
    check(home.status === 200 && home.body.includes("anchor"), home.body);
    same((await ask(anchor.port, "/index.html")).status, 404);
    same((await ask(anchor.port, "/", {}, "POST")).status, 405);
  });

  test("a failure behind the doors ends that request and nothing else", async () => {
    await using anchor = await run({}, { metrics: () => Promise.reject(new Error("broken")) });
    await ask(anchor.port, "/metrics").then(
      () => check(false, "it was answered"),
      () => undefined,
    );
    same((await ask(anchor.port, "/healthz")).status, 200);
  });

  test("whoever sends half a request is cut off", { timeout: 30_000 }, async () => {
    await using anchor = await run();
    const begun = performance.now();
    await new Promise<void>(resolve => {
      const socket = connect(anchor.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: here\r\nX-Slow: "));
      socket
        .on("close", () => resolve())
        .on("error", () => undefined)
        .resume();
    });
    check(performance.now() - begun < 20_000, "within 20 s");
  });

  test("a taken port is told in words, and closing twice is harmless", async () => {
    await using anchor = await run();
    const second = new AnchorServer(settingsOf({ data: ":memory:", port: anchor.port }), undefined, () => undefined);
    same(await refusal(second.listen()), "bad-argument");
    await second.close();
    await second.close();
  });
});

describe("static files", () => {
  /** What a client says that it takes, and in which coding a text comes to it. */
  const codings = [
    ["br, gzip", "br"],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip", "gzip"],
    ["GZIP;q=0.9, br; q=0.5", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["*", "br"],
    ["*;q=0", undefined],
    ["gzip;q=0, br;q=0", undefined],
    ["br;q=high", undefined],
    ["deflate", undefined],
    ["", undefined],
  ] as const;
  const decompressed = { br: brotliDecompressSync, gzip: gunzipSync, none: (bytes: Buffer) => bytes };

  const types = [
    ["a.js", "text/javascript; charset=utf-8"],
    ["a.mjs", "text/javascript; charset=utf-8"],
    ["A.WASM", "application/wasm"],
    ["a.css", "text/css; charset=utf-8"],
    ["a.json", "application/json"],
    ["a.map", "application/json"],
    ["a.webmanifest", "application/manifest+json"],
    ["a.svg", "image/svg+xml"],
    ["a.txt", "text/plain; charset=utf-8"],
    ["a.mp4", "video/mp4"],
    ["a.woff2", "font/woff2"],
    ["a", "application/octet-stream"],
    ["a.unheard", "application/octet-stream"],
  ] as const;

  test("come with their type, and with a tag that saves sending them again", async () => {
    const site = folder();
    await using anchor = await run({ serve: site.path });
    const home = await ask(anchor.port, "/?anchor=ws://x");
    same([home.status, home.headers["content-type"], home.body], [200, "text/html; charset=utf-8", "<p>home</p>"]);
    const tag = String(home.headers["etag"]);
    const again = await ask(anchor.port, "/", { "if-none-match": tag });
    same([again.status, again.body], [304, ""]);
    const wasm = await ask(anchor.port, "/perdure.wasm");
    same([wasm.status, wasm.headers["content-type"]], [200, "application/wasm"]);
    const head = await ask(anchor.port, "/perdure.wasm", {}, "HEAD");
    same([head.status, head.headers["content-length"], head.body], [200, "4", ""]);
    same((await ask(anchor.port, "/empty.txt")).status, 200);
    same((await ask(anchor.port, "/a%20b.txt")).body, "spaced");
    same((await ask(anchor.port, "/leads-in.html")).body, "<p>home</p>");
    same((await ask(anchor.port, "/inner/")).body, "<p>inner</p>");
    const inner = await ask(anchor.port, "/inner");
    same([inner.status, inner.headers["location"]], [308, "/inner/"]);
    same((await ask(anchor.port, "/healthz")).status, 200);
    site.gone();
  });

  test("nothing outside the folder is served, and nothing hidden", async () => {
    const site = folder();
    await using anchor = await run({ serve: site.path });
    for (const path of [
      "/../secret.txt",
      "/..%2fsecret.txt",
      "/%2e%2e/secret.txt",
      "/%2e%2e%2fsecret.txt",
      "/inner/../../secret.txt",
      "/..\\secret.txt",
      "/..%5csecret.txt",
      "/leads-out.txt",
      "/.env",
      "/.git/config",
      "/.git/",
      "/leads-to-hidden/config",
      "/leads-to-hidden.txt",
      "/.well-known/.hidden",
      "/inner/.well-known/word",
      "/%2eenv",
      "/../site-2/other.txt",
      "/index.html%00.txt",
      "/%zz",
      "/nothing.txt",
      "//../secret.txt",
      "/inner/nothing/",
    ]) {
      const answer = await ask(anchor.port, path);
      check(answer.status === 404 && !answer.body.includes("secret"), `${path} gave ${answer.status} ${answer.body}`);
    }
    same((await ask(anchor.port, "/.well-known/word")).body, "to be asked for");
    const elsewhere = await ask(anchor.port, "//inner");
    same(elsewhere.headers["location"], "/inner/");
    site.gone();
  });

  test("come compressed to those who take it, and as they are to all others", async () => {
    const site = folder();
    const text = "<p>again and again</p>\n".repeat(1_000);
    writeFileSync(join(site.path, "long.html"), text);
    writeFileSync(join(site.path, "photo.jpg"), randomBytes(5_000));
    await using anchor = await run({ serve: site.path });
    for (const [accepted, coding] of codings) {
      const { status, headers, bytes } = await ask(anchor.port, "/long.html", { "accept-encoding": accepted });
      const plain = decompressed[coding ?? "none"](bytes);
      same(
        [status, headers["content-encoding"], headers["vary"], headers["content-length"], plain.toString() === text],
        [200, coding, "Accept-Encoding", String(bytes.length), true],
        accepted,
      );
      check((coding === undefined) === (bytes.length === text.length), `${accepted}: ${bytes.length} B`);
    }
    const br = { "accept-encoding": "br" };
    const {
      headers: { etag, "content-length": length },
    } = await ask(anchor.port, "/long.html", br);
    const head = await ask(anchor.port, "/long.html", br, "HEAD");
    same(
      [head.status, head.headers["content-encoding"], head.headers["content-length"], head.body],
      [200, "br", length, ""],
    );
    for (const condition of [
      { "if-none-match": String(etag) },
      { "if-none-match": `"other", ${String(etag)}` },
      { "if-modified-since": new Date(Date.now() + 1_000).toUTCString() },
    ]) {
      const again = await ask(anchor.port, "/long.html", { ...br, ...condition });
      same(
        [again.status, again.body, again.headers["etag"], again.headers["vary"]],
        [304, "", etag, "Accept-Encoding"],
      );
    }
    // Too small, or compressed already.
    same((await ask(anchor.port, "/", br)).headers["content-encoding"], undefined);
    const photo = await ask(anchor.port, "/photo.jpg", br);
    same(
      [photo.headers["content-encoding"], photo.headers["vary"], photo.headers["content-type"]],
      [undefined, undefined, "image/jpeg"],
    );
    // It has changed, and so has what was kept.
    writeFileSync(join(site.path, "long.html"), text.toUpperCase());
    const changed = await ask(anchor.port, "/long.html", { ...br, "if-none-match": String(etag) });
    same([changed.status, brotliDecompressSync(changed.bytes).toString() === text.toUpperCase()], [200, true]);
    site.gone();
  });

  test("come in parts, and with the right type", async () => {
    const site = folder();
    const text = "0123456789".repeat(1_000);
    writeFileSync(join(site.path, "ten.txt"), text);
    await using anchor = await run({ serve: site.path });
    const { headers: whole } = await ask(anchor.port, "/ten.txt");
    same(whole["accept-ranges"], "bytes");
    const modified = String(whole["last-modified"]);
    for (const [range, more, part] of [
      ["bytes=2-5", {}, "2-5"],
      ["bytes=0-0", {}, "0-0"],
      ["bytes=9990-", {}, "9990-9999"],
      ["bytes=-3", {}, "9997-9999"],
      ["bytes=9998-20000", {}, "9998-9999"],
      ["bytes=2-5", { "accept-encoding": "br" }, "2-5"],
      ["bytes=2-5", { "if-range": modified }, "2-5"],
      // What it goes on with may have come compressed.
      ["bytes=2-5", { "if-range": modified, "accept-encoding": "gzip;q=0, br;q=0" }, "2-5"],
      ["bytes=2-5", { "if-range": "Thu, 01 Jan 2015 00:00:00 GMT" }, undefined],
      ["bytes=2-5", { "if-range": '"other"' }, undefined],
      ["bytes=2-5", { "if-range": String(whole["etag"]) }, undefined],
    ] as const) {
      const { status, headers, body } = await ask(anchor.port, "/ten.txt", { range, ...more });
      const [from = 0, to = 9_999] = part?.split("-").map(Number) ?? [];
      same(
        [status, headers["content-range"], headers["content-encoding"], body === text.slice(from, to + 1)],
        [part === undefined ? 200 : 206, part && `bytes ${part}/10000`, undefined, true],
        `${range} ${JSON.stringify(more)}`,
      );
    }
    const anew = await ask(anchor.port, "/ten.txt", {
      "accept-encoding": "br",
      "if-range": modified,
      range: "bytes=2-5",
    });
    same(
      [
        anew.status,
        anew.headers["content-encoding"],
        anew.headers["accept-ranges"],
        brotliDecompressSync(anew.bytes).toString() === text,
      ],
      [200, "br", "none", true],
    );
    const beyond = await ask(anchor.port, "/ten.txt", { range: "bytes=10000-" });
    same([beyond.status, beyond.headers["content-range"]], [416, "bytes */10000"]);
    same((await ask(anchor.port, "/ten.txt", { "if-match": '"other"' })).status, 412);
    for (const [name, type] of types) {
      writeFileSync(join(site.path, name), "x");
      const { status, headers } = await ask(anchor.port, `/${name}`);
      same([status, headers["content-type"]], [200, type], name);
    }
    site.gone();
  });

  test("a folder without its slash leads there with the query that was asked", async () => {
    const site = folder();
    await using anchor = await run({ serve: site.path });
    for (const [path, location] of [
      ["/inner?anchor=wss://a/?b=c&d", "/inner/?anchor=wss://a/?b=c&d"],
      ["//inner?x", "/inner/?x"],
      ["/inner?", "/inner/?"],
      ["/inner", "/inner/"],
    ]) {
      const answer = await ask(anchor.port, String(path));
      same([answer.status, answer.headers["location"]], [308, location]);
    }
    same((await ask(anchor.port, "/inner/?anchor=wss://a")).body, "<p>inner</p>");
    site.gone();
  });

  test("one that may not be read is not there, and nobody else notices", async () => {
    const site = folder();
    writeFileSync(join(site.path, "closed.txt"), "secret", { mode: 0 });
    chmodSync(join(site.path, ".."), 0o755);
    await using anchor = await run({ serve: site.path });
    // Root may read everything: for a moment this is somebody else.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      for (const accepted of ["", "br"])
        same((await ask(anchor.port, "/closed.txt", { "accept-encoding": accepted })).status, 404);
      same((await ask(anchor.port, "/")).body, "<p>home</p>");
    } finally {
      if (root) process.seteuid?.(0);
    }
    site.gone();
  });

  test("one that becomes shorter while it is sent ends its connection, and who goes away keeps no file open", {
    timeout: 20_000,
  }, async () => {
    const site = folder();
    const large = join(site.path, "large.bin");
    writeFileSync(large, randomBytes(24 << 20));
    await using anchor = await run({ serve: site.path });
    const leave = async (): Promise<void> => {
      const sent = get({ port: anchor.port, path: "/large.bin", agent: false });
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      await once(response, "readable");
      sent.destroy();
    };
    await Promise.all(Array.from({ length: 10 }, leave));
    const opened = (): number =>
      readdirSync("/proc/self/fd").filter(fd => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`) === realpathSync(large);
        } catch {
          return false;
        }
      }).length;
    while (opened() > 0) await new Promise(resolve => setTimeout(resolve, 5));
    const ended = await new Promise(resolve => {
      get({ port: anchor.port, path: "/large.bin", agent: false }, response => {
        response.once("readable", () => {
          truncateSync(large, 1_000);
          response
            .on("error", () => resolve("cut"))
            .on("end", () => resolve("whole"))
            .resume();
        });
      });
    });
    same(ended, "cut");
    site.gone();
  });

  test("a folder that is none is refused", async () => {
    same(await refusal(StaticFiles.in("/no/such/folder", none)), "bad-argument");
    same(await refusal(StaticFiles.in(process.execPath, none)), "bad-argument");
  });
});

describe("links", () => {
  test("are handed on with the network they ask for", async () => {
    await using anchor = await run();
    const { socket } = await dial(anchor.port);
    same(
      anchor.accepted.map(({ network: asked }) => asked),
      [network],
    );
    same(anchor.server.links, 1);
    socket.terminate();
  });

  test("without a network they are turned away", async () => {
    await using anchor = await run();
    for (const query of ["", "?network=", "?network=zz", `?network=${"AB".repeat(32)}`, `?other=${network}`]) {
      await dial(anchor.port, query).then(
        () => check(false, query),
        () => undefined,
      );
    }
    same(anchor.accepted.length, 0);
    same(anchor.refusals, ["network", "network", "network", "network", "network"]);
  });

  test("beyond the quota, and those that the core tells why, they are closed with 1013 and a reason, and let in when there is room again", async () => {
    await using anchor = await run({ publicUrl: "wss://anchor.example", quotas: { links: 2 } });
    const first = await dial(anchor.port);
    for (let i = 1; i < 98; i++)
      await dial(anchor.port, `?network=${network}`, { "x-forwarded-for": `203.0.113.${i >> 5}` });
    const beyond = await dial(anchor.port);
    const { code, reason } = await beyond.closed;
    check(code === 1013 && reason !== "", `${code} ${reason}`);
    same([anchor.accepted.length, anchor.refusals], [98, ["links"]]);
    first.socket.terminate();
    while (anchor.server.links > 97) await new Promise(resolve => setTimeout(resolve, 5));
    await dial(anchor.port);
    same(anchor.accepted.length, 99);
  });

  test("a message over the limit ends its link and no other", async () => {
    await using anchor = await run();
    const one = await dial(anchor.port);
    const other = await dial(anchor.port);
    for (const { socket } of anchor.accepted) socket.on("error", () => undefined);
    const heard = new Promise(resolve => anchor.accepted[1]?.socket.once("message", resolve));
    one.socket.send(new Uint8Array(messageBytesMax + 1));
    same((await one.closed).code, 1009);
    other.socket.send(new Uint8Array(messageBytesMax));
    await heard;
    same(anchor.server.links, 1);
  });

  test("whoever floods is read no faster than the core can take it, and all arrives", { timeout: 30_000 }, async () => {
    let received = 0;
    await using anchor = await run(
      {},
      { accept: socket => socket.on("message", (data: Buffer) => (received += data.length)) },
    );
    const { socket } = await dial(anchor.port);
    for (let i = 0; i < 1_000; i++) socket.send(new Uint8Array(32 * 1024));
    while (received < 1_000 * 32 * 1024) await new Promise(resolve => setTimeout(resolve, 10));
    socket.close();
  });

  test("bytes are counted, also of links that have ended", async () => {
    await using anchor = await run();
    const { socket, closed } = await dial(anchor.port);
    socket.send(new Uint8Array(10_000));
    await new Promise(resolve => anchor.accepted[0]?.socket.once("message", resolve));
    const before = anchor.server.bytes().in;
    check(before >= 10_000, `${before} bytes`);
    socket.close();
    await closed;
    while (anchor.server.links > 0) await new Promise(resolve => setTimeout(resolve, 5));
    check(anchor.server.bytes().in >= before, "still counted");
  });

  test("something else than a WebSocket is not upgraded", async () => {
    await using anchor = await run();
    const status = await new Promise(resolve =>
      get({
        host: "127.0.0.1",
        port: anchor.port,
        path: `/?network=${network}`,
        headers: { connection: "upgrade", upgrade: "other" },
      })
        .on("response", response => resolve(response.statusCode))
        .on("upgrade", () => resolve("upgraded"))
        .on("error", resolve),
    );
    same(status, 400);
  });

  test("close ends links that do not end themselves", async () => {
    const anchor = await run();
    const { closed } = await dial(anchor.port);
    await anchor.server.close();
    same((await closed).code, 1006);
  });
});
