// Who listens to notices, and the latest of each for whoever comes later.
import type { Notice } from "./boundary.js";

/** Calls each listener. One that throws keeps no other from hearing; its error is reported as an uncaught one. */
export function callEach<T>(listeners: Iterable<(value: T) => void>, value: T): void {
  for (const listener of [...listeners]) {
    try {
      listener(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Tells notices on, and keeps the latest of each kind, topic and device. */
export class NoticeBoard {
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #latest = new Map<string, Notice>();

  tell(notice: Notice): void {
    const key = keyOf(notice);
    if (notice.kind === "PresenceNotice" && notice.value === undefined) this.#latest.delete(key);
    else this.#latest.set(key, lasting(notice));
    callEach(this.#listeners, notice);
  }

  /** Tells the latest of each, then all that come. Returns how to end that. */
  listen(listener: (notice: Notice) => void): () => void {
    // A function of its own: the same listener may be added twice.
    const own = (notice: Notice): void => listener(notice);
    for (const notice of [...this.#latest.values()]) callEach([own], notice);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Another core goes on: it knows nothing of the presence that the last one has told, in all topics or that one. */
  dropPresence(topic?: number): void {
    for (const notice of [...this.#latest.values()]) {
      if (notice.kind === "PresenceNotice" && (topic ?? notice.topic) === notice.topic) this.tell({ kind: notice.kind, topic: notice.topic, device: notice.device });
    }
  }

  /** The topic is not followed any more: whoever was present in it has gone out of sight, here and on every board behind this one. */
  forget(topic: number): void {
    this.dropPresence(topic);
    for (const [key, notice] of this.#latest) if ("topic" in notice && notice.topic === topic) this.#latest.delete(key);
  }
}

function keyOf(notice: Notice): string {
  if (notice.kind === "PresenceNotice") return `${notice.kind} ${notice.topic} ${notice.device}`;
  return "topic" in notice ? `${notice.kind} ${notice.topic}` : notice.kind;
}

/** What of a notice still holds for one who comes later: how things are, not what has just changed. */
function lasting(notice: Notice): Notice {
  return notice.kind === "TopicNotice" ? { ...notice, timeline: false, copies: false, allKeys: false, keys: [] } : notice;
}
