// How tabs of one peer talk: a BroadcastChannel for all of them, and one that each listens to alone. What one tab says to another
// keeps its order.
//
//   all:    hello (who leads?), starting (I am about to), leading (I do), bye
//   a tab:  calls, cancels and visibility to the leader; welcome, replies, notices and info from it

import type { Notice } from "../engine/boundary.js";
import type { AnswerMessage, CallMessage } from "../engine/calls.js";
import type { EngineInfo } from "../engine/engine.js";
import { tabsChannelOf } from "../base/names.js";

export type TabMessage = { readonly from: string; readonly version: string } & (
  | { readonly kind: "hello"; readonly hidden: boolean }
  /** Has the lock and opens the store. */
  | { readonly kind: "starting" }
  /** `term`: names this time of leading. */
  | { readonly kind: "leading"; readonly term: string }
  | { readonly kind: "bye" }
  | { readonly kind: "visibility"; readonly hidden: boolean }
  /** To who calls but is not known: it was thought to be gone. */
  | { readonly kind: "lost" }
  | {
      readonly kind: "welcome";
      readonly term: string;
      readonly id: string;
      readonly info: EngineInfo;
      readonly notices: readonly Notice[];
    }
  | CallMessage
  | AnswerMessage
  | { readonly kind: "notice"; readonly notice: Notice }
  | { readonly kind: "info"; readonly info: EngineInfo }
);

type WithoutSender<M> = M extends TabMessage ? Omit<M, "from" | "version"> : never;
export type Said = WithoutSender<TabMessage>;

export class Bus {
  readonly id: string = Array.from(crypto.getRandomValues(new Uint8Array(12)), byte =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  readonly #name: string;
  readonly #version: string;
  readonly #all: BroadcastChannel;
  readonly #own: BroadcastChannel;
  readonly #others = new Map<string, BroadcastChannel>();
  #closed = false;

  constructor(name: string, version: string, hear: (message: TabMessage) => void) {
    this.#name = tabsChannelOf(name);
    this.#version = version;
    this.#all = new BroadcastChannel(this.#name);
    this.#own = new BroadcastChannel(this.#inboxOf(this.id));
    const listen = ({ data }: MessageEvent<TabMessage>): void => {
      if (!this.#closed) hear(data);
    };
    this.#all.onmessage = listen;
    this.#own.onmessage = listen;
  }

  say(message: Said): void {
    if (!this.#closed) this.#all.postMessage({ ...message, from: this.id, version: this.#version });
  }

  tell(to: string, message: Said): void {
    if (this.#closed) return;
    let channel = this.#others.get(to);
    if (channel === undefined) this.#others.set(to, (channel = new BroadcastChannel(this.#inboxOf(to))));
    channel.postMessage({ ...message, from: this.id, version: this.#version });
  }

  /** That tab is gone, or is told nothing for now. */
  forget(tab: string): void {
    this.#others.get(tab)?.close();
    this.#others.delete(tab);
  }

  close(): void {
    this.#closed = true;
    for (const channel of [this.#all, this.#own, ...this.#others.values()]) channel.close();
  }

  #inboxOf(tab: string): string {
    return `${this.#name}:${tab}`;
  }
}
