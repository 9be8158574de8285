// A page and its worker: the page asks, the worker runs a tab. What goes over is plain data.

import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import { Calls, serveCalls, type AnswerMessage, type CallMessage, type ServedCalls } from "../engine/calls.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { closedError, dataOf, type PerdureError, type ErrorData } from "../base/errors.js";
import type { FromPage, ToPage } from "../links/rtc.js";
import { relay } from "../engine/notices.js";
import { TellingEngine } from "../engine/telling.js";
import type { StartOptions } from "../tabs/start.js";

export type ToWorker =
  | { readonly kind: "start"; readonly options: StartOptions }
  /** Once, after `start`: perdure.wasm, if the page has compiled it. */
  | { readonly kind: "wasm"; readonly module: WebAssembly.Module | undefined }
  | CallMessage
  | { readonly kind: "network"; readonly online: boolean }
  | { readonly kind: "visibility"; readonly hidden: boolean }
  | { readonly kind: "goodbye" | "sleep" | "resumed" | "close" }
  | { readonly kind: "rtc"; readonly message: FromPage };

export type FromWorker =
  | { readonly kind: "alive" } // the script runs
  | { readonly kind: "ready"; readonly id: string; readonly info: EngineInfo; readonly notices: readonly Notice[] }
  | { readonly kind: "failed"; readonly error: ErrorData }
  | AnswerMessage
  | { readonly kind: "notice"; readonly notice: Notice }
  | { readonly kind: "info"; readonly id: string; readonly info: EngineInfo }
  | { readonly kind: "stored" } // something is on the disk now
  | { readonly kind: "closed" }
  | { readonly kind: "rtc"; readonly message: ToPage };

/** The engine as the page sees it. */
export class PortEngine extends TellingEngine {
  readonly #post: (message: ToWorker) => void;
  readonly #end: () => void;
  readonly #calls: Calls;
  readonly #closed: Promise<void>;
  #onClosed: () => void = () => undefined;
  #id: string;
  #closing = false;
  #fault: PerdureError | undefined;

  /** `end`: once the worker is not needed any more. */
  constructor(
    post: (message: ToWorker) => void,
    { id, info, notices }: Extract<FromWorker, { kind: "ready" }>,
    end: () => void,
  ) {
    super(info);
    this.#post = post;
    this.#calls = new Calls(message => post(message));
    this.#id = id;
    for (const notice of notices) this.board.tell(notice);
    this.#end = end;
    this.#closed = new Promise(resolve => {
      this.#onClosed = resolve;
    });
  }

  get id(): string {
    return this.#id;
  }

  call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    if (this.#closing) return Promise.reject(closedError());
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return this.#calls.ask(body, options.signal);
  }

  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      if (this.#fault === undefined) this.#post({ kind: "close" });
    }
    return this.#closed;
  }

  hear(message: FromWorker): void {
    switch (message.kind) {
      case "reply":
      case "refusal":
        this.#calls.hear(message);
        break;
      case "notice":
        this.board.tell(message.notice);
        break;
      case "info":
        this.#id = message.id;
        this.setInfo(message.info);
        break;
      case "closed":
        this.#calls.rejectAll(closedError());
        this.#end();
        this.#onClosed();
        break;
      default:
        break;
    }
  }

  /** The worker is broken, and ended: calls reject, now and later. What was accepted is on disk, and another tab can take the lead. */
  fail(error: PerdureError): void {
    if (this.#fault !== undefined) return;
    this.#fault = error;
    this.#calls.rejectAll(error);
    this.#end();
    this.setInfo({ ...this.info(), trouble: [...this.info().trouble, dataOf(error)] });
    this.#onClosed();
  }
}

/** The worker's side of it: tells the page all that the engine tells, and asks what the page asks. */
export class EngineServer {
  readonly #engine: Engine;
  readonly #post: (message: FromWorker) => void;
  readonly #calls: ServedCalls;

  constructor(engine: Engine, post: (message: FromWorker) => void) {
    this.#engine = engine;
    this.#post = post;
    this.#calls = serveCalls(engine, answer => post(answer));
    relay(
      engine,
      notices => post({ kind: "ready", id: engine.id, info: engine.info(), notices }),
      notice => post({ kind: "notice", notice }),
    );
    engine.onInfo(info => post({ kind: "info", id: engine.id, info }));
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case "call":
      case "cancel":
        this.#calls.hear(message);
        break;
      case "close":
        void this.#engine
          .close()
          .catch(() => undefined)
          .then(() => this.#post({ kind: "closed" }));
        break;
      default:
        break;
    }
  }
}
