// Two peers' links in one page, or one in each of several: a worker for each, and the page's half of WebRTC.

import { RtcPage, canMoveChannels } from "../../../web/src/links/rtc-page.js";
import type { ToPage } from "../../../web/src/links/rtc.js";
import type { Order, Report } from "./worker.js";

export interface TestLinksOptions {
  readonly move?: boolean;
  readonly network?: string;
  readonly locks?: boolean;
}

export class TestLinks {
  readonly reports: Report[] = [];
  readonly #worker = new Worker("/worker.js", { type: "module" });
  readonly #rtc: RtcPage;
  readonly #listeners = new Set<() => void>();

  constructor(options: TestLinksOptions = {}) {
    this.#rtc = new RtcPage(
      (message, transfer) => this.#worker.postMessage({ kind: "rtc", message }, transfer),
      options.move === undefined ? {} : { move: options.move },
    );
    this.#worker.onmessage = ({
      data,
    }: MessageEvent<{ kind: "rtc"; message: ToPage } | { kind: "report"; report: Report }>) => {
      if (data.kind === "rtc") return this.#rtc.hear(data.message);
      this.reports.push(data.report);
      for (const listener of [...this.#listeners]) listener();
    };
    this.order({
      kind: "start",
      ...(options.network === undefined ? {} : { network: options.network }),
      ...(options.locks === undefined ? {} : { locks: options.locks }),
    });
    addEventListener("pagehide", () => this.#rtc.closeAll());
  }

  order(order: Order): void {
    this.#worker.postMessage(order);
  }
  call(method: Extract<Order, { kind: "call" }>["method"], ...args: readonly unknown[]): void {
    this.order({ kind: "call", method, args });
  }
  terminate(): void {
    this.#worker.terminate();
  }

  /** Resolves with the first report that begins so. */
  until(...beginning: readonly unknown[]): Promise<Report> {
    return new Promise(resolve => {
      const look = (): void => {
        const found = this.reports.find(report => beginning.every((value, i) => report[i] === value));
        if (found === undefined) return;
        this.#listeners.delete(look);
        resolve(found);
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Resolves once there are so many reports of that event. */
  count(event: string, wanted: number): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (this.reports.filter(report => report[0] === event).length < wanted) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Hands each signal on, as a core would through others. */
  signalTo(other: TestLinks, attempt: number): void {
    let told = 0;
    this.#listeners.add(() => {
      for (; told < this.reports.length; told++) {
        const [event, , kind, text] = this.reports[told] ?? [""];
        if (event === "signal") other.call("rtcSignal", attempt, kind, text);
      }
    });
  }
}

/** Of each side whether its channels move to its worker. */
type Moves = readonly [boolean, boolean];

/** Two with a data channel between them, and the numbers of its link on both sides: `toB` is a's. */
async function linked([moveA, moveB]: Moves): Promise<{ a: TestLinks; b: TestLinks; toB: number; toA: number }> {
  const [a, b] = [new TestLinks({ move: moveA }), new TestLinks({ move: moveB })];
  a.signalTo(b, 22);
  b.signalTo(a, 11);
  b.call("rtcOpen", 22, false, []);
  a.call("rtcOpen", 11, true, []);
  const [first, second] = await Promise.all([a.until("opened"), b.until("opened")]);
  return { a, b, toB: Number(first[1]), toA: Number(second[1]) };
}

declare global {
  interface Window {
    tools: { TestLinks: typeof TestLinks; linked: typeof linked; canMoveChannels: typeof canMoveChannels };
    links: TestLinks;
  }
}
window.tools = { TestLinks, linked, canMoveChannels };
