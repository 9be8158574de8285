// A page and its worker: the page asks, the worker runs a tab. What goes over is plain data.

import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { closedError, dataOf, errorOf, PerdureError, type ErrorData } from "../base/errors.js";
import type { FromPage, ToPage } from "../links/rtc.js";
import { callEach, NoticeBoard, relay } from "../engine/notices.js";
import type { StartOptions } from "../tabs/start.js";

export type ToWorker =
  | { readonly kind: "start"; readonly options: StartOptions }
  /** Once, after `start`: perdure.wasm, if the page has compiled it. */
  | { readonly kind: "wasm"; readonly module: WebAssembly.Module | undefined }
  | { readonly kind: "call"; readonly call: number; readonly body: CallBody }
  | { readonly kind: "cancel"; readonly call: number }
  | { readonly kind: "network"; readonly online: boolean }
  | { readonly kind: "visibility"; readonly hidden: boolean }
  | { readonly kind: "goodbye" | "sleep" | "resumed" | "close" }
  | { readonly kind: "rtc"; readonly message: FromPage };

export type FromWorker =
  | { readonly kind: "alive" } // the script runs
  | { readonly kind: "ready"; readonly id: string; readonly info: EngineInfo; readonly notices: readonly Notice[] }
  | { readonly kind: "failed"; readonly error: ErrorData }
  | { readonly kind: "reply"; readonly call: number; readonly body: ReplyBody }
  | { readonly kind: "refusal"; readonly call: number; readonly error: ErrorData }
  | { readonly kind: "notice"; readonly notice: Notice }
  | { readonly kind: "info"; readonly id: string; readonly info: EngineInfo }
  | { readonly kind: "stored" } // something is on the disk now
  | { readonly kind: "closed" }
  | { readonly kind: "rtc"; readonly message: ToPage };

interface Waiting {
  readonly resolve: (reply: ReplyBody) => void;
  readonly reject: (reason: unknown) => void;
}

/** The engine as the page sees it. */
export class PortEngine implements Engine {
  readonly #post: (message: ToWorker) => void;
  readonly #end: () => void;
  readonly #board = new NoticeBoard();
  readonly #infoListeners = new Set<(info: EngineInfo) => void>();
  readonly #calls = new Map<number, Waiting>();
  readonly #closed: Promise<void>;
  #onClosed: () => void = () => undefined;
  #id: string;
  #info: EngineInfo;
  #nextCall = 1;
  #closing = false;
  #fault: PerdureError | undefined;

  /** `end`: once the worker is not needed any more. */
  constructor(
    post: (message: ToWorker) => void,
    { id, info, notices }: Extract<FromWorker, { kind: "ready" }>,
    end: () => void,
  ) {
    this.#post = post;
    this.#id = id;
    this.#info = info;
    for (const notice of notices) this.#board.tell(notice);
    this.#end = end;
    this.#closed = new Promise(resolve => {
      this.#onClosed = resolve;
    });
  }

  get id(): string {
    return this.#id;
  }

  call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    const { signal } = options;
    if (this.#closing) return Promise.reject(closedError());
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const call = this.#nextCall++;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#calls.delete(call);
        this.#post({ kind: "cancel", call });
        reject(signal?.reason);
      };
      const done = (): void => signal?.removeEventListener("abort", abort);
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(call, {
        resolve: reply => {
          done();
          resolve(reply);
        },
        reject: reason => {
          done();
          reject(reason);
        },
      });
      this.#post({ kind: "call", call, body });
    });
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#board.listen(listener);
  }
  info(): EngineInfo {
    return this.#info;
  }

  onInfo(listener: (info: EngineInfo) => void): () => void {
    this.#infoListeners.add(listener);
    return () => void this.#infoListeners.delete(listener);
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
        this.#take(message.call)?.resolve(message.body);
        break;
      case "refusal":
        this.#take(message.call)?.reject(errorOf(message.error));
        break;
      case "notice":
        this.#board.tell(message.notice);
        break;
      case "info":
        this.#id = message.id;
        this.#setInfo(message.info);
        break;
      case "closed":
        for (const waiting of this.#calls.values()) waiting.reject(closedError());
        this.#calls.clear();
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
    for (const waiting of this.#calls.values()) waiting.reject(error);
    this.#calls.clear();
    this.#end();
    this.#setInfo({ ...this.#info, trouble: [...this.#info.trouble, dataOf(error)] });
    this.#onClosed();
  }

  #take(call: number): Waiting | undefined {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    return waiting;
  }

  #setInfo(info: EngineInfo): void {
    this.#info = info;
    callEach(this.#infoListeners, info);
  }
}

/** The worker's side of it: tells the page all that the engine tells, and asks what the page asks. */
export class EngineServer {
  readonly #engine: Engine;
  readonly #post: (message: FromWorker) => void;
  readonly #calls = new Map<number, AbortController>();

  constructor(engine: Engine, post: (message: FromWorker) => void) {
    this.#engine = engine;
    this.#post = post;
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
        void this.#call(message.call, message.body);
        break;
      case "cancel":
        this.#calls.get(message.call)?.abort();
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

  async #call(call: number, body: CallBody): Promise<void> {
    const abort = new AbortController();
    this.#calls.set(call, abort);
    try {
      this.#post({ kind: "reply", call, body: await this.#engine.call(body, { signal: abort.signal }) });
    } catch (error) {
      if (!abort.signal.aborted) this.#post({ kind: "refusal", call, error: dataOf(asPerdureError(error)) });
    } finally {
      this.#calls.delete(call);
    }
  }
}

/** What is thrown at a caller is always this package's. */
export function asPerdureError(error: unknown): PerdureError {
  if (error instanceof PerdureError) return error;
  return new PerdureError("wasm-failed", error instanceof Error ? `${error.name}: ${error.message}` : String(error), {
    cause: error,
  });
}
