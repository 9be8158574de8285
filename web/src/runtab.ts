// A tab as its page or its worker runs it.

import { PerdureError } from "./errors.js";
import type { RtcPort } from "./links/rtc.js";
import type { Lead } from "./tabs.js";
import { Tab, type TabOptions } from "./tabs.js";
import type { LeadOptions } from "./lead.js";
import type { StartOptions } from "./port.js";
import { version as ownVersion } from "./version.js";
import { probeLock } from "./names.js";

export type TakeLead = (options: LeadOptions, superseded: () => void) => Promise<Lead>;

/** What tests have otherwise. */
export type TabWays = Partial<Pick<TabOptions, "version" | "askMs">>;

/** Rejects with `insecure-context` where the browser has no locks and no WebCrypto, as on http origins, unless all is to be kept in
 *  memory; else as `Tab.open`. */
export async function runTab(options: StartOptions, compiled: LeadOptions["compiled"], rtcPort: RtcPort | undefined, onStored: () => void, takeLead: TakeLead, ways: TabWays = {}): Promise<Tab> {
  const inMemory = options.peer.storage === "memory";
  const locks = globalThis.navigator?.locks;
  if (!inMemory && (locks === undefined || globalThis.crypto?.subtle === undefined)) {
    throw new PerdureError("insecure-context", 'This page needs https: (or localhost) to keep its keys. To try it without, say openPeer({ storage: "memory" }).');
  }
  const { peer } = options;
  const refused = inMemory ? undefined : await refusalOf(locks);
  const tab = await Tab.open({
    version: ownVersion, ...ways, peer, anchors: peer.anchors,
    storage: peer.storage === "opfs" ? "opfs" : peer.storage === "indexeddb" ? "indexeddb" : "auto",
    // What one tab has in memory no other can take over: each is a peer of its own.
    locks: inMemory || refused !== undefined ? undefined : locks,
    lead: superseded => takeLead({ ...options, compiled, rtcPort, onStored, refused }, superseded),
  });
  if (options.hidden) tab.visibility(true);
  return tab;
}

/** What the browser says where it lets a page keep nothing: it refuses locks there as it does storage. */
async function refusalOf(locks: LockManager | undefined): Promise<unknown> {
  try {
    // Whether somebody has it does not matter: it is not waited for.
    await locks?.request(probeLock, { ifAvailable: true }, () => undefined);
    return undefined;
  } catch (error) {
    return error;
  }
}
