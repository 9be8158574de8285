// A tab as its page or its worker runs it.

import { PerdureError } from "../base/errors.js";
import type { RtcPort } from "../links/rtc.js";
import { canBroadcast, isOriginless } from "../base/platform.js";
import type { Lead } from "./leading.js";
import type { TabOptions } from "./options.js";
import { Tab } from "./tab.js";
import type { LeadOptions } from "./lead.js";
import type { StartOptions } from "./start.js";
import { unavailable } from "../store/refusals.js";
import { version as ownVersion } from "../base/version.js";
import { probeLock } from "../base/names.js";

export type TakeLead = (options: LeadOptions, superseded: () => void) => Promise<Lead>;

/** What tests have otherwise. */
export type TabWays = Partial<Pick<TabOptions, "version" | "askMs">>;

/** Rejects with `insecure-context` where the browser has no locks and no WebCrypto, as on http origins, with `storage-unavailable` where it lacks them
 *  elsewhere, unless all is to be kept in memory; else as `Tab.open`. */
export async function runTab(
  options: StartOptions,
  compiled: LeadOptions["compiled"],
  rtcPort: RtcPort | undefined,
  onStored: () => void,
  takeLead: TakeLead,
  ways: TabWays = {},
): Promise<Tab> {
  const inMemory = options.peer.storage === "memory";
  const locks = globalThis.navigator?.locks;
  if (!inMemory && !isOriginless() && (locks === undefined || globalThis.crypto?.subtle === undefined)) {
    throw globalThis.isSecureContext === false
      ? new PerdureError(
          "insecure-context",
          'This page needs https: (or localhost) to keep its keys. To try it without, say openPeer({ storage: "memory" }).',
        )
      : unavailable(
          'This browser has no Web Locks or no WebCrypto here, without which nothing is kept. Update it, or say openPeer({ storage: "memory" }).',
        );
  }
  const { peer } = options;
  const refused = inMemory ? undefined : await refusalOf(locks);
  const tab = await Tab.open({
    version: ownVersion,
    ...ways,
    peer,
    anchors: peer.anchors,
    storage: peer.storage === "opfs" ? "opfs" : peer.storage === "indexeddb" ? "indexeddb" : "auto",
    // What one tab has in memory no other can take over: each is a peer of its own.
    locks: inMemory || refused !== undefined ? undefined : locks,
    lead: (hold, superseded) => takeLead({ ...options, compiled, rtcPort, onStored, refused, hold }, superseded),
  });
  if (options.hidden) tab.visibility(true);
  return tab;
}

/** Why this page may keep nothing, or cannot share with other tabs what it keeps: the browser refuses locks where it refuses storage. */
async function refusalOf(locks: LockManager | undefined): Promise<unknown> {
  // Its locks are refused, or it has none: browsers trust no page without an origin on http, not even on localhost.
  const withoutOrigin = (): unknown =>
    unavailable(
      'A page without an origin of its own, as in <iframe sandbox>, has no storage. Add allow-same-origin to the sandbox, or say openPeer({ storage: "memory" }).',
    );
  if (locks === undefined) return withoutOrigin();
  if (!canBroadcast())
    return unavailable(
      'This browser has no BroadcastChannel here, by which tabs share what is kept. Update it, or say openPeer({ storage: "memory" }).',
    );
  try {
    // Whether somebody has it does not matter: it is not waited for.
    await locks.request(probeLock, { ifAvailable: true }, () => undefined);
    return undefined;
  } catch (error) {
    return isOriginless() ? withoutOrigin() : error;
  }
}
