// A peer's links without a peer: carries out what the test asks, tells what happened.

import { makeLinks } from "../../../web/src/links/links.js";
import { drainedBytes, type LinkEvents, type Links } from "../../../web/src/links/types.js";
import type { FromPage, ToPage } from "../../../web/src/links/rtc.js";
import { pipePort } from "./port.js";

export type Order =
  | { readonly kind: "start"; readonly network?: string; readonly locks?: boolean }
  | { readonly kind: "call"; readonly method: keyof Links; readonly args: readonly unknown[] }
  | { readonly kind: "blast"; readonly link: number; readonly count: number; readonly size: number }
  | { readonly kind: "rtc"; readonly message: FromPage };
/** `counted`: the numbered messages of a blast, all in order so far, and how many; `blasted`: the last is handed over. */
export type Report = readonly [event: string, ...details: unknown[]];

let links: Links | undefined;
let fromPage: (message: FromPage) => void = () => undefined;
let resume: () => void = () => undefined;
let counted = 0;

const tell = (...report: Report): void => postMessage({ kind: "report", report });
const events: LinkEvents = {
  opened: (link, path, dialler, from) => tell("opened", link, path, dialler, from),
  closed: link => tell("closed", link),
  drained: (link, buffered) => {
    tell("drained", link, buffered);
    resume();
  },
  dialFailed: url => tell("dialFailed", url),
  signal: (attempt, kind, text) => tell("signal", attempt, kind, text),
  rtcFailed: attempt => tell("rtcFailed", attempt),
  received: (link, bytes) => {
    if (bytes.length < 4) return tell("received", link, [...bytes]);
    // One of a blast: its number, then as many bytes of that number.
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (number !== counted++ || bytes[bytes.length - 1] !== (number & 255)) return tell("disorder", number, counted);
    if (counted % 100 === 0) tell("counted", counted);
  },
};

async function blast(link: number, count: number, size: number): Promise<void> {
  let sent = 0;
  let waits = 0;
  for (let n = 0; n < count; n++) {
    const bytes = new Uint8Array(size).fill(n & 255);
    new DataView(bytes.buffer).setUint32(0, n);
    links?.send(link, bytes);
    sent += size;
    if (sent < 2 * drainedBytes) continue;
    await new Promise<void>(resolve => {
      resume = resolve;
    });
    sent = 0;
    waits++;
  }
  tell("blasted", waits);
}

addEventListener("message", ({ data }: MessageEvent<Order>) => {
  switch (data.kind) {
    case "start":
      links = makeLinks({
        webSocket: url => new WebSocket(url),
        rtc: pipePort(
          (message: ToPage, transfer) => postMessage({ kind: "rtc", message }, { transfer: [...transfer] }),
          hear => {
            fromPage = hear;
          },
        ),
        ...(data.network === undefined
          ? {}
          : { local: data.locks === false ? { network: data.network, locks: undefined } : { network: data.network } }),
      })(events);
      break;
    case "rtc":
      fromPage(data.message);
      break;
    case "blast":
      void blast(data.link, data.count, data.size);
      break;
    case "call": {
      const method = links?.[data.method] as ((...args: readonly unknown[]) => void) | undefined;
      method?.(...data.args);
    }
  }
});
