// What a tab has standing with whoever leads: topics that it holds open, presence that its handles show, and which of them have
// gone offline. A new leader knows nothing of them; it is told again.
//
// Topics keep their numbers from leader to leader, because they are rows. A topic is opened again as it was the first time; one
// that was made, or entered by a code, is opened by its invite, which is fetched for that while there is a leader to ask.

import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import type { EngineInfo } from "../engine/engine.js";

type Ask = (body: CallBody) => Promise<ReplyBody>;
type Show = Extract<CallBody, { readonly kind: "ShowPresence" }>;

interface OpenTopic {
  opens: number;
  again?: CallBody;
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

  /** A call of this tab was answered. `ask` is used to prepare for another leader. */
  answered(body: CallBody, reply: ReplyBody, ask?: Ask): void {
    if (reply.kind === "OpenedTopic") return this.#opened(body, reply.topic, ask);
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

  /** What to tell a new leader, in this order, before anything else. Each may fail without harm to the others. */
  again(): CallBody[] {
    const topics = [...this.#topics.values()].flatMap(({ opens, again }) =>
      again === undefined ? [] : new Array<CallBody>(opens).fill(again),
    );
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

  #opened(body: CallBody, topic: number, ask: Ask | undefined): void {
    const known = this.#topics.get(topic);
    if (known !== undefined) {
      known.opens++;
      return;
    }
    const open: OpenTopic = { opens: 1 };
    this.#topics.set(topic, open);
    if (body.kind === "TopicNamed") open.again = body;
    else if (body.kind === "TopicJoin") open.again = { kind: "TopicJoin", invite: body.invite };
    else
      ask?.({ kind: "TopicInvite", topic }).then(
        reply => {
          if (reply.kind === "Text") open.again = { kind: "TopicJoin", invite: reply.text };
        },
        () => undefined,
      );
  }

  #forget(topic: number): void {
    this.#topics.delete(topic);
    for (const [holder, show] of this.#presence) if (show.topic === topic) this.#presence.delete(holder);
  }
}
