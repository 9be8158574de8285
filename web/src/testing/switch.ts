// An engine whose core can crash and start again under the objects that use it.
import type { CallBody, Notice, ReplyBody } from "../engine/boundary.js";
import type { Core } from "../engine/core.js";
import type { Driver } from "../engine/driver.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import { PerdureError } from "../base/errors.js";
import { callEach, NoticeBoard } from "../engine/notices.js";

/** How things stand while no core runs. */
const alone: readonly Notice[] = [
  { kind: "StatusNotice", state: "offline", webrtc: 0, websocket: 0, relayed: 0, local: 0, pending: 0, trouble: [] },
  { kind: "PeersNotice", peers: [] },
  { kind: "AnchorsNotice", anchors: [] },
];

/** An open topic: what names it in this core, in all cores, and how to enter it again. */
interface Open {
  readonly id: string;
  invite: string | undefined;
  handles: number;
}

/** Hands everything to the driver that runs now. While none does, calls are `closed`. */
export class SwitchEngine implements Engine {
  readonly id: string;
  readonly #notices = new NoticeBoard();
  readonly #infos = new Set<(info: EngineInfo) => void>();
  readonly #open = new Map<number, Open>();
  readonly #onClose: () => Promise<void>;
  readonly #whyGone: () => PerdureError;
  readonly #told: (error: PerdureError) => PerdureError;
  readonly #gone: EngineInfo;
  #driver: Driver | undefined;

  /** `whyGone` says why no driver runs; `told` is what callers hear of an error. */
  constructor(
    { id, shortId }: Pick<Core, "id" | "shortId">,
    onClose: () => Promise<void>,
    whyGone: () => PerdureError,
    told: (error: PerdureError) => PerdureError,
  ) {
    this.id = id;
    const storage = { kind: "memory", persisted: false, usedBytes: 0 } as const;
    this.#gone = { shortId, tab: "leader", storage, trouble: [] };
    this.#onClose = onClose;
    this.#whyGone = whyGone;
    this.#told = told;
  }

  /** The topics that are open, by their numbers. */
  get topics(): ReadonlyMap<number, { readonly id: string }> {
    return this.#open;
  }

  get driver(): Driver | undefined {
    return this.#driver;
  }

  /** Goes on with that driver; none: it has crashed. */
  use(driver: Driver | undefined): void {
    this.#driver = driver;
    this.#notices.dropPresence();
    if (driver === undefined) for (const notice of alone) this.#notices.tell(notice);
    driver?.onNotice(notice => this.#notices.tell(notice));
    driver?.onInfo(info => callEach(this.#infos, info));
    callEach(this.#infos, this.info());
  }

  /** Opens in a new core what was open in the last one, if it still knows it. */
  async reenter(lost: boolean): Promise<void> {
    const before = [...this.#open];
    if (lost) {
      this.#open.clear();
      for (const [topic] of before) this.#notices.tell({ kind: "TopicEnded", topic });
    } else
      for (const [, { invite, handles }] of before) {
        for (let i = 0; invite !== undefined && i < handles; i++)
          await this.#driver?.call({ kind: "TopicJoin", invite }).catch(() => undefined);
      }
  }

  async call(body: CallBody, options: { signal?: AbortSignal } = {}): Promise<ReplyBody> {
    const driver = this.#driver;
    if (driver === undefined) throw this.#told(this.#whyGone());
    const reply = await driver.call(body, options).catch((error: unknown) => {
      if (!(error instanceof PerdureError) || options.signal?.aborted === true) throw error;
      throw this.#told(error.code === "closed" && this.#driver === undefined ? this.#whyGone() : error);
    });
    if (reply.kind === "OpenedTopic") this.#opened(driver, reply.topic, reply.id);
    else if (body.kind === "TopicClose" && this.#handles(body.topic, -1) === 0) this.#open.delete(body.topic);
    else if (body.kind === "TopicLeave") this.#open.delete(body.topic);
    return reply;
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#notices.listen(listener);
  }

  info(): EngineInfo {
    return this.#driver?.info() ?? this.#gone;
  }

  onInfo(listener: (info: EngineInfo) => void): () => void {
    const own = (info: EngineInfo): void => listener(info);
    this.#infos.add(own);
    return () => void this.#infos.delete(own);
  }

  close(): Promise<void> {
    return this.#onClose();
  }

  #opened(driver: Driver, topic: number, id: string): void {
    if (this.#handles(topic, 1) > 0) return;
    const open: Open = { id, invite: undefined, handles: 1 };
    this.#open.set(topic, open);
    driver
      .call({ kind: "TopicInvite", topic })
      .then(reply => {
        if (reply.kind === "Text") open.invite = reply.text;
      })
      .catch(() => undefined);
  }

  /** How many handles it has after that change; 0 if it is not open. */
  #handles(topic: number, change: number): number {
    const open = this.#open.get(topic);
    return open === undefined ? 0 : (open.handles += change);
  }
}
