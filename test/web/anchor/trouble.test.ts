// Anchors that are down, slow, wiped, restored, locked, full, or no anchors at all; and what their peers notice of it.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { describe, test } from "node:test";
import Database from "better-sqlite3";
import { WebSocketServer } from "ws";
import type { Peer, Topic } from "../../../web/src/index.js";
import { check, same } from "../support/check.js";
import { openPeer, scratch, spawnAnchor, startAnchor, until } from "./shipped.js";

let instances = 0;

function open(...anchors: readonly string[]): Promise<Peer> {
  return openPeer({ app: "trouble", storage: "memory", instance: `peer ${++instances}`, anchors });
}

async function textsOf(topic: Topic): Promise<unknown[]> {
  const texts: unknown[] = [];
  for await (const { value } of topic.messages()) texts.push(value);
  return texts;
}

/** What somebody who has only that anchor comes to read there. */
async function foundAt(url: string, invite: string, wanted: readonly unknown[]): Promise<void> {
  await using reader = await open(url);
  // An invite brings anchors of its own; those that are gone do not matter here.
  const topic = await reader.join(invite);
  await until(async () => (await textsOf(topic)).length >= wanted.length, `${wanted.length} messages`);
  same(await textsOf(topic), wanted);
}

const stateAt = (peer: Peer, url: string): string | undefined =>
  peer.anchors.list.current.find(anchor => anchor.url === url)?.state;
const reasonAt = (peer: Peer, url: string): string =>
  peer.anchors.list.current.find(anchor => anchor.url === url)?.reason ?? "";
const count = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `message ${from + at}`);

