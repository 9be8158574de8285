// What a tab has standing with whoever leads: topics that it holds open, presence that it shows, and whether it
// has gone offline. A new leader knows nothing of them; it is told again.
//
// Topics keep their numbers from leader to leader, because they are rows. A topic is opened again as it was the first time; one
// that was made, or entered by a code, is opened by its invite, which is fetched for that while there is a leader to ask.

import type { CallBody, Notice, ReplyBody } from "./boundary.js";

type Ask = (body: CallBody) => Promise<ReplyBody>;

interface OpenTopic { opens: number; again?: CallBody }

export class Standing {
  readonly #topics = new Map<number, OpenTopic>();
  readonly #presence = new Map<number, CallBody>();
  #linksAllowed = true;

  /** A call of this tab was answered. `ask` is used to prepare for another leader. */
  answered(body: CallBody, reply: ReplyBody, ask?: Ask): void {
    if (reply.kind === "OpenedTopic") return this.#opened(body, reply.topic, ask);
    if (body.kind === "AllowLinks") {
      this.#linksAllowed = body.allowed;
    } else if (body.kind === "SetPresence") {
      if (body.value === undefined) this.#presence.delete(body.topic);
      else this.#presence.set(body.topic, body);
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

  /** What to tell a new leader, in this order, before anything else. Each may fail without harm to the others. */
  again(): CallBody[] {
    const topics = [...this.#topics.values()].flatMap(({ opens, again }) => (again === undefined ? [] : new Array<CallBody>(opens).fill(again)));
    return [...(this.#linksAllowed ? [] : [allowLinks(false)]), ...topics, ...this.#presence.values()];
  }

  /** What ends it all, when the tab is gone. */
  ending(): CallBody[] {
    const presence = [...this.#presence.keys()].map(topic => ({ kind: "SetPresence", topic }) as const);
    const topics = [...this.#topics].flatMap(([topic, { opens }]) => new Array<CallBody>(opens).fill({ kind: "TopicClose", topic }));
    return [...(this.#linksAllowed ? [] : [allowLinks(true)]), ...presence, ...topics];
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
    else ask?.({ kind: "TopicInvite", topic }).then(reply => { if (reply.kind === "Text") open.again = { kind: "TopicJoin", invite: reply.text }; }, () => undefined);
  }

  #forget(topic: number): void {
    this.#topics.delete(topic);
    this.#presence.delete(topic);
  }
}

function allowLinks(allowed: boolean): CallBody {
  return { kind: "AllowLinks", allowed };
}
