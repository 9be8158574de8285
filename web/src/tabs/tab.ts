// Many tabs are one peer. A Web Lock decides which of them runs the core; the others send it their calls and hear its notices, and
// one of them takes over when it is gone. The store's generation enforces what the lock decides: a leader that was put to sleep
// and comes back can write nothing and becomes a follower.
//
//     const tab = await Tab.open({ peer: { app: "talkbox" }, version, lead, … });   // leads, or follows who does
//     await tab.call({ kind: "TopicNamed", name: "lunch" });                       // the same in either case
//
//   waiting ── gets the lock, opens the store ──> leader ── superseded, put to sleep ──> waiting
//   waiting ── welcomed by a leader ──> follower ── gets the lock ──> leader        any ── a newer version is there ──> ended
//
// Who waits asks again and again. Whoever holds the lock answers, also while it opens the store; if nobody does, waiting is told to have
// no end, to who opens a tab as an error, later as trouble.

import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import { Calls, type CallMessage } from "../engine/calls.js";
import { Bus, type TabMessage } from "./bus.js";
import { Candidate } from "./candidate.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { closedError, dataOf, PerdureError } from "../base/errors.js";
import { Followers } from "./followers.js";
import { peerName, type PeerParts } from "../base/names.js";
import { callEach, NoticeBoard } from "../engine/notices.js";
import { OlderTabs } from "./older.js";
import { TabSubscriptions } from "./subscriptions.js";
import { otherStorage } from "../engine/storage.js";
import { compareVersions } from "../base/version.js";

/** A running core, with what only its own tab can tell it. A Driver is one. */
export interface LeadEngine extends Engine {
  network(online: boolean): void;
  visibility(hidden: boolean): void;
  goodbye(): void;
}

export interface Lead {
  readonly engine: LeadEngine;
  /** Ends it as a crash does: nothing more is said or written, the store is let go. */
  drop(): Promise<void>;
}

export interface TabOptions {
  /** Tabs of one app and instance are one peer. */
  readonly peer: PeerParts;
  readonly version: string;
  /** What the peer is to be kept in; auto is IndexedDB, or memory where there is none. All its tabs have to mean the same. */
  readonly storage: "auto" | "indexeddb" | "opfs";
  /** Opens the store and starts the core. `superseded`: to be called when a save was told so. */
  readonly lead: (superseded: () => void) => Promise<Lead>;
  /** Told to whoever leads in our place. */
  readonly anchors?: readonly string[];
  /** None: alone, as with storage that other tabs cannot see. */
  readonly locks: LockManager | undefined;
  /** Who waits asks so often. Default: every 2 s. */
  readonly askMs?: number;
}

type Role =
  | { readonly kind: "waiting" }
  | {
      readonly kind: "leader";
      readonly lead: Lead;
      readonly followers: Followers | undefined;
      readonly quiet: () => void;
    }
  | { readonly kind: "follower"; readonly leader: string; readonly term: string }
  | { readonly kind: "ended"; readonly reason: PerdureError };

const outdatedText = "A newer version of this app runs in another tab. Reload this one.";
const silentText =
  "Another tab has the lead in this app and does not answer, as one does that a debugger has stopped. Close or reload the other tabs of this app.";
/** Asked so often for nothing, who waits says so. Own questions: those of a throttled tab come slowly. */
const questionsMax = 5;

