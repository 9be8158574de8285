// Many tabs are one peer. A Web Lock decides which of them runs the core; the others send it their calls and hear its notices, and
// one of them takes over when it is gone. The store's generation enforces what the lock decides: a leader that was put to sleep
// and comes back can write nothing and becomes a follower.
//
//     const tab = await Tab.open({ peer: { app: "talkbox" }, version, lead, … });   // leads, or follows who does
//     await tab.call({ kind: "TopicNamed", name: "lunch" });                       // the same in either case
//
//   waiting ── gets the lock, opens the store ──> leader ── superseded, its lock is gone ──> waiting
//   waiting ── welcomed by a leader ──> follower ── gets the lock ──> leader        any ── a newer version is there ──> ended
//
// Who waits asks again and again. Whoever holds the lock answers, also while it opens the store; if nobody does, waiting is told to have
// no end, to who opens a tab as an error, later as trouble.

import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import { Calls, isWriting, type CallMessage } from "../engine/calls.js";
import type { TabMessage } from "./bus.js";
import type { EngineInfo } from "../engine/engine.js";
import { closedError, dataOf, type PerdureError } from "../base/errors.js";
import { Hold } from "./hold.js";
import { Hope } from "./hope.js";
import { Leading } from "./leading.js";
import { TellingEngine } from "../engine/telling.js";
import type { TabOptions } from "./options.js";
import { Others } from "./others.js";
import { couldNotLead, outdated, silent } from "./refusals.js";
import { TabSubscriptions } from "./subscriptions.js";
import { otherStorage } from "../engine/storage.js";
import { compareVersions } from "../base/version.js";

type Role =
  | { readonly kind: "waiting" }
  | { readonly kind: "leader"; readonly leading: Leading }
  | { readonly kind: "follower"; readonly leader: string; readonly term: string }
  | { readonly kind: "ended"; readonly reason: PerdureError };

