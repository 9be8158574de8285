// Why a store is not opened, in the words that a user of the package reads.

import { PerdureError } from "../base/errors.js";
import { wordsHere } from "../base/words.js";

/** A newer package has written this store; nothing in it was touched. */
export function newerFormat(): PerdureError {
  return new PerdureError(
    "outdated",
    wordsHere("A newer version of this app has written this store. Reload to run it too."),
  );
}

/** Another opener was quicker than this one; `name`: as SqlOptions has it. */
export function takenMeanwhile(name: string): PerdureError {
  return unavailable(
    `Another process has opened ${name.replace(/^The/, "the")} meanwhile. Use one process for each file.`,
  );
}

/** There is no store to be had; `why` is a sentence, `cause` what the platform said. */
export function unavailable(why: string, cause?: unknown): PerdureError {
  return new PerdureError("storage-unavailable", why + saidBy(cause));
}

/** The same for want of room. */
export function noRoom(why: string, cause?: unknown): PerdureError {
  return new PerdureError("storage-full", `${why} Free some space and open it again.${saidBy(cause)}`);
}

function saidBy(cause: unknown): string {
  return cause instanceof Error && cause.message !== "" ? ` (${cause.name}: ${cause.message})` : "";
}
