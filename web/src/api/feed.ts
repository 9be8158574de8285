// What the objects of one topic share: its calls, its notices, and whether it is still open.
import type { CallBody, MessageOut, NewOp, NoticeOf, ReplyBody, ReplyOf, VersionOut } from "../engine/boundary.js";
import type { Engine, Surroundings } from "../engine/engine.js";
import { badArgument, closedError, leftError, PerdureError } from "../base/errors.js";
import { callEach } from "../engine/notices.js";
import type { Message, Receipt, Version } from "../base/types.js";
import { checkCount, checkOptions } from "../base/arguments.js";
import { decodeValue } from "./values.js";
import { frozen } from "./view.js";

/** All of one append, packed. */
const appendMax = 16 * 1024 * 1024;

/** Asks, and insists on the kind of answer. */
export async function ask<K extends ReplyBody["kind"]>(
  engine: Engine,
  kind: K,
  body: CallBody,
  signal?: AbortSignal,
): Promise<ReplyOf<K>> {
  const reply = await engine.call(body, signal === undefined ? {} : { signal });
  if (reply.kind !== kind) throw new TypeError(`${body.kind} was answered by ${reply.kind}`);
  return reply as ReplyOf<K>;
}

/** One topic as one handle sees it. */
export class Feed {
  readonly topic: number;
  readonly engine: Engine;
  readonly surroundings: Surroundings;
  readonly #listeners = new Set<(notice: NoticeOf<"TopicNotice">) => void>();
  #latest: NoticeOf<"TopicNotice"> | undefined;
  #members: NoticeOf<"MembersNotice">["members"] = [];
  readonly #presence = new Map<string, unknown>();
  readonly #bells = new Set<Bell>();
  readonly #waits = new Set<AbortController>();
  readonly #stop: () => void;
  #open = true;
  #left = false;

  /** Told when status, members or presence changed. */
  onStatus: () => void = () => undefined;
  onMembers: () => void = () => undefined;
  onPresence: () => void = () => undefined;
  /** Told when one more waits for an anchor, or one less. */
  onAwaiting: (change: number) => void = () => undefined;

