// The anchor's one port: WebSockets in, /healthz, /metrics and static files.
//
//     const server = new AnchorServer(settings, files, visits);
//     await server.listen();
//     server.open({ accept, health, metrics });        // until then everybody is asked to wait
import { readFileSync } from "node:fs";
import {
  createServer as createHttp,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createHttps, Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { badArgument, PerdureError } from "../src/base/errors.js";
import { targetOf, type StaticFiles } from "./files.js";
import { Crowd } from "./crowd.js";
import { addressBytes, addressOf, Desk, Gate, networkOf, Tokens } from "./gate.js";
import type { Settings } from "./options.js";

/** Where a link comes from, in bytes, and whether it has brought a token. */
export interface Visitor {
  readonly address: Uint8Array;
  readonly admitted: boolean;
}

/** What stands behind the doors. */
export interface Doors {
  /** A WebSocket that asks for this network. */
  accept(socket: WebSocket, network: string, visitor: Visitor): void;
  /** What keeps the anchor from its work, in words; empty if nothing does. */
  health(): Promise<string>;
  metrics(): Promise<string>;
}

/** Messages of links hold 64 KiB, with what seals them. */
export const messageBytesMax = 64 * 1024;
/** A link that has so much waiting does not read: it is ended. */
const unreadBytesMax = 32 << 20;
/** Close code of RFC 6455. */
const tryAgainLater = 1013;
/** Links beyond the quota that get as far as the core, which tells them why it does not let them in, or has others make room for them:
 *  more than it keeps of both kinds, so that it is the core that chooses who goes. */
const toldLinks = 96;
/** How old the text of /metrics may be. */
const figuresMs = 1_000;
/** Of these and of half the quota the larger is for one address: the rest is for others. */
const addressLinksMin = 64;

export class AnchorServer {
  readonly #settings: Settings;
  readonly #files: StaticFiles | undefined;
  readonly #refused: (reason: string) => void;
  readonly #server: Server | HttpsServer;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    maxFragments: 64,
  });
  /** By address. */
  readonly #links = new Map<WebSocket, string>();
  readonly #refusing = new Set<WebSocket>();
  readonly #raw = new Map<WebSocket, Socket>();
  readonly #crowd: Crowd<string>;
  readonly #gate = new Gate();
  readonly #desk: Desk;
  /** Those that have asked too often: nothing more is read from them. */
  readonly #dismissed = new WeakSet<Socket>();
  readonly #tokens: Tokens;
  readonly #watch = setInterval(() => this.#look(), 1_000);
  #figures: { readonly atMs: number; readonly text: Promise<string> } | undefined;
  #doors: Doors | undefined;
  #bytes = { in: 0, out: 0 };

  /** Throws bad-argument if the files for TLS cannot be used. `refused` is told why somebody was not let in. */
  constructor(settings: Settings, files: StaticFiles | undefined, refused: (reason: string) => void) {
    this.#settings = settings;
    this.#files = files;
    this.#refused = refused;
    this.#desk = new Desk(settings.publicUrl !== undefined);
    this.#tokens = new Tokens(settings.tokens);
    this.#crowd = new Crowd(() => refused("connections"));
    // Whoever sends nothing, or a byte now and then, keeps no connection for long.
    const patience: ServerOptions = {
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 2_500,
      maxHeaderSize: 16 * 1024,
    };
    this.#server =
      settings.tls === undefined
        ? createHttp(patience)
        : usable(settings.tls, pair => createHttps({ ...patience, handshakeTimeout: 10_000, ...pair }));
    this.#server.timeout = 60_000;
    this.#server.on("connection", (socket: Socket) => this.#came(socket));
    this.#server.on("request", (request, response) => this.#request(request, response));
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#watch.unref();
  }

  /** The port once it listens. Rejects with bad-argument if it cannot be had. */
  async listen(): Promise<number> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", error => reject(explain(error, host, port)));
      this.#server.listen({ host, port }, resolve);
    });
    this.#server.removeAllListeners("error");
    this.#server.on("error", () => undefined);
    return (this.#server.address() as AddressInfo).port;
  }

  open(doors: Doors): void {
    this.#doors = doors;
    // What cannot be read now is told to whoever asks for it.
    this.#files?.warm().catch(() => undefined);
  }

  /** Reads the files for TLS again: for links to come. Throws bad-argument and keeps the old ones if they cannot be used. */
  reload(): void {
    const { tls } = this.#settings;
    const server = this.#server;
    if (tls !== undefined && server instanceof HttpsServer) usable(tls, pair => server.setSecureContext(pair));
  }

  get links(): number {
    return this.#links.size;
  }

  /** Bytes on links, those that have ended included. */
  bytes(): { in: number; out: number } {
    const sum = { ...this.#bytes };
    for (const socket of this.#raw.values()) {
      sum.in += socket.bytesRead;
      sum.out += socket.bytesWritten;
    }
    return sum;
  }

  /** Nobody comes in any more. */
  shut(): void {
    this.#doors = undefined;
    this.#files?.close();
    this.#server.close();
  }

  /** Ends what is still connected: links that are closing have a second for it. */
  async close(): Promise<void> {
    this.shut();
    clearInterval(this.#watch);
    const until = performance.now() + 1_000;
    while (this.#raw.size > 0 && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 10));
    for (const socket of [...this.#links.keys(), ...this.#refusing]) socket.terminate();
    this.#server.closeAllConnections();
    // Until it has let go of the port.
    while (this.#server.listening) await new Promise(resolve => setTimeout(resolve, 5));
  }

  // ---- requests ----------------------------------------------------------------------------------------------------------
  #request(request: IncomingMessage, response: ServerResponse): void {
    // What it had sent before it was told.
    if (this.#dismissed.has(request.socket)) return;
    const { path } = targetOf(request);
    const [address, now] = [this.#addressOf(request), performance.now()];
    if (!this.#desk.admits(address, path, now)) return this.#dismiss(request.socket, response);
    this.#crowd.asked(keyOf(request.socket), networkOf(address), now);
    this.#answer(request, response, path).catch(() => response.destroy());
  }

  #dismiss(socket: Socket, response: ServerResponse): void {
    this.#refused("requests");
    this.#dismissed.add(socket);
    socket.pause();
    const text = "Too many requests. Try again in a few seconds.\n";
    response
      .writeHead(429, { connection: "close", "retry-after": "5", "content-type": "text/plain; charset=utf-8" })
      .end(text);
    setTimeout(() => socket.destroy(), 1_000).unref();
  }

  async #answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    response.setHeader("x-content-type-options", "nosniff");
    request.resume();
    const connection = keyOf(request.socket);
    response.on("close", () => this.#crowd.answered(connection, performance.now()));
    if (request.method !== "GET" && request.method !== "HEAD") {
      response
        .writeHead(405, { allow: "GET, HEAD", "content-type": "text/plain; charset=utf-8" })
        .end("Only GET and HEAD.\n");
      return;
    }
    if (path === "/healthz") return this.#health(response);
    if (path === "/metrics") {
      if (this.#doors === undefined) return waitALittle(response);
      const text = await this.#figuresOf(this.#doors);
      response
        .writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" })
        .end(text);
    } else if (this.#files !== undefined) {
      await this.#files.answer(request, response);
    } else {
      const here = path === "/";
      response
        .writeHead(here ? 200 : 404, { "content-type": "text/plain; charset=utf-8" })
        .end(
          here
            ? "This is a Perdure anchor. It speaks WebSocket here; see also /healthz and /metrics.\n"
            : "Not found.\n",
        );
    }
  }

  /** Made once a second, however many ask. */
  #figuresOf(doors: Doors): Promise<string> {
    const now = performance.now();
    if (this.#figures === undefined || this.#figures.atMs + figuresMs <= now) {
      const text = doors.metrics();
      this.#figures = { atMs: now, text };
      text.catch(() => (this.#figures = undefined));
    }
    return this.#figures.text;
  }

  async #health(response: ServerResponse): Promise<void> {
    const trouble = this.#doors === undefined ? "The anchor is starting or stopping." : await this.#doors.health();
    response
      .writeHead(trouble === "" ? 200 : 503, { "content-type": "application/json", "cache-control": "no-store" })
      .end(
        `${JSON.stringify(trouble === "" ? { perdure: "anchor", status: "ok" } : { perdure: "anchor", status: "failing", trouble })}\n`,
      );
  }

  // ---- links -------------------------------------------------------------------------------------------------------------
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    if (this.#dismissed.has(request.socket)) return void socket.destroy();
    const doors = this.#doors;
    const address = this.#addressOf(request);
    const query = new URLSearchParams(/\?(.*)$/s.exec(request.url ?? "")?.[1] ?? "");
    const network = query.get("network") ?? "";
    const visitor: Visitor = { address: addressBytes(address), admitted: this.#tokens.admits(query.get("token")) };
    this.#crowd.asked(keyOf(request.socket), networkOf(address), performance.now());
    if (doors === undefined)
      return this.#turnAway(socket, "503 Service Unavailable", "starting", "The anchor is starting or stopping.");
    if (!this.#gate.admits(address, performance.now()))
      return this.#turnAway(socket, "429 Too Many Requests", "rate", "Too many connections from this address.");
    if (!/^[0-9a-f]{64}$/.test(network))
      return this.#turnAway(socket, "400 Bad Request", "network", "The address needs ?network= and 64 hex digits.");
    if (
      !visitor.admitted &&
      this.#linksOf(networkOf(address)) >= Math.max(addressLinksMin, this.#settings.quotas.links / 2)
    ) {
      return this.#turnAway(socket, "429 Too Many Requests", "address", "Too many links from this address.");
    }
    this.#sockets.handleUpgrade(request, socket, head, link => {
      this.#crowd.left(keyOf(request.socket));
      if (this.#open >= this.#settings.quotas.links + toldLinks) return this.#noRoom(link);
      this.#count(link, request.socket, networkOf(address));
      doors.accept(link, network, visitor);
    });
  }

  #turnAway(socket: Duplex, status: string, reason: string, text: string): void {
    this.#refused(reason);
    const retry = status.startsWith("400") ? "" : "Retry-After: 5\r\n";
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n${retry}Content-Length: ${text.length + 1}\r\n\r\n${text}\n`,
    );
    setTimeout(() => socket.destroy(), 1_000).unref();
  }

  /** Pages cannot see why a handshake failed, but they see how a WebSocket closed. */
  #noRoom(link: WebSocket): void {
    this.#refused("links");
    this.#refusing.add(link);
    link.on("error", () => undefined);
    link.on("close", () => this.#refusing.delete(link));
    link.close(tryAgainLater, "This anchor has no free link. Try again later.");
    setTimeout(() => link.terminate(), 1_000).unref();
  }

  #came(socket: Socket): void {
    const connection = keyOf(socket);
    this.#crowd.came(connection, socket, networkOf(socket.remoteAddress ?? ""), performance.now());
    socket.on("close", () => this.#crowd.left(connection));
  }

  #addressOf(request: IncomingMessage): string {
    return addressOf(
      request.socket.remoteAddress,
      request.headers["x-forwarded-for"],
      this.#settings.publicUrl !== undefined,
    );
  }

  /** Those that are closing hold no place. */
  get #open(): number {
    let open = 0;
    for (const link of this.#links.keys()) if (link.readyState === link.OPEN) open++;
    return open;
  }

  #linksOf(address: string): number {
    let count = 0;
    for (const [link, from] of this.#links) if (from === address && link.readyState === link.OPEN) count++;
    return count;
  }

  #count(link: WebSocket, socket: Socket, address: string): void {
    socket.setKeepAlive(true, 30_000);
    socket.setNoDelay(true);
    this.#links.set(link, address);
    this.#raw.set(link, socket);
    link.on("close", () => {
      this.#links.delete(link);
      this.#raw.delete(link);
      this.#bytes.in += socket.bytesRead;
      this.#bytes.out += socket.bytesWritten;
    });
  }

  #look(): void {
    this.#crowd.sweep(performance.now());
    // Who does not read has the others' memory; the one for which most waits goes first.
    const unread = [...this.#links.keys()]
      .map(link => ({ link, bytes: link.bufferedAmount }))
      .sort((a, b) => b.bytes - a.bytes);
    let waiting = unread.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { link, bytes } of unread) {
      if (bytes <= unreadBytesMax && waiting <= this.#settings.memoryBytes / 4) break;
      this.#refused("slow");
      link.terminate();
      waiting -= bytes;
    }
  }
}

/** TLS has a socket of its own over that of the connection; both are of one address and port. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? 0}`;
}

function waitALittle(response: ServerResponse): void {
  response
    .writeHead(503, { "content-type": "text/plain; charset=utf-8", "retry-after": "5" })
    .end("The anchor is starting or stopping.\n");
}

/** What the library makes of certificate and key. Throws bad-argument if they cannot be read or do not fit. */
function usable<T>(
  files: { readonly cert: string; readonly key: string },
  make: (pair: { cert: Buffer; key: Buffer }) => T,
): T {
  const pair = readTls(files);
  try {
    return make(pair);
  } catch (error) {
    throw new PerdureError(
      "bad-argument",
      `${files.cert} and ${files.key} are no certificate and its key (${error instanceof Error ? error.message : String(error)}).`,
      { path: "tls", cause: error },
    );
  }
}

function readTls(files: { readonly cert: string; readonly key: string }): { cert: Buffer; key: Buffer } {
  const read = (file: string, path: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (cause) {
      throw new PerdureError("bad-argument", `The file ${file} cannot be read.`, { path, cause });
    }
  };
  return { cert: read(files.cert, "tls.cert"), key: read(files.key, "tls.key") };
}

/** Why nobody can be listened to there, and what helps. */
export function explain(error: unknown, host: string, port: number): PerdureError {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  if (code === "EADDRINUSE")
    return badArgument(`Port ${port} on ${host} is in use. Choose another one, or 0 for any that is free.`, "port");
  if (code === "EACCES")
    return badArgument(
      `Port ${port} on ${host} needs rights that this user does not have. Choose one above 1023.`,
      "port",
    );
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return badArgument(`${host} is no address of this machine.`, "host");
  return new PerdureError(
    "bad-argument",
    `Port ${port} on ${host} cannot be had (${error instanceof Error ? error.message : String(error)}).`,
    { cause: error },
  );
}
