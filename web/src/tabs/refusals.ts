// Why a tab neither leads nor follows, in the words that a user of the package reads.

import { PerdureError } from "../base/errors.js";

/** A newer version of the package runs in another tab. */
export function outdated(): PerdureError {
  return new PerdureError("outdated", "A newer version of this app runs in another tab. Reload this one.");
}

/** Whoever has the lock answers nothing. */
export function silent(): PerdureError {
  return new PerdureError(
    "storage-unavailable",
    "Another tab has the lead in this app and does not answer, as one does that a debugger has stopped. Close or reload the other tabs of this app.",
  );
}

/** It had the lock, and could not lead. */
export function couldNotLead(error: unknown): PerdureError {
  if (error instanceof PerdureError) return error;
  return new PerdureError("storage-unavailable", error instanceof Error ? error.message : String(error));
}
