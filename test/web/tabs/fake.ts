// A core that only keeps what it is told, on a real IndexedDB store. It remembers what it was asked, in order.

import type { CallBody, Notice, ReplyBody } from "../../../web/src/engine/boundary.js";
import type { EngineInfo } from "../../../web/src/engine/engine.js";
import { closedError, PerdureError } from "../../../web/src/base/errors.js";
import type { LeadOptions } from "../../../web/src/tabs/lead.js";
import { callEach, NoticeBoard } from "../../../web/src/engine/notices.js";
import { openIndexedDb } from "../../../web/src/store/indexeddb.js";
import { plainSeed } from "../../../web/src/store/seed.js";
import type { Store } from "../../../web/src/store/store.js";
import type { Lead, LeadEngine } from "../../../web/src/tabs/leading.js";
import { topicNotice } from "../support/notices.js";

const hex = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");

function infoOf(id: string, kind: EngineInfo["storage"]["kind"]): EngineInfo {
  return {
    shortId: id.slice(0, 16),
    tab: "leader",
    storage: { kind, persisted: false, usedBytes: 1 },
    trouble: [],
  };
}

export async function takeFakeLead(options: LeadOptions, superseded: () => void): Promise<Lead> {
  const store = await openIndexedDb(`${options.peer.app}:${options.peer.instance ?? "default"}`);
  const seed = await plainSeed(store);
  const engine = new FakeCore(hex(seed.bytes), store, superseded);
  options.hold.onEnd(() => engine.end());
  return { engine, drop: () => engine.close() };
}

class FakeCore implements LeadEngine {
  readonly #board = new NoticeBoard();
  readonly #listeners = new Set<(info: EngineInfo) => void>();
  readonly #asked: string[] = [];
  #info: EngineInfo;
  #ended = false;

  constructor(
    readonly id: string,
    readonly store: Store,
    readonly superseded: () => void,
  ) {
    this.#info = infoOf(id, store.kind);
  }

  call(body: CallBody, { signal }: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    if (this.#ended) return Promise.reject(closedError());
    this.#asked.push(nameOf(body));
    return this.#answer(body, signal);
  }
  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#board.listen(listener);
  }
  info(): EngineInfo {
    return this.#info;
  }
  onInfo(listener: (info: EngineInfo) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  network(online: boolean): void {
    this.#asked.push(`network ${String(online)}`);
    const { storage } = this.#info;
    this.#info = { ...this.#info, storage: { ...storage, usedBytes: storage.usedBytes + 1 } };
    callEach(this.#listeners, this.#info);
  }
  visibility(hidden: boolean): void {
    this.#asked.push(`hidden ${String(hidden)}`);
  }
  goodbye(): void {
    this.#asked.push("goodbye");
  }
  end(): void {
    this.#ended = true;
  }
  close(): Promise<void> {
    this.end();
    return this.store.close();
  }

  async #answer(body: CallBody, signal: AbortSignal | undefined): Promise<ReplyBody> {
    switch (body.kind) {
      case "TopicNamed":
        return { kind: "OpenedTopic", topic: 7, id: "00".repeat(32), name: body.name, invite: "invite of 7" };
      case "TopicCreate":
        return { kind: "OpenedTopic", topic: 8, id: "11".repeat(32), invite: "invite of 8" };
      case "TopicJoin":
        return { kind: "OpenedTopic", topic: 8, id: "11".repeat(32), invite: "invite of 8" };
      case "Append":
        return this.#append(body);
      case "ShowPresence":
        this.#board.tell({
          kind: "PresenceNotice",
          topic: body.topic,
          device: "22".repeat(32),
          ...(body.value === undefined ? {} : { value: body.value }),
        });
        return { kind: "Nothing" };
      case "TopicLeave":
        this.#board.tell({ kind: "TopicEnded", topic: body.topic });
        return { kind: "Nothing" };
      case "GetDigest":
        return { kind: "Text", text: JSON.stringify({ asked: this.#asked, rows: await this.#length() }) };
      case "TopicShortcode":
        throw new PerdureError("not-found", "as asked");
      case "WaitSynced":
        return this.#aborted(signal);
      default:
        return { kind: "Nothing" };
    }
  }

  /** Said twice with one tag, it is there once. */
  async #append({ topic, tag }: Extract<CallBody, { kind: "Append" }>): Promise<ReplyBody> {
    const outcome = await this.store.save({
      puts: [[Uint8Array.of(1, ...tag), Uint8Array.of(1)]],
      erases: [],
      eraseRanges: [],
    });
    if (outcome === "superseded") this.superseded();
    if (outcome !== "ok") return new Promise(() => undefined); // as a core that is over
    this.#board.tell(topicNotice({ topic, length: await this.#length(), timeline: true }));
    return { kind: "Appended", id: hex(tag) };
  }

  async #length(): Promise<number> {
    return (await this.store.range(Uint8Array.of(1), Uint8Array.of(2), 0, false)).length;
  }

  #aborted(signal: AbortSignal | undefined): Promise<never> {
    return new Promise((_, reject) =>
      signal?.addEventListener("abort", () => {
        this.#asked.push("aborted");
        reject(signal.reason);
      }),
    );
  }
}

function nameOf(body: CallBody): string {
  switch (body.kind) {
    case "TopicNamed":
      return `${body.kind} ${body.name}`;
    case "TopicJoin":
      return `${body.kind} ${body.invite}`;
    case "ShowPresence":
      return `${body.kind} ${body.value === undefined ? "none" : String(body.value[0])}`;
    case "TopicClose":
      return `${body.kind} ${body.topic}`;
    case "AnchorAdd":
      return `${body.kind} ${body.url}`;
    default:
      return body.kind;
  }
}
