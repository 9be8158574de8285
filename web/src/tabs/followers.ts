// The other tabs, as the leader serves them.

import type { CallBody } from "../engine/boundary.js";
import type { Bus, TabMessage } from "./bus.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { dataOf, PerdureError } from "../base/errors.js";
import { relay } from "../engine/notices.js";
import { TabSubscriptions } from "./subscriptions.js";

interface Follower {
  readonly calls: Map<number, AbortController>;
  readonly subscriptions: TabSubscriptions;
  readonly gone: AbortController;
  deaf: () => void;
  hidden: boolean;
}

export interface FollowersOptions {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly term: string;
  readonly locks: LockManager;
  /** The lock that a tab holds while it lives. */
  readonly lockOf: (tab: string) => string;
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
        else void this.#call(message.from, follower, message.call, message.body);
        break;
      case "cancel":
        follower?.calls.get(message.call)?.abort();
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
    for (const follower of this.#followers.values()) {
      follower.deaf();
      follower.gone.abort();
    }
    this.#followers.clear();
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
    const follower: Follower = { calls: new Map(), subscriptions, gone: new AbortController(), deaf, hidden };
    this.#followers.set(tab, follower);
    this.#options.onVisibility();
    // Who gets the lock of a tab knows that it is gone.
    this.#options.locks
      .request(this.#options.lockOf(tab), { signal: follower.gone.signal }, () => this.#lose(tab))
      .catch(() => undefined);
  }

  #lose(tab: string): void {
    const follower = this.#followers.get(tab);
    if (follower === undefined) return;
    this.#followers.delete(tab);
    follower.deaf();
    follower.gone.abort();
    for (const call of follower.calls.values()) call.abort();
    for (const body of follower.subscriptions.ending()) this.#options.engine.call(body).catch(() => undefined);
    this.#options.bus.forget(tab);
    this.#options.onVisibility();
  }

  async #call(tab: string, follower: Follower, call: number, body: CallBody): Promise<void> {
    if (follower.calls.has(call)) return;
    const { engine, bus } = this.#options;
    const abort = new AbortController();
    follower.calls.set(call, abort);
    follower.subscriptions.asking(body);
    try {
      const reply = await engine.call(body, { signal: abort.signal });
      follower.subscriptions.answered(body, reply);
      bus.tell(tab, { kind: "reply", call, body: reply });
    } catch (error) {
      if (this.#leaving || abort.signal.aborted) return;
      const refusal =
        error instanceof PerdureError
          ? error
          : new PerdureError("not-allowed", error instanceof Error ? error.message : String(error));
      bus.tell(tab, { kind: "refusal", call, error: dataOf(refusal) });
    } finally {
      follower.calls.delete(call);
    }
  }

  #tellInfo(tab: string, info: EngineInfo): void {
    this.#options.bus.tell(tab, { kind: "info", info });
  }
}
