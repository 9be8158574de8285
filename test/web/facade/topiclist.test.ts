// The list of topics, of which the core tells only changes: whoever listens knows all of it, whenever they began to.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PeerHandle } from "../../../web/src/api/peer.js";
import type { Notice, NoticeOf } from "../../../web/src/engine/boundary.js";
import { NoticeBoard, relay } from "../../../web/src/engine/notices.js";
import { TopicList } from "../../../web/src/engine/topiclist.js";
import { FakeEngine, Frames } from "./fake.js";

type TopicsNotice = NoticeOf<"TopicsNotice">;

const topic = (number: number, unread = 0): TopicsNotice["topics"][number] => ({
  topic: number,
  id: number.toString(16).padStart(64, "0"),
  name: `topic ${number}`,
  unread,
});
const whole = (...topics: TopicsNotice["topics"]): TopicsNotice => ({
  kind: "TopicsNotice",
  whole: true,
  topics,
  ended: [],
});
const changes = (topics: TopicsNotice["topics"], ended: readonly number[] = []): TopicsNotice => ({
  kind: "TopicsNotice",
  whole: false,
  topics,
  ended,
});

describe("the list of topics", () => {
  test("is put together from the whole and what changes, in the order of the topics' numbers", () => {
    const list = new TopicList();
    assert.deepEqual(list.topics, []);
    list.merge(whole(topic(2), topic(5)));
    list.merge(changes([topic(3), topic(5, 1)]));
    assert.deepEqual(list.topics, [topic(2), topic(3), topic(5, 1)]);
    list.merge(changes([topic(1)], [2, 9]));
    assert.deepEqual(list.topics, [topic(1), topic(3), topic(5, 1)]);
    list.merge(changes([topic(2)]));
    assert.deepEqual(list.whole(), whole(topic(1), topic(2), topic(3), topic(5, 1)));
    list.merge(whole(topic(7))); // another core
    assert.deepEqual(list.topics, [topic(7)]);
  });

  test("is told whole to who listens later, and only changes to who has listened", () => {
    const board = new NoticeBoard();
    const early: Notice[] = [];
    const late: Notice[] = [];
    board.listen(notice => early.push(notice));
    board.tell(whole(topic(1), topic(2)));
    board.tell(changes([topic(2, 1)]));
    board.listen(notice => late.push(notice));
    board.tell(changes([], [1]));
    assert.deepEqual(early, [whole(topic(1), topic(2)), changes([topic(2, 1)]), changes([], [1])]);
    assert.deepEqual(late, [whole(topic(1), topic(2, 1)), changes([], [1])]);
    const none: Notice[] = [];
    new NoticeBoard().listen(notice => none.push(notice));
    assert.deepEqual(none, []);
  });

  test("reaches a page or a tab whole, whenever it comes, and from another core anew", () => {
    const core = new NoticeBoard();
    core.tell(whole(topic(1), topic(2)));
    core.tell(changes([topic(3)]));
    const tab = new NoticeBoard();
    const page = new NoticeBoard();
    const follow = (leader: NoticeBoard, board: NoticeBoard): (() => void) =>
      relay(
        { onNotice: listener => leader.listen(listener) },
        notices => {
          for (const notice of notices) board.tell(notice);
        },
        notice => board.tell(notice),
      );
    const leave = follow(core, tab);
    core.tell(changes([topic(2, 4)], [1]));
    follow(tab, page);
    core.tell(changes([topic(4)]));
    const seen = (): readonly unknown[] => {
      const list = new TopicList();
      page.listen(notice => notice.kind === "TopicsNotice" && list.merge(notice))();
      return list.topics;
    };
    assert.deepEqual(seen(), [topic(2, 4), topic(3), topic(4)]);
    leave();
    const next = new NoticeBoard();
    next.tell(whole(topic(2, 4), topic(4)));
    follow(next, tab);
    next.tell(changes([topic(4, 1)]));
    assert.deepEqual(seen(), [topic(2, 4), topic(4, 1)]);
  });

  test("is the same for every handle; what has not changed in it keeps its identity", async () => {
    const engine = new FakeEngine();
    const frames = new Frames();
    const first = new PeerHandle(engine, frames);
    const heard: unknown[] = [];
    first.topics.subscribe(topics => heard.push(topics.map(({ name, unread }) => [name, unread])));
    engine.tell(whole(topic(1), topic(2)));
    await frames.paint();
    const [one, two] = first.topics.current;
    engine.tell(changes([topic(2, 1)]));
    engine.tell(changes([topic(3)]));
    await frames.paint();
    assert.equal(first.topics.current[0], one);
    assert.notEqual(first.topics.current[1], two);
    const second = new PeerHandle(engine, frames);
    assert.deepEqual(second.topics.current, first.topics.current);
    engine.tell(changes([], [1]));
    await frames.paint();
    assert.deepEqual(second.topics.current, first.topics.current);
    assert.deepEqual(heard, [
      [],
      [
        ["topic 1", 0],
        ["topic 2", 0],
      ],
      [
        ["topic 1", 0],
        ["topic 2", 1],
        ["topic 3", 0],
      ],
      [
        ["topic 2", 1],
        ["topic 3", 0],
      ],
    ]);
  });
});
