// Links that are queues: ordered and reliable like real ones, with latency. On such a pipe a lost packet is no lost message but
// a late one, and everything behind it waits: `loss` is the part of messages that take the time of a retransmission longer.
import type { LinkEvents, Links } from "../links/types.js";
import type { Random } from "./random.js";
import type { VirtualTime } from "./time.js";

export interface Weather {
  readonly latencyMs: number;
  readonly loss: number;
}

/** What TCP and SCTP wait at least before they send again. */
const retransmissionMs = 200;

/** One side of a wire. */
interface End {
  readonly port: Port;
  readonly link: number;
  /** When the last message to this side was sent, how long what was sent then is on its way, and when that message arrives. */
  lastSent: number;
  trip: number;
  lastArrival: number;
  /** Bytes sent from this side that have not arrived, and those that have since its core was last told how many are on their way. */
  inFlight: number;
  untold: number;
}

/** When so much has arrived a core is told how much is still on its way. */
const toldBytes = 128 * 1024;

interface Wire {
  readonly ends: readonly [End, End];
  open: boolean;
}

/** Where the wires of one peer begin. Its core dials through it. */
export class Port implements Links {
  readonly #events: LinkEvents;
  readonly #cables: Cables;
  readonly #wires = new Map<number, { readonly wire: Wire; readonly far: End; readonly near: End }>();
  /** The ports at the other ends, each with the number of wires to it. */
  readonly #neighbours = new Map<Port, number>();
  #links = 0;
  #closed = false;

  constructor(events: LinkEvents, cables: Cables) {
    this.#events = events;
    this.#cables = cables;
  }

  /** Connects two ports at once; the first one counts as the dialler. */
  static connect(
    dialler: Port,
    other: Port,
    kind: "websocket" | "local",
    from: { readonly url?: string; readonly network?: string } = {},
  ): void {
    const end = (port: Port): End => ({
      port,
      link: ++port.#links,
      lastSent: -1,
      trip: 0,
      lastArrival: 0,
      inFlight: 0,
      untold: 0,
    });
    const ends: [End, End] = [end(dialler), end(other)];
    const wire: Wire = { ends, open: true };
    for (const [near, far] of [ends, [ends[1], ends[0]]] as const) {
      near.port.#wires.set(near.link, { wire, near, far });
      near.port.#neighbours.set(far.port, (near.port.#neighbours.get(far.port) ?? 0) + 1);
    }
    dialler.#events.opened(ends[0].link, kind, true, from.url === undefined ? {} : { url: from.url });
    other.#events.opened(ends[1].link, kind, false, from.network === undefined ? {} : { network: from.network });
  }

  /** The ports at the other ends. */
  neighbours(): IterableIterator<Port> {
    return this.#neighbours.keys();
  }

  isWiredTo(other: Port): boolean {
    return this.#neighbours.has(other);
  }

  /** Cuts every wire to that port, with what is on it. */
  cut(other: Port): void {
    for (const { wire, far } of [...this.#wires.values()]) {
      if (far.port !== other || !wire.open) continue;
      wire.open = false;
      for (const end of wire.ends) end.port.#ended(end.link);
    }
  }

  dial(url: string, network: string): void {
    this.#cables.dial(this, url, answer => {
      if (this.#closed) return;
      if (answer === undefined) this.#events.dialFailed(url);
      else Port.connect(this, answer, "websocket", { url, network });
    });
  }

  /** What is on a wire is held nowhere else: it comes when it is due. */
  hold(): void {}

  send(link: number, bytes: Uint8Array): void {
    const { wire, near, far } = this.#wires.get(link) ?? {};
    if (wire === undefined || near === undefined || far === undefined) return;
    near.inFlight += bytes.length;
    this.#cables.count(bytes.length);
    this.#cables.carry(far, () => {
      near.inFlight -= bytes.length;
      near.untold += bytes.length;
      if (!wire.open) return;
      far.port.#events.received(far.link, bytes);
      if (near.untold < toldBytes || !this.#wires.has(link)) return;
      near.untold = 0;
      this.#events.drained(link, near.inFlight);
    });
  }

  close(link: number): void {
    const found = this.#wires.get(link);
    if (found === undefined) return;
    this.#remove(link);
    this.#events.closed(link);
    // What was sent before arrives before.
    this.#cables.carry(found.far, () => {
      if (!found.wire.open) return;
      found.wire.open = false;
      found.far.port.#ended(found.far.link);
    });
  }

  /** There is no WebRTC here. */
  rtcOpen(attempt: number): void {
    this.#events.rtcFailed(attempt);
  }

  rtcSignal(): void {
    /* nothing waits for it */
  }
  rtcClose(): void {
    /* nothing stands */
  }

  /** Who goes offline here has no wires: the network sees to that. */
  allow(): void {
    /* nothing is left to forbid */
  }

  closeAll(): void {
    this.#closed = true;
    for (const link of [...this.#wires.keys()]) this.close(link);
  }

  /** The power goes: the others notice when their next message would have come. */
  drop(): void {
    this.#closed = true;
    for (const other of this.neighbours()) this.cut(other);
  }

  #ended(link: number): void {
    if (this.#remove(link) && !this.#closed) this.#events.closed(link);
  }

  /** False if it was gone already. */
  #remove(link: number): boolean {
    const far = this.#wires.get(link)?.far.port;
    if (far === undefined) return false;
    const left = (this.#neighbours.get(far) ?? 0) - 1;
    if (left > 0) this.#neighbours.set(far, left);
    else this.#neighbours.delete(far);
    return this.#wires.delete(link);
  }
}

/** What lies between the ports: how long a message takes, and who can be dialled. */
export class Cables {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #traffic = { messages: 0, bytes: 0 };
  readonly #find: (from: Port, url: string) => Port | undefined;

  constructor(
    time: VirtualTime,
    random: Random,
    weather: Weather,
    find: (from: Port, url: string) => Port | undefined,
  ) {
    this.#time = time;
    this.#random = random;
    this.#weather = weather;
    this.#find = find;
  }

  /** What all ports have sent so far. */
  get traffic(): { readonly messages: number; readonly bytes: number } {
    return { ...this.#traffic };
  }

  count(bytes: number): void {
    this.#traffic.messages++;
    this.#traffic.bytes += bytes;
  }

  /** Answers after a round trip: the port at that address, if it can be reached by then. */
  dial(from: Port, url: string, answer: (port: Port | undefined) => void): void {
    this.#time.at(this.#time.now + 2 * (this.#trip() + this.#lateness()), () => answer(this.#find(from, url)));
  }

  /** Runs when a message that is sent now arrives, after all that were sent before. What is sent at one time travels together. */
  carry(far: End, arrive: () => void): void {
    const { now } = this.#time;
    if (far.lastSent !== now) far.trip = this.#trip();
    far.lastSent = now;
    far.lastArrival = Math.max(far.lastArrival, now + far.trip + this.#lateness());
    this.#time.at(far.lastArrival, arrive);
  }

  #trip(): number {
    // A tenth of it varies, so that not everything happens at one time.
    return Math.max(1, Math.round(this.#weather.latencyMs * (1 + 0.1 * this.#random.fraction())));
  }

  /** By retransmissions. */
  #lateness(): number {
    const { latencyMs, loss } = this.#weather;
    let late = 0;
    while (this.#random.fraction() < loss) late += retransmissionMs + 2 * latencyMs;
    return late;
  }
}
