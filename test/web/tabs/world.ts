// Tabs of one origin in virtual time: their locks, their channels and the one store they share, and cores that are only known to run.

import { mock } from "node:test";
import type { CallBody, NoticeOf, ReplyBody } from "../../../web/src/engine/boundary.js";
import type { EngineInfo } from "../../../web/src/engine/engine.js";
import { NoticeBoard } from "../../../web/src/engine/notices.js";
import { closedError, PerdureError } from "../../../web/src/base/errors.js";
import type { Hold } from "../../../web/src/tabs/hold.js";
import type { Lead, LeadEngine } from "../../../web/src/tabs/leading.js";
import { Tab } from "../../../web/src/tabs/tab.js";

const rest = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** Lets so much time pass, and all go on that can at each moment of it. */
export async function pass(ms: number): Promise<void> {
  for (let i = 0; i < 6; i++) await rest();
  for (let left = ms; left > 0; left -= 50) {
    mock.timers.tick(Math.min(left, 50));
    for (let i = 0; i < 3; i++) await rest();
  }
}

interface Request {
  readonly run: () => void;
  readonly taken: () => void;
}

/** As a browser gives locks: one at a time, in the order in which they are asked for. */
export class Locks implements LockManager {
  readonly #held = new Map<string, Request>();
  readonly #waiting = new Map<string, Request[]>();

  request(name: string, ...rest: unknown[]): Promise<never> {
    const use = rest.at(-1) as (lock: unknown) => unknown;
    const { signal, steal, ifAvailable } = (rest.length > 1 ? rest[0] : {}) as LockOptions;
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const waiting = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, waiting);
      const request: Request = {
        run: () => {
          this.#held.set(name, request);
          // A task of its own, as the word comes from another process.
          setImmediate(() =>
            Promise.resolve(use({ name }))
              .then(resolve as (value: unknown) => void, reject)
              .finally(() => {
                if (this.#held.get(name) === request) this.#free(name);
              }),
          );
        },
        taken: () => reject(new DOMException("stolen", "AbortError")),
      };
      if (ifAvailable === true && this.#held.has(name)) return resolve(use(null) as never);
      if (steal === true) {
        this.#held.get(name)?.taken();
        return request.run();
      }
      signal?.addEventListener("abort", () => {
        if (!waiting.includes(request)) return;
        waiting.splice(waiting.indexOf(request), 1);
        reject(signal.reason);
      });
      waiting.push(request);
      if (!this.#held.has(name)) this.#free(name);
    });
  }

