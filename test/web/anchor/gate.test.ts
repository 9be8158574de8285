// Who is let in at the anchor's port, and who stands about there.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { Crowd } from "../../../web/anchor/crowd.js";
import { addressBytes, addressOf, Desk, Gate, networkOf, Tokens } from "../../../web/anchor/gate.js";
import { Metrics } from "../../../web/anchor/metrics.js";
import { check, same } from "../support/check.js";
import { ask, dial, network, run } from "./port.js";

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

describe("whoever asks for pages", () => {
  const proxied = { publicUrl: "wss://anchor.example" };
  const from = (address: string) => ({ "x-forwarded-for": address });

  /** Asks so often at once, on one connection, and hears what comes until it ends. */
  async function pipelined(port: number, path: string, count: number, address: string): Promise<string> {
    const socket = connect(port, "127.0.0.1");
    let heard = "";
    socket.on("data", (data: Buffer) => (heard += data.toString("latin1"))).on("error", () => undefined);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: ${address}\r\n\r\n`.repeat(count));
    await once(socket, "close");
    return heard;
  }
  const statuses = (heard: string): string[] =>
    [...heard.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status = ""]) => status);

  test("may open a page with a whole classroom, and is told to wait and cut off when it goes on and on", async () => {
    await using anchor = await run(proxied);
    const heard = await pipelined(anchor.port, "/", 2_000, "203.0.113.5");
    const answers = statuses(heard);
    same(
      [answers.filter(status => status === "429").length, answers.at(-1)],
      [1, "429"],
      "one word, and it is the last",
    );
    check(answers.length >= 401 && answers.length < 600, `${answers.length} answers`);
    const [, last = ""] = heard.split("HTTP/1.1 429");
    check(/^connection: close\r$/im.test(last) && /^retry-after: \d+\r$/im.test(last), last);
    same(anchor.refusals, ["requests"], "what it had sent before it was told costs nothing");
    const again = statuses(await pipelined(anchor.port, "/", 300, "203.0.113.5"));
    check(again.length < 200 && again.at(-1) === "429", "on another connection, too");
    same((await ask(anchor.port, "/", from("203.0.113.6"))).status, 200, "its neighbour is served");
    await dial(anchor.port, `?network=${network}`, from("203.0.113.5"));
  });

  test("keeps nobody from asking for the health, not even at its own address", async () => {
    await using anchor = await run(proxied);
    await pipelined(anchor.port, "/metrics", 600, "203.0.113.5");
    for (let at = 0; at < 20; at++) same((await ask(anchor.port, "/healthz", from("203.0.113.5"))).status, 200);
    const answers = statuses(await pipelined(anchor.port, "/healthz", 600, "203.0.113.7"));
    check(answers.length < 100 && answers.at(-1) === "429", "but the health has its price as well");
    same((await ask(anchor.port, "/healthz", from("203.0.113.8"))).status, 200);
  });

  test("from a thousand addresses costs no more than a second of work, and the health is still told", () => {
    const desk = new Desk(true);
    let admitted = 0;
    for (let at = 0; at < 4_000; at++)
      if (desk.admits(`10.1.${(at >> 2) >> 8}.${(at >> 2) & 255}`, "/", 1_000)) admitted++;
    check(admitted >= 500 && admitted <= 1_000, `${admitted} at once`);
    check(!desk.admits("203.0.113.5", "/", 1_000) && !desk.admits("127.0.0.1", "/", 1_000), "no page for others");
    check(desk.admits("203.0.113.5", "/healthz", 1_000), "the health");
    check(desk.admits("203.0.113.5", "/", 2_000), "a second later");
  });

  test("on this machine may do so as often as it likes, where no proxy stands", () => {
    const desk = new Desk(false);
    for (let at = 0; at < 5_000; at++)
      check(desk.admits("127.0.0.1", "/", 1_000) && desk.admits("::1", "/healthz", 1_000), `at ${at}`);
  });

  test("for the figures gets those of this second, made once", async () => {
    let made = 0;
    await using anchor = await run({}, { metrics: async () => `figures ${++made}\n` });
    const texts = await Promise.all(Array.from({ length: 50 }, async () => (await ask(anchor.port, "/metrics")).body));
    check(made <= 2 && texts.every(text => /^figures [12]\n$/.test(text)), `made ${made} times`);
    await new Promise(resolve => setTimeout(resolve, 1_050));
    const before = made;
    same((await ask(anchor.port, "/metrics")).body, `figures ${before + 1}\n`, "and new ones later");
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
