// Links: ordered, reliable pipes of byte messages to other peers, and what a Driver asks of whoever makes them.
//
//     const links = makeLinks({ webSocket: url => new WebSocket(url), local: "talkbox" })(events);
//     links.dial("wss://anchor.example", network);        // events.opened(1, "websocket", true, { url }) or events.dialFailed(url)

import { LocalBus, type LocalOptions } from "./local.js";
import type { RtcPort } from "./rtc.js";
import { RtcLinks } from "./rtc.js";
import { WebSockets, type MakeWebSocket } from "./websocket.js";

export type LinkKind = "websocket" | "datachannel" | "local";
export type SignalKind = "offer" | "answer" | "candidate";

/** What a Driver needs to carry out link actions. Nothing here throws; what fails is told as an event. */
export interface Links {
  dial(url: string, network: string): void;
  /** One message. The bytes are borrowed until this returns. To a link that is closed: nothing. */
  send(link: number, bytes: Uint8Array): void;
  /** Once what was sent is out, at most a second later. Nothing more is received from it; `closed` is told. */
  close(link: number): void;
  rtcOpen(attempt: number, initiator: boolean, ice: readonly string[]): void;
  rtcSignal(attempt: number, kind: SignalKind, text: string): void;
  /** Also closes its link. */
  rtcClose(attempt: number): void;
  /** false: closes all links, and makes none and accepts none until true. At first they are allowed. */
  allow(allowed: boolean): void;
  closeAll(): void;
}

/** What a Driver is told. Links are numbered here, from 1, never twice. */
export interface LinkEvents {
  opened(link: number, path: LinkKind, dialler: boolean, from: LinkOrigin): void;
  /** The bytes belong to the listener. */
  received(link: number, bytes: Uint8Array): void;
  /** Once for every link that was opened, whoever closed it. */
  closed(link: number): void;
  /** At least once for every `toldBytes` sent: what waits to be sent, as soon as that is less than `drainedBytes`. The core counts
   *  what it sends from one such word to the next, and stops where none comes. */
  drained(link: number, buffered: number): void;
  dialFailed(url: string): void;
  signal(attempt: number, kind: SignalKind, text: string): void;
  /** Once, for an attempt that got no link. */
  rtcFailed(attempt: number): void;
}

/** url: of the dial; attempt: of rtcOpen; network: what the other side asked for, where it dialled;
 *  address, admitted: as the core has them in LinkOpened. */
export interface LinkOrigin {
  readonly url?: string;
  readonly attempt?: number;
  readonly network?: string;
  readonly address?: Uint8Array;
  readonly admitted?: boolean;
}

/** A link as its transport sees it. */
export interface Pipe {
  send(bytes: Uint8Array): void;
  /** Bytes sent that have not left yet. */
  readonly buffered: number;
  /** Ends it once what was sent is out, at most a second later; then the transport says `closed`. */
  close(): void;
}

/** What a transport tells of one pipe. */
export interface PipeEvents {
  received(bytes: Uint8Array): void;
  drained(buffered: number): void;
  closed(): void;
}

/** Under so much waiting the core sends on: enough to keep a fast link busy for some milliseconds. */
export const drainedBytes = 256 * 1024;
/** How much is sent before the core is told again how much waits. */
export const toldBytes = 128 * 1024;
/** How long a link may take to say its last words. */
export const closeMs = 1000;

/** The numbers of links and what they stand for. Shared by all transports of one Driver. */
export class LinkTable {
  readonly events: LinkEvents;
  readonly #pipes = new Map<number, { readonly pipe: Pipe; untold: number }>();
  #allowed = true;
  #next = 1;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  /** Numbers an open pipe and tells the Driver. */
  add(pipe: Pipe, path: LinkKind, dialler: boolean, from: LinkOrigin): PipeEvents {
    const link = this.#next++;
    this.#pipes.set(link, { pipe, untold: 0 });
    let open = true;
    this.events.opened(link, path, dialler, from);
    if (!this.#allowed) queueMicrotask(() => this.close(link));
    return {
      received: bytes => {
        if (this.#pipes.has(link)) this.events.received(link, bytes);
      },
      drained: buffered => this.#drained(link, buffered),
      closed: () => {
        this.#pipes.delete(link);
        if (open) this.events.closed(link);
        open = false;
      },
    };
  }

  send(link: number, bytes: Uint8Array): void {
    const known = this.#pipes.get(link);
    if (known === undefined) return;
    known.pipe.send(bytes);
    known.untold += bytes.length;
    if (known.untold >= toldBytes && known.pipe.buffered < drainedBytes) this.#drained(link, known.pipe.buffered);
  }

  close(link: number): void {
    const known = this.#pipes.get(link);
    this.#pipes.delete(link); // what comes from now on is not heard
    known?.pipe.close();
  }

  #drained(link: number, buffered: number): void {
    const known = this.#pipes.get(link);
    if (known === undefined) return;
    known.untold = 0;
    this.events.drained(link, buffered);
  }

  /** false: closes all, and from then on whatever comes up. */
  allow(allowed: boolean): void {
    this.#allowed = allowed;
    if (!allowed) this.closeAll();
  }

  closeAll(): void {
    for (const link of [...this.#pipes.keys()]) this.close(link);
  }
}

export interface LinksOptions {
  readonly webSocket: MakeWebSocket;
  /** Where connections are made. None: every attempt fails. */
  readonly rtc?: RtcPort;
  /** Finds peers of this network on the same origin. None: they are not looked for. */
  readonly local?: LocalOptions;
}

/** Links over everything that there is here, for a Driver. */
export function makeLinks(options: LinksOptions): (events: LinkEvents) => Links {
  return events => {
    const table = new LinkTable(events);
    const webSockets = new WebSockets(table, options.webSocket);
    const rtc = options.rtc === undefined ? undefined : new RtcLinks(table, options.rtc);
    const meetOthers = (): LocalBus | undefined =>
      options.local === undefined ? undefined : new LocalBus(table, options.local);
    let local = meetOthers();
    return {
      dial: (url, network) => webSockets.dial(url, network),
      send: (link, bytes) => table.send(link, bytes),
      close: link => table.close(link),
      rtcOpen: (attempt, initiator, ice) =>
        rtc === undefined ? events.rtcFailed(attempt) : rtc.open(attempt, initiator, ice),
      rtcSignal: (attempt, kind, text) => rtc?.signal(attempt, kind, text),
      rtcClose: attempt => rtc?.close(attempt),
      allow: allowed => {
        local?.leave();
        table.allow(allowed);
        local = allowed ? meetOthers() : undefined;
      },
      closeAll: () => {
        local?.leave();
        table.closeAll();
        webSockets.stop();
        rtc?.closeAll();
      },
    };
  };
}
