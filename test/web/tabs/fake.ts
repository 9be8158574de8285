// A core that only keeps what it is told, on a real IndexedDB store. It remembers what it was asked, in order.

import type { CallBody, Notice, ReplyBody } from "../../../web/src/engine/boundary.js";
import type { EngineInfo } from "../../../web/src/engine/engine.js";
import { closedError, PerdureError } from "../../../web/src/base/errors.js";
import type { LeadOptions } from "../../../web/src/tabs/lead.js";
import { callEach, NoticeBoard } from "../../../web/src/engine/notices.js";
import { openIndexedDb } from "../../../web/src/store/indexeddb.js";
import { plainSeed } from "../../../web/src/store/seed.js";
import type { Lead, LeadEngine } from "../../../web/src/tabs/leading.js";

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
  const board = new NoticeBoard();
  const listeners = new Set<(info: EngineInfo) => void>();
  const asked: string[] = [];
  let info = infoOf(hex(seed.bytes), store.kind);
  let ended = false;

  const rows = () => store.range(Uint8Array.of(1), Uint8Array.of(2), 0, false);

  async function answer(body: CallBody, signal: AbortSignal | undefined): Promise<ReplyBody> {
    switch (body.kind) {
      case "TopicNamed":
        return { kind: "OpenedTopic", topic: 7, id: "00".repeat(32), name: body.name };
      case "TopicCreate":
        return { kind: "OpenedTopic", topic: 8, id: "11".repeat(32) };
      case "TopicJoin":
        return { kind: "OpenedTopic", topic: 8, id: "11".repeat(32) };
      case "TopicInvite":
        return { kind: "Text", text: `invite of ${body.topic}` };
      case "Append": {
        // Said twice with one tag, it is there once.
        const outcome = await store.save({
          puts: [[Uint8Array.of(1, ...body.tag), Uint8Array.of(1)]],
          erases: [],
          eraseRanges: [],
        });
        if (outcome === "superseded") superseded();
        if (outcome !== "ok") return new Promise(() => undefined); // as a core that is over
        const length = (await rows()).length;
        board.tell({
          kind: "TopicNotice",
          topic: body.topic,
          state: "live",
          length,
          unread: 0,
          pending: 0,
          behind: 0,
          held: 0,
          unreadable: 0,
          peers: 0,
          mapSize: 0,
          timeline: true,
          copies: false,
          allKeys: false,
          keys: [],
        });
        return { kind: "Appended", id: hex(body.tag) };
      }
      case "ShowPresence":
        board.tell({
          kind: "PresenceNotice",
          topic: body.topic,
          device: "22".repeat(32),
          ...(body.value === undefined ? {} : { value: body.value }),
        });
        return { kind: "Nothing" };
      case "TopicLeave":
        board.tell({ kind: "TopicEnded", topic: body.topic });
        return { kind: "Nothing" };
      case "GetDigest":
        return { kind: "Text", text: JSON.stringify({ asked, rows: (await rows()).length }) };
      case "TopicShortcode":
        throw new PerdureError("not-found", "as asked");
      case "WaitSynced":
        return new Promise((_, reject) =>
          signal?.addEventListener("abort", () => {
            asked.push("aborted");
            reject(signal.reason);
          }),
        );
      default:
        return { kind: "Nothing" };
    }
  }

  const engine: LeadEngine = {
    id: hex(seed.bytes),
    call: (body, { signal } = {}) => {
      if (ended) return Promise.reject(closedError());
      asked.push(nameOf(body));
      return answer(body, signal);
    },
    onNotice: (listener: (notice: Notice) => void) => board.listen(listener),
    info: () => info,
    onInfo: listener => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    network: online => {
      asked.push(`network ${String(online)}`);
      info = { ...info, storage: { ...info.storage, usedBytes: info.storage.usedBytes + 1 } };
      callEach(listeners, info);
    },
    visibility: hidden => {
      asked.push(`hidden ${String(hidden)}`);
    },
    goodbye: () => {
      asked.push("goodbye");
    },
    close: async () => {
      ended = true;
      await store.close();
    },
  };
  return {
    engine,
    drop: async () => {
      ended = true;
      await store.close();
    },
  };
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
