// Makes links over everything that there is here.
//
//     const links = makeLinks({ webSocket: url => new WebSocket(url), local: "talkbox" })(events);
//     links.dial("wss://anchor.example", network);        // events.opened(1, "websocket", true, { url }) or events.dialFailed(url)

import { LocalBus, type LocalOptions } from "./local.js";
import type { RtcPort } from "./rtc.js";
import { RtcLinks } from "./rtc.js";
import { LinkTable } from "./table.js";
import type { LinkEvents, Links } from "./types.js";
import { WebSockets, type MakeWebSocket } from "./websocket.js";

export interface LinksOptions {
  readonly webSocket: MakeWebSocket;
  /** Where connections are made. None: every attempt fails. */
  readonly rtc?: RtcPort;
  /** Finds peers of this network on the same origin. None: they are not looked for. */
  readonly local?: LocalOptions;
}

/** Links over everything that there is here, for a Driver. */
export function makeLinks(options: LinksOptions): (events: LinkEvents) => Links {
  return events => {
    const table = new LinkTable(events);
    const webSockets = new WebSockets(table, options.webSocket);
    const rtc = options.rtc === undefined ? undefined : new RtcLinks(table, options.rtc);
    const meetOthers = (): LocalBus | undefined =>
      options.local === undefined ? undefined : new LocalBus(table, options.local);
    let local = meetOthers();
    return {
      dial: (url, network) => webSockets.dial(url, network),
      send: (link, bytes) => table.send(link, bytes),
      close: link => table.close(link),
      hold: (link, held) => table.hold(link, held),
      rtcOpen: (attempt, initiator, ice) =>
        rtc === undefined ? events.rtcFailed(attempt) : rtc.open(attempt, initiator, ice),
      rtcSignal: (attempt, kind, text) => rtc?.signal(attempt, kind, text),
      rtcClose: attempt => rtc?.close(attempt),
      allow: allowed => {
        local?.leave();
        table.allow(allowed);
        local = allowed ? meetOthers() : undefined;
      },
      closeAll: () => {
        local?.leave();
        table.closeAll();
        webSockets.stop();
        rtc?.closeAll();
      },
    };
  };
}
