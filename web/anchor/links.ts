// The links of an anchor: WebSockets that it accepts, and those that it dials to other anchors. It makes no DataChannels.
import { WebSocket } from "ws";
import type { Visitor } from "./server.js";
import { LinkTable } from "../src/links/table.js";
import type { LinkEvents, Links } from "../src/links/types.js";
import { messageBytesMax, type SocketLike, WebSockets } from "../src/links/websocket.js";

export class AnchorLinks implements Links {
  readonly #events: LinkEvents;
  readonly #table: LinkTable;
  readonly #sockets: WebSockets;

  constructor(events: LinkEvents) {
    this.#events = events;
    this.#table = new LinkTable(events);
    this.#sockets = new WebSockets(this.#table, url =>
      likeInBrowsers(
        new WebSocket(url, { maxPayload: messageBytesMax, perMessageDeflate: false, handshakeTimeout: 10_000 }),
      ),
    );
  }

  accept(socket: WebSocket, network: string, visitor: Visitor): void {
    this.#sockets.accept(likeInBrowsers(socket), network, visitor);
  }

  dial(url: string, network: string): void {
    this.#sockets.dial(url, network);
  }

  send(link: number, bytes: Uint8Array): void {
    this.#table.send(link, bytes);
  }

  close(link: number): void {
    this.#table.close(link);
  }

  hold(link: number, held: boolean): void {
    this.#table.hold(link, held);
  }

  rtcOpen(attempt: number): void {
    this.#events.rtcFailed(attempt);
  }

  rtcSignal(): void {
    // There is no attempt that it could belong to.
  }

  rtcClose(): void {
    // None was opened.
  }

  allow(allowed: boolean): void {
    this.#table.allow(allowed);
  }

  closeAll(): void {
    this.#table.closeAll();
    this.#sockets.stop();
  }
}

/** The sockets of `ws` have all that is asked for; only the types of their events are their own. */
function likeInBrowsers(socket: WebSocket): SocketLike {
  return socket as unknown as SocketLike;
}
