// A topic as its user holds it. Two handles on one topic are closed one by one.
import type { MessageOut, NewOp } from "../engine/boundary.js";
import { checkId, checkLimit, checkList, checkOptionalId, checkOptions, checkPage } from "../base/arguments.js";
import { badArgument, closedError, PerdureError } from "../base/errors.js";
import { messageOf } from "./feed.js";
import type { Bell, Feed } from "./feed.js";
import { eraseOp, MapHandle, setOp } from "./map.js";
import type {
  Batch,
  Copies,
  Member,
  Message,
  MessagesOptions,
  Of,
  Page,
  Presence,
  Receipt,
  Shape,
  Topic,
  TopicMap,
  TopicStatus,
  View,
} from "../base/types.js";
import { encodeValue, encodeValues, presenceMax } from "./values.js";
import { DerivedView, FetchedView } from "./view.js";
import { walk } from "./walk.js";
import { newHolder } from "../engine/wants.js";

/** Messages asked for at once. */
const pageSize = 256;
/** Views of copies that are kept: more than a page of a chat shows. */
const copiesMax = 1024;

export class TopicHandle<S extends Shape> implements Topic<S> {
  readonly id: string;
  readonly name?: string;
  readonly status: View<TopicStatus>;
  readonly members: View<readonly Member[]>;
  readonly presence: Presence<Of<S, "presence">>;
  readonly map: TopicMap<Of<S, "entry">>;
  readonly #feed: Feed;
  readonly #onEnd: () => void;
  /** One view for each limit, so that asking again while rendering gives the same. */
  readonly #latest = new Map<number, View<Page<Of<S, "message">>>>();
  /** The same for messages; the one not asked for longest goes. */
  readonly #copies = new Map<string | undefined, View<Copies>>();
  readonly #holder = newHolder();
  #shown = false;
  #closed: Promise<void> | undefined;
  #left = false;

