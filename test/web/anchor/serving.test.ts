// Whom an anchor serves and how much of whom it stores, as its peers see it.

import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import type { Peer, Topic } from "../../../web/src/index.js";
import { check, refusal, same } from "../support/check.js";
import { openPeer, spawnAnchor, startAnchor, until } from "./shipped.js";

let instances = 0;

function open(...anchors: readonly string[]): Promise<Peer> {
  return openPeer({ app: "serving", storage: "memory", instance: `peer ${++instances}`, anchors });
}

async function textsOf(topic: Topic): Promise<unknown[]> {
  const texts: unknown[] = [];
  for await (const { value } of topic.messages()) texts.push(value);
  return texts;
}

const infoAt = (peer: Peer, url: string) => peer.anchors.list.current.find(anchor => anchor.url === url);

/** A topic and its invite, made by somebody who is linked to nobody. */
async function made(name: string): Promise<{ id: string; invite: string }> {
  await using peer = await open();
  const topic = await peer.topic(name);
  return { id: topic.id, invite: await topic.invite() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** A proxy on this machine: says of all that come to it that they come from that address. */
async function proxyTo(port: number, address: string): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer(near => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on("error", () => undefined)
        .on("close", () => {
          sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
    }
    near.once("data", (head: Buffer) => {
      far.write(head.toString("latin1").replace("\r\n", `\r\nX-Forwarded-For: ${address}\r\n`), "latin1");
      near.pipe(far);
      far.pipe(near);
    });
  });
  await new Promise<void>(resolve => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  };
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.asyncDispose]: close };
}

describe("an anchor that is told whom it serves", { timeout: 60_000 }, () => {
  for (const by of ["invites", "topics"] as const) {
    test(`by ${by}: keeps that topic, refuses others, and says so to whoever brings them`, async () => {
      const { id, invite } = await made("lunch");
      await using anchor = await startAnchor({
        data: ":memory:",
        port: 0,
        [by]: [by === "topics" ? id.toUpperCase() : invite],
      });
      await using ada = await open(anchor.url);
      const served = await ada.join(invite);
      await (await served.append("kept")).anchored();
      same(infoAt(ada, anchor.url)?.state, "connected");
      const other = await ada.topic("dinner");
      await other.append("not kept");
      await until(() => infoAt(ada, anchor.url)?.state === "refused", "the refusal");
      check(
        /does not serve this topic.+ask who runs it/.test(infoAt(ada, anchor.url)?.reason ?? ""),
        infoAt(ada, anchor.url)?.reason ?? "",
      );
      check(
        ada.status.current.trouble.some(
          ({ code, message }) => code === "not-allowed" && message.startsWith(anchor.url),
        ),
        "and in the trouble",
      );
      await (await served.append("still kept")).anchored();
      await other.close();
      await until(
        () => infoAt(ada, anchor.url)?.state === "connected" && ada.status.current.trouble.length === 0,
        "all well without the other topic",
      );
    });
  }

  test("by a token: serves whoever comes with it, in any topic; the address with it is what invites hold", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0, tokens: ["open sesame", "another"] });
    const { origin, search } = new URL(anchor.url);
    same(search, "?token=open%20sesame");
    await using ada = await open(anchor.url);
    const topic = await ada.topic("lunch");
    await (await topic.append("hello")).anchored();
    same(
      ada.anchors.list.current.map(({ url, state }) => [url, state]),
      [[anchor.url, "connected"]],
    );
    await using bob = await open();
    const theirs = await bob.join(await topic.invite());
    await until(async () => (await textsOf(theirs)).length === 1, "the message, by way of the invite alone");
    same(
      bob.anchors.list.current.map(({ url }) => url),
      [anchor.url],
    );
    await using carol = await open(`${origin}/?token=another`);
    await (await (await carol.topic("dinner")).append("hello")).anchored();
    await using eve = await open(`${origin}/?token=open`);
    await using mallory = await open(origin);
    for (const stranger of [eve, mallory]) {
      await until(() => stranger.anchors.list.current[0]?.state === "refused", "refused");
      check(
        /token/.test(stranger.anchors.list.current[0]?.reason ?? "") && stranger.status.current.trouble.length === 1,
        "and told what is missing",
      );
    }
  });

  test("behind a proxy, too: the token stands beside what the address has already", async () => {
    const at = async (publicUrl: string): Promise<string> => {
      await using anchor = await startAnchor({ data: ":memory:", port: 0, publicUrl, tokens: ["a&b"] });
      return anchor.url;
    };
    same(await at("wss://anchor.example"), "wss://anchor.example/?token=a%26b");
    same(await at("wss://anchor.example/here"), "wss://anchor.example/here?token=a%26b");
    same(await at("wss://anchor.example/?x=1"), "wss://anchor.example/?x=1&token=a%26b");
  });

  test("refuses what cannot be meant", async () => {
    const wrong = (options: object) => refusal(startAnchor({ data: ":memory:", port: 0, ...options }));
    for (const invites of [["perdure-"], ["lunch"], [""], [5], "perdure-", [null]])
      same(await wrong({ invites }), "bad-argument", JSON.stringify(invites));
    for (const topics of [["ab"], ["zz".repeat(32)], [7], "ab".repeat(32), {}])
      same(await wrong({ topics }), "bad-argument", JSON.stringify(topics));
    for (const tokens of [[""], ["a\nb"], ["\ud800"], ["x".repeat(101)], [{}], "token"])
      same(await wrong({ tokens }), "bad-argument", JSON.stringify(tokens));
    for (const memoryMB of [0, -1, 64, Number.NaN, "512", 1e9])
      same(await wrong({ memoryMB }), "bad-argument", String(memoryMB));
    same(await wrong({ quotas: { addressMB: 0 } }), "bad-argument");
    same(
      await wrong({ publicUrl: `wss://anchor.example/${"x".repeat(120)}`, tokens: ["y".repeat(80)] }),
      "bad-argument",
    );
  });
});

