// One RTCDataChannel as a pipe, in the worker that it was moved to or in the page.
//
//   opening ── it is open, or a message came ──> open ── close() ──> closing ── what waits is out, or a second is over ──> closed
//   any ── the channel is closed ──> closed

import { closeMs, type Pipe } from "./types.js";

export interface ChannelEvents {
  /** Before anything is received. */
  opened(): void;
  received(bytes: Uint8Array<ArrayBuffer>): void;
  /** What waits has fallen under the low mark after having been above. */
  drained(buffered: number): void;
  /** Once, also if it never opened. */
  closed(): void;
}

/** Browsers throw at 16 MiB of their own queue: beyond this much, messages wait here. */
const highBytes = 1 << 20;
/** What any browser takes in one message. */
const messageBytesMax = 256 * 1024;

export class ChannelPipe implements Pipe {
  readonly #channel: RTCDataChannel;
  readonly #events: ChannelEvents;
  readonly #low: number;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queued = 0;
  #state: "opening" | "open" | "closing" | "closed" = "opening";
  #above = false;

  /** The channel may be in any state; messages that came with it are not lost. `low`: the mark of `drained`. */
  constructor(channel: RTCDataChannel, low: number, events: ChannelEvents) {
    this.#channel = channel;
    this.#low = low;
    this.#events = events;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = low - 1;
    // Where a message came first it counts as opened, but what was answered waits until now.
    channel.onopen = () => {
      this.#open();
      this.#pump();
    };
    channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    channel.onbufferedamountlow = () => this.#pump();
    channel.onclose = () => this.#end();
    channel.onerror = () => {
      if (channel.readyState !== "open") this.#end();
    };
    if (channel.readyState === "open") queueMicrotask(() => this.#open());
  }

  get buffered(): number {
    return this.#queued + this.#channel.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    if (this.#isOver()) return;
    this.#queue.push(new Uint8Array(bytes));
    this.#queued += bytes.length;
    this.#pump();
    if (this.buffered >= this.#low) this.#above = true;
  }

  close(): void {
    if (this.#isOver()) return;
    this.#state = "closing";
    if (this.#queue.length === 0) this.#channel.close();
    setTimeout(() => {
      this.#channel.close();
      this.#end();
    }, closeMs);
  }

  #open(): void {
    if (this.#state !== "opening") return;
    this.#state = "open";
    this.#events.opened();
    this.#pump();
  }

  // A moved channel may bring messages before it says that it is open.
  #receive(data: unknown): void {
    this.#open();
    if (this.#isOver()) return;
    if (data instanceof ArrayBuffer && data.byteLength <= messageBytesMax) this.#events.received(new Uint8Array(data));
    else this.close();
  }

  #pump(): void {
    if (this.#channel.readyState !== "open") return;
    try {
      while (this.#channel.bufferedAmount < highBytes) {
        const next = this.#queue.shift();
        if (next === undefined) break;
        this.#queued -= next.length;
        this.#channel.send(next);
      }
    } catch {
      this.#channel.close();
      this.#end();
      return;
    }
    if (this.#state === "closing" && this.#queue.length === 0) this.#channel.close();
    if (this.#above && this.buffered < this.#low) {
      this.#above = false;
      this.#events.drained(this.buffered);
    }
  }

  // Nothing more is sent or received.
  #isOver(): boolean {
    return this.#state === "closing" || this.#state === "closed";
  }

  #end(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    this.#queued = 0;
    this.#events.closed();
  }
}