  /** `onEnd` is called once, when it is closed or left. */
  constructor(feed: Feed, id: string, name: string | undefined, onEnd: () => void) {
    this.id = id;
    if (name !== undefined) this.name = name;
    this.#feed = feed;
    this.#onEnd = onEnd;
    const { frame } = feed.surroundings;
    const status = new DerivedView(() => statusOf(feed), frame);
    const members = new DerivedView(() => membersOf(feed), frame);
    feed.onStatus = () => status.invalidate();
    feed.onMembers = () => members.invalidate();
    this.status = status;
    this.members = members;
    this.presence = presenceOf(feed, this.#holder, () => {
      this.#shown = true;
    });
    this.map = new MapHandle(feed);
  }

  async invite(): Promise<string> {
    return (await this.#feed.ask("Text", { kind: "TopicInvite", topic: this.#feed.topic })).text;
  }

  async link(page: string | URL): Promise<string> {
    const url = checkPage(page);
    url.hash = await this.invite();
    return url.href;
  }

  async shortcode(): Promise<string | undefined> {
    const { text } = await this.#feed.ask("Text", { kind: "TopicShortcode", topic: this.#feed.topic });
    return text === "" ? undefined : text;
  }

  async append(value: Of<S, "message">): Promise<Receipt> {
    return this.#feed.append([messageOp(value)]);
  }

  async appendAll(values: Iterable<Of<S, "message">>): Promise<Receipt> {
    const all = encodeValues(checkList("What appendAll is given", values), at => at);
    return this.#feed.append(
      all.map(value => ({ kind: "message", key: "", value })),
      "appendAll needs at least one value; this list is empty.",
    );
  }

  async batch(change: (batch: Batch<S>) => void): Promise<Receipt> {
    if (typeof change !== "function")
      throw badArgument("batch needs a function: topic.batch(batch => { batch.append(…); batch.set(…); }).");
    const ops: NewOp[] = [];
    let ended = false;
    const add = (op: NewOp): void => {
      if (ended) throw badArgument("This batch is over: what belongs to it is said before its function returns.");
      ops.push(op);
    };
    const result: unknown = change({
      append: value => add(messageOp(value)),
      set: (key, value) => add(setOp(key, value)),
      delete: key => add(eraseOp(key)),
    });
    ended = true;
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw badArgument(
        "The function of a batch may not be async: what it says after an await would be lost. Await first, then call batch.",
      );
    }
    return this.#feed.append(ops, "This batch is empty: say batch.append(…), batch.set(…) or batch.delete(…) in it.");
  }

  latest(limit = 50): View<Page<Of<S, "message">>> {
    const count = Math.min(checkLimit(limit), 0xffffffff);
    const view = this.#latest.get(count) ?? latestOf<Of<S, "message">>(this.#feed, count);
    this.#latest.set(count, view);
    return view;
  }

  messages(options: MessagesOptions = {}): AsyncIterableIterator<Message<Of<S, "message">>> {
    const flags = ["reverse", "live"] as const;
    const { signal: outer } = checkOptions("messages", options, ["limit", "before", "after", "signal"], flags);
    return walk(outer, signal => readMessages(this.#feed, options, signal));
  }

  async get(id: string): Promise<Message<Of<S, "message">> | undefined> {
    const {
      messages: [found],
    } = await this.#feed.ask("MessagePage", {
      kind: "GetMessage",
      topic: this.#feed.topic,
      id: checkId("A message's id", id),
    });
    return found === undefined ? undefined : messageOf(found);
  }

  copies(id?: string): View<Copies> {
    const which = checkOptionalId("A message's id", id);
    const view = this.#copies.get(which) ?? copiesOf(this.#feed, which);
    this.#copies.delete(which);
    this.#copies.set(which, view);
    for (const oldest of this.#copies.keys()) {
      if (this.#copies.size <= copiesMax) break;
      this.#copies.delete(oldest);
    }
    return view;
  }

  async markRead(id?: string): Promise<void> {
    const which = checkOptionalId("A message's id", id);
    await this.#feed.ask("Nothing", {
      kind: "MarkRead",
      topic: this.#feed.topic,
      ...(which === undefined ? {} : { id: which }),
    });
  }

  async synced(options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#feed.wait(
      { kind: "WaitSynced", topic: this.#feed.topic },
      checkOptions("synced", options, ["signal"]).signal,
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#end({ kind: "TopicClose", topic: this.#feed.topic }).catch(() => undefined);
    return this.#closed;
  }

  async leave(options: { forget?: boolean } = {}): Promise<void> {
    if (this.#left) throw new PerdureError("closed", "This topic was left already.");
    if (this.#closed !== undefined) throw closedError("This topic");
    const left = this.#end({
      kind: "TopicLeave",
      topic: this.#feed.topic,
      forget: checkOptions("leave", options, [], ["forget"]).forget === true,
    });
    this.#closed = left.catch(() => undefined);
    await left;
    this.#left = true;
    this.#feed.left();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(
    body: { kind: "TopicClose"; topic: number } | { kind: "TopicLeave"; topic: number; forget: boolean },
  ): Promise<void> {
    this.#onEnd();
    // Another handle may hold it open.
    if (this.#shown) this.#feed.ask("Nothing", { kind: "Release", holder: this.#holder }).catch(() => undefined);
    const done = this.#feed.ask("Nothing", body);
    this.#feed.end();
    await done;
  }
}

function messageOp(value: unknown): NewOp {
  return { kind: "message", key: "", value: encodeValue(value) };
}

function statusOf(feed: Feed): TopicStatus {
  const { state, length, unread, pending, behind, held, unreadable, peers } = feed.latest ?? {
    state: "alone",
    length: 0,
    unread: 0,
    pending: 0,
    behind: 0,
    held: 0,
    unreadable: 0,
    peers: 0,
  };
  return { state, length, unread, pending, behind, held, unreadable, peers };
}

function membersOf(feed: Feed): readonly Member[] {
  return feed.members.map(({ id, shortId, name, online, lastSeenMs, own }) => ({
    id,
    shortId,
    ...(name === "" ? {} : { name }),
    online,
    ...(lastSeenMs === undefined ? {} : { lastSeen: new Date(lastSeenMs) }),
    own,
  }));
}

function latestOf<M>(feed: Feed, limit: number): View<Page<M>> {
  return new FetchedView<Page<M>>(
    {
      first: { messages: [], loading: true, more: false },
      watch: changed => feed.listen(notice => notice.timeline && changed()),
      fetch: async (previous, signal) => {
        const page = await feed.ask("MessagePage", { kind: "Latest", topic: feed.topic, limit }, signal);
        const known = new Map(previous.messages.map(message => [message.id, message]));
        const messages = page.messages.map(out => messageOf<M>(out, known.get(out.id)));
        const same =
          messages.length === previous.messages.length &&
          messages.every((message, at) => message === previous.messages[at]);
        return same && !previous.loading && previous.more === page.more
          ? previous
          : { messages, loading: false, more: page.more };
      },
    },
    feed.surroundings.frame,
  );
}

function copiesOf(feed: Feed, id: string | undefined): View<Copies> {
  return new FetchedView<Copies>(
    {
      first: { here: false, peers: [], anchors: [] },
      watch: changed => feed.listen(notice => (notice.copies || notice.timeline) && changed()),
      fetch: async (previous, signal) => {
        const { here, peers, anchors } = await feed.ask(
          "CopyList",
          { kind: "GetCopies", topic: feed.topic, ...(id === undefined ? {} : { id }) },
          signal,
        );
        return here === previous.here && equal(peers, previous.peers) && equal(anchors, previous.anchors)
          ? previous
          : { here, peers, anchors };
      },
    },
    feed.surroundings.frame,
  );
}

function presenceOf<P>(feed: Feed, holder: string, onSet: () => void): Presence<P> {
  const others = new DerivedView(() => feed.presence as ReadonlyMap<string, P>, feed.surroundings.frame);
  feed.onPresence = () => others.invalidate();
  return {
    others,
    set: value => {
      // Whoever cleans up after closing has nothing left to clear.
      if (!feed.open && value === undefined) return;
      if (!feed.open) throw feed.ended;
      const packed = value === undefined ? {} : { value: encodeValue(value, presenceMax) };
      onSet();
      // Nobody waits for what is not kept.
      feed
        .ask("Nothing", { kind: "ShowPresence", topic: feed.topic, holder, at: Date.now(), ...packed })
        .catch(() => undefined);
    },
  };
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}

/** The stored messages, page by page; then, if live, what was learnt since the beginning and did not stand on those pages, and what
 *  is learnt from then on. */
async function* readMessages<M>(
  feed: Feed,
  options: MessagesOptions,
  signal: AbortSignal,
): AsyncGenerator<Message<M>, void, void> {
  const { reverse = false, live = false } = options;
  let left = checkLimit(options.limit);
  let before = checkOptionalId("before", options.before, "before");
  let after = checkOptionalId("after", options.after, "after");
  const arrivals = live ? await Arrivals.begin(feed, signal) : undefined;
  try {
    while (left > 0) {
      const bounds = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
      const page = await feed.ask(
        "MessagePage",
        { kind: "Messages", topic: feed.topic, ...bounds, limit: Math.min(left, pageSize), reverse },
        signal,
      );
      await arrivals?.learn(page.messages);
      for (const message of page.messages) yield messageOf<M>(message);
      left -= page.messages.length;
      const last = page.messages.at(-1)?.id;
      if (!page.more || last === undefined) break;
      if (reverse) before = last;
      else after = last;
    }
    while (arrivals !== undefined) yield messageOf<M>(await arrivals.next());
  } finally {
    arrivals?.end();
  }
}

/** Newly learnt messages, each once, without those that were on a page. A page is read first and then what arrived, so everything
 *  new on a page is known to have arrived by then. */
class Arrivals {
  readonly #feed: Feed;
  readonly #signal: AbortSignal;
  readonly #bell: Bell;
  readonly #waiting = new Map<string, MessageOut>();
  #cursor: number;

  private constructor(feed: Feed, signal: AbortSignal, bell: Bell, cursor: number) {
    this.#feed = feed;
    this.#signal = signal;
    this.#bell = bell;
    this.#cursor = cursor;
  }

  static async begin(feed: Feed, signal: AbortSignal): Promise<Arrivals> {
    const bell = feed.bell(notice => notice.timeline);
    try {
      const { next } = await feed.ask("LivePage", { kind: "Live", topic: feed.topic, limit: pageSize }, signal);
      return new Arrivals(feed, signal, bell, next);
    } catch (error) {
      bell.end();
      throw error;
    }
  }

  async learn(shown: readonly MessageOut[]): Promise<void> {
    while (await this.#fetch()) {
      /* all that has arrived by now */
    }
    for (const { id } of shown) this.#waiting.delete(id);
  }

  async next(): Promise<MessageOut> {
    for (;;) {
      for (const [id, message] of this.#waiting) {
        this.#waiting.delete(id);
        return message;
      }
      if (!(await this.#fetch())) await this.#bell.wait(this.#signal);
    }
  }

  end(): void {
    this.#bell.end();
  }

  /** One page; false if there was nothing new. */
  async #fetch(): Promise<boolean> {
    const page = await this.#feed.ask(
      "LivePage",
      { kind: "Live", topic: this.#feed.topic, after: this.#cursor, limit: pageSize },
      this.#signal,
    );
    const moved = page.next !== this.#cursor;
    this.#cursor = page.next;
    for (const message of page.messages) this.#waiting.set(message.id, message);
    return moved;
  }
}
