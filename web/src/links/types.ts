// Links: ordered, reliable pipes of byte messages to other peers, and what a Driver asks of whoever makes them (links.ts).

export type LinkKind = "websocket" | "datachannel" | "local";
export type SignalKind = "offer" | "answer" | "candidate";

/** What a Driver needs to carry out link actions. Nothing here throws; what fails is told as an event. */
export interface Links {
  dial(url: string, network: string): void;
  /** One message. The bytes are borrowed until this returns. To a link that is closed: nothing. */
  send(link: number, bytes: Uint8Array): void;
  /** Once what was sent is out, at most a second later. Nothing more is received from it; `closed` is told. */
  close(link: number): void;
  /** true: it need not be read for now. Where the transport can do that. */
  hold(link: number, held: boolean): void;
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
  /** Reads nothing, or again. */
  hold?(held: boolean): void;
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
