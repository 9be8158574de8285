// What a tab has standing with whoever leads: topics that it holds open, presence that its handles show, and which of them have
// gone offline. A new leader knows nothing of them; it is told again.
//
// Topics keep their numbers from leader to leader, because they are rows. A topic is opened again by its name while that is its alone, else
// by its invite, which the core tells with it: that brings anchors back, too, which may have been taken away since.

import type { CallBody, Notice, ReplyBody, ReplyOf } from "../engine/boundary.js";
import type { EngineInfo } from "../engine/engine.js";
import type { TopicList } from "../engine/topiclist.js";

type Show = Extract<CallBody, { readonly kind: "ShowPresence" }>;

interface OpenTopic {
  readonly id: string;
  opens: number;
  named?: CallBody & { readonly kind: "TopicNamed" };
  invited?: CallBody;
}

export class TabSubscriptions {
  readonly #topics = new Map<number, OpenTopic>();
  /** By who wants it. */
  readonly #presence = new Map<string, Show>();
  readonly #offline = new Set<string>();
  /** All who ever wanted something and are not closed. */
  readonly #holders = new Set<string>();
  #onlines = 0;

  /** A call of this tab is about to be asked: what it comes to may not be heard of. */
  asking(body: CallBody): void {
    if (body.kind === "ShowPresence") this.#holders.add(body.holder);
    if (body.kind === "AllowLinks" && body.holder !== undefined) this.#holders.add(body.holder);
  }

  /** A call of this tab was answered. */
  answered(body: CallBody, reply: ReplyBody): void {
    if (reply.kind === "OpenedTopic") return this.#opened(body, reply);
    this.asking(body);
    if (body.kind === "AllowLinks") {
      if (body.allowed) this.#offline.clear();
      else this.#offline.add(body.holder ?? "");
    } else if (body.kind === "ShowPresence") {
      this.#presence.delete(body.holder);
      if (body.value !== undefined) this.#presence.set(body.holder, body);
    } else if (body.kind === "Release") {
      this.#presence.delete(body.holder);
      this.#offline.delete(body.holder);
      this.#holders.delete(body.holder);
    } else if (body.kind === "TopicClose") {
      const topic = this.#topics.get(body.topic);
      if (topic !== undefined && --topic.opens <= 0) this.#forget(body.topic);
    } else if (body.kind === "TopicLeave") {
      this.#forget(body.topic);
    }
  }

  /** The engine has told something to this tab. */
  heard(notice: Notice): void {
    if (notice.kind === "TopicEnded") this.#forget(notice.topic);
  }

  /** Another leader has answered: it counts anew how often somebody asked to be online. */
  follows({ onlines = 0 }: EngineInfo): void {
    this.#onlines = onlines;
  }

  /** How that leader's engine runs has changed. */
  informed({ onlines = 0 }: EngineInfo): void {
    if (onlines > this.#onlines) this.#offline.clear(); // another tab asked for it
    this.#onlines = onlines;
  }

  /** What to tell a new leader, in this order, before anything else. Each may fail without harm to the others. `joined` is all that this
   *  device has joined. */
  again(joined: TopicList["topics"]): CallBody[] {
    const topics = [...this.#topics.values()].flatMap(topic => {
      const body = isItsName(topic, joined) ? topic.named : (topic.invited ?? topic.named);
      return body === undefined ? [] : new Array<CallBody>(topic.opens).fill(body);
    });
    const offline = [...this.#offline].map(
      holder => ({ kind: "AllowLinks", allowed: false, holder, onlines: this.#onlines }) as const,
    );
    return [...offline, ...topics, ...[...this.#presence.values()].map(show => ({ ...show, again: true }) as const)];
  }

  /** What ends it all, when the tab is gone. */
  ending(): CallBody[] {
    const wants = [...this.#holders].map(holder => ({ kind: "Release", holder }) as const);
    const topics = [...this.#topics].flatMap(([topic, { opens }]) =>
      new Array<CallBody>(opens).fill({ kind: "TopicClose", topic }),
    );
    return [...wants, ...topics];
  }

  #opened(body: CallBody, { topic, id, invite }: ReplyOf<"OpenedTopic">): void {
    const open: OpenTopic = this.#topics.get(topic) ?? { id, opens: 0 };
    this.#topics.set(topic, open);
    open.opens++;
    if (body.kind === "TopicNamed") open.named = body;
    if (body.kind === "TopicJoin") open.invited ??= { kind: "TopicJoin", invite: body.invite };
    else open.invited ??= { kind: "TopicJoin", invite };
  }

  #forget(topic: number): void {
    this.#topics.delete(topic);
    for (const [holder, show] of this.#presence) if (show.topic === topic) this.#presence.delete(holder);
  }
}

// Others may have been given it, and this one another.
function isItsName({ id, named }: OpenTopic, joined: TopicList["topics"]): boolean {
  const called = joined.filter(({ name }) => named !== undefined && name === named.name);
  return called.length === 1 && called[0]?.id === id;
}
