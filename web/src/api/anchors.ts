// The anchors of a peer as its user holds them. The core tells which it uses; what was said and is not answered yet is counted here, so that
// one too many is refused to whoever names it.

import { anchorsMax, checkAnchor } from "../base/arguments.js";
import { badArgument } from "../base/errors.js";
import type { AnchorInfo, Peer, View } from "../base/types.js";

type Change = { readonly kind: "AnchorAdd" | "AnchorRemove"; readonly url: string };

export class Anchors {
  /** What a user holds of it. */
  readonly api: Peer["anchors"];
  #used = new Set<string>();
  /** Said and not heard of yet, each with what ends when the core has answered: it may have refused it. */
  readonly #added = new Map<string, Promise<void>>();
  readonly #removed = new Map<string, Promise<void>>();

  /** `tell`: tells the core, or throws. Resolves when it has answered, whatever. */
  constructor(list: View<readonly AnchorInfo[]>, tell: (change: Change) => Promise<void>) {
    const say = (change: Change, said: Map<string, Promise<void>>, unsaid: Map<string, Promise<void>>): void => {
      const { url } = change;
      const answered = tell(change);
      unsaid.delete(url);
      said.set(url, answered);
      void answered.then(() => {
        if (said.get(url) === answered) said.delete(url);
      });
    };
    const add = (given: string | URL): void => {
      const url = checkAnchor(given);
      this.#checkRoom(url);
      say({ kind: "AnchorAdd", url }, this.#added, this.#removed);
    };
    const remove = (given: string | URL): void => {
      const url = checkAnchor(given);
      say({ kind: "AnchorRemove", url }, this.#removed, this.#added);
    };
    this.api = { add, remove, list };
  }

  /** What the core uses now. */
  heard(used: readonly { readonly url: string }[]): void {
    this.#used = new Set(used.map(({ url }) => url));
    for (const url of this.#added.keys()) if (this.#used.has(url)) this.#added.delete(url);
    for (const url of this.#removed.keys()) if (!this.#used.has(url)) this.#removed.delete(url);
  }

  #checkRoom(url: string): void {
    const all = new Set([...this.#used, ...this.#added.keys()]);
    for (const removed of this.#removed.keys()) all.delete(removed);
    if (!all.has(url) && all.size >= anchorsMax)
      throw badArgument(
        `A peer uses ${anchorsMax} anchors at most, and this one has so many. Take one away first: peer.anchors.remove(url); peer.anchors.list tells them.`,
        "url",
      );
  }
}
