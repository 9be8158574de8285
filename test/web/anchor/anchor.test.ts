// A whole anchor, and peers in Node that meet through it.

import { randomBytes } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import type { Peer, Topic } from "../../../web/src/index.js";
import { check, refusal, same } from "../support/check.js";
import { selfSigned } from "./certificate.js";
import { openPeer, scratch, spawnAnchor, startAnchor, until } from "./shipped.js";

let instances = 0;

function open(...anchors: readonly string[]): Promise<Peer> {
  return openPeer({ app: "talkbox", storage: "memory", instance: `peer ${++instances}`, anchors });
}

async function textsOf(topic: Topic): Promise<unknown[]> {
  const texts: unknown[] = [];
  for await (const { value } of topic.messages()) texts.push(value);
  return texts;
}

/** Everything that the topic comes to hold is what was wanted. */
async function holds(topic: Topic, wanted: readonly unknown[]): Promise<void> {
  await until(async () => (await textsOf(topic)).length >= wanted.length, `${wanted.length} messages`);
  same(await textsOf(topic), wanted);
}

const count = (amount: number): string[] => Array.from({ length: amount }, (_, at) => `message ${at}`);

describe("an anchor", { timeout: 120_000 }, () => {
  test("closes twice, gives its port back, and is the same device when it is started again", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    const first = await startAnchor({ data, port: 0 });
    check(/^ws:\/\/127\.0\.0\.1:\d+$/.test(first.url) && /^[0-9a-f]{64}$/.test(first.id), `${first.url} ${first.id}`);
    same(statSync(data).mode & 0o777, 0o600);
    await Promise.all([first.close(), first.close()]);
    await first.close();
    await first.ended;
    const port = Number(new URL(first.url).port);
    await using second = await startAnchor({ data, port });
    same([second.id, second.url], [first.id, first.url]);
  });

  test("refuses options that mean nothing", async () => {
    same(await refusal(startAnchor({ data: "" })), "bad-argument");
    same(await refusal(startAnchor({ data: ":memory:", port: -1 })), "bad-argument");
    same(await refusal(startAnchor({ data: ":memory:", port: 0, quotas: { links: 0 } })), "bad-argument");
    same(await refusal(startAnchor({ data: ":memory:", port: 0, app: "talkbox" } as never)), "bad-argument");
    same(await refusal(startAnchor({ data: ":memory:", port: 0, quotas: { totalMb: 1 } } as never)), "bad-argument");
    for (const wrong of [null, 5])
      for (const name of ["tls", "quotas"])
        same(await refusal(startAnchor({ data: ":memory:", port: 0, [name]: wrong as never })), "bad-argument");
    same(await refusal(startAnchor({ data: "/no/such/folder/anchor.db", port: 0 })), "storage-unavailable");
  });

  test("one that asks for a taken port leaves the database of the other alone", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    await using first = await startAnchor({ data, port: 0 });
    same(await refusal(startAnchor({ data, port: Number(new URL(first.url).port) })), "bad-argument");
    await using peer = await open(first.url);
    const topic = await peer.topic("lunch");
    await (await topic.append("still here")).anchored();
  });

  test("two peers chat through it, and its figures show it", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    await using ada = await open(anchor.url);
    await using bob = await open();
    const mine = await ada.topic("lunch");
    const theirs = await bob.join(await mine.link("https://example.org/"));
    await (await mine.append("hello")).replicated(2);
    await holds(theirs, ["hello"]);
    await (await theirs.append("hello yourself")).anchored();
    await holds(mine, ["hello", "hello yourself"]);
    const base = anchor.url.replace("ws", "http");
    let text = "";
    await until(async () => {
      text = await (await fetch(`${base}/metrics`)).text();
      return /^perdure_topics 1$/m.test(text) && /^perdure_logs 2$/m.test(text);
    }, "the topic in the figures");
    for (const line of [
      /^perdure_links 2$/m,
      /^perdure_batches_total\{direction="in"\} [1-9]/m,
      /^perdure_acknowledgements_total [1-9]/m,
      /^perdure_save_seconds_count [1-9]/m,
      /^perdure_build_info\{version="\d/m,
    ]) {
      check(line.test(text), `${String(line)} in\n${text}`);
    }
    same((await fetch(`${base}/healthz`)).status, 200);
  });

  test("who was away catches up when all others are gone", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    const ada = await open(anchor.url);
    const mine = await ada.topic("lunch");
    const invite = await mine.invite();
    const receipt = await mine.appendAll(count(500));
    await receipt.anchored();
    await ada.close();
    await using bob = await open();
    await holds(await bob.join(invite), count(500));
  });

  test("killed, it has lost nothing of what it acknowledged", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    const first = await spawnAnchor("--port", "0", "--data", data);
    const ada = await open(first.url);
    const mine = await ada.topic("lunch");
    const invite = await mine.invite();
    for (const text of count(12)) await (await mine.append(text)).replicated(1);
    await first.kill("SIGKILL");
    await ada.close();
    await using second = await spawnAnchor("--port", String(first.port), "--data", data);
    same(second.url, first.url);
    await using bob = await open();
    await holds(await bob.join(invite), count(12));
  });

  test("stopped in the middle of things it ends well, and peers come back when it does", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    const first = await spawnAnchor("--port", "0", "--data", data);
    await using ada = await open(first.url);
    const mine = await ada.topic("lunch");
    await (await mine.append("before")).anchored();
    const appending = mine.appendAll(count(2_000));
    same(await first.kill("SIGTERM"), 0);
    const receipt = await appending;
    await until(() => ada.status.current.state !== "online", "offline");
    await using second = await spawnAnchor("--port", String(first.port), "--data", data);
    await receipt.anchored();
    await using bob = await open(second.url);
    await holds(await bob.join(await mine.invite()), ["before", ...count(2_000)]);
  });

  test("whose database is taken over stops and says so", async () => {
    using folder = scratch();
    const data = folder.file("anchor.db");
    const first = await startAnchor({ data, port: 0 });
    await using second = await startAnchor({ data, port: 0 });
    await using peer = await open(first.url, second.url);
    const topic = await peer.topic("lunch");
    await topic.append("hello");
    same(await refusal(first.ended), "storage-unavailable");
    await first.close();
  });
});

