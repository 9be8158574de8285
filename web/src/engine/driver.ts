// Runs a core: hands it what happened, in batches, and carries out what it asks for, in order.
//
//     const driver = new Driver(core, store, events => new BrowserLinks(events), new SystemClock(), { lostStore: false });
//     await driver.start();
//     const reply = await driver.call({ kind: "TopicNamed", name: "lunch" });
//
//   running ── close() ──> closing ── everything accepted is on disk ──> ended
//   any ── abandon(), end(), or the core fails ──> ended
//
// When a turn is taken: pace.ts; what it takes: inbox.ts.
import type { Action, CallBody, CoreCall, Event, ReplyBody, ShimCall } from "./boundary.js";
import { isNotice, type Notice } from "./boundary.js";
import { Calls, type CallMessage } from "./calls.js";
import type { Clock } from "./clock.js";
import type { Core } from "./core.js";
import type { EngineInfo } from "./engine.js";
import { closedError, dataOf, errorOf, PerdureError } from "../base/errors.js";
import type { LinkEvents, Links } from "../links/types.js";
import type { Reopening, SaveOutcome, Store } from "../store/store.js";
import { Inbox } from "./inbox.js";
import { Pace } from "./pace.js";
import { TellingEngine } from "./telling.js";
import { Wants } from "./wants.js";
import { wordsHere } from "../base/words.js";

export interface DriverConfig {
  /** This device had a store and now has none. */
  readonly lostStore?: boolean;
  /** What the host has to tell about the storage or the tab, beside what the core tells. */
  readonly trouble?: EngineInfo["trouble"];
  /** A notice, with what the host knows better than the core. */
  readonly explain?: (notice: Notice) => Notice;
  /** Another core has taken the store over: this one can write nothing more. */
  readonly onSuperseded?: () => void;
  /** Once it is aborted the core stops at once: the store is not its own any more. */
  readonly until?: AbortSignal;
}

/** The storage's size is asked for at most so often. */
const usageEveryMs = 2_000;

/** The address where none is told. */
const nobody = new Uint8Array();

/** What a Driver needs of a Core. */
export type Turns = Pick<Core, "id" | "shortId" | "turn" | "free">;

/** `reason`: what calls are refused with. */
type Life = { readonly kind: "running" | "closing" } | { readonly kind: "ended"; readonly reason: PerdureError };