  query(): Promise<LockManagerSnapshot> {
    const pending = [...this.#waiting].flatMap(([name, waiting]) => waiting.map(() => ({ name })));
    return Promise.resolve({ held: [...this.#held.keys()].map(name => ({ name })), pending });
  }

  holds(name: string): boolean {
    return this.#held.has(name);
  }

  /** Takes it from whoever has it, as any script of the origin can; returns how to give it back. */
  steal(name: string): () => void {
    let back: () => void = () => undefined;
    void this.request(name, { steal: true }, () => new Promise<void>(resolve => (back = resolve))).catch(
      () => undefined,
    );
    return () => back();
  }

  #free(name: string): void {
    this.#held.delete(name);
    this.#waiting.get(name)?.shift()?.run();
  }
}

/** As a BroadcastChannel, within this thread. */
class Channel {
  static readonly all = new Set<Channel>();
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;

  constructor(readonly name: string) {
    Channel.all.add(this);
  }

  postMessage(data: unknown): void {
    for (const other of Channel.all) {
      if (other !== this && other.name === this.name)
        setImmediate(() => Channel.all.has(other) && other.onmessage?.({ data: structuredClone(data) }));
    }
  }

  close(): void {
    Channel.all.delete(this);
  }
}

/** How many are open. */
export const openChannels = (): number => Channel.all.size;

/** What the tabs share. */
export class World {
  readonly locks = new Locks();
  /** How long it takes to open the store. */
  openingMs = 0;
  /** Why the store refuses to be opened. */
  refuses: PerdureError | undefined;
  /** Whether what is written comes to the disk. */
  writes = true;
  running = 0;
  /** The most cores that ever ran at once. */
  mostRunning = 0;
  /** What the cores were asked, in order. */
  readonly asked: string[] = [];
  /** Topics by number: they are rows. */
  readonly #topics = new Map<number, { name?: string | undefined }>();
  readonly #tabs: Tab[] = [];

  open(hope: { lead?: (hold: Hold) => void; version?: string } = {}): Promise<Tab> {
    const { version = "9.9.9" } = hope;
    return Tab.open({
      peer: { app: "talkbox" },
      version,
      storage: "auto",
      locks: this.locks,
      lead: async (hold, superseded) => {
        hope.lead?.(hold);
        return this.#lead(hold, superseded);
      },
    }).then(tab => {
      this.#tabs.push(tab);
      return tab;
    });
  }

  async close(): Promise<void> {
    this.refuses = undefined;
    for (const tab of this.#tabs) void tab.close();
    await pass(30_000);
  }

  async #lead(hold: Hold, _superseded: () => void): Promise<Lead> {
    if (this.openingMs > 0) await new Promise(resolve => setTimeout(resolve, this.openingMs));
    if (this.refuses !== undefined) throw this.refuses;
    if (!hold.stands) throw closedError();
    const core = new Core(this);
    hold.onEnd(() => core.stop());
    return { engine: core.engine, drop: () => Promise.resolve(core.stop()) };
  }

  topics(): NoticeOf<"TopicsNotice">["topics"] {
    return [...this.#topics].map(([topic, { name }]) => ({
      topic,
      id: idOf(topic),
      ...(name === undefined ? {} : { name }),
      unread: 0,
    }));
  }

  topic(body: CallBody): number | undefined {
    const topics = this.#topics;
    const make = (name?: string): number => {
      topics.set(topics.size + 1, { name });
      return topics.size;
    };
    switch (body.kind) {
      case "TopicNamed":
        return [...topics].find(([, { name }]) => name === body.name)?.[0] ?? make(body.name);
      case "TopicCreate":
        return make(body.name);
      case "TopicJoin": {
        const topic = Number(body.invite.split(" ")[1]);
        if (body.name !== undefined) topics.set(topic, { name: body.name });
        return topic;
      }
      default:
        return undefined;
    }
  }
}

export const idOf = (topic: number): string => String(topic).padStart(64, "0");

/** Knows which topics are open, and answers for those alone. */
class Core {
  readonly #world: World;
  readonly #board = new NoticeBoard();
  readonly #open = new Set<number>();
  #runs = true;
  #toldTopics = false;
  readonly engine: LeadEngine;

  constructor(world: World) {
    this.#world = world;
    world.mostRunning = Math.max(world.mostRunning, ++world.running);
    const info: EngineInfo = {
      shortId: "ab",
      tab: "leader",
      storage: { kind: "indexeddb", persisted: false, usedBytes: 0 },
      trouble: [],
    };
    const none = (): undefined => undefined;
    this.engine = {
      id: "ab".repeat(32),
      call: body => this.#call(body),
      onNotice: listener => this.#board.listen(listener),
      info: () => info,
      onInfo: () => none,
      network: none,
      visibility: none,
      goodbye: none,
      close: () => Promise.resolve(this.stop()),
    };
  }

  stop(): void {
    if (this.#runs) this.#world.running--;
    this.#runs = false;
  }

  // All of them once, then what changes.
  #tellTopics(changed: number): void {
    const topics = this.#world.topics().filter(({ topic }) => !this.#toldTopics || topic === changed);
    this.#board.tell({ kind: "TopicsNotice", whole: !this.#toldTopics, topics, ended: [] });
    this.#toldTopics = true;
  }

  async #call(body: CallBody): Promise<ReplyBody> {
    await rest();
    if (!this.#runs) throw closedError();
    this.#world.asked.push(body.kind);
    const topic = this.#world.topic(body);
    if (topic !== undefined) {
      this.#open.add(topic);
      this.#tellTopics(topic);
      return { kind: "OpenedTopic", topic, id: idOf(topic), invite: `invite ${topic}` };
    }
    if ("topic" in body && !this.#open.has(body.topic)) throw new PerdureError("not-found", "It is not open.");
    if (body.kind !== "Append") return { kind: "Nothing" };
    return this.#world.writes ? { kind: "Appended", id: "11" } : new Promise(() => undefined);
  }
}

/** From here on time is virtual and channels are of this thread, until the returned function is called. */
export function enterWorld(): () => void {
  const { BroadcastChannel } = globalThis;
  Object.assign(globalThis, { BroadcastChannel: Channel });
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  return () => {
    mock.timers.reset();
    Object.assign(globalThis, { BroadcastChannel });
  };
}
