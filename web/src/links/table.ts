// Which link is which: all transports of one Driver put their pipes in here.

import {
  drainedBytes,
  toldBytes,
  type LinkEvents,
  type LinkKind,
  type LinkOrigin,
  type Pipe,
  type PipeEvents,
} from "./types.js";

/** The numbers of links and what they stand for. Shared by all transports of one Driver. */
export class LinkTable {
  readonly events: LinkEvents;
  readonly #pipes = new Map<number, { readonly pipe: Pipe; untold: number }>();
  #allowed = true;
  #next = 1;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  /** Numbers an open pipe and tells the Driver. */
  add(pipe: Pipe, path: LinkKind, dialler: boolean, from: LinkOrigin): PipeEvents {
    const link = this.#next++;
    this.#pipes.set(link, { pipe, untold: 0 });
    let open = true;
    this.events.opened(link, path, dialler, from);
    if (!this.#allowed) queueMicrotask(() => this.close(link));
    return {
      received: bytes => {
        if (this.#pipes.has(link)) this.events.received(link, bytes);
      },
      drained: buffered => this.#drained(link, buffered),
      closed: () => {
        this.#pipes.delete(link);
        if (open) this.events.closed(link);
        open = false;
      },
    };
  }

  send(link: number, bytes: Uint8Array): void {
    const known = this.#pipes.get(link);
    if (known === undefined) return;
    known.pipe.send(bytes);
    known.untold += bytes.length;
    if (known.untold >= toldBytes && known.pipe.buffered < drainedBytes) this.#drained(link, known.pipe.buffered);
  }

  close(link: number): void {
    const known = this.#pipes.get(link);
    this.#pipes.delete(link); // what comes from now on is not heard
    known?.pipe.close();
  }

  hold(link: number, held: boolean): void {
    this.#pipes.get(link)?.pipe.hold?.(held);
  }

  #drained(link: number, buffered: number): void {
    const known = this.#pipes.get(link);
    if (known === undefined) return;
    known.untold = 0;
    this.events.drained(link, buffered);
  }

  /** false: closes all, and from then on whatever comes up. */
  allow(allowed: boolean): void {
    this.#allowed = allowed;
    if (!allowed) this.closeAll();
  }

  closeAll(): void {
    for (const link of [...this.#pipes.keys()]) this.close(link);
  }
}