describe("an anchor for anybody", { timeout: 60_000 }, () => {
  test("stores of one address no more than its share, in however many topics, and half of that of who else enters them", async () => {
    const port = await freePort();
    await using anchor = await startAnchor({
      data: ":memory:",
      port,
      publicUrl: "wss://anchor.example",
      quotas: { addressMB: 0.25 },
    });
    same(anchor.url, "wss://anchor.example");
    await using one = await proxyTo(port, "203.0.113.5");
    await using two = await proxyTo(port, "203.0.113.6");
    await using eve = await open();
    const topics = await Promise.all([0, 1, 2].map(at => eve.topic(`invented ${at}`)));
    const invites = await Promise.all(topics.map(topic => topic.invite()));
    eve.anchors.add(one.url);
    const receipts = await Promise.all(topics.map(topic => topic.append("x".repeat(100_000))));
    await until(() => infoAt(eve, one.url)?.state === "refused", "the refusal");
    check(/from one address/.test(infoAt(eve, one.url)?.reason ?? ""), infoAt(eve, one.url)?.reason ?? "");
    await using ada = await open(two.url);
    await (await (await ada.topic("lunch")).append("y".repeat(1_000))).anchored();
    const text = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await until(
      async () => /^perdure_refusals_total\{reason="address_quota"\} [1-9]/m.test(await text()),
      "the figure",
    );
    await using bob = await open(two.url);
    for (const invite of invites) await bob.join(invite);
    await Promise.all(receipts.map(receipt => receipt.anchored()));
    await until(
      () => infoAt(eve, one.url)?.state === "connected" && eve.status.current.trouble.length === 0,
      "no more trouble",
    );
  });
});

describe("whoever wants all that an anchor has to give", { timeout: 120_000 }, () => {
  test("gets it only until somebody else comes: 640 connections that say nothing, 512 links in no topic, and an honest peer and /healthz are served at once", async () => {
    const port = await freePort();
    await using anchor = await spawnAnchor(
      "--port",
      String(port),
      "--data",
      ":memory:",
      "--public-url",
      `ws://127.0.0.1:${port}`,
    );
    const sockets: { destroy(): void }[] = [];
    try {
      for (let at = 0; at < 640; at++) {
        const socket = connect(port, "127.0.0.1").on("error", () => undefined);
        sockets.push(socket);
        await new Promise(resolve => socket.once("connect", resolve).once("close", resolve));
      }
      let links = 0;
      for (let at = 0; at < 512; at++) {
        const link = new WebSocket(`ws://127.0.0.1:${port}/?network=${"ab".repeat(32)}`, {
          headers: { "x-forwarded-for": `203.0.113.${at >> 5}` },
        });
        sockets.push({ destroy: () => link.terminate() });
        await new Promise<void>(resolve => {
          link
            .once("open", () => {
              links++;
              resolve();
            })
            .once("error", () => resolve());
        });
      }
      same(links, 512);
      const begun = performance.now();
      await using peer = await open(anchor.url);
      const receipt = await (await peer.topic("lunch")).append("hello");
      const [{ status }] = await Promise.all([fetch(`http://127.0.0.1:${port}/healthz`), receipt.anchored()]);
      same(status, 200);
      const tookMs = performance.now() - begun;
      check(tookMs < 4_000, `served after ${Math.round(tookMs)} ms`);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });
});