  constructor(engine: Engine, topic: number, surroundings: Surroundings) {
    this.engine = engine;
    this.topic = topic;
    this.surroundings = surroundings;
    this.#stop = engine.onNotice(notice => {
      if (!("topic" in notice) || notice.topic !== topic) return;
      if (notice.kind === "TopicNotice") {
        this.#latest = notice;
        this.onStatus();
        callEach(this.#listeners, notice);
      } else if (notice.kind === "MembersNotice") {
        this.#members = notice.members;
        this.onMembers();
      } else if (notice.kind === "TopicEnded") {
        // Another handle has left it.
        this.#latest = undefined;
        this.#presence.clear();
        this.onStatus();
        this.onPresence();
        this.left();
        this.end();
      } else {
        if (notice.value === undefined) this.#presence.delete(notice.device);
        else this.#presence.set(notice.device, frozen(decodeValue(notice.value)));
        this.onPresence();
      }
    });
  }

  get open(): boolean {
    return this.#open;
  }

  /** What calls are refused with once it is not. */
  get ended(): PerdureError {
    return this.#left ? leftError() : closedError("This topic");
  }

  get latest(): NoticeOf<"TopicNotice"> | undefined {
    return this.#latest;
  }

  get members(): NoticeOf<"MembersNotice">["members"] {
    return this.#members;
  }

  /** By device id, without this device. */
  get presence(): ReadonlyMap<string, unknown> {
    const others = new Map(this.#presence);
    others.delete(this.engine.id);
    return others;
  }

  /** Listens to what changes in the topic. Returns how to end that. */
  listen(listener: (notice: NoticeOf<"TopicNotice">) => void): () => void {
    const own = (notice: NoticeOf<"TopicNotice">): void => listener(notice);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** A bell rung by what changes in the topic. Whoever made it calls end(). */
  bell(rings: (notice: NoticeOf<"TopicNotice">) => boolean): Bell {
    const bell: Bell = new Bell(this, rings, () => void this.#bells.delete(bell));
    if (this.#open) this.#bells.add(bell);
    return bell;
  }

  /** Asks about this topic; rejects with `closed` once it is. */
  ask<K extends ReplyBody["kind"]>(kind: K, body: CallBody, signal?: AbortSignal): Promise<ReplyOf<K>> {
    if (!this.#open) return Promise.reject(this.ended);
    return ask(this.engine, kind, body, signal);
  }

  /** Asks for what may never come: that ends with this handle, also where another one holds the topic open. */
  async wait(body: CallBody, signal?: AbortSignal): Promise<void> {
    const end = new AbortController();
    const abort = (): void => end.abort(signal?.reason);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    this.#waits.add(end);
    try {
      await this.ask("Nothing", body, end.signal);
    } finally {
      this.#waits.delete(end);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Appends all ops or none. `ifEmpty` tells the caller that there are none. */
  async append(ops: readonly NewOp[], ifEmpty = "There is nothing to append."): Promise<Receipt> {
    if (ops.length === 0) throw badArgument(ifEmpty);
    const bytes = ops.reduce((sum, op) => sum + op.key.length + op.value.length, 0);
    if (bytes > appendMax)
      throw new PerdureError("too-large", "All of it takes more than 16 MiB. Append it in several steps.");
    const { id } = await this.ask("Appended", {
      kind: "Append",
      topic: this.topic,
      tag: this.surroundings.random(16),
      ops,
    });
    const waits = { kind: "WaitCopies", topic: this.topic, id } as const;
    return {
      id,
      replicated: async (copies, options = {}) => {
        const { signal } = checkOptions("replicated", options, ["signal"]);
        signal?.throwIfAborted();
        if (checkCount("copies", copies) > 0) await this.wait({ ...waits, copies, anchored: false }, signal);
      },
      anchored: async (options = {}) => {
        const { signal } = checkOptions("anchored", options, ["signal"]);
        this.onAwaiting(1);
        try {
          await this.wait({ ...waits, copies: 0, anchored: true }, signal);
        } finally {
          this.onAwaiting(-1);
        }
      },
    };
  }

  /** It is not this device's any more. */
  left(): void {
    this.#left = true;
  }

  /** Hears nothing more. Whoever waits is woken, and finds it closed. */
  end(): void {
    this.#open = false;
    this.#stop();
    this.#listeners.clear();
    for (const bell of [...this.#bells]) bell.ring();
    for (const wait of [...this.#waits]) wait.abort(this.ended);
  }
}

/** For one who waits. */
export class Bell {
  readonly #stop: () => void;
  readonly #onEnd: () => void;
  #rung = false;
  #wake: () => void = () => undefined;

  constructor(feed: Feed, rings: (notice: NoticeOf<"TopicNotice">) => boolean, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.#stop = feed.listen(notice => {
      if (rings(notice)) this.ring();
    });
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Resolves at once if it rang since the last wait. Rejects with the reason of the signal. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      if (signal.aborted) return abort();
      this.#wake = () => {
        signal.removeEventListener("abort", abort);
        this.#wake = () => undefined;
        this.#rung = false;
        resolve();
      };
      if (this.#rung) return this.#wake();
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  end(): void {
    this.#stop();
    this.#onEnd();
  }
}

/** `known`: the one of that id that was told before. It is told once more unless it was said again meanwhile, which gave it another time. */
export function messageOf<M>(out: MessageOut, known?: Message<M>): Message<M> {
  const { id, author, timeMs, value, own } = out;
  const time = new Date(timeMs);
  return isOf(time, known) ? known : { id, author, time, value: decodeValue(value) as M, own };
}

/** The same of a version. */
export function versionOf<E>(out: VersionOut, known?: Version<E>): Version<E> {
  const { id, author, timeMs, value } = out;
  const time = new Date(timeMs);
  return isOf(time, known)
    ? known
    : { id, author, time, value: value === undefined ? undefined : (decodeValue(value) as E) };
}

function isOf<T extends { readonly time: Date }>(time: Date, known: T | undefined): known is T {
  return known !== undefined && Object.is(known.time.getTime(), time.getTime());
}
