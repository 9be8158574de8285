// One engine per app, instance and place to keep them in a thread, shared by all that open it and closed with the last of them.
import type { Engine, Surroundings } from "../engine/engine.js";
import { surroundings } from "../engine/engine.js";
import { checkPeerOptions } from "./options.js";
import { checkRtc } from "./rtc.js";
import { anchorsOf } from "../base/arguments.js";
import { PeerHandle } from "./peer.js";
import { otherStorage } from "../engine/storage.js";
import type { Peer, PeerOptions } from "../base/types.js";

interface Shared {
  readonly engine: Promise<Engine>;
  users: number;
  /** Set when the last user has gone; the next one waits for it and begins anew. */
  closing: Promise<void> | undefined;
}

/** What openPeer is made of. */
export class Opener {
  readonly #start: (options: PeerOptions) => Promise<Engine>;
  readonly #surroundings: Surroundings;
  readonly #placeOf: (file: string) => Promise<string | undefined>;
  readonly #shared = new Map<string, Shared>();

  /** `placeOf`: the one true path of a file, if there is one. */
  constructor(
    start: (options: PeerOptions) => Promise<Engine>,
    around: Surroundings = surroundings,
    placeOf: (file: string) => Promise<string | undefined> = async file => file,
  ) {
    this.#start = start;
    this.#surroundings = around;
    this.#placeOf = placeOf;
  }

  async open(options: PeerOptions): Promise<Peer> {
    checkPeerOptions(options);
    const { signal } = options;
    signal?.throwIfAborted();
    const file = typeof options.storage === "object" ? options.storage.file : undefined;
    const key = keyOf(options, file === undefined ? undefined : ((await this.#placeOf(file)) ?? file));
    signal?.throwIfAborted();
    let shared = this.#shared.get(key);
    while (shared?.closing !== undefined) {
      await shared.closing;
      signal?.throwIfAborted();
      shared = this.#shared.get(key);
    }
    const found = shared !== undefined;
    if (shared === undefined) {
      checkRtc(options.rtc);
      shared = { engine: this.#start(options), users: 0, closing: undefined };
      this.#shared.set(key, shared);
    }
    const held = shared;
    held.users++;
    try {
      const engine = await unlessAborted(held.engine, signal);
      const { storage } = options;
      const refusal =
        storage === "indexeddb" || storage === "opfs"
          ? otherStorage(found ? "This page" : "Another tab", engine.info(), storage)
          : undefined;
      if (refusal !== undefined) throw refusal;
      // Whoever opened it first has named only his own anchors.
      if (found)
        for (const url of anchorsOf(options.anchors)) engine.call({ kind: "AnchorAdd", url }).catch(() => undefined);
      return new PeerHandle(engine, this.#surroundings, () => this.#release(key, held));
    } catch (error) {
      // Whatever became of the engine, this caller waits no longer.
      this.#release(key, held).catch(() => undefined);
      throw error;
    }
  }

  #release(key: string, shared: Shared): Promise<void> {
    shared.users--;
    if (shared.users > 0) return Promise.resolve();
    shared.closing ??= shared.engine
      .then(
        engine => engine.close(),
        () => undefined,
      )
      .finally(() => {
        if (this.#shared.get(key) === shared) this.#shared.delete(key);
      });
    return shared.closing;
  }
}

// What is kept in memory, and each file, is a peer of its own.
function keyOf({ app, instance = "default", storage }: PeerOptions, file: string | undefined): string {
  return JSON.stringify([app, instance, file === undefined ? storage === "memory" : { file }]);
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
