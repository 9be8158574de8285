// The list of topics, put together from what the core tells of it: the whole first, then what changes.
//
//     const list = new TopicList();
//     list.merge(notice);                              // each, in the order in which they come
//     list.topics                                      // in the order of their numbers
//     list.whole()                                     // for whoever comes later
import type { NoticeOf } from "./boundary.js";

type TopicsNotice = NoticeOf<"TopicsNotice">;
type Listed = TopicsNotice["topics"][number];

export class TopicList {
  /** By number. */
  readonly #listed = new Map<number, Listed>();
  /** None: it has changed since it was looked at. */
  #topics: readonly Listed[] | undefined;

  merge({ whole, topics, ended }: TopicsNotice): void {
    if (whole) this.#listed.clear();
    for (const topic of ended) this.#listed.delete(topic);
    for (const topic of topics) this.#listed.set(topic.topic, topic);
    this.#topics = undefined;
  }

  get topics(): readonly Listed[] {
    return (this.#topics ??= [...this.#listed.values()].sort((a, b) => a.topic - b.topic));
  }

  /** What would tell all of it at once. */
  whole(): TopicsNotice {
    return { kind: "TopicsNotice", whole: true, topics: this.topics, ended: [] };
  }
}
