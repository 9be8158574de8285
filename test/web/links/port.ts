import type { FromPage, RtcPort, ToPage } from "../../../web/src/links/rtc.js";

/** An RtcPort of two functions. */
export function pipePort(
  post: (message: ToPage, transfer: readonly Transferable[]) => void,
  listen: (hear: (message: FromPage) => void) => void,
): RtcPort {
  return {
    post,
    listen: hear => {
      listen(hear);
      return () => listen(() => undefined);
    },
  };
}
