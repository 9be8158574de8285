// An engine of one topic in memory, and a thread whose frames are counted: what the API objects stand on in these tests.

import type {
  CallBody,
  MessageOut,
  Notice,
  NoticeOf,
  ReplyBody,
  VersionOut,
} from "../../../web/src/engine/boundary.js";
import type { Engine, EngineInfo, Surroundings } from "../../../web/src/engine/engine.js";
import { PerdureError } from "../../../web/src/base/errors.js";
import { NoticeBoard } from "../../../web/src/engine/notices.js";
import { encodeValue } from "../../../web/src/api/values.js";
import { topicNotice } from "../support/notices.js";

export const own = "0a".repeat(32);
export const other = "0b".repeat(32);

/** Frames that come when the test says so. */
export class Frames implements Surroundings {
  #waiting: (() => void)[] = [];
  #random = 0;

  readonly frame = (run: () => void): void => void this.#waiting.push(run);
  readonly random = (size: number): Uint8Array => new Uint8Array(size).fill(++this.#random);

  /** Lets everything go on that can, then paints a frame, then again, so often. */
  async paint(times = 1): Promise<void> {
    for (let i = 0; i < times; i++) {
      await rest();
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const run of waiting) run();
    }
    await rest();
  }
}

export const rest = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

export class FakeEngine implements Engine {
  readonly id = own;
  /** All calls, in order. */
  readonly calls: CallBody[] = [];
  /** The timeline, oldest first. */
  timeline: MessageOut[] = [];
  /** In order of arrival. */
  arrivals: MessageOut[] = [];
  readonly entries = new Map<string, VersionOut>();
  readonly #board = new NoticeBoard();
  #versions = 0;
  #closed = false;
  #info: EngineInfo = {
    shortId: own.slice(0, 16),
    tab: "leader",
    storage: { kind: "memory", persisted: false, usedBytes: 0 },
    trouble: [],
  };
  #informed: (info: EngineInfo) => void = () => undefined;
  /** Called before each answer. */
  before: (body: CallBody) => void = () => undefined;
  /** Answers in place of this; nothing: as ever. */
  answers: (body: CallBody) => ReplyBody | undefined = () => undefined;

  count(kind: CallBody["kind"]): number {
    return this.calls.filter(call => call.kind === kind).length;
  }

  async call(body: CallBody, { signal }: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    signal?.throwIfAborted();
    this.calls.push(body);
    if (this.#closed) throw new PerdureError("closed", "closed");
    this.before(body);
    const reply = this.answers(body) ?? this.#answer(body);
    if (reply !== undefined) {
      await rest();
      signal?.throwIfAborted();
      return reply;
    }
    return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#board.listen(listener);
  }

  info(): EngineInfo {
    return this.#info;
  }

  onInfo(listener: (info: EngineInfo) => void): () => void {
    this.#informed = listener;
    return () => undefined;
  }

  inform(change: Partial<EngineInfo>): void {
    this.#info = { ...this.#info, ...change };
    this.#informed(this.#info);
  }

  /** How the peer stands: with one link, if it is online. */
  status(state: NoticeOf<"StatusNotice">["state"]): void {
    const websocket = state === "online" ? 1 : 0;
    this.tell({ kind: "StatusNotice", state, websocket, webrtc: 0, relayed: 0, local: 0, pending: 0, trouble: [] });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  tell(notice: Notice): void {
    this.#board.tell(notice);
  }

  /** A message arrives, at that place of the timeline; default: as the newest. */
  arrive(id: string, value: unknown = id, place = this.timeline.length): void {
    const message = { id, author: other, timeMs: 5, own: false, value: encodeValue(value) };
    this.timeline.splice(place, 0, message);
    this.arrivals.push(message);
    this.changed({ timeline: true });
  }

  put(key: string, value: unknown): void {
    this.entries.set(key, {
      id: `v${++this.#versions}`,
      author: other,
      timeMs: 5,
      ...(value === undefined ? {} : { value: encodeValue(value) }),
    });
    this.changed({ keys: [key] });
  }

  changed(change: Partial<NoticeOf<"TopicNotice">>): void {
    this.tell(topicNotice({ length: this.timeline.length, mapSize: this.entries.size, ...change }));
  }

  #answer(body: CallBody): ReplyBody | undefined {
    switch (body.kind) {
      case "TopicNamed":
        return { kind: "OpenedTopic", topic: 1, id: "ff".repeat(32), name: body.name, invite: "" };
      case "TopicInvite":
        return { kind: "Text", text: "perdure-abc" };
      case "TopicShortcode":
        return { kind: "Text", text: "" };
      case "Append":
        return { kind: "Appended", id: `op${body.ops.length}` };
      case "Messages":
        return this.#messages(body);
      case "Latest":
        return {
          kind: "MessagePage",
          messages: this.timeline.slice(-body.limit),
          more: this.timeline.length > body.limit,
        };
      case "GetMessage":
        return { kind: "MessagePage", messages: this.timeline.filter(({ id }) => id === body.id), more: false };
      case "Live": {
        const from = body.after ?? this.arrivals.length;
        const messages = this.arrivals.slice(from, from + body.limit);
        return { kind: "LivePage", messages, next: from + messages.length };
      }
      case "MapGet": {
        const version = this.entries.get(body.key);
        return { kind: "MapPage", entries: version === undefined ? [] : [{ key: body.key, version }], more: false };
      }
      case "MapEntries": {
        const keys = [...this.entries.keys()]
          .filter(key => key.startsWith(body.prefix) && (body.after === undefined || key > body.after))
          .sort();
        const entries = keys.slice(0, body.limit).flatMap(key => {
          const version = this.entries.get(key);
          return version === undefined ? [] : [{ key, version }];
        });
        return { kind: "MapPage", entries, more: keys.length > body.limit };
      }
      case "WaitCopies":
      case "WaitSynced":
        return undefined;
      default:
        return { kind: "Nothing" };
    }
  }

  #messages({ before, after, limit, reverse }: Extract<CallBody, { kind: "Messages" }>): ReplyBody {
    const place = (id: string | undefined, otherwise: number): number =>
      id === undefined ? otherwise : this.timeline.findIndex(message => message.id === id);
    const range = this.timeline.slice(place(after, -1) + 1, place(before, this.timeline.length));
    if (reverse) range.reverse();
    return { kind: "MessagePage", messages: range.slice(0, limit), more: range.length > limit };
  }
}
