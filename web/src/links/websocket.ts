// Links over WebSockets: the browser's own, or those of the package `ws` in Node.

import type { LinkTable } from "./table.js";
import { closeMs, drainedBytes, type LinkOrigin, type Pipe, type PipeEvents } from "./types.js";

/** What the browser's WebSocket and that of `ws` have in common. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
  /** `ws` only: at once. */
  terminate?(): void;
  /** `ws` only. */
  pause?(): void;
  resume?(): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
}

/** May throw, as constructors do for addresses that they refuse. */
export type MakeWebSocket = (url: string) => SocketLike;

/** No frame is longer, with room for what seals it: longer messages end the link. */
export const messageBytesMax = 128 * 1024;
/** Browsers would wait for minutes. */
const dialMs = 15_000;
const pollMs = 10;
const connecting = 0;
const open = 1;

export class WebSockets {
  readonly #table: LinkTable;
  readonly #make: MakeWebSocket;
  readonly #dials = new Set<SocketLike>();

  constructor(table: LinkTable, make: MakeWebSocket) {
    this.#table = table;
    this.#make = make;
  }

  /** Tells `opened` with this url, or `dialFailed`, after 15 s at the latest. */
  dial(url: string, network: string): void {
    const { events } = this.#table;
    let socket: SocketLike;
    try {
      const address = new URL(url);
      address.searchParams.set("network", network);
      socket = this.#make(address.href);
    } catch {
      events.dialFailed(url);
      return;
    }
    this.#dials.add(socket);
    let settled = false;
    const settle = (opened: boolean): void => {
      if (settled) return;
      settled = true;
      clearTimeout(patience);
      if (!this.#dials.delete(socket)) return; // stopped meanwhile
      if (opened) new SocketPipe(socket, pipe => this.#table.add(pipe, "websocket", true, { url }));
      else events.dialFailed(url);
    };
    const patience = setTimeout(() => {
      settle(false);
      end(socket);
    }, dialMs);
    socket.addEventListener("open", () => settle(true));
    socket.addEventListener("error", () => settle(false));
    socket.addEventListener("close", () => settle(false));
  }

  /** A socket that a server has accepted and that is open; `network` as its address asks for it, `visitor`: who asks. */
  accept(socket: SocketLike, network: string, visitor: Pick<LinkOrigin, "address" | "admitted"> = {}): void {
    socket.addEventListener("error", () => undefined); // `close` follows; `ws` throws what nobody listens to
    new SocketPipe(socket, pipe => this.#table.add(pipe, "websocket", false, { ...visitor, network }));
  }

  /** Gives up what is being dialled, silently. */
  stop(): void {
    for (const socket of this.#dials) end(socket);
    this.#dials.clear();
  }
}

class SocketPipe implements Pipe {
  readonly #socket: SocketLike;
  readonly #events: PipeEvents;
  #polling: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: SocketLike, add: (pipe: Pipe) => PipeEvents) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.#events = add(this);
    socket.addEventListener("message", ({ data }) => {
      if (isArrayBuffer(data) && data.byteLength <= messageBytesMax) this.#events.received(new Uint8Array(data));
      else this.close();
    });
    socket.addEventListener("close", () => this.#ended());
    if (socket.readyState > open) this.#ended();
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.readyState !== open) return;
    this.#socket.send(exact(bytes));
    if (this.#socket.bufferedAmount >= drainedBytes) this.#poll();
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  close(): void {
    if (this.#socket.readyState > open) return;
    this.#socket.close();
    setTimeout(() => {
      end(this.#socket);
      this.#ended();
    }, closeMs);
  }

  hold(held: boolean): void {
    if (held) this.#socket.pause?.();
    else this.#socket.resume?.();
  }

  #poll(): void {
    this.#polling ??= setTimeout(() => {
      this.#polling = undefined;
      const { bufferedAmount, readyState } = this.#socket;
      if (readyState !== open) return;
      if (bufferedAmount < drainedBytes) this.#events.drained(bufferedAmount);
      else this.#poll();
    }, pollMs);
  }

  #ended(): void {
    clearTimeout(this.#polling);
    this.#events.closed();
  }
}

// Of any realm: that of a test environment is not the one in which `ws` gets its bytes.
function isArrayBuffer(data: unknown): data is ArrayBuffer {
  return Object.prototype.toString.call(data) === "[object ArrayBuffer]";
}

// `ws` sends later from the array it was given; browsers copy. Either way a view of the core's memory must not be kept.
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function end(socket: SocketLike): void {
  if (socket.terminate !== undefined) socket.terminate();
  else if (socket.readyState === connecting || socket.readyState === open) socket.close();
}
