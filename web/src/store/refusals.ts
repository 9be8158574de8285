// Why a store is not opened, in the words that a user of the package reads.

import { PerdureError } from "../base/errors.js";

/** A newer package has written this store; nothing in it was touched. */
export function newerFormat(): PerdureError {
  return new PerdureError("outdated", "A newer version of this app has been here. Reload the page to run it too.");
}

/** There is no store to be had; `why` is a sentence, `cause` what the platform said. */
export function unavailable(why: string, cause?: unknown): PerdureError {
  const said = cause instanceof Error && cause.message !== "" ? ` (${cause.name}: ${cause.message})` : "";
  return new PerdureError("storage-unavailable", why + said);
}
