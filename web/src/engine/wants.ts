// What those who share a peer want of it together: handles in a page, tabs of an origin. A device shows one presence in a topic, the
// newest of all that are open; it is offline as long as one that asked for it is open, or until anybody asks for the opposite.

import type { ShimCall } from "./boundary.js";
import { randomBytes } from "../base/platform.js";

type Show = Extract<ShimCall, { readonly kind: "ShowPresence" }>;
type Allow = Extract<ShimCall, { readonly kind: "AllowLinks" }>;

/** A name that no other handle has, in this page or another. */
export function newHolder(): string {
  thread ??= Array.from(randomBytes(8), byte => byte.toString(16).padStart(2, "0")).join("");
  return `${thread}-${++made}`;
}

let thread: string | undefined;
let made = 0;

export class Wants {
  /** By topic, then by who wants it. */
  readonly #presence = new Map<number, Map<string, { readonly value: Uint8Array; readonly at: number }>>();
  readonly #offline = new Set<string>();
  #newest = 0;
  #onlines = 0;

  get linksAllowed(): boolean {
    return this.#offline.size === 0;
  }
  /** How often somebody has asked to be online. */
  get onlines(): number {
    return this.#onlines;
  }

  /** What to show of a topic. */
  presenceOf(topic: number): Uint8Array | undefined {
    let newest: { readonly value: Uint8Array; readonly at: number } | undefined;
    for (const shown of this.#presence.get(topic)?.values() ?? [])
      if (newest === undefined || shown.at >= newest.at) newest = shown;
    return newest?.value;
  }

  /** True if something else is to be shown now, or the same once more by who shows it. */
  show({ topic, holder, value, at, again }: Show): boolean {
    const before = this.presenceOf(topic);
    const wanted = this.#presence.get(topic) ?? new Map<string, { readonly value: Uint8Array; readonly at: number }>();
    this.#presence.set(topic, wanted);
    wanted.delete(holder);
    // What is told again to a new leader keeps its time. Clocks are put back: what comes is newer than what came, all the same.
    const rank = again === true ? at : Math.max(at, this.#newest + 1);
    this.#newest = Math.max(this.#newest, rank);
    if (value !== undefined) wanted.set(holder, { value, at: rank });
    if (wanted.size === 0) this.#presence.delete(topic);
    const after = this.presenceOf(topic);
    return after !== before || (after !== undefined && after === value);
  }

  /** That topic is not open any more. */
  forget(topic: number): void {
    this.#presence.delete(topic);
  }

  allowLinks({ allowed, holder = "", onlines = this.#onlines }: Allow): void {
    if (allowed) {
      this.#offline.clear();
      this.#onlines++;
    } else if (onlines === this.#onlines) {
      // else somebody has asked for the opposite since
      this.#offline.add(holder);
    }
  }

  /** Who holds nothing any more wants nothing. Returns the topics that show something else now. */
  release(holder: string): number[] {
    this.#offline.delete(holder);
    return [...this.#presence.keys()].filter(topic => {
      const wanted = this.#presence.get(topic);
      const before = this.presenceOf(topic);
      wanted?.delete(holder);
      if (wanted?.size === 0) this.#presence.delete(topic);
      return this.presenceOf(topic) !== before;
    });
  }
}
