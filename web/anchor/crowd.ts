// Connections that are no links: those that have asked for nothing yet, those that are being answered, those that are kept open.
//
// Each costs a file, and whoever opens them need not say a word. So there is a bound on all of them, and a smaller one for an address on
// those that are silent. Nobody is turned away for it: who has been silent for longest goes, of the address that has most. Whoever asks
// at once, be it for /healthz, is answered, however many stand about.

/** A browser opens six, and a classroom shares an address. */
const silentPerAddress = 64;
/** In all; beside the links. */
const standingMax = 256;
/** A handshake of TLS and the head of a request, over a bad line. */
const silentMs = 8_000;

/** What is needed of a socket. */
export interface Standing {
  destroy(): unknown;
}

interface Entry {
  readonly socket: Standing;
  address: string;
  state: "silent" | "answered" | "idle";
  sinceMs: number;
}

export class Crowd<Key = unknown> {
  /** In the order in which they came. */
  readonly #entries = new Map<Key, Entry>();
  readonly #turnedOut: () => void;

  /** `turnedOut` is told of each that had to go. */
  constructor(turnedOut: () => void) {
    this.#turnedOut = turnedOut;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A connection, of which nothing is known but where it comes from. */
  came(key: Key, socket: Standing, address: string, nowMs: number): void {
    this.#entries.set(key, { socket, address, state: "silent", sinceMs: nowMs });
    const silent = [...this.#entries].filter(([, entry]) => entry.address === address && entry.state === "silent");
    const [oldest] = silent;
    if (silent.length > silentPerAddress && oldest !== undefined) this.#end(...oldest);
    else if (this.#entries.size > standingMax) this.#endOne();
  }

  /** It has asked for something; a proxy has said for whom. */
  asked(key: Key, address: string, nowMs: number): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) Object.assign(entry, { address, state: "answered", sinceMs: nowMs });
  }

  answered(key: Key, nowMs: number): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) Object.assign(entry, { state: "idle", sinceMs: nowMs });
  }

  /** It has ended, or become a link. */
  left(key: Key): void {
    this.#entries.delete(key);
  }

  /** Ends those that have been silent for too long. */
  sweep(nowMs: number): void {
    for (const [key, entry] of this.#entries)
      if (entry.state === "silent" && entry.sinceMs + silentMs <= nowMs) this.#end(key, entry);
  }

  // Of the address that has most: who is silent before who is idle before who is being answered, and of those the first.
  #endOne(): void {
    const counts = new Map<string, number>();
    for (const { address } of this.#entries.values()) counts.set(address, (counts.get(address) ?? 0) + 1);
    const [heaviest] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), ["", 0]);
    const theirs = [...this.#entries].filter(([, { address }]) => address === heaviest);
    for (const state of ["silent", "idle", "answered"] as const) {
      const found = theirs.find(([, entry]) => entry.state === state);
      if (found !== undefined) return this.#end(...found);
    }
  }

  #end(key: Key, entry: Entry): void {
    this.#entries.delete(key);
    entry.socket.destroy();
    this.#turnedOut();
  }
}
