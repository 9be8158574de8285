// The other tabs, as the leader serves them.

import { serveCalls, type ServedCalls } from "../engine/calls.js";
import type { Bus, TabMessage } from "./bus.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { relay } from "../engine/notices.js";
import { TabSubscriptions } from "./subscriptions.js";

interface Follower {
  readonly calls: ServedCalls;
  readonly subscriptions: TabSubscriptions;
  readonly gone: AbortController;
  deaf: () => void;
  hidden: boolean;
}

export interface FollowersOptions {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly term: string;
  /** Calls `gone` when that tab lives no longer, unless the signal is aborted first. */
  readonly watch: (tab: string, signal: AbortSignal, gone: () => void) => void;
  /** Whether any follower is visible may have changed. */
  readonly onVisibility: () => void;
}

export class Followers {
  readonly #options: FollowersOptions;
  readonly #followers = new Map<string, Follower>();
  readonly #quiet: () => void;
  #leaving = false;

  constructor(options: FollowersOptions) {
    this.#options = options;
    this.#quiet = options.engine.onInfo(info => {
      for (const tab of this.#followers.keys()) this.#tellInfo(tab, info);
    });
  }

  get allHidden(): boolean {
    return [...this.#followers.values()].every(({ hidden }) => hidden);
  }

  hear(message: TabMessage): void {
    if (this.#leaving) return;
    const follower = this.#followers.get(message.from);
    switch (message.kind) {
      case "hello":
        this.#greet(message.from, message.hidden);
        break;
      case "bye":
        this.#lose(message.from);
        break;
      case "visibility":
        if (follower !== undefined) follower.hidden = message.hidden;
        this.#options.onVisibility();
        break;
      case "call":
        if (follower === undefined) this.#options.bus.tell(message.from, { kind: "lost" });
        follower?.subscriptions.asking(message.body);
        follower?.calls.hear(message);
        break;
      case "cancel":
        follower?.calls.hear(message);
        break;
      default:
        break;
    }
  }

  /** New calls are not heard and refusals not told: they are for the next leader. What is done in time is still answered. */
  leave(): void {
    this.#leaving = true;
  }

  /** Nobody is served any more; unanswered calls stay so. */
  end(): void {
    this.#leaving = true;
    this.#quiet();
    for (const [tab, follower] of this.#followers) {
      follower.deaf();
      follower.gone.abort();
      this.#options.bus.forget(tab);
    }
    this.#followers.clear();
  }

  /** The same, and they look for another leader at once: this tab lives on. */
  lose(): void {
    for (const tab of this.#followers.keys()) this.#options.bus.tell(tab, { kind: "lost" });
    this.end();
  }

  #greet(tab: string, hidden: boolean): void {
    const { engine, bus, term } = this.#options;
    const known = this.#followers.get(tab);
    known?.deaf();
    const subscriptions = known?.subscriptions ?? new TabSubscriptions();
    const deaf = relay(
      engine,
      notices => bus.tell(tab, { kind: "welcome", term, id: engine.id, info: engine.info(), notices }),
      notice => {
        subscriptions.heard(notice);
        bus.tell(tab, { kind: "notice", notice });
      },
    );
    if (known !== undefined) {
      Object.assign(known, { hidden, deaf });
      this.#options.onVisibility();
      return;
    }
    const calls = serveCalls(engine, (answer, body) => {
      if (answer.kind === "reply") subscriptions.answered(body, answer.body);
      if (answer.kind === "reply" || !this.#leaving) bus.tell(tab, answer);
    });
    const follower: Follower = { calls, subscriptions, gone: new AbortController(), deaf, hidden };
    this.#followers.set(tab, follower);
    this.#options.onVisibility();
    this.#options.watch(tab, follower.gone.signal, () => this.#lose(tab));
  }

  #lose(tab: string): void {
    const follower = this.#followers.get(tab);
    if (follower === undefined) return;
    this.#followers.delete(tab);
    follower.deaf();
    follower.gone.abort();
    follower.calls.abortAll();
    for (const body of follower.subscriptions.ending()) this.#options.engine.call(body).catch(() => undefined);
    this.#options.bus.forget(tab);
    this.#options.onVisibility();
  }

  #tellInfo(tab: string, info: EngineInfo): void {
    this.#options.bus.tell(tab, { kind: "info", info });
  }
}