/** A core with its store, its links and its clock. */
export class Driver extends TellingEngine {
  readonly id: string;
  readonly #core: Turns;
  readonly #store: Store;
  readonly #links: Links;
  readonly #clock: Clock;
  readonly #config: DriverConfig;
  readonly #calls = new Calls<CoreCall>(
    message => this.#post(this.#callEvent(message)),
    (body, reply) => this.#count(body, reply),
  );
  /** How often each topic is open: several handles, several tabs. */
  readonly #opens = new Map<number, number>();
  readonly #inbox = new Inbox({
    hold: (link, held) => this.#links.hold(link, held),
    close: link => this.#links.close(link),
  });
  readonly #pace: Pace;
  #usedAt = Number.NEGATIVE_INFINITY;
  #usageStale = true;
  /** When the core wants its next turn. */
  #deadlineMs: number | undefined;
  /** Of the machine, and of the user. */
  #online = true;
  readonly #wants = new Wants();
  #linksAllowed = true;
  /** Links that need the machine's network. */
  readonly #far = new Set<number>();
  #life: Life = { kind: "running" };
  #closed: Promise<void> | undefined;

  constructor(
    core: Turns,
    store: Store,
    makeLinks: (events: LinkEvents) => Links,
    clock: Clock,
    config: DriverConfig = {},
  ) {
    super({
      shortId: core.shortId,
      tab: "leader",
      storage: { kind: store.kind, persisted: false, usedBytes: 0 },
      trouble: config.trouble ?? [],
    });
    this.id = core.id;
    this.#core = core;
    this.#store = store;
    this.#clock = clock;
    this.#config = config;
    this.#pace = new Pace(clock, {
      waiting: () => this.#inbox.waiting,
      turn: () => this.#turn(this.#inbox.take()),
    });
    this.#links = makeLinks(this.#linkEvents());
    config.until?.addEventListener("abort", () => this.abandon(), { once: true });
  }

  /** Starts the core. Resolves when it has read its rows, or cannot, and has told how things stand. */
  async start(): Promise<void> {
    if (this.#config.until?.aborted === true) {
      this.abandon();
      throw closedError();
    }
    const usage = this.#refreshUsage();
    this.#post({ kind: "Start", lostStore: this.#config.lostStore ?? false });
    // Of no topic: calls wait inside the core until then.
    const read = this.#calls.ask({ kind: "TopicClose", topic: 0 }).catch(() => undefined);
    this.#flush();
    await Promise.all([usage, read]);
    if (this.#life.kind === "ended") throw this.#life.reason;
  }

  call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    if (this.#life.kind === "ended") return Promise.reject(this.#life.reason);
    if (this.#life.kind === "closing") return Promise.reject(closedError());
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason);
    if (body.kind === "AllowLinks" || body.kind === "ShowPresence" || body.kind === "Release")
      return this.#share(body, options.signal);
    if (body.kind === "TopicClose" && this.#stillOpen(body.topic)) return Promise.resolve({ kind: "Nothing" });
    return this.#calls.ask(body, options.signal);
  }

  /** Tells all links goodbye, but first waits until everything accepted is on disk. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  /** The machine went on- or offline. Then what has no end yet ends now, and not when it has been silent for long enough. */
  network(online: boolean): void {
    this.#online = online;
    if (!online) for (const link of [...this.#far]) this.#links.close(link);
    this.#post({ kind: "Network", online: online && this.#linksAllowed });
  }

  /** What was too large for the disk would be written now. */
  room(): void {
    this.#post({ kind: "Room" });
  }

  /** The page was hidden or shown. */
  visibility(hidden: boolean): void {
    this.#post({ kind: "Visibility", hidden });
  }

  /** The page goes now: tells all links within this call. */
  goodbye(): void {
    this.#post({ kind: "Goodbye" });
    this.#flush();
  }

  /** Stops at once, as a crash does: nothing more is said or written. */
  abandon(reason: PerdureError = closedError()): void {
    if (this.#life.kind === "ended") return;
    this.#life = { kind: "ended", reason };
    this.#inbox.clear();
    this.#clock.wakeAt(undefined, () => undefined);
    this.#links.closeAll();
    this.#core.free();
    this.#calls.rejectAll(reason);
  }

  /** Stops at once and lets the store go; why is what all calls are refused with from now on, and stands as trouble. */
  end(reason: PerdureError): void {
    this.abandon(reason);
    void this.#store.close();
    this.worry(reason);
  }

  /** A user should be told. */
  worry(reason: PerdureError): void {
    this.setInfo({ ...this.info(), trouble: [...this.info().trouble, dataOf(reason)] });
  }

  // ---- turns -------------------------------------------------------------------------------------------------------------
  #post(event: Event): void {
    if (this.#life.kind === "ended") return;
    this.#inbox.push(event);
    this.#pace.want(event.kind === "Saved");
  }

  #flush(): void {
    if (this.#life.kind !== "ended") this.#pace.run();
  }

  #turn(events: Event[]): void {
    try {
      const steadyMs = this.#clock.steadyMs();
      const { actions, deadlineMs } = this.#core.turn({ steadyMs, wallMs: this.#clock.wallMs() }, events);
      for (const action of actions) this.#perform(action);
      this.#inbox.took(this.#clock.steadyMs() - steadyMs);
      this.#deadlineMs = deadlineMs;
      // A reply may have ended it.
      if (this.#life.kind !== "ended") this.#setAlarm();
    } catch (error) {
      this.#fail(error);
    }
  }

  // For the core, and for the size of what was stored since it was asked for last: after the last save no turn may come for long.
  #setAlarm(): void {
    if (this.#usageStale && this.#usedAt + usageEveryMs <= this.#clock.steadyMs()) void this.#refreshUsage();
    const deadline = this.#deadlineMs ?? Number.POSITIVE_INFINITY;
    const next = this.#usageStale ? Math.min(deadline, this.#usedAt + usageEveryMs) : deadline;
    this.#clock.wakeAt(Number.isFinite(next) ? next : undefined, () => this.#alarm());
  }

  #alarm(): void {
    if (this.#life.kind === "ended") return;
    if (this.#deadlineMs !== undefined && this.#deadlineMs <= this.#clock.steadyMs()) this.#flush();
    else this.#setAlarm();
  }

  #fail(error: unknown): void {
    this.end(
      error instanceof PerdureError
        ? error
        : new PerdureError("wasm-failed", wordsHere("Perdure has stopped. Reload the page, and please report this."), {
            cause: error,
          }),
    );
  }

  // ---- actions -----------------------------------------------------------------------------------------------------------
  #perform(action: Action): void {
    if (isNotice(action)) return this.board.tell(this.#config.explain?.(action) ?? action);
    switch (action.kind) {
      case "Read":
        return this.#rows(action.read, this.#store.read(action.keys));
      case "ReadRange":
        return this.#rows(action.read, this.#store.range(action.from, action.to, action.limit, action.reverse));
      case "Save":
        return this.#saved(action.save, this.#store.save(action));
      case "Reopen":
        return this.#reopened(this.#store.reopen());
      case "Dial":
        return this.#links.dial(action.url, action.network);
      case "Send":
        return this.#links.send(action.link, action.bytes);
      case "CloseLink":
        return this.#links.close(action.link);
      case "RtcOpen":
        return this.#links.rtcOpen(action.attempt, action.initiator, action.ice);
      case "RtcSignal":
        return this.#links.rtcSignal(action.attempt, action.signal, action.text);
      case "RtcClose":
        return this.#links.rtcClose(action.attempt);
      case "Reply":
        return this.#reply(action.call, action.body);
    }
  }

  #rows(read: number, rows: ReturnType<Store["read"]>): void {
    rows.then(
      found => this.#post({ kind: "RowsRead", read, ok: true, rows: found }),
      () => this.#post({ kind: "RowsRead", read, ok: false, rows: [] }),
    );
  }

  #saved(save: number, outcome: Promise<SaveOutcome>): void {
    const tell = (known: SaveOutcome): void => {
      this.#usageStale = true;
      this.#post({ kind: "Saved", save, outcome: known });
      if (known === "superseded") this.#config.onSuperseded?.();
    };
    outcome.then(tell, () => tell("unknown"));
  }

  #reopened(reopened: Promise<Reopening>): void {
    const tell = (outcome: Reopening): void => {
      this.#post({ kind: "Reopened", outcome });
      if (outcome === "superseded") this.#config.onSuperseded?.();
    };
    reopened.then(tell, () => tell("failed"));
  }

  #linkEvents(): LinkEvents {
    return {
      opened: (link, path, dialler, { url = "", attempt = 0, network = "", address = nobody, admitted = false }) => {
        this.#post({ kind: "LinkOpened", link, path, dialler, url, attempt, network, address, admitted });
        if (path === "local") return;
        this.#far.add(link);
        if (!this.#online) queueMicrotask(() => this.#links.close(link));
      },
      received: (link, bytes) => this.#post({ kind: "LinkReceived", link, bytes }),
      closed: link => {
        this.#far.delete(link);
        this.#post({ kind: "LinkClosed", link });
      },
      drained: (link, buffered) => this.#post({ kind: "LinkDrained", link, buffered }),
      dialFailed: url => this.#post({ kind: "DialFailed", url }),
      signal: (attempt, signal, text) => this.#post({ kind: "RtcSignal", attempt, signal, text }),
      rtcFailed: attempt => this.#post({ kind: "RtcFailed", attempt }),
    };
  }

  // ---- calls -------------------------------------------------------------------------------------------------------------
  async #share(body: ShimCall, signal: AbortSignal | undefined): Promise<ReplyBody> {
    switch (body.kind) {
      case "AllowLinks":
        this.#wants.allowLinks(body);
        this.#allowLinks();
        if (body.allowed) this.setInfo({ ...this.info(), onlines: this.#wants.onlines });
        return { kind: "Nothing" };
      case "ShowPresence":
        return this.#wants.show(body) ? this.#show(body.topic, signal) : { kind: "Nothing" };
      case "Release": {
        const topics = this.#wants.release(body.holder);
        this.#allowLinks();
        await Promise.all(topics.map(topic => this.#show(topic).catch(() => undefined)));
        return { kind: "Nothing" };
      }
    }
  }

  #show(topic: number, signal?: AbortSignal): Promise<ReplyBody> {
    const value = this.#wants.presenceOf(topic);
    return this.#calls.ask({ kind: "SetPresence", topic, ...(value === undefined ? {} : { value }) }, signal);
  }

  #allowLinks(): void {
    const allowed = this.#wants.linksAllowed;
    if (this.#linksAllowed === allowed) return;
    this.#linksAllowed = allowed;
    this.#links.allow(allowed);
    this.network(this.#online);
  }

  #callEvent(message: CallMessage<CoreCall>): Event {
    if (message.kind === "call") return { kind: "Call", call: message.call, body: message.body };
    return { kind: "Call", call: this.#calls.number(), body: { kind: "Cancel", call: message.call } };
  }

  #reply(call: number, body: ReplyBody): void {
    if (body.kind === "Error") this.#calls.reject(call, errorOf(body));
    else this.#calls.resolve(call, body);
  }

  #count(body: CoreCall, reply: ReplyBody): void {
    if (reply.kind === "OpenedTopic") {
      this.#opens.set(reply.topic, (this.#opens.get(reply.topic) ?? 0) + 1);
    } else if (body.kind === "TopicClose" || body.kind === "TopicLeave") {
      this.#opens.delete(body.topic);
      this.#wants.forget(body.topic);
      this.board.tell({ kind: "TopicEnded", topic: body.topic });
    }
  }

  /** One handle less. True if others hold the topic open. */
  #stillOpen(topic: number): boolean {
    const opens = this.#opens.get(topic) ?? 0;
    if (opens > 1) this.#opens.set(topic, opens - 1);
    return opens > 1;
  }

  async #close(): Promise<void> {
    if (this.#life.kind !== "ended") {
      this.#life = { kind: "closing" };
      // If the core fails meanwhile, there is nothing more to wait for.
      await this.#calls.ask({ kind: "Close" }).catch(() => undefined);
      this.goodbye();
      this.abandon();
    }
    await this.#store.close();
  }

  // ---- info --------------------------------------------------------------------------------------------------------------
  async #refreshUsage(): Promise<void> {
    this.#usageStale = false;
    this.#usedAt = this.#clock.steadyMs();
    const usage = await this.#store.usage().catch(() => undefined);
    if (usage === undefined || this.#life.kind === "ended") return;
    const storage = { kind: this.#store.kind, ...usage };
    if (JSON.stringify(storage) !== JSON.stringify(this.info().storage)) this.setInfo({ ...this.info(), storage });
  }
}
