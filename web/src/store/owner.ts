// Whose rows they are. A database belongs to what opened it first, an app's peer or an anchor, and to all others it is refused before
// anything in it has changed: who has it open goes on.
//
// 0.1.0 wrote no name. Its rows tell an anchor's from a peer's as soon as there is a topic in them; what tells nothing is adopted.

import type { PerdureError } from "../base/errors.js";
import type { Held, Own } from "./store.js";

/** The own value that says whose rows they are, a text. 0.1.0 asks for no such value, and leaves it as it is. */
export const ownerKey = "owner";
/** What stands there in an anchor's rows: no app is called so. */
export const anchorName = "";

/** Who opens rows, and gets only its own or nobody's. To make them its own is another step. */
export interface Owner {
  readonly name: string;
  /** What is told to it where the rows are another's; undefined: a peer's, of an app whose name is not there. */
  readonly refusal: (found: string | undefined) => PerdureError;
}

/** Throws the refusal if the rows are known to be another's. `found`: the value of their ownerKey; `aTopic`: the row of a topic, if there is
 *  one. */
export function checkOwner({ name, refusal }: Owner, found: unknown, aTopic: () => Uint8Array | undefined): void {
  if (typeof found === "string") {
    if (found !== name) throw refusal(found);
    return;
  }
  // Network and id, 32 bytes each, then whether its secret follows, which an anchor never has (src/node/start.cpp).
  const secret = aTopic()?.[64];
  if (secret === 0 && name !== anchorName) throw refusal(anchorName);
  if (secret === 1 && name === anchorName) throw refusal(undefined);
}

/** Makes the rows that owner's, if they are nobody's. Only once its core runs: an open that fails leaves them to others. */
export async function claim(store: Own & Held, name: string): Promise<void> {
  try {
    // An open file that has no name any more can be written on and on.
    if ((await store.held()) === "ok") await store.putOwn(ownerKey, name, found => typeof found === "string");
  } catch {
    /* There was no room for it, or the file is gone or another's: whoever opens it next claims it. */
  }
}