export class Tab implements Engine {
  readonly #options: TabOptions;
  #bus: Bus | undefined; // none of these three: it is alone
  #candidate: Candidate | undefined;
  #older: OlderTabs | undefined;
  readonly #board = new NoticeBoard();
  readonly #infoListeners = new Set<(info: EngineInfo) => void>();
  readonly #subscriptions = new TabSubscriptions();
  readonly #calls = new Calls(
    (message, signal) => this.#send(message, signal),
    (body, reply) => this.#subscriptions.answered(body, reply, inner => this.call(inner)),
  );
  #role: Role = { kind: "waiting" };
  #id = "";
  #info: EngineInfo = { tab: "follower", storage: { kind: "memory", persisted: false, usedBytes: 0 }, trouble: [] };
  #online = true;
  #hidden = false;
  #ready: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #closed: Promise<void> | undefined;
  #questions = 0; // asked for nothing
  #asking: ReturnType<typeof setInterval> | undefined;
  #silent: () => void = () => undefined; // nobody has answered
  #watch = new AbortController(); // of the leader that is followed

  /** Resolves when calls can be answered: this tab leads or follows. Rejects as `lead` does, with `outdated`, with
   *  `bad-argument` if the peer has another storage, or with `storage-unavailable` if who leads is silent. */
  static async open(options: TabOptions): Promise<Tab> {
    const tab = new Tab(options);
    await tab.#start();
    return tab;
  }

  private constructor(options: TabOptions) {
    this.#options = options;
    const { locks, peer, version } = options;
    if (locks === undefined) return;
    const name = peerName(peer);
    const bus = (this.#bus = new Bus(name, version, message => this.#hear(message)));
    const older = (this.#older = new OlderTabs({ peer, locks, tab: bus.id, version }));
    this.#candidate = new Candidate({ locks, name, tab: bus.id, older, lead: () => this.#lead() });
  }

  get id(): string {
    return this.#id;
  }

  call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (this.#role.kind === "ended") return Promise.reject(this.#role.reason);
    return this.#calls.ask(body, options.signal);
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#board.listen(listener);
  }
  info(): EngineInfo {
    return this.#info;
  }

  onInfo(listener: (info: EngineInfo) => void): () => void {
    this.#infoListeners.add(listener);
    return () => void this.#infoListeners.delete(listener);
  }

  /** Resolves when everything accepted is on disk. Others take over if this tab led. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  network(online: boolean): void {
    this.#online = online;
    if (this.#role.kind === "leader") this.#role.lead.engine.network(online);
  }

  visibility(hidden: boolean): void {
    this.#hidden = hidden;
    if (this.#role.kind === "leader") this.#tellVisibility();
    else if (this.#role.kind === "follower") this.#bus?.tell(this.#role.leader, { kind: "visibility", hidden });
  }

  goodbye(): void {
    if (this.#role.kind === "leader") this.#role.lead.engine.goodbye();
  }

  /** The page may be frozen from here on, and then answers nobody: it lets go of its locks, so that another tab can lead. */
  sleep(): void {
    this.goodbye();
    if (this.#bus === undefined || this.#role.kind === "ended") return;
    const { kind } = this.#role;
    // Within this task: it may be the last one. What the store still writes is kept from harm by its generation.
    this.#candidate?.sleep();
    if (kind === "follower") this.#bus.say({ kind: "bye" });
    if (kind === "leader") this.#stepDown();
  }

  /** It begins anew, and follows whoever leads by now. */
  resumed(): void {
    const candidate = this.#candidate;
    this.network(this.#online);
    if (candidate === undefined || candidate.awake || this.#over()) return;
    candidate.wake();
    this.#wait();
    candidate.live().catch(() => undefined); // asked for before anyone hears of us again
    candidate.stand();
    this.#bus?.say({ kind: "hello", hidden: this.#hidden });
  }

  // ---- who leads -----------------------------------------------------------------------------------------------------------
  async #start(): Promise<void> {
    if (this.#candidate === undefined) {
      await this.#takeLead();
      return;
    }
    const ready = new Promise<void>((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    this.#ask();
    try {
      const live = this.#candidate.live();
      this.#candidate.stand();
      await live;
      this.#older?.hello();
      this.#bus?.say({ kind: "hello", hidden: this.#hidden });
      await ready;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#ready = undefined;
    }
  }

  // For as long as it waits: the lock may be held by who never answers.
  #ask(): void {
    this.#questions = 0;
    this.#asking ??= setInterval(() => {
      if (this.#role.kind !== "waiting" || this.#candidate?.awake !== true) {
        clearInterval(this.#asking);
        this.#asking = undefined;
      } else if (!this.#candidate.leads) {
        if (this.#questions++ === questionsMax) {
          this.#silent();
          this.#unable(new PerdureError("storage-unavailable", silentText));
        }
        this.#bus?.say({ kind: "hello", hidden: this.#hidden });
      }
    }, this.#options.askMs ?? 2000);
  }

  #wait(): void {
    this.#watch.abort();
    this.#role = { kind: "waiting" };
    if (this.#candidate !== undefined) this.#ask();
  }

  // The leader took us for gone.
  #lost(): void {
    if (this.#role.kind !== "follower") return;
    this.#wait();
    this.#candidate?.live().catch(() => undefined); // asked for before anyone hears of us again, if it was taken away
    this.#bus?.say({ kind: "hello", hidden: this.#hidden });
  }

  // False if it could not: then somebody else may try first.
  async #lead(): Promise<boolean> {
    try {
      return !this.#over() && (await this.#takeLead());
    } catch (error) {
      this.#leadFailed(error);
      return false;
    }
  }

  #leadFailed(error: unknown): void {
    const refusal =
      error instanceof PerdureError
        ? error
        : new PerdureError("storage-unavailable", error instanceof Error ? error.message : String(error));
    if (refusal.code === "outdated") this.#end(refusal);
    this.#unable(refusal);
  }

  // It can neither lead nor follow, for now.
  #unable(refusal: PerdureError): void {
    if (this.#ready !== undefined) return this.#ready.reject(refusal);
    if (!this.#over()) this.#setInfo({ ...this.#info, trouble: [dataOf(refusal)] });
  }

  // False if another opener was quicker.
  async #takeLead(): Promise<boolean> {
    let superseded = false;
    this.#bus?.say({ kind: "starting" });
    const lead = await this.#options.lead(() => {
      superseded = true;
      if (this.#role.kind === "leader" && this.#role.lead === lead) this.#stepDown();
    });
    if (this.#over() || superseded || this.#candidate?.awake === false) {
      await lead.drop();
      return false;
    }
    const { engine } = lead;
    // What one tab has in memory no other can take over.
    if (engine.info().storage.kind === "memory") this.#part();
    const { locks } = this.#options;
    const candidate = this.#candidate;
    const term = `${this.#bus?.id ?? ""}-${performance.now()}`;
    this.#board.dropPresence();
    const followers =
      this.#bus === undefined || locks === undefined || candidate === undefined
        ? undefined
        : new Followers({
            engine,
            bus: this.#bus,
            term,
            locks,
            lockOf: tab => candidate.lockOf(tab),
            onVisibility: () => this.#tellVisibility(),
          });
    const quiet = [
      engine.onNotice(notice => this.#told(notice)),
      engine.onInfo(info => this.#informed({ ...info, tab: "leader" })),
    ];
    this.#watch.abort();
    this.#role = {
      kind: "leader",
      lead,
      followers,
      quiet: () => {
        for (const stop of quiet) stop();
      },
    };
    this.#id = engine.id;
    this.#subscriptions.follows(engine.info());
    this.#setInfo({ ...engine.info(), tab: "leader" });
    if (!this.#online) engine.network(false);
    if (this.#hidden) this.#tellVisibility();
    this.#bus?.say({ kind: "leading", term });
    this.#resend();
    this.#ready?.resolve();
    return true;
  }

  // Goes on alone, and lets others lead.
  #part(): void {
    const [bus, candidate] = [this.#bus, this.#candidate];
    this.#older?.close();
    this.#bus = this.#candidate = this.#older = undefined;
    bus?.say({ kind: "bye" });
    bus?.close();
    candidate?.sleep();
  }

  // Whatever was not answered waits for the next leader, which may be this tab again.
  #stepDown(): void {
    if (this.#role.kind !== "leader") return;
    const { lead, followers, quiet } = this.#role;
    this.#wait();
    quiet();
    followers?.end();
    this.#setInfo({ ...this.#info, tab: "follower" });
    void lead
      .drop()
      .catch(() => undefined)
      .then(() => {
        this.#candidate?.release();
        if (this.#candidate?.awake !== false) this.#bus?.say({ kind: "hello", hidden: this.#hidden });
      });
  }

  #hear(message: TabMessage): void {
    if (this.#role.kind === "ended") return;
    const order = compareVersions(message.version, this.#options.version);
    if (order > 0) return this.#end(new PerdureError("outdated", outdatedText));
    if (order < 0 && message.kind !== "hello") return; // it steps aside once it has heard of us
    const role = this.#role;
    switch (message.kind) {
      case "starting":
        this.#questions = 0;
        break;
      case "leading":
        if (role.kind !== "leader") this.#bus?.say({ kind: "hello", hidden: this.#hidden });
        break;
      case "welcome":
        this.#follow(message);
        break;
      case "reply":
        this.#calls.hear(message);
        break;
      case "refusal":
        if (this.#fromLeader(message)) this.#calls.hear(message);
        break;
      case "lost":
        if (this.#fromLeader(message)) this.#lost();
        break;
      case "notice":
        if (this.#fromLeader(message)) this.#told(message.notice);
        break;
      case "info":
        if (this.#fromLeader(message)) this.#informed({ ...message.info, tab: "follower" });
        break;
      case "hello":
        if (order < 0)
          this.#bus?.tell(message.from, { kind: "bye" }); // any word of ours tells it that it is outdated
        else if (role.kind === "leader") role.followers?.hear(message);
        else if (this.#candidate?.leads === true) this.#bus?.tell(message.from, { kind: "starting" });
        break;
      case "bye":
      case "call":
      case "cancel":
      case "visibility":
        if (role.kind === "leader") role.followers?.hear(message);
        break;
    }
  }

  #follow({ from, term, id, info, notices }: Extract<TabMessage, { kind: "welcome" }>): void {
    if (this.#role.kind === "leader" || (this.#role.kind === "follower" && this.#role.term === term)) return;
    const refusal = otherStorage("Another tab", info, this.#options.storage);
    if (refusal !== undefined) return this.#end(refusal);
    this.#board.dropPresence();
    this.#role = { kind: "follower", leader: from, term };
    this.#watchLeader(from);
    this.#id = id;
    this.#subscriptions.follows(info);
    for (const notice of notices) this.#told(notice);
    this.#setInfo({ ...info, tab: "follower" });
    for (const url of this.#options.anchors ?? []) this.#quietly({ kind: "AnchorAdd", url });
    this.#resend();
    this.#ready?.resolve();
  }

  // Who gets the lock of a tab knows that it is gone; the lead may then be anybody's.
  #watchLeader(leader: string): void {
    this.#watch.abort();
    const { signal } = (this.#watch = new AbortController());
    const gone = (): void => {
      if (signal.aborted) return;
      this.#wait();
      this.#bus?.say({ kind: "hello", hidden: this.#hidden });
    };
    this.#options.locks?.request(this.#candidate?.lockOf(leader) ?? "", { signal }, gone).catch(() => undefined);
  }

  // A newer version is there, or another storage: what is accepted is brought to the disk, then this one never leads again.
  #end(reason: PerdureError): void {
    const role = this.#role;
    if (role.kind === "ended") return;
    this.#watch.abort();
    this.#role = { kind: "ended", reason };
    const done = role.kind === "leader" ? this.#resign(role) : Promise.resolve();
    this.#calls.rejectAll(reason);
    this.#setInfo({ ...this.#info, tab: "follower", trouble: [...this.#info.trouble, dataOf(reason)] });
    this.#ready?.reject(reason);
    void done.then(() => {
      this.#candidate?.sleep();
      if (reason.code !== "outdated") this.#bus?.say({ kind: "bye" });
    });
  }

  async #close(): Promise<void> {
    // Whoever leads meanwhile answers calls that write, which may be this tab; where nobody can, it is not waited for. Nor is for the rest.
    if (this.#role.kind === "follower" || this.#role.kind === "waiting")
      await Promise.race([
        this.#calls.none(isWriting),
        new Promise<void>(resolve => {
          this.#silent = resolve;
        }),
      ]);
    this.#watch.abort();
    if (this.#role.kind === "leader") await this.#resign(this.#role);
    if (this.#role.kind !== "ended") this.#role = { kind: "ended", reason: closedError() };
    this.#calls.rejectAll(closedError());
    this.#bus?.say({ kind: "bye" });
    this.#candidate?.sleep();
    clearInterval(this.#asking);
    this.#older?.close();
    this.#bus?.close();
  }

  // Everything accepted is on disk afterwards.
  async #resign({ quiet, lead, followers }: Extract<Role, { kind: "leader" }>): Promise<void> {
    quiet();
    followers?.leave();
    await lead.engine.close().catch(() => undefined);
    followers?.end();
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------------
  #send(message: CallMessage, signal: AbortSignal | undefined): void {
    const role = this.#role;
    if (role.kind === "follower") this.#bus?.tell(role.leader, message);
    // What is cancelled the core hears from the signal.
    if (role.kind !== "leader" || message.kind === "cancel") return;
    const { call, body } = message;
    role.lead.engine.call(body, signal === undefined ? {} : { signal }).then(
      reply => this.#calls.resolve(call, reply),
      (reason: unknown) => {
        // One that was cut off by stepping down is asked again.
        if (this.#role === role) this.#calls.reject(call, reason);
      },
    );
  }

  // To a new leader: first what stands, then what was not answered, each in its old order.
  #resend(): void {
    for (const body of this.#subscriptions.again()) this.#quietly(body);
    this.#calls.again();
  }

  // For the leader alone; whatever it answers changes nothing here.
  #quietly(body: CallBody): void {
    const role = this.#role;
    if (role.kind === "follower") this.#bus?.tell(role.leader, { kind: "call", call: -this.#calls.number(), body });
    if (role.kind === "leader") role.lead.engine.call(body).catch(() => undefined);
  }

  // ---- what is told ----------------------------------------------------------------------------------------------------------
  #tellVisibility(): void {
    if (this.#role.kind === "leader")
      this.#role.lead.engine.visibility(this.#hidden && (this.#role.followers?.allHidden ?? true));
  }

  #told(notice: Notice): void {
    this.#subscriptions.heard(notice);
    this.#board.tell(notice);
  }

  #informed(info: EngineInfo): void {
    this.#subscriptions.informed(info);
    this.#setInfo(info);
  }

  #setInfo(info: EngineInfo): void {
    this.#info = info;
    callEach(this.#infoListeners, info);
  }

  #fromLeader({ from }: TabMessage): boolean {
    return this.#role.kind === "follower" && this.#role.leader === from;
  }
  // Nothing is left to do for it.
  #over(): boolean {
    return this.#role.kind === "ended" || (this.#closed !== undefined && !this.#calls.some(isWriting));
  }
}

const writing: ReadonlySet<CallBody["kind"]> = new Set<CallBody["kind"]>([
  "Append",
  "TopicNamed",
  "TopicCreate",
  "TopicJoin",
  "TopicJoinCode",
  "TopicLeave",
  "MarkRead",
  "AnchorAdd",
  "AnchorRemove",
]);

function isWriting({ kind }: CallBody): boolean {
  return writing.has(kind);
}
