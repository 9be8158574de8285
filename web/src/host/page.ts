// The life of a page, as its tab has to hear of it. A worker that opens a peer hears of the network alone.

import type { RtcPage } from "../links/rtc-page.js";
import { inPage } from "../base/platform.js";

export interface PageLife {
  network(online: boolean): void;
  visibility(hidden: boolean): void;
  /** The page goes now. */
  goodbye(): void;
  /** It is put to sleep: into the back/forward cache, or frozen in the background. */
  sleep(): void;
  /** It is awake again. */
  resumed(): void;
}

export function isHidden(): boolean {
  return inPage() && document.visibilityState === "hidden";
}

/** Until the returned function is called. What `navigator.onLine` says is not asked: it is false on machines that have only themselves to talk
 *  to, as test machines do. That it changes means something. */
export function watchPage(life: PageLife, rtc: RtcPage | undefined): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  addEventListener("online", () => life.network(true), { signal });
  addEventListener("offline", () => life.network(false), { signal });
  if (!inPage()) return () => ended.abort();
  addEventListener(
    "pagehide",
    ({ persisted }) => {
      if (persisted) life.sleep();
      else life.goodbye();
      rtc?.closeAll(); // else the other side waits for 7 to 17 s
    },
    { signal },
  );
  addEventListener(
    "pageshow",
    ({ persisted }) => {
      if (persisted) life.resumed();
    },
    { signal },
  );
  document.addEventListener("visibilitychange", () => life.visibility(isHidden()), { signal });
  document.addEventListener("freeze", () => life.sleep(), { signal });
  document.addEventListener("resume", () => life.resumed(), { signal });
  return () => ended.abort();
}
