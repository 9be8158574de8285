// Calls and their answers over whatever carries them in order: from a page to its worker, from tab to tab, into the core.
//
//     const calls = new Calls<CallBody>(message => worker.postMessage(message));
//     const reply = await calls.ask({ kind: "TopicNamed", name: "lunch" }, signal);       // calls.hear(answer) as answers come
//
//     const served = serveCalls(engine, answer => postMessage(answer));                    // on the other side
//     served.hear(message);
//
//   ask ── call ──> engine.call      reply, refusal ──> the caller: it is over
//   ask ── aborted: over for its caller ── cancel ──> engine.call is aborted, and answers no more

import { asPerdureError, dataOf, errorOf, type ErrorData } from "../base/errors.js";
import type { CallBody, ReplyBody } from "./boundary.js";
import type { Engine } from "./engine.js";

export type CallMessage<Body = CallBody> =
  | { readonly kind: "call"; readonly call: number; readonly body: Body }
  | { readonly kind: "cancel"; readonly call: number };

export type AnswerMessage =
  | { readonly kind: "reply"; readonly call: number; readonly body: ReplyBody }
  | { readonly kind: "refusal"; readonly call: number; readonly error: ErrorData };

interface Open<Body> {
  readonly body: Body;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (reply: ReplyBody) => void;
  readonly reject: (reason: unknown) => void;
  readonly over: () => void;
}

/** The calls of one asker that are not answered yet, in their order. */
export class Calls<Body = CallBody> {
  readonly #post: (message: CallMessage<Body>, signal: AbortSignal | undefined) => void;
  readonly #answered: (body: Body, reply: ReplyBody) => void;
  readonly #open = new Map<number, Open<Body>>();
  #next = 1;
  #settling: (() => void)[] = [];

  /** `post` is given the caller's signal as well, for whoever can hand it on. `answered` hears of each reply before the caller does. */
  constructor(
    post: (message: CallMessage<Body>, signal: AbortSignal | undefined) => void,
    answered: (body: Body, reply: ReplyBody) => void = () => undefined,
  ) {
    this.#post = post;
    this.#answered = answered;
  }

  /** A number that no call has. */
  number(): number {
    return this.#next++;
  }

  /** Rejects as it is refused, or with the signal's reason. */
  ask(body: Body, signal?: AbortSignal): Promise<ReplyBody> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const call = this.number();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.reject(call, signal?.reason);
        this.#post({ kind: "cancel", call }, signal);
      };
      signal?.addEventListener("abort", abort, { once: true });
      const over = (): void => signal?.removeEventListener("abort", abort);
      this.#open.set(call, { body, signal, resolve, reject, over });
      this.#post({ kind: "call", call, body }, signal);
    });
  }

  hear(answer: AnswerMessage): void {
    if (answer.kind === "reply") this.resolve(answer.call, answer.body);
    else this.reject(answer.call, errorOf(answer.error));
  }

  /** Of a call that is over: nothing. */
  resolve(call: number, reply: ReplyBody): void {
    const open = this.#take(call);
    if (open === undefined) return;
    this.#answered(open.body, reply);
    open.resolve(reply);
  }

  reject(call: number, reason: unknown): void {
    this.#take(call)?.reject(reason);
  }

  rejectAll(reason: unknown): void {
    for (const call of [...this.#open.keys()]) this.reject(call, reason);
  }

  /** Asks again whatever is not answered, as it was asked: somebody else is to answer now. */
  again(): void {
    for (const [call, { body, signal }] of [...this.#open]) this.#post({ kind: "call", call, body }, signal);
  }

  some(which: (body: Body) => boolean): boolean {
    return [...this.#open.values()].some(({ body }) => which(body));
  }

  /** Resolves when none of those is left. */
  async none(which: (body: Body) => boolean): Promise<void> {
    while (this.some(which)) {
      await new Promise<void>(next => {
        this.#settling.push(next);
      });
    }
  }

  #take(call: number): Open<Body> | undefined {
    const open = this.#open.get(call);
    open?.over();
    this.#open.delete(call);
    for (const next of this.#settling.splice(0)) next();
    return open;
  }
}

const writing: ReadonlySet<CallBody["kind"]> = new Set<CallBody["kind"]>([
  "Append",
  "TopicNamed",
  "TopicCreate",
  "TopicJoin",
  "TopicJoinCode",
  "TopicLeave",
  "MarkRead",
  "AnchorAdd",
  "AnchorRemove",
]);

/** What changes something that is kept: who goes waits for it. */
export function isWriting({ kind }: CallBody): boolean {
  return writing.has(kind);
}

/** The side that answers. */
export interface ServedCalls {
  /** A call that is being answered is not asked a second time. */
  hear(message: CallMessage): void;
  /** Who asked is gone. */
  abortAll(): void;
}

/** Has the engine answer what is heard. `post` is given the call, too, that an answer is for; to one that was cancelled there is none. */
export function serveCalls(
  engine: Pick<Engine, "call">,
  post: (answer: AnswerMessage, body: CallBody) => void,
): ServedCalls {
  const open = new Map<number, AbortController>();
  const answer = async (call: number, body: CallBody): Promise<void> => {
    const abort = new AbortController();
    open.set(call, abort);
    try {
      post({ kind: "reply", call, body: await engine.call(body, { signal: abort.signal }) }, body);
    } catch (error) {
      if (!abort.signal.aborted) post({ kind: "refusal", call, error: dataOf(asPerdureError(error)) }, body);
    } finally {
      open.delete(call);
    }
  };
  return {
    hear: message => {
      if (message.kind === "cancel") open.get(message.call)?.abort();
      else if (!open.has(message.call)) void answer(message.call, message.body);
    },
    abortAll: () => {
      for (const abort of open.values()) abort.abort();
    },
  };
}