describe("what an anchor does not let in", { timeout: 60_000 }, () => {
  test("garbage ends its own link and no other", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0 });
    await using peer = await open(anchor.url);
    const topic = await peer.topic("lunch");
    await (await topic.append("before")).anchored();
    const closes = [
      randomBytes(1),
      randomBytes(100),
      randomBytes(16_000),
      Buffer.alloc(0),
      "a text",
      Buffer.alloc(70_000),
    ].map(
      message =>
        new Promise<void>((resolve, reject) => {
          const socket = new WebSocket(`${anchor.url}/?network=${"ab".repeat(32)}`);
          socket
            .on("open", () => socket.send(message))
            .on("close", () => resolve())
            .on("error", reject);
        }),
    );
    await Promise.all(closes);
    await (await topic.append("after")).anchored();
    same(peer.anchors.list.current[0]?.state, "connected");
  });

  test("an app that it does not serve", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0, apps: ["something else", "talkbox"] });
    await using other = await startAnchor({ data: ":memory:", port: 0, apps: ["something else"] });
    await using peer = await open(anchor.url, other.url);
    const stateOf = (url: string): string | undefined =>
      peer.anchors.list.current.find(info => info.url === url)?.state;
    await until(() => stateOf(anchor.url) === "connected" && stateOf(other.url) !== "connecting", "both have answered");
    same(stateOf(other.url), "refused");
  });

  test("more than it has room for: the app is told", async () => {
    for (const quota of ["deviceMB", "topicMB", "totalMB"]) {
      await using anchor = await startAnchor({ data: ":memory:", port: 0, quotas: { [quota]: 0.1 } });
      await using peer = await open(anchor.url);
      const topic = await peer.topic("lunch");
      await (await topic.append("small")).anchored();
      for (let i = 0; i < 4; i++) await topic.append("x".repeat(100_000));
      await until(() => peer.anchors.list.current[0]?.state === "refused", `the refusal for ${quota}`);
      check((peer.anchors.list.current[0]?.reason ?? "") !== "", "with a reason");
      check(peer.status.current.trouble.length > 0, "and in the trouble");
    }
  });
});

test("over TLS that a peer in Node does not trust, or where there is none, the peer is told what is wrong with it", {
  timeout: 30_000,
}, async () => {
  using folder = scratch();
  const { cert, key } = selfSigned("nobody");
  writeFileSync(folder.file("cert.pem"), cert);
  writeFileSync(folder.file("key.pem"), key);
  const tls = { cert: folder.file("cert.pem"), key: folder.file("key.pem") };
  await using secret = await startAnchor({ data: ":memory:", port: 0, tls });
  await using plain = await startAnchor({ data: ":memory:", port: 0 });
  const [untrusted, wrong] = [secret.url, plain.url.replace("ws:", "wss:")];
  await using peer = await open(untrusted, wrong);
  const reason = (url: string): string => peer.anchors.list.current.find(one => one.url === url)?.reason ?? "";
  await until(() => reason(untrusted) !== "" && reason(wrong) !== "", "both are told");
  check(
    /certificate of this address is not trusted \(self.signed certificate; DEPTH_ZERO_SELF_SIGNED_CERT\).*NODE_EXTRA_CA_CERTS/.test(
      reason(untrusted),
    ),
    reason(untrusted),
  );
  check(/^There is no TLS with this address .*ws:\/\//.test(reason(wrong)), reason(wrong));
  await plain.close();
  peer.anchors.remove(wrong);
  peer.anchors.add(wrong);
  await until(() => /^Nobody answers/.test(reason(wrong)), "what is over is not told any more");
});

test("over TLS, with the certificate read again on SIGHUP", { timeout: 30_000 }, async () => {
  using folder = scratch();
  const write = (name: string): void => {
    const { cert, key } = selfSigned(name);
    writeFileSync(folder.file("cert.pem"), cert);
    writeFileSync(folder.file("key.pem"), key);
  };
  write("first");
  await using anchor = await startAnchor({
    data: ":memory:",
    port: 0,
    tls: { cert: folder.file("cert.pem"), key: folder.file("key.pem") },
  });
  check(anchor.url.startsWith("wss://"), anchor.url);
  const name = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      get(`${anchor.url.replace("wss", "https")}/healthz`, { rejectUnauthorized: false, agent: false }, response => {
        const { socket } = response;
        resolve(
          "getPeerCertificate" in socket && typeof socket.getPeerCertificate === "function"
            ? socket.getPeerCertificate().subject.CN
            : undefined,
        );
        response.resume();
      }).on("error", reject);
    });
  same(await name(), "first");
  write("second");
  process.kill(process.pid, "SIGHUP");
  await until(async () => (await name()) === "second", "the second certificate");
  const socket = new WebSocket(`${anchor.url}/?network=${"ab".repeat(32)}`, { rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  socket.terminate();
});
