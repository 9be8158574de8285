// Links over WebRTC, the half beside the core. Connections exist only in pages (rtc-page.ts): the page makes them and either
// moves their channel here or carries its messages over.

import { ChannelPipe } from "./channel.js";
import type { LinkTable } from "./table.js";
import { closeMs, drainedBytes, type Pipe, type PipeEvents, type SignalKind } from "./types.js";

/** What the page is asked. `bytes`: for a bridged channel; `end`: once what was sent is out. */
export type ToPage =
  | {
      readonly kind: "rtc-open";
      readonly attempt: number;
      readonly initiator: boolean;
      readonly ice: readonly string[];
    }
  | { readonly kind: "rtc-signal"; readonly attempt: number; readonly signal: SignalKind; readonly text: string }
  | { readonly kind: "rtc-bytes"; readonly attempt: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "rtc-end" | "rtc-close"; readonly attempt: number }
  | { readonly kind: "rtc-close-all" };

/** What the page tells. `bridged`: the channel is open and stays in the page; `taken`, `buffered`: how many bytes it has taken over in
 *  all and how many of them still wait. `over`: the connection is gone. */
export type FromPage =
  | { readonly kind: "rtc-channel"; readonly attempt: number; readonly channel: RTCDataChannel }
  | { readonly kind: "rtc-bridged" | "rtc-over"; readonly attempt: number }
  | { readonly kind: "rtc-bytes"; readonly attempt: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "rtc-progress"; readonly attempt: number; readonly taken: number; readonly buffered: number }
  | { readonly kind: "rtc-signal"; readonly attempt: number; readonly signal: SignalKind; readonly text: string };

/** The way to the page. Messages keep their order. */
export interface RtcPort {
  post(message: ToPage, transfer: readonly Transferable[]): void;
  listen(listener: (message: FromPage) => void): () => void;
}

interface Attempt {
  readonly initiator: boolean;
  pipe?: Pipe;
  bridge?: BridgedPipe;
  link?: PipeEvents; // once the channel is open
}

export class RtcLinks {
  readonly #table: LinkTable;
  readonly #port: RtcPort;
  readonly #attempts = new Map<number, Attempt>();
  readonly #deaf: () => void;

  constructor(table: LinkTable, port: RtcPort) {
    this.#table = table;
    this.#port = port;
    this.#deaf = port.listen(message => this.#hear(message));
  }

  open(attempt: number, initiator: boolean, ice: readonly string[]): void {
    this.#attempts.set(attempt, { initiator });
    this.#port.post({ kind: "rtc-open", attempt, initiator, ice }, []);
  }

  signal(attempt: number, signal: SignalKind, text: string): void {
    if (this.#attempts.has(attempt)) this.#port.post({ kind: "rtc-signal", attempt, signal, text }, []);
  }

  /** Once what was sent is out. */
  close(attempt: number): void {
    const known = this.#attempts.get(attempt);
    if (known === undefined) return;
    if (known.link === undefined) this.#forget(attempt);
    else known.pipe?.close();
  }

  /** Links have been told to close by now; the page ends their connections when they are, or when it goes. */
  closeAll(): void {
    for (const attempt of [...this.#attempts.keys()]) this.close(attempt);
    setTimeout(() => {
      this.#deaf();
      this.#port.post({ kind: "rtc-close-all" }, []);
    }, closeMs);
  }

  #hear(message: FromPage): void {
    const attempt = this.#attempts.get(message.attempt);
    if (attempt === undefined) {
      if (message.kind === "rtc-channel") message.channel.close();
      return;
    }
    switch (message.kind) {
      case "rtc-channel":
        this.#adopt(message.attempt, attempt, message.channel);
        break;
      case "rtc-bridged":
        this.#bridge(message.attempt, attempt);
        break;
      case "rtc-bytes":
        attempt.link?.received(message.bytes);
        break;
      case "rtc-progress":
        attempt.bridge?.progress(message.taken, message.buffered);
        break;
      case "rtc-signal":
        this.#table.events.signal(message.attempt, message.signal, message.text);
        break;
      case "rtc-over":
        this.#over(message.attempt, attempt);
        break;
    }
  }

  #adopt(id: number, attempt: Attempt, channel: RTCDataChannel): void {
    const pipe = new ChannelPipe(channel, drainedBytes, {
      opened: () => {
        attempt.link = this.#table.add(pipe, "datachannel", attempt.initiator, { attempt: id });
      },
      received: bytes => attempt.link?.received(bytes),
      drained: buffered => attempt.link?.drained(buffered),
      closed: () => this.#over(id, attempt),
    });
    attempt.pipe = pipe;
  }

  #bridge(id: number, attempt: Attempt): void {
    const pipe = new BridgedPipe(id, this.#port, {
      drained: buffered => attempt.link?.drained(buffered),
      closed: () => this.#over(id, attempt),
    });
    attempt.pipe = attempt.bridge = pipe;
    attempt.link = this.#table.add(pipe, "datachannel", attempt.initiator, { attempt: id });
  }

  #over(id: number, attempt: Attempt): void {
    if (this.#attempts.get(id) !== attempt) return;
    this.#forget(id);
    if (attempt.link === undefined) this.#table.events.rtcFailed(id);
    else attempt.link.closed();
  }

  #forget(attempt: number): void {
    this.#attempts.delete(attempt);
    this.#port.post({ kind: "rtc-close", attempt }, []);
  }
}

// A channel that stays in the page. Counts what is on its way there and what waits there.
class BridgedPipe implements Pipe {
  readonly #attempt: number;
  readonly #port: RtcPort;
  readonly #events: Omit<PipeEvents, "received">;
  #sent = 0;
  #taken = 0;
  #waiting = 0;
  #above = false;
  #closing = false;

  constructor(attempt: number, port: RtcPort, events: Omit<PipeEvents, "received">) {
    this.#attempt = attempt;
    this.#port = port;
    this.#events = events;
  }

  send(bytes: Uint8Array): void {
    if (this.#closing) return;
    const own = new Uint8Array(bytes);
    this.#sent += own.length;
    this.#port.post({ kind: "rtc-bytes", attempt: this.#attempt, bytes: own }, [own.buffer]);
    if (this.buffered >= drainedBytes) this.#above = true;
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#port.post({ kind: "rtc-end", attempt: this.#attempt }, []);
    setTimeout(() => this.#events.closed(), closeMs + 100); // if the page does not say so itself
  }

  progress(taken: number, buffered: number): void {
    this.#taken = taken;
    this.#waiting = buffered;
    if (!this.#above || this.buffered >= drainedBytes) return;
    this.#above = false;
    this.#events.drained(this.buffered);
  }

  get buffered(): number {
    return this.#sent - this.#taken + this.#waiting;
  }
}
