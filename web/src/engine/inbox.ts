// What waits for the core.
//
// A turn takes of both: what the host tells, in its order; and what came over links, in its order for each link. The links take turns, a
// message each: who sends a flood waits behind itself. How much of theirs a turn takes follows how long turns are on this machine. A link
// of which much waits is not read meanwhile; where its transport cannot hold it back, and it goes on for long, it is closed.
import type { Event } from "./boundary.js";

/** A turn takes so much at most, so that it does not hold the thread; a small event counts as so many bytes. */
const hostBytesMax = 1 << 20;
const linkBytesMax = 256 << 10;
const linkBytesMin = 16 << 10;
const eventBytesMin = 2048;
/** Turns that are full and take longer are made smaller. */
const turnMs = 5;

/** From so much waiting on, a link is not read: less where all of them have much. With less than a part of it, it is read again. */
const heldBytes = 256 << 10;
const crowdedHeldBytes = 16 << 10;
const crowdedBytes = 4 << 20;
/** More than what is asked for comes to, be it of all topics at once; with what an event takes beside its bytes. */
const keptBytesMax = 64 << 20;
const eventBytes = 128;

interface Lane {
  readonly events: Row;
  bytes: number;
  /** As far as they take memory. */
  kept: number;
  held: boolean;
}

/** What it asks of the links. */
export interface Held {
  /** true: it should not be read for now. */
  hold(link: number, held: boolean): void;
  close(link: number): void;
}

export class Inbox {
  readonly #links: Held;
  #host: Event[] = [];
  readonly #lanes = new Map<number, Lane>();
  #laneBytes = 0;
  #allowance = linkBytesMax;
  /** The last one taken left something of links behind. */
  #full = false;

  constructor(links: Held) {
    this.#links = links;
  }

  get waiting(): boolean {
    return this.#host.length > 0 || this.#lanes.size > 0;
  }

  push(event: Event): void {
    if (event.kind === "LinkReceived" || event.kind === "LinkOpened") this.#came(event);
    else if (event.kind === "LinkClosed" && this.#lanes.has(event.link))
      this.#lanes.get(event.link)?.events.push(event);
    else this.#host.push(event);
  }

  /** What the next turn is about. */
  take(): Event[] {
    let size = 0;
    let count = 0;
    while (count < this.#host.length && size < hostBytesMax) size += sizeOf(this.#host[count++]);
    const events = this.#host.splice(0, count);
    this.#takeOfLinks(events);
    return events;
  }

  /** That turn took so long. */
  took(ms: number): void {
    if (!this.#full) return;
    const next = ms > turnMs ? this.#allowance / 2 : this.#allowance * 2;
    this.#allowance = Math.min(linkBytesMax, Math.max(linkBytesMin, next));
  }

  clear(): void {
    this.#host = [];
    this.#lanes.clear();
    this.#laneBytes = 0;
  }

  #came(event: Event & { readonly link: number }): void {
    let lane = this.#lanes.get(event.link);
    if (lane === undefined) this.#lanes.set(event.link, (lane = { events: new Row(), bytes: 0, kept: 0, held: false }));
    const size = sizeOf(event);
    lane.events.push(event);
    lane.bytes += size;
    lane.kept += keptOf(event);
    this.#laneBytes += size;
    if (lane.kept > keptBytesMax) this.#close(event.link, lane);
    else if (!lane.held && lane.bytes > (this.#laneBytes > crowdedBytes ? crowdedHeldBytes : heldBytes)) {
      lane.held = true;
      this.#links.hold(event.link, true);
    }
  }

  /** What it has said is let be: nothing will be answered. */
  #close(link: number, lane: Lane): void {
    this.#laneBytes -= lane.bytes;
    this.#lanes.delete(link);
    this.#links.close(link);
  }

  #takeOfLinks(events: Event[]): void {
    let size = 0;
    this.#full = false;
    for (const [link, lane] of this.#lanes) {
      if (size >= this.#allowance) {
        this.#full = true;
        return;
      }
      const event = lane.events.shift();
      if (event === undefined) continue;
      events.push(event);
      size += sizeOf(event);
      if (event.kind !== "LinkClosed") {
        lane.bytes -= sizeOf(event);
        lane.kept -= keptOf(event);
        this.#laneBytes -= sizeOf(event);
      }
      // The next time it comes behind all others.
      this.#lanes.delete(link);
      if (lane.events.length > 0) this.#lanes.set(link, lane);
      if (lane.held && lane.bytes < crowdedHeldBytes / 2) {
        lane.held = false;
        this.#links.hold(link, false);
      }
    }
  }
}

/** First come, first served; taking one costs the same however many wait. */
class Row {
  #events: Event[] = [];
  #taken = 0;

  get length(): number {
    return this.#events.length - this.#taken;
  }
  push(event: Event): void {
    this.#events.push(event);
  }
  shift(): Event | undefined {
    const event = this.#events[this.#taken];
    if (event !== undefined && ++this.#taken * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#taken);
      this.#taken = 0;
    }
    return event;
  }
}

const keptOf = (event: Event): number => eventBytes + (event.kind === "LinkReceived" ? event.bytes.length : 0);

function sizeOf(event: Event | undefined): number {
  if (event?.kind === "LinkReceived") return Math.max(event.bytes.length, eventBytesMin);
  if (event?.kind === "RowsRead") return event.rows.reduce((sum, [, value]) => sum + value.length, eventBytesMin);
  return eventBytesMin;
}
