// The anchor's one port, with nothing behind it: requests, static files, who is let in.

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
import { get, request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { WebSocket } from "ws";
import { StaticFiles } from "../../../web/anchor/files.js";
import { Crowd } from "../../../web/anchor/crowd.js";
import { addressBytes, addressOf, Gate, networkOf, Tokens } from "../../../web/anchor/gate.js";
import { Metrics } from "../../../web/anchor/metrics.js";
import { settingsOf, type AnchorOptions } from "../../../web/anchor/options.js";
import { Secrets } from "../../../web/anchor/secrets.js";
import { AnchorServer, messageBytesMax, type Doors, type Visitor } from "../../../web/anchor/server.js";
import { check, refusal, same } from "../support/check.js";

const network = "ab".repeat(32);
const none = new Secrets([]);

interface Running extends AsyncDisposable {
  readonly server: AnchorServer;
  readonly port: number;
  readonly refusals: string[];
  readonly accepted: { socket: WebSocket; network: string; visitor: Visitor }[];
}

async function run(options: Partial<AnchorOptions> = {}, doors: Partial<Doors> = {}): Promise<Running> {
  const settings = settingsOf({ data: ":memory:", port: 0, ...options });
  const refusals: string[] = [];
  const accepted: { socket: WebSocket; network: string; visitor: Visitor }[] = [];
  const server = new AnchorServer(
    settings,
    settings.serve === undefined ? undefined : await StaticFiles.in(settings.serve, none),
    reason => refusals.push(reason),
  );
  const port = await server.listen();
  server.open({
    accept: (socket, asked, visitor) => accepted.push({ socket, network: asked, visitor }),
    health: async () => "",
    metrics: async () => "figures 1\n",
    ...doors,
  });
  return { server, port, refusals, accepted, [Symbol.asyncDispose]: () => server.close() };
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  bytes: Buffer;
}

/** The path goes out as it is: fetch() would tidy it up. */
function ask(port: number, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: "127.0.0.1", port, path, headers, method, agent: false }, response => {
      const parts: Buffer[] = [];
      response
        .on("error", reject)
        .on("data", (part: Buffer) => parts.push(part))
        .on("end", () => {
          const bytes = Buffer.concat(parts);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
        });
    });
    sent.on("error", reject).end();
  });
}

