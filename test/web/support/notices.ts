// What a core tells of a topic, as far as a test says nothing else of it.
import type { NoticeOf } from "../../../web/src/engine/boundary.js";

export function topicNotice(said: Partial<NoticeOf<"TopicNotice">>): NoticeOf<"TopicNotice"> {
  return {
    kind: "TopicNotice",
    topic: 1,
    state: "live",
    length: 1,
    unread: 0,
    pending: 0,
    behind: 0,
    held: 0,
    unreadable: 0,
    peers: 0,
    mapSize: 0,
    timeline: false,
    copies: false,
    allKeys: false,
    keys: [],
    ...said,
  };
}
