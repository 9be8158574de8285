// The inside of a dedicated worker: a tab that its page talks to.

import { asPerdureError, dataOf } from "../base/errors.js";
import type { FromPage, RtcPort } from "../links/rtc.js";
import { runTab, type TabWays, type TakeLead } from "../tabs/run.js";
import type { StartOptions } from "../tabs/start.js";
import type { Tab } from "../tabs/tab.js";
import { EngineServer, type FromWorker, type ToWorker } from "./port.js";

/** Answers the page for as long as the worker lives. `takeLead`: what this tab does when it leads. */
export function serveTab(takeLead: TakeLead, ways: TabWays = {}): void {
  const worker = new WorkerTab(takeLead, ways);
  addEventListener("message", ({ data }: MessageEvent<ToWorker>) => worker.hear(data));
  post({ kind: "alive" });
}

function post(message: FromWorker, transfer: readonly Transferable[] = []): void {
  postMessage(message, { transfer: [...transfer] });
}

class WorkerTab {
  readonly #takeLead: TakeLead;
  readonly #ways: TabWays;
  readonly #rtcListeners = new Set<(message: FromPage) => void>();
  readonly #rtcPort: RtcPort = {
    post: (message, transfer) => post({ kind: "rtc", message }, transfer),
    listen: listener => {
      this.#rtcListeners.add(listener);
      return () => void this.#rtcListeners.delete(listener);
    },
  };
  #compiled: (module: WebAssembly.Module | undefined) => void = () => undefined;
  readonly #compiling = new Promise<WebAssembly.Module | undefined>(resolve => {
    this.#compiled = resolve;
  });
  #tab: Tab | undefined;
  #server: EngineServer | undefined;
  #closeEarly = false;

  constructor(takeLead: TakeLead, ways: TabWays) {
    this.#takeLead = takeLead;
    this.#ways = ways;
  }

  hear(message: ToWorker): void {
    switch (message.kind) {
      case "start":
        void this.#start(message.options);
        break;
      case "wasm":
        this.#compiled(message.module);
        break;
      case "network":
        this.#tab?.network(message.online);
        break;
      case "visibility":
        this.#tab?.visibility(message.hidden);
        break;
      case "goodbye":
        this.#tab?.goodbye();
        break;
      case "sleep":
        this.#tab?.sleep();
        break;
      case "resumed":
        this.#tab?.resumed();
        break;
      case "rtc":
        for (const listener of [...this.#rtcListeners]) listener(message.message);
        break;
      case "close":
        this.#closeEarly = true;
        this.#server?.hear(message);
        break;
      case "call":
      case "cancel":
        this.#server?.hear(message);
        break;
    }
  }

  async #start(options: StartOptions): Promise<void> {
    try {
      this.#tab = await runTab(
        options,
        this.#compiling,
        options.peer.rtc ? this.#rtcPort : undefined,
        () => post({ kind: "stored" }),
        this.#takeLead,
        this.#ways,
      );
      this.#server = new EngineServer(this.#tab, post);
      if (this.#closeEarly) this.#server.hear({ kind: "close" });
    } catch (error) {
      post({ kind: "failed", error: dataOf(asPerdureError(error)) });
    }
  }
}