function dial(
  port: number,
  query = `?network=${network}`,
  headers: Record<string, string> = {},
): Promise<{ socket: WebSocket; closed: Promise<{ code: number; reason: string }> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${query}`, { headers });
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  return new Promise((resolve, reject) => socket.on("open", () => resolve({ socket, closed })).on("error", reject));
}

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
    for (const [accepted, coding] of [
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
    ] as const) {
      const { status, headers, bytes } = await ask(anchor.port, "/long.html", { "accept-encoding": accepted });
      const plain = coding === "br" ? brotliDecompressSync(bytes) : coding === "gzip" ? gunzipSync(bytes) : bytes;
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
    for (const [name, type] of [
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
    ] as const) {
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
    await using anchor = await run({ quotas: { links: 2 } });
    const first = await dial(anchor.port);
    for (let i = 1; i < 34; i++) await dial(anchor.port);
    const beyond = await dial(anchor.port);
    const { code, reason } = await beyond.closed;
    check(code === 1013 && reason !== "", `${code} ${reason}`);
    same([anchor.accepted.length, anchor.refusals], [34, ["links"]]);
    first.socket.terminate();
    while (anchor.server.links > 33) await new Promise(resolve => setTimeout(resolve, 5));
    await dial(anchor.port);
    same(anchor.accepted.length, 35);
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

describe("who stands about", () => {
  /** Connections that say nothing; how many of them still stand. */
  async function silent(port: number, count: number): Promise<{ standing: () => number } & Disposable> {
    const sockets = await Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise<Socket>((resolve, reject) => {
            const socket = connect(port, "127.0.0.1", () => resolve(socket));
            socket.on("error", reject);
          }),
      ),
    );
    for (const socket of sockets) socket.on("error", () => undefined).resume();
    return {
      standing: () => sockets.filter(({ readyState }) => readyState === "open").length,
      [Symbol.dispose]: () => {
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  test("and says nothing is let go when it is too many, and keeps nobody from being answered", async () => {
    await using anchor = await run();
    using crowd = await silent(anchor.port, 640);
    const begun = performance.now();
    same((await ask(anchor.port, "/healthz")).status, 200);
    const { socket } = await dial(anchor.port);
    check(performance.now() - begun < 2_000, "at once");
    while (crowd.standing() > 64) await new Promise(resolve => setTimeout(resolve, 10));
    check(anchor.refusals.filter(reason => reason === "connections").length >= 576, "and counted");
    socket.terminate();
  });

  test("for too long is let go, however few they are", { timeout: 30_000 }, async () => {
    await using anchor = await run();
    using crowd = await silent(anchor.port, 3);
    const { socket } = await dial(anchor.port);
    while (crowd.standing() > 0) await new Promise(resolve => setTimeout(resolve, 50));
    same(socket.readyState, WebSocket.OPEN);
    socket.terminate();
  });

  test("has no more links from one address than its share, and others have theirs", async () => {
    await using anchor = await run({ publicUrl: "wss://anchor.example", quotas: { links: 200 } });
    const from = (address: string) => ({ "x-forwarded-for": address });
    let inside = 0;
    for (let at = 0; at < 140; at++)
      await dial(anchor.port, `?network=${network}`).then(
        () => inside++,
        () => undefined,
      );
    same(inside, 100);
    check(
      anchor.refusals.length === 40 && anchor.refusals.every(reason => reason === "address"),
      anchor.refusals.join(),
    );
    await dial(anchor.port, `?network=${network}`, from("203.0.113.5"));
    same([...(anchor.accepted.at(-1)?.visitor.address ?? [])], [203, 0, 113, 5]);
  });

  test("goes in the order of who has most, says least and has been there for longest", () => {
    const gone: string[] = [];
    let counted = 0;
    const crowd = new Crowd<string>(() => counted++);
    const come = (name: string, address: string): void =>
      crowd.came(name, { destroy: () => gone.push(name) }, address, 0);
    for (let at = 0; at < 60; at++) come(`asks ${at}`, "a");
    for (let at = 0; at < 60; at++) crowd.asked(`asks ${at}`, "a", 1);
    crowd.answered("asks 7", 2);
    for (let at = 0; at < 30; at++) come(`a ${at}`, "a");
    for (let network = 0; network < 8; network++)
      for (let at = 0; at < 20; at++) come(`${network} ${at}`, String(network));
    same([crowd.size, gone], [250, []]);
    for (let at = 0; at < 6; at++) come(`late ${at}`, "b");
    same(gone, []);
    for (let at = 0; at < 31; at++) come(`later ${at}`, `c ${at}`);
    same(gone, [...Array.from({ length: 30 }, (_, at) => `a ${at}`), "asks 7"]);
    same(counted, 31);
    crowd.sweep(8_000);
    same(crowd.size, 59);
  });
});

describe("a token", () => {
  test("is known by its text alone, and by all of it", () => {
    const tokens = new Tokens(["open sesame", "\u{1f511}"]);
    for (const [text, admitted] of [
      ["open sesame", true],
      ["\u{1f511}", true],
      ["open sesam", false],
      ["open sesame ", false],
      ["", false],
      [null, false],
    ] as const)
      same(tokens.admits(text), admitted, String(text));
    same(new Tokens([]).admits(""), false);
  });

  test("comes in the address, beside the network", async () => {
    await using anchor = await run({ tokens: ["a b&c=d"] });
    await dial(anchor.port, `?token=${encodeURIComponent("a b&c=d")}&network=${network}`);
    await dial(anchor.port, `?token=a+b%26c%3Dd&network=${network}`);
    await dial(anchor.port, `?token=a&network=${network}`);
    await dial(anchor.port);
    same(
      anchor.accepted.map(({ visitor }) => visitor.admitted),
      [true, true, false, false],
    );
  });
});

describe("the gate", () => {
  test("lets an address in often but not for ever, and again after a while", () => {
    const gate = new Gate();
    let admitted = 0;
    while (gate.admits("203.0.113.5", 1_000)) admitted++;
    check(admitted >= 20 && admitted <= 100, `${admitted} at once`);
    check(gate.admits("203.0.113.6", 1_000), "another address");
    check(gate.admits("203.0.113.5", 2_000), "a second later");
    for (let i = 0; i < 1_000; i++) check(gate.admits("127.0.0.1", 1_000) && gate.admits("::1", 1_000), "this machine");
  });

  test("takes an IPv6 network for one", () => {
    same(networkOf("2001:db8:0:1::5"), networkOf("2001:0db8::1:a:b:c:d"));
    check(networkOf("2001:db8:0:1::5") !== networkOf("2001:db8:0:2::5"), "two networks");
    same(networkOf("::ffff:203.0.113.5"), "203.0.113.5");
    same(
      [networkOf("::ffff:127.0.0.1"), networkOf("::1"), networkOf("127.0.0.2")],
      ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
    );
    same(networkOf("203.0.113.5:4711"), "203.0.113.5");
  });

  test("makes a few bytes of an address, the same for what is one stranger", () => {
    same([...addressBytes("203.0.113.5")], [203, 0, 113, 5]);
    same([...addressBytes("::ffff:203.0.113.5")], [203, 0, 113, 5]);
    same([...addressBytes("2001:db8:0:1::5")], [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1]);
    same(addressBytes("2001:db8:0:1::5"), addressBytes("2001:db8:0:1:ffff::1"));
    same(addressBytes("::1"), addressBytes("127.0.0.1"));
    for (const odd of ["", "unknown", "999.1.1.1", "x".repeat(1_000)]) check(addressBytes(odd).length === 16, odd);
  });

  test("believes a proxy on its own network and nobody else", () => {
    same(addressOf("127.0.0.1", "1.1.1.1, 203.0.113.5", true), "203.0.113.5");
    same(addressOf("127.0.0.1", "203.0.113.5", false), "127.0.0.1");
    same(addressOf("198.51.100.1", "203.0.113.5", true), "198.51.100.1");
    same(addressOf("127.0.0.1", undefined, true), "127.0.0.1");
  });
});

test("figures are what Prometheus reads", () => {
  const metrics = new Metrics();
  metrics.saveSeconds.observe(0.002);
  metrics.saveSeconds.observe(9);
  metrics.refusals.add("links");
  const text = metrics.text({
    version: "1",
    storage: "sqlite",
    links: 3,
    bytesIn: 5,
    bytesOut: 6,
    databaseBytes: 7,
    healthy: true,
    core: [
      ["batches_in", 4],
      ["batches_out", 5],
      ["logs", 2],
      ["refusals", 3],
      ["refused_total_quota", 2],
      ["something_new", 9],
    ],
  });
  metrics.stop();
  for (const line of [
    "perdure_links 3",
    'perdure_batches_total{direction="in"} 4',
    'perdure_batches_total{direction="out"} 5',
    "perdure_logs 2",
    "perdure_something_new_total 9",
    "perdure_signals_total 0",
    'perdure_refusals_total{reason="links"} 1',
    'perdure_refusals_total{reason="total_quota"} 2',
    'perdure_refusals_total{reason="quota"} 1',
    'perdure_save_seconds_bucket{le="0.0025"} 1',
    'perdure_save_seconds_bucket{le="+Inf"} 2',
    "perdure_save_seconds_count 2",
    "perdure_up 1",
  ])
    check(text.split("\n").includes(line), `${line} in\n${text}`);
  for (const line of text.trimEnd().split("\n"))
    check(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[\d.e+-]+)$/.test(line),
      `a line that Prometheus reads: ${line}`,
    );
  const types = text.split("\n").filter(line => line.startsWith("# TYPE"));
  same(new Set(types).size, types.length, "each family stands once");
});
