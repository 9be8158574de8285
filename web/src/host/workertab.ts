// The inside of a dedicated worker: a tab that its page talks to.

import { asPerdureError, dataOf } from "../base/errors.js";
import type { FromPage, RtcPort } from "../links/rtc.js";
import { EngineServer, type FromWorker, type ToWorker } from "./port.js";
import { runTab, type TabWays, type TakeLead } from "../tabs/run.js";
import type { StartOptions } from "../tabs/start.js";
import type { Tab } from "../tabs/tab.js";

/** Answers the page for as long as the worker lives. `takeLead`: what this tab does when it leads. */
export function serveTab(takeLead: TakeLead, ways: TabWays = {}): void {
  const post = (message: FromWorker, transfer: readonly Transferable[] = []): void =>
    postMessage(message, { transfer: [...transfer] });

  const rtcListeners = new Set<(message: FromPage) => void>();
  const rtcPort: RtcPort = {
    post: (message, transfer) => post({ kind: "rtc", message }, transfer),
    listen: listener => {
      rtcListeners.add(listener);
      return () => void rtcListeners.delete(listener);
    },
  };

  let compiled: (module: WebAssembly.Module | undefined) => void = () => undefined;
  const compiling = new Promise<WebAssembly.Module | undefined>(resolve => {
    compiled = resolve;
  });

  let tab: Tab | undefined;
  let server: EngineServer | undefined;
  let closeEarly = false;

  async function start(options: StartOptions): Promise<void> {
    try {
      tab = await runTab(
        options,
        compiling,
        options.peer.rtc ? rtcPort : undefined,
        () => post({ kind: "stored" }),
        takeLead,
        ways,
      );
      server = new EngineServer(tab, post);
      if (closeEarly) server.hear({ kind: "close" });
    } catch (error) {
      post({ kind: "failed", error: dataOf(asPerdureError(error)) });
    }
  }

  addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
    switch (data.kind) {
      case "start":
        void start(data.options);
        break;
      case "wasm":
        compiled(data.module);
        break;
      case "network":
        tab?.network(data.online);
        break;
      case "visibility":
        tab?.visibility(data.hidden);
        break;
      case "goodbye":
        tab?.goodbye();
        break;
      case "sleep":
        tab?.sleep();
        break;
      case "resumed":
        tab?.resumed();
        break;
      case "rtc":
        for (const listener of [...rtcListeners]) listener(data.message);
        break;
      case "close":
        closeEarly = true;
        server?.hear(data);
        break;
      case "call":
      case "cancel":
        server?.hear(data);
        break;
    }
  });
  post({ kind: "alive" });
}
