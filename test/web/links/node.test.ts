// WebSocket links against a real server, in Node.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { makeLinks } from "../../../web/src/links/links.js";
import { LinkTable } from "../../../web/src/links/table.js";
import type { LinkEvents, Links } from "../../../web/src/links/types.js";
import { messageBytesMax, WebSockets, type SocketLike } from "../../../web/src/links/websocket.js";

type Report = readonly unknown[];

class Listener {
  readonly reports: Report[] = [];
  readonly #looking = new Set<() => void>();
  readonly events: LinkEvents = {
    opened: (...report) => this.#tell("opened", ...report),
    received: (link, bytes) => this.#tell("received", link, bytes.length > 20 ? bytes.length : [...bytes]),
    closed: link => this.#tell("closed", link),
    drained: (link, buffered) => this.#tell("drained", link, buffered),
    dialFailed: url => this.#tell("dialFailed", url),
    signal: () => undefined,
    rtcFailed: attempt => this.#tell("rtcFailed", attempt),
  };

  until(...beginning: readonly unknown[]): Promise<Report> {
    return new Promise(resolve => {
      const look = (): void => {
        const found = this.reports.find(report => beginning.every((value, i) => report[i] === value));
        if (found === undefined) return;
        this.#looking.delete(look);
        resolve(found);
      };
      this.#looking.add(look);
      look();
    });
  }

  #tell(...report: Report): void {
    this.reports.push(report);
    for (const look of [...this.#looking]) look();
  }
}

const address = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
let echo: WebSocketServer;
let url: string;
const asked: (string | undefined)[] = [];

before(async () => {
  echo = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  echo.on("connection", (socket, request) => {
    asked.push(request.url);
    socket.on("message", (data: Buffer, isBinary) => {
      if (data.toString() === "as text") socket.send("text");
      else if (data.toString() === "too long") socket.send(Buffer.alloc(messageBytesMax + 1));
      else socket.send(data, { binary: isBinary });
    });
  });
  await once(echo, "listening");
  url = `ws://127.0.0.1:${address(echo)}/path?a=b`;
});
after(() => {
  echo.close();
  for (const client of echo.clients) client.terminate();
});

function open(): { listener: Listener; links: Links } {
  const listener = new Listener();
  return { listener, links: makeLinks({ webSocket: to => new WebSocket(to) })(listener.events) };
}

test("a dialled socket asks for its network, carries bytes both ways and closes once", async () => {
  const { listener, links } = open();
  links.dial(url, "c0ffee");
  await listener.until("opened", 1, "websocket", true);
  assert.deepEqual(listener.reports[0], ["opened", 1, "websocket", true, { url }]);
  assert.equal(asked.at(-1), "/path?a=b&network=c0ffee");
  const heap = Uint8Array.from({ length: 100 }, (_, n) => n);
  links.send(1, heap.subarray(5, 8));
  heap.fill(0);
  assert.deepEqual(await listener.until("received"), ["received", 1, [5, 6, 7]]);
  links.send(1, Uint8Array.of(9));
  links.close(1);
  await listener.until("closed", 1);
  links.send(1, Uint8Array.of(9));
  links.close(1);
  assert.equal(listener.reports.filter(([event]) => event === "closed").length, 1);
});

test("an address that nobody answers, one that is no address and one that does not speak fail", {
  timeout: 10_000,
}, async () => {
  const { listener, links } = open();
  const mute = createServer(socket => socket.end("HTTP/1.1 404 Not Found\r\n\r\n")).listen(0, "127.0.0.1");
  await once(mute, "listening");
  for (const bad of ["ws://127.0.0.1:9/", "not an address", `ws://127.0.0.1:${address(mute)}/`]) {
    links.dial(bad, "00");
    await listener.until("dialFailed", bad);
  }
  mute.close();
  assert.equal(listener.reports.length, 3);
});

test("text and messages longer than any frame end the link", async () => {
  const { listener, links } = open();
  links.dial(url, "00");
  await listener.until("opened", 1);
  links.send(1, Buffer.from("as text"));
  await listener.until("closed", 1);
  links.dial(url, "00");
  await listener.until("opened", 2);
  links.send(2, Buffer.from("too long"));
  await listener.until("closed", 2);
  assert.equal(listener.reports.filter(([event]) => event === "received").length, 0);
});

test("a sender that filled the buffer is told when it has drained", async () => {
  const { listener, links } = open();
  links.dial(url, "00");
  await listener.until("opened", 1);
  for (let n = 0; n < 100; n++) links.send(1, new Uint8Array(64 * 1024));
  const drained = await listener.until("drained", 1);
  assert.ok(Number(drained[2]) < 256 * 1024);
  links.closeAll();
  await listener.until("closed", 1);
});

test("a link that is held is not read until it is let go", async () => {
  const { listener, links } = open();
  links.dial(url, "00");
  await listener.until("opened", 1);
  links.hold(1, true);
  links.send(1, Uint8Array.of(1));
  const other = open();
  other.links.dial(url, "00");
  await other.listener.until("opened", 1);
  other.links.send(1, Uint8Array.of(2));
  await other.listener.until("received");
  assert.equal(listener.reports.filter(([event]) => event === "received").length, 0);
  links.hold(1, false);
  assert.deepEqual(await listener.until("received"), ["received", 1, [1]]);
  for (const each of [links, other.links]) each.closeAll();
});

test("an accepted socket is a link that names the network it was asked for", async () => {
  const listener = new Listener();
  const table = new LinkTable(listener.events);
  const sockets = new WebSockets(table, to => new WebSocket(to));
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket: SocketLike) => sockets.accept(socket, "feed"));
  await once(server, "listening");
  const { listener: other, links } = open();
  links.dial(`ws://127.0.0.1:${address(server)}`, "feed");
  await listener.until("opened", 1, "websocket", false);
  assert.deepEqual(listener.reports[0]?.[4], { network: "feed" });
  await other.until("opened");
  table.send(1, Uint8Array.of(1, 2, 3));
  assert.deepEqual(await other.until("received"), ["received", 1, [1, 2, 3]]);
  links.closeAll();
  await listener.until("closed", 1);
  server.close();
});

test("a machine that takes what is sent but never says goodbye is let go after a second", {
  timeout: 5000,
}, async () => {
  const listener = new Listener();
  const never: SocketLike = {
    binaryType: "",
    readyState: 1,
    bufferedAmount: 0,
    send: () => undefined,
    close: () => undefined,
    addEventListener: () => undefined,
  };
  const table = new LinkTable(listener.events);
  new WebSockets(table, () => never).accept(never, "00");
  table.close(1);
  await listener.until("closed", 1);
});

test("without WebRTC every attempt fails", async () => {
  const { listener, links } = open();
  links.rtcOpen(5, true, []);
  await listener.until("rtcFailed", 5);
});