/** Listens on a free port of this machine; `meet` is told of each connection. */
async function listening(
  meet: (socket: Socket) => void,
): Promise<{ server: Server; port: number; url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    meet(socket);
  });
  await new Promise<void>(resolve => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  };
  return { server, port, url: `ws://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

/** Carries bytes to that port and back, each chunk so much later. */
function delaying(port: number, ms: number): (near: Socket) => void {
  return near => {
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("data", chunk => {
        setTimeout(() => {
          if (other.writable) other.write(chunk);
        }, ms);
      });
      one.on("close", () => other.destroy()).on("error", () => undefined);
    }
  };
}

describe("an anchor that is", { concurrency: true, timeout: 60_000 }, () => {
  test("down when the peer opens: it works without, says so, and finds the anchor when it is there", async () => {
    const { port, url, [Symbol.asyncDispose]: free } = await listening(socket => socket.destroy());
    await free();
    await using peer = await open(url);
    const topic = await peer.topic("lunch");
    const receipt = await topic.append("alone");
    await until(() => stateAt(peer, url) === "unreachable", "unreachable");
    check(reasonAt(peer, url) !== "", "with a reason");
    check(peer.status.current.state !== "online" && peer.status.current.pending === 1, "offline and pending");
    await using anchor = await spawnAnchor("--port", String(port), "--data", ":memory:");
    await receipt.anchored();
    same([anchor.url, stateAt(peer, url), peer.status.current.state], [url, "connected", "online"]);
    await until(() => peer.status.current.pending === 0, "nothing pending");
  });

  test("slow: half a second each way, and all arrives", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    await using wire = await listening(delaying(Number(new URL(anchor.url).port), 500));
    await using peer = await open(wire.url);
    const topic = await peer.topic("lunch");
    const receipts = await Promise.all(count(0, 200).map(text => topic.append(text)));
    await Promise.all(receipts.map(receipt => receipt.anchored()));
    await foundAt(anchor.url, await topic.invite(), count(0, 200));
  });

  test("there but silent: it counts as unreachable, and others are used meanwhile", async () => {
    await using silent = await listening(() => undefined);
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    await using peer = await open(silent.url, anchor.url);
    const topic = await peer.topic("lunch");
    await (await topic.append("heard by the other")).anchored();
    await until(() => stateAt(peer, silent.url) === "unreachable", "unreachable", 30_000);
  });

  test("restarted with an empty disk: it is another one, which is told, and filled by who has it once it is added again", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    const first = await spawnAnchor("--port", "0", "--data", data);
    await using peer = await open(first.url);
    const topic = await peer.topic("lunch");
    await (await topic.appendAll(count(0, 50))).anchored();
    const before = peer.anchors.list.current[0]?.id;
    await first.kill("SIGKILL");
    for (const file of [data, `${data}-wal`, `${data}-shm`]) rmSync(file, { force: true });
    await using second = await spawnAnchor("--port", String(first.port), "--data", data);
    const receipt = await topic.append("message 50");
    await until(() => stateAt(peer, first.url) === "refused", "not believed at once");
    check(/another key/i.test(reasonAt(peer, first.url)), "with the reason, and what to do");
    check(peer.status.current.pending === 1, "and nothing is taken for anchored");
    peer.anchors.remove(first.url);
    peer.anchors.add(first.url);
    await receipt.anchored();
    check(peer.anchors.list.current[0]?.id !== before, "it is another device");
    await foundAt(second.url, await topic.invite(), count(0, 51));
  });

  test("restarted from yesterday's backup: what it has lost comes back from who has it", async () => {
    using folder = scratch();
    const [data, backup] = [folder.file("anchor.db"), folder.file("backup.db")];
    const first = await spawnAnchor("--port", "0", "--data", data);
    const { port } = first;
    await using peer = await open(first.url);
    const topic = await peer.topic("lunch");
    await (await topic.appendAll(count(0, 50))).anchored();
    same(await first.kill("SIGTERM"), 0);
    copyFileSync(data, backup);
    check(!existsSync(`${data}-wal`), "a clean stop leaves one file");
    const second = await spawnAnchor("--port", String(port), "--data", data);
    await (await topic.appendAll(count(50, 100))).anchored();
    same(await second.kill("SIGTERM"), 0);
    copyFileSync(backup, data);
    await using third = await spawnAnchor("--port", String(port), "--data", data);
    await (await topic.append("message 100")).anchored();
    await foundAt(third.url, await topic.invite(), count(0, 101));
  });

  test("locked out of its database: unhealthy, it acknowledges nothing; healthy again, it does", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    await using anchor = await spawnAnchor("--port", "0", "--data", data);
    const health = async (): Promise<number> => (await fetch(`${anchor.url.replace("ws", "http")}/healthz`)).status;
    await using peer = await open(anchor.url);
    const topic = await peer.topic("lunch");
    await (await topic.append("before")).anchored();
    same(await health(), 200);
    const thief = new Database(data);
    thief.exec("BEGIN IMMEDIATE");
    let anchored = false;
    const receipt = await topic.append("meanwhile");
    const done = receipt.anchored().then(() => {
      anchored = true;
    });
    same(await health(), 503);
    check(!anchored, "not acknowledged");
    thief.exec("ROLLBACK");
    thief.close();
    await until(async () => (await health()) === 200, "healthy again", 30_000);
    await done;
    await foundAt(anchor.url, await topic.invite(), ["before", "meanwhile"]);
  });

  // As root alone: a disk of that size is needed.
  if (process.getuid?.() === 0 && process.platform === "linux")
    test("nearly out of disk: unhealthy and heard to say so, its peer is told, what fits is kept, and all of it once there is room", {
      timeout: 120_000,
    }, async () => {
      using folder = scratch();
      mkdirSync(folder.file("disk"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder.file("disk")]);
      try {
        const data = folder.file("disk/anchor.db");
        await using anchor = await spawnAnchor("--port", "0", "--data", data);
        const health = async (): Promise<number> => (await fetch(`${anchor.url.replace("ws", "http")}/healthz`)).status;
        await using ada = await open(anchor.url);
        const lunch = await ada.topic("lunch");
        await (await lunch.append("before")).anchored();
        await using bob = await open(anchor.url);
        const dinner = await bob.topic("dinner");
        await (await dinner.append("before")).anchored();
        same(await health(), 200);
        const { bavail, bsize } = statfsSync(folder.file("disk"));
        writeFileSync(folder.file("disk/ballast"), Buffer.alloc(bavail * bsize - 80 * 1024, 1));
        const large = await lunch.append("x".repeat(250_000));
        const behind = await lunch.append("short");
        await until(async () => (await health()) === 503, "unhealthy");
        await until(() => ada.status.current.trouble.length > 0, "the author is told");
        check(
          /disk is full/.test(ada.status.current.trouble[0]?.message ?? "") && stateAt(ada, anchor.url) === "refused",
          ada.status.current.trouble[0]?.message ?? "",
        );
        await (await dinner.append("small enough")).anchored();
        same([await health(), ada.status.current.pending], [503, 2]);
        same(anchor.complaints.length, 1, anchor.complaints.join("\n"));
        check(
          anchor.complaints[0]?.includes("disk is full") === true && anchor.complaints[0].includes(data),
          anchor.complaints.join("\n"),
        );
        rmSync(folder.file("disk/ballast"));
        await Promise.all([large.anchored(), behind.anchored()]);
        await until(async () => (await health()) === 200, "healthy again", 30_000);
        await until(
          () => ada.status.current.trouble.length === 0 && stateAt(ada, anchor.url) === "connected",
          "the author is told that it is over",
        );
        await until(() => anchor.complaints.length === 2, "and so is who reads the log");
        await foundAt(anchor.url, await lunch.invite(), ["before", "x".repeat(250_000), "short"]);
        await foundAt(anchor.url, await dinner.invite(), ["before", "small enough"]);
      } finally {
        execFileSync("umount", ["-l", folder.file("disk")]);
      }
    });

  test("full of links: the next one is told so, and gets in when there is room", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0, quotas: { links: 1 } });
    const first = await open(anchor.url);
    await until(() => stateAt(first, anchor.url) === "connected", "the first is in");
    await using second = await open(anchor.url);
    await until(() => stateAt(second, anchor.url) !== "connecting", "the second has its answer");
    same(stateAt(second, anchor.url), "refused");
    same(
      second.status.current.trouble.map(({ code }) => code),
      ["not-allowed"],
    );
    await first.close();
    await until(() => stateAt(second, anchor.url) === "connected", "the second is in", 30_000);
  });
});

describe("what is no anchor", { concurrency: true, timeout: 60_000 }, () => {
  for (const [what, meet] of [
    ["closes at once", socket => socket.destroy()],
    [
      "speaks SSH",
      socket => {
        socket.write("SSH-2.0-OpenSSH_9.2\r\n");
      },
    ],
    [
      "is a web server",
      socket => {
        socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
      },
    ],
  ] as readonly (readonly [string, (socket: Socket) => void])[]) {
    test(`but ${what}: unreachable, not asked all the time, and no harm to the rest`, async () => {
      let asked = 0;
      await using other = await listening(socket => {
        asked++;
        meet(socket);
      });
      await using anchor = await startAnchor({ data: ":memory:", port: 0 });
      await using peer = await open(other.url, anchor.url);
      const topic = await peer.topic("lunch");
      await (await topic.append("x")).anchored();
      await until(() => stateAt(peer, other.url) === "unreachable", "unreachable", 30_000);
      check(asked <= 4, `asked ${asked} times`);
      same(stateAt(peer, anchor.url), "connected");
    });
  }

  for (const [what, message] of [
    ["text", "hello"],
    ["JSON", '{"type":"welcome"}'],
    ["noise", Buffer.alloc(3000, 0xa5)],
    ["nothing", undefined],
  ] as const) {
    test(`but a WebSocket that says ${what}: given up, not asked all the time, and no harm to the rest`, async () => {
      let asked = 0;
      const http = createHttp();
      const sockets = new WebSocketServer({ server: http });
      sockets.on("connection", socket => {
        asked++;
        if (message !== undefined) socket.send(message);
      });
      await new Promise<void>(resolve => {
        http.listen(0, "127.0.0.1", resolve);
      });
      const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
      try {
        await using anchor = await startAnchor({ data: ":memory:", port: 0 });
        await using peer = await open(url, anchor.url);
        const topic = await peer.topic("lunch");
        await (await topic.append("x")).anchored();
        await until(() => stateAt(peer, url) === "unreachable" || stateAt(peer, url) === "refused", "given up", 40_000);
        check(asked >= 1 && asked <= 6, `asked ${asked} times`);
        check(peer.status.current.links.websocket === 1, "one link stands");
      } finally {
        for (const socket of sockets.clients) socket.terminate();
        sockets.close();
        http.close();
      }
    });
  }
});

test("figures tell all that an operator asks for", { timeout: 60_000 }, async () => {
  await using anchor = await startAnchor({ data: ":memory:", port: 0, quotas: { deviceMB: 0.3 } });
  await using ada = await open(anchor.url);
  const mine = await ada.topic("lunch");
  await using bob = await open(anchor.url);
  const theirs = await bob.join(await mine.invite());
  await (await mine.append("hello")).replicated(2);
  await until(async () => (await textsOf(theirs)).length === 1, "the message");
  await until(() => ada.peers.current.some(({ path }) => path === "relayed"), "a relayed path");
  await theirs.append("relayed");
  for (let at = 0; at < 5; at++) await mine.append("x".repeat(100_000));
  await until(() => ada.status.current.trouble.length > 0, "the refusal");
  check(
    ada.status.current.trouble.every(({ message }) => message.length > 20),
    "the trouble is told in words",
  );
  let text = "";
  const lines: Readonly<Record<string, RegExp>> = {
    links: /^perdure_links 2$/m,
    topics: /^perdure_topics 1$/m,
    logs: /^perdure_logs 2$/m,
    "stored bytes": /^perdure_stored_bytes [1-9]/m,
    "batches in": /^perdure_batches_total\{direction="in"\} [1-9]/m,
    "batches out": /^perdure_batches_total\{direction="out"\} [1-9]/m,
    "bytes in": /^perdure_link_bytes_total\{direction="in"\} [1-9]/m,
    "bytes out": /^perdure_link_bytes_total\{direction="out"\} [1-9]/m,
    "refusals by reason": /^perdure_refusals_total\{reason="\w+"\} [1-9]/m,
    "how long an acknowledgement waits": /^perdure_save_seconds_count [1-9]/m,
    acknowledgements: /^perdure_acknowledgements_total [1-9]/m,
    signals: /^perdure_signals_total \d/m,
    "relayed bytes": /^perdure_relayed_bytes_total [1-9]/m,
    lag: /^perdure_event_loop_lag_seconds\{quantile="0.99"\} \d/m,
    build: /^perdure_build_info\{version="\d+\.\d+\.\d+/m,
    health: /^perdure_up 1$/m,
  };
  const missing = (): string[] =>
    Object.entries(lines)
      .filter(([, line]) => !line.test(text))
      .map(([name]) => name);
  await until(
    async () => {
      text = await (await fetch(`${anchor.url.replace("ws", "http")}/metrics`)).text();
      return missing().length === 0;
    },
    "all figures",
    8_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${missing().join(", ")} in\n${text}`);
  });
});
