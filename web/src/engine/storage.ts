// Whether a peer that runs already keeps things where it is asked to.

import { badArgument, PerdureError } from "../base/errors.js";
import type { EngineInfo } from "./engine.js";

/** Why a peer that `who` has open is not the one that is asked for, which is to be kept there; nothing if it is. "auto" means IndexedDB, and
 *  memory where the browser gives none. */
export function otherStorage(
  who: string,
  { storage: { kind }, trouble }: EngineInfo,
  wanted: "auto" | "indexeddb" | "opfs",
): PerdureError | undefined {
  if (kind === (wanted === "auto" ? "indexeddb" : wanted) || (kind === "memory" && wanted === "auto")) return undefined;
  if (kind === "memory") {
    const told = trouble.find(({ code }) => code === "storage-unavailable");
    return new PerdureError(
      "storage-unavailable",
      `${who} has this app open and could keep it in memory only. ${told?.text ?? ""}`.trimEnd(),
    );
  }
  const said = wanted === "auto" ? 'no storage is named, which means "indexeddb"' : `it is "${wanted}"`;
  return badArgument(
    `${who} has this app open with storage: "${kind}"; here ${said}. Name the same storage wherever the app is opened, or give one of them an instance of its own.`,
    "storage",
  );
}