export class Tab extends TellingEngine {
  readonly #options: TabOptions;
  #others: Others | undefined; // none: it is alone
  readonly #subscriptions = new TabSubscriptions();
  readonly #calls = new Calls(
    (message, signal) => this.#send(message, signal),
    (body, reply) => this.#subscriptions.answered(body, reply),
  );
  #role: Role = { kind: "waiting" };
  #id = "";
  #online = true;
  #hidden = false;
  #ready: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #closed: Promise<void> | undefined;
  readonly #hope = new Hope();
  #before: Promise<unknown> = Promise.resolve(); // until what led last has let its storage go

  /** Resolves when calls can be answered: this tab leads or follows. Rejects as `lead` does, with `outdated`, with
   *  `bad-argument` if the peer has another storage, or with `storage-unavailable` if who leads is silent. */
  static async open(options: TabOptions): Promise<Tab> {
    const tab = new Tab(options);
    await tab.#start();
    return tab;
  }

  private constructor(options: TabOptions) {
    super({ shortId: "", tab: "follower", storage: { kind: "memory", persisted: false, usedBytes: 0 }, trouble: [] });
    this.#options = options;
    const { locks, peer, version, askMs = 2000 } = options;
    if (locks === undefined) return;
    this.#others = new Others({
      locks,
      peer,
      version,
      askMs,
      hidden: () => this.#hidden,
      waits: () => this.#role.kind === "waiting",
      hear: message => this.#hear(message),
      lead: hold => this.#lead(hold),
      silent: () => {
        this.#hope.silent();
        this.#unable(silent());
      },
    });
  }

  get id(): string {
    return this.#id;
  }

  call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    if (this.#closed !== undefined) return Promise.reject(closedError());
    if (this.#role.kind === "ended") return Promise.reject(this.#role.reason);
    return this.#calls.ask(body, options.signal);
  }

  /** Resolves when everything accepted is on disk. Others take over if this tab led. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  network(online: boolean): void {
    this.#online = online;
    if (this.#role.kind === "leader") this.#role.leading.engine.network(online);
  }

  visibility(hidden: boolean): void {
    this.#hidden = hidden;
    if (this.#role.kind === "leader") this.#role.leading.tellVisibility();
    else if (this.#role.kind === "follower") this.#others?.bus.tell(this.#role.leader, { kind: "visibility", hidden });
  }

  goodbye(): void {
    if (this.#role.kind === "leader") this.#role.leading.engine.goodbye();
  }

  /** The page may be frozen from here on, and then answers nobody: it lets go of its locks, so that another tab can lead. */
  sleep(): void {
    this.goodbye();
    if (this.#others === undefined || this.#role.kind === "ended") return;
    const { kind } = this.#role;
    // Within this task: it may be the last one. What the store still writes is kept from harm by its generation.
    this.#others.candidate.sleep();
    if (kind === "follower") this.#others.bus.say({ kind: "bye" });
  }

  /** It begins anew, and follows whoever leads by now. */
  resumed(): void {
    const others = this.#others;
    this.network(this.#online);
    if (others === undefined || others.candidate.awake || this.#over()) return;
    others.candidate.wake();
    this.#wait();
    others.reenter();
  }

  // ---- who leads -----------------------------------------------------------------------------------------------------------
  async #start(): Promise<void> {
    if (this.#others === undefined) {
      await this.#takeLead(new Hold());
      return;
    }
    const ready = new Promise<void>((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    try {
      await this.#others.enter();
      await ready;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#ready = undefined;
    }
  }

  #wait(): void {
    this.#role = { kind: "waiting" };
    this.#others?.wait();
  }

  // The leader took us for gone.
  #lost(): void {
    if (this.#role.kind !== "follower") return;
    this.#wait();
    this.#others?.reenter(); // its lock may have been taken away: then it is asked for anew
  }

  // False if it could not: then somebody else may try first. One attempt after the other: each opens the storage.
  #lead(hold: Hold): Promise<boolean> {
    this.#stirred();
    const led = this.#before.then(() => this.#tryToLead(hold));
    this.#before = led;
    return led;
  }

  async #tryToLead(hold: Hold): Promise<boolean> {
    try {
      return !this.#over() && hold.stands && (await this.#takeLead(hold));
    } catch (error) {
      if (!hold.stands) return false; // why it could not matters no more
      const refusal = couldNotLead(error);
      if (refusal.code === "outdated") this.#end(refusal);
      this.#hope.refused();
      this.#unable(refusal);
      return false;
    }
  }

  // This tab or another has the lock: from here on it is waited for as long again.
  #stirred(): void {
    this.#others?.answered();
    this.#hope.stirred();
  }

  // It can neither lead nor follow, for now.
  #unable(refusal: PerdureError): void {
    if (this.#ready !== undefined) return this.#ready.reject(refusal);
    if (!this.#over()) this.setInfo({ ...this.info(), trouble: [dataOf(refusal)] });
  }

  // False if another opener was quicker, or the lock is gone.
  async #takeLead(hold: Hold): Promise<boolean> {
    let superseded = false;
    this.#others?.bus.say({ kind: "starting" });
    const lead = await this.#options.lead(hold, () => {
      superseded = true;
      if (this.#role.kind === "leader" && this.#role.leading.lead === lead) this.#stepDown();
    });
    if (this.#over() || superseded || !hold.stands) {
      await lead.drop();
      return false;
    }
    const { engine } = lead;
    // What one tab has in memory no other can take over: it goes on alone, and lets others lead.
    if (engine.info().storage.kind === "memory") {
      this.#others?.leave();
      this.#others = undefined;
    }
    const others = this.#others;
    this.board.dropPresence();
    const leading = new Leading({
      lead,
      hold,
      others,
      hidden: () => this.#hidden,
      onNotice: notice => this.#told(notice),
      onInfo: info => this.#informed({ ...info, tab: "leader" }),
    });
    others?.unwatch();
    this.#role = { kind: "leader", leading };
    if (others !== undefined) hold.onEnd(() => this.#stepDown());
    this.#answered(engine.id, engine.info());
    this.setInfo({ ...engine.info(), tab: "leader" });
    if (!this.#online) engine.network(false);
    if (this.#hidden) leading.tellVisibility();
    others?.bus.say({ kind: "leading", term: leading.term });
    this.#resend();
    this.#ready?.resolve();
    return true;
  }

  // Whatever was not answered waits for the next leader, which may be this tab again.
  #stepDown(): void {
    if (this.#role.kind !== "leader") return;
    const { leading } = this.#role;
    this.#wait();
    leading.end();
    this.setInfo({ ...this.info(), tab: "follower" });
    const dropped = leading.lead.drop().catch(() => undefined);
    this.#before = this.#before.then(() => dropped);
    void dropped.then(() => {
      leading.hold.end();
      if (this.#others?.candidate.awake === true) this.#others.hello();
    });
  }

  #hear(message: TabMessage): void {
    if (this.#role.kind === "ended") return;
    const order = compareVersions(message.version, this.#options.version);
    if (order > 0) return this.#end(outdated());
    if (order < 0 && message.kind !== "hello") return; // it steps aside once it has heard of us
    const role = this.#role;
    switch (message.kind) {
      case "starting":
        this.#stirred();
        break;
      case "leading":
        if (role.kind !== "leader") this.#others?.hello();
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
          this.#others?.bus.tell(message.from, { kind: "bye" }); // any word of ours tells it that it is outdated
        else if (role.kind === "leader") role.leading.hear(message);
        else if (this.#others?.candidate.leads === true) this.#others?.bus.tell(message.from, { kind: "starting" });
        break;
      case "bye":
      case "call":
      case "cancel":
      case "visibility":
        if (role.kind === "leader") role.leading.hear(message);
        break;
    }
  }

  #follow({ from, term, id, info, notices }: Extract<TabMessage, { kind: "welcome" }>): void {
    if (this.#role.kind === "leader" || (this.#role.kind === "follower" && this.#role.term === term)) return;
    const refusal = otherStorage("Another tab", info, this.#options.storage);
    if (refusal !== undefined) return this.#end(refusal);
    this.board.dropPresence();
    this.#role = { kind: "follower", leader: from, term };
    this.#others?.watch(from, () => {
      // The lead may be anybody's now.
      this.#wait();
      this.#others?.hello();
    });
    this.#answered(id, info);
    for (const notice of notices) this.#told(notice);
    this.setInfo({ ...info, tab: "follower" });
    for (const url of this.#options.anchors ?? []) this.#quietly({ kind: "AnchorAdd", url });
    this.#resend();
    this.#ready?.resolve();
  }

  // A newer version is there, or another storage: what is accepted is brought to the disk, then this one never leads again.
  #end(reason: PerdureError): void {
    const role = this.#role;
    if (role.kind === "ended") return;
    this.#others?.unwatch();
    this.#role = { kind: "ended", reason };
    const done = role.kind === "leader" ? role.leading.resign() : Promise.resolve();
    this.#calls.rejectAll(reason);
    this.setInfo({ ...this.info(), tab: "follower", trouble: [...this.info().trouble, dataOf(reason)] });
    this.#ready?.reject(reason);
    void done.then(() => {
      this.#others?.candidate.sleep();
      if (reason.code !== "outdated") this.#others?.bus.say({ kind: "bye" });
    });
  }

  async #close(): Promise<void> {
    // Whoever leads meanwhile answers calls that write, which may be this tab; where nobody can, it is not waited for. Nor is for the rest.
    if (this.#role.kind === "follower" || this.#role.kind === "waiting")
      await Promise.race([this.#calls.none(isWriting), this.#hope.lost()]);
    this.#others?.unwatch();
    if (this.#role.kind === "leader") await this.#role.leading.resign();
    if (this.#role.kind !== "ended") this.#role = { kind: "ended", reason: closedError() };
    this.#calls.rejectAll(closedError());
    this.#others?.leave();
  }

  // ---- calls ---------------------------------------------------------------------------------------------------------------
  #send(message: CallMessage, signal: AbortSignal | undefined): void {
    const role = this.#role;
    if (role.kind === "follower") this.#others?.bus.tell(role.leader, message);
    // What is cancelled the core hears from the signal.
    if (role.kind !== "leader" || message.kind === "cancel") return;
    const { call, body } = message;
    role.leading.engine.call(body, signal === undefined ? {} : { signal }).then(
      reply => this.#calls.resolve(call, reply),
      (reason: unknown) => {
        // One that was cut off by stepping down is asked again.
        if (this.#role === role) this.#calls.reject(call, reason);
      },
    );
  }

  // To a new leader: first what stands, then what was not answered, each in its old order.
  #resend(): void {
    for (const body of this.#subscriptions.again(this.board.topics)) this.#quietly(body);
    this.#calls.again();
  }

  // For the leader alone; whatever it answers changes nothing here.
  #quietly(body: CallBody): void {
    const role = this.#role;
    if (role.kind === "follower")
      this.#others?.bus.tell(role.leader, { kind: "call", call: -this.#calls.number(), body });
    if (role.kind === "leader") role.leading.engine.call(body).catch(() => undefined);
  }

  // By a leader that was not known yet.
  #answered(id: string, info: EngineInfo): void {
    this.#id = id;
    this.#hope.answered();
    this.#subscriptions.follows(info);
  }

  // ---- what is told ----------------------------------------------------------------------------------------------------------
  #told(notice: Notice): void {
    this.#subscriptions.heard(notice);
    this.board.tell(notice);
  }

  #informed(info: EngineInfo): void {
    this.#subscriptions.informed(info);
    this.setInfo(info);
  }

  #fromLeader({ from }: TabMessage): boolean {
    return this.#role.kind === "follower" && this.#role.leader === from;
  }
  // Nothing is left to do for it.
  #over(): boolean {
    return this.#role.kind === "ended" || (this.#closed !== undefined && !this.#calls.some(isWriting));
  }
}
