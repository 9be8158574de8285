// Links between peers of one origin: other instances in other tabs, frames and workers. A page without any server is then not
// alone with itself.
//
//   perdure:<network>              everyone:     hello { from } … welcome { from, to } … leave { from }
//   perdure:<network>:<low>:<high> the two of them: ready, bytes, taken, close, ping, pong
//
// Both listen on their own channel before either speaks there: who hears the other's `ready` knows that it is heard. The lower id
// counts as the dialler. Each holds a Web Lock by its id, and who gets it knows that the other is gone; browsers without locks
// listen for silence instead.

import { localChannelOf } from "../base/names.js";
import type { LinkTable } from "./table.js";
import { drainedBytes, type Pipe, type PipeEvents } from "./types.js";

export interface LocalOptions {
  /** Names the network, so that only peers of one app meet. */
  readonly network: string;
  /** Default: this browser's. None: silence tells. */
  readonly locks?: LockManager | undefined;
}

type Public =
  | { readonly kind: "hello" | "leave"; readonly from: string }
  | { readonly kind: "welcome"; readonly from: string; readonly to: string };
type Private = { readonly from: string } & (
  | { readonly kind: "ready" | "close" | "ping" | "pong" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "taken"; readonly total: number }
);

/** A receiver says what it has taken after so many bytes. */
const takenBytes = 64 * 1024;
const pingMs = 1000;
/** Silent for so many own beats, in which it could have answered each, the other is gone. Own beats: a throttled tab counts slowly. */
const beatsMax = 5;
/** Nobody has so many instances; whoever makes more ids is broken. */
const othersMax = 64;

export class LocalBus {
  readonly #table: LinkTable;
  readonly #network: string;
  readonly #locks: LockManager | undefined;
  readonly #id = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  readonly #others = new Map<string, Pair>();
  readonly #left = new AbortController();
  readonly #channel: BroadcastChannel;
  #begun = false;

  /** Starts to look for others at once, and tells of each as a link. */
  constructor(table: LinkTable, options: LocalOptions) {
    this.#table = table;
    this.#network = localChannelOf(options.network);
    this.#locks = "locks" in options ? options.locks : globalThis.navigator?.locks;
    this.#channel = new BroadcastChannel(this.#network);
    this.#channel.onmessage = ({ data }: MessageEvent<Public>) => this.#hear(data);
    void this.#begin();
  }

  /** Says so to all; their links and ours close. */
  leave(): void {
    if (this.#left.signal.aborted) return;
    this.#say({ kind: "leave", from: this.#id });
    for (const pair of [...this.#others.values()]) pair.close();
    this.#left.abort();
    this.#channel.close();
  }

  // The own lock is held before anyone hears of us: else it would be free, and we as good as gone.
  async #begin(): Promise<void> {
    await new Promise<void>(resolve => {
      if (this.#locks === undefined) return resolve();
      const held = this.#locks.request(this.#lockOf(this.#id), () => {
        resolve();
        return new Promise<void>(release => this.#left.signal.addEventListener("abort", () => release()));
      });
      held.catch(() => resolve());
    });
    if (this.#left.signal.aborted) return;
    this.#begun = true;
    this.#say({ kind: "hello", from: this.#id });
  }

  #hear(message: Public): void {
    if (typeof message?.from !== "string") return; // a page may have a channel of that name
    if (!this.#begun || message.from === this.#id) return; // before that, our hello is still to come
    if (message.kind === "leave") return this.#others.get(message.from)?.gone();
    if (message.kind === "welcome" && message.to !== this.#id) return;
    this.#meet(message.from);
    if (message.kind === "hello") this.#say({ kind: "welcome", from: this.#id, to: message.from });
  }

  #meet(other: string): void {
    if (this.#others.has(other) || this.#others.size >= othersMax) return;
    const [low, high] = this.#id < other ? [this.#id, other] : [other, this.#id];
    const pair = new Pair(this.#id, `${this.#network}:${low}:${high}`, {
      add: pipe => this.#table.add(pipe, "local", this.#id === low, {}),
      gone: () => this.#others.delete(other),
    });
    this.#others.set(other, pair);
    if (this.#locks === undefined) pair.listenForSilence();
    else
      void this.#locks.request(this.#lockOf(other), { signal: pair.ended }, () => pair.gone()).catch(() => undefined);
  }

  #lockOf(id: string): string {
    return `${this.#network}:alive:${id}`;
  }
  #say(message: Public): void {
    this.#channel.postMessage(message);
  }
}

interface PairEvents {
  add(pipe: Pipe): PipeEvents;
  gone(): void;
}

/** Two of one origin. */
class Pair implements Pipe {
  readonly #from: string;
  readonly #channel: BroadcastChannel;
  readonly #events: PairEvents;
  readonly #ended = new AbortController();
  #link: PipeEvents | undefined;
  #sent = 0;
  #taken = 0; // of what we sent, by the other
  #received = 0;
  #told = 0; // of what we received, to the other
  #above = false;
  #silentBeats = 0;

  constructor(from: string, name: string, events: PairEvents) {
    this.#from = from;
    this.#events = events;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Private>) => this.#hear(data);
    this.#say({ kind: "ready", from });
  }

  /** Aborted when it is over. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  send(bytes: Uint8Array): void {
    if (this.ended.aborted) return;
    this.#sent += bytes.length;
    this.#say({ kind: "bytes", from: this.#from, bytes: new Uint8Array(bytes) });
    if (this.#sent - this.#taken >= drainedBytes) this.#above = true;
  }

  get buffered(): number {
    return this.#sent - this.#taken;
  }

  /** What was said before arrives before it. */
  close(): void {
    if (this.ended.aborted) return;
    this.#say({ kind: "close", from: this.#from });
    this.gone();
  }

  /** The other side is not there any more, or not for us. */
  gone(): void {
    if (this.ended.aborted) return;
    this.#ended.abort();
    this.#channel.close();
    this.#events.gone();
    this.#link?.closed();
  }

  listenForSilence(): void {
    const beat = setInterval(() => {
      if (++this.#silentBeats > beatsMax) this.gone();
      else if (!this.ended.aborted) this.#say({ kind: "ping", from: this.#from });
    }, pingMs);
    this.ended.addEventListener("abort", () => clearInterval(beat));
  }

  #hear(message: Private): void {
    this.#silentBeats = 0;
    switch (message.kind) {
      case "ready":
        this.#ready();
        break;
      case "bytes":
        this.#receive(message.bytes);
        break;
      case "taken":
        this.#progress(message.total);
        break;
      case "close":
        this.gone();
        break;
      case "ping":
        this.#say({ kind: "pong", from: this.#from });
        break;
      case "pong":
        break;
    }
  }

  #ready(): void {
    if (this.#link !== undefined) return;
    this.#say({ kind: "ready", from: this.#from }); // ours may have come before the other listened
    this.#link = this.#events.add(this);
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): void {
    this.#link?.received(bytes);
    this.#received += bytes.length;
    if (this.#received - this.#told < takenBytes) return;
    this.#told = this.#received;
    this.#say({ kind: "taken", from: this.#from, total: this.#received });
  }

  #progress(total: number): void {
    this.#taken = total;
    const buffered = this.#sent - total;
    if (!this.#above || buffered >= drainedBytes) return;
    this.#above = false;
    this.#link?.drained(buffered);
  }

  #say(message: Private): void {
    this.#channel.postMessage(message);
  }
}
