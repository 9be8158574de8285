// Who listens to notices, and the latest of each for whoever comes later.
import type { Notice } from "./boundary.js";
import type { Engine } from "./engine.js";
import { TopicList } from "./topiclist.js";

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

/** Tells notices on, and keeps the latest of each kind, topic and device; of the list of topics, of which only changes come, the whole. */
export class NoticeBoard {
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #latest = new Map<string, Notice>();
  readonly #topics = new TopicList();

  /** All that this device has joined, as far as it was told. */
  get topics(): TopicList["topics"] {
    return this.#topics.topics;
  }

  tell(notice: Notice): void {
    const key = keyOf(notice);
    if (notice.kind === "TopicsNotice") this.#topics.merge(notice);
    if (notice.kind === "TopicEnded") this.#forget(notice.topic);
    else if (notice.kind === "PresenceNotice" && notice.value === undefined) this.#latest.delete(key);
    else this.#latest.set(key, lasting(notice));
    callEach(this.#listeners, notice);
  }

  /** Tells the latest of each, then all that come. Returns how to end that. */
  listen(listener: (notice: Notice) => void): () => void {
    // A function of its own: the same listener may be added twice.
    const own = (notice: Notice): void => listener(notice);
    for (const notice of [...this.#latest.values()])
      callEach([own], notice.kind === "TopicsNotice" ? this.#topics.whole() : notice);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Another core goes on: it knows nothing of the presence that the last one has told. */
  dropPresence(): void {
    for (const notice of [...this.#latest.values()]) {
      if (notice.kind === "PresenceNotice")
        this.tell({ kind: notice.kind, topic: notice.topic, device: notice.device });
    }
  }

  #forget(topic: number): void {
    for (const [key, notice] of this.#latest) if ("topic" in notice && notice.topic === topic) this.#latest.delete(key);
  }
}

/** Tells on what an engine tells: what stands already in one piece, then what comes. Returns how to end that. */
export function relay(
  engine: Pick<Engine, "onNotice">,
  first: (notices: readonly Notice[]) => void,
  tell: (notice: Notice) => void,
): () => void {
  const standing: Notice[] = [];
  let hear = (notice: Notice): void => void standing.push(notice);
  const stop = engine.onNotice(notice => hear(notice));
  hear = tell;
  first(standing);
  return stop;
}

function keyOf(notice: Notice): string {
  if (notice.kind === "PresenceNotice") return `${notice.kind} ${notice.topic} ${notice.device}`;
  return "topic" in notice ? `${notice.kind} ${notice.topic}` : notice.kind;
}

/** What of a notice still holds for one who comes later: how things are, not what has just changed. */
function lasting(notice: Notice): Notice {
  return notice.kind === "TopicNotice"
    ? { ...notice, timeline: false, copies: false, allKeys: false, keys: [] }
    : notice;
}
