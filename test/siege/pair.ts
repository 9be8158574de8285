// The honest pair: two peers of this package, linked by way of the anchor, that ask and answer all the while, and a bare echo that is
// asked at the same moments.

import { once } from "node:events";
import { WebSocket } from "ws";

declare const root: string;
type Package = typeof import("../../web/src/index.js");
type Peer = Awaited<ReturnType<Package["openPeer"]>>;
type Topic = Awaited<ReturnType<Peer["create"]>>;

export const { openPeer } = (await import(`${root}/dist/index.js`)) as Package;

/** Of one question. An answer that has not come yet has no end. */
export interface Sample {
  readonly atMs: number;
  pairMs?: number;
  echoMs?: number;
}

export const questionsPerSecond = 10;

/** Questions that may wait for their answers. */
const waitingMax = 200;

export class Pair implements AsyncDisposable {
  readonly samples: Sample[] = [];
  readonly #asked = new Map<number, Sample>();
  readonly #echoes = new Map<number, Sample>();
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #next = 0;

  private constructor(
    readonly ada: Peer,
    readonly bob: Peer,
    readonly topic: Topic,
    readonly bobs: Topic,
    readonly echo: WebSocket,
  ) {}

  static async open(anchor: string, app: string, echoUrl: string): Promise<Pair> {
    const peer = (instance: string): Promise<Peer> =>
      openPeer({ app, instance, anchors: [anchor], storage: "memory", worker: false });
    const [ada, bob] = await Promise.all([peer("ada"), peer("bob")]);
    const topic = await ada.create();
    const bobs = await bob.join(await topic.invite());
    const echo = new WebSocket(echoUrl, { perMessageDeflate: false });
    await once(echo, "open");
    const pair = new Pair(ada, bob, topic, bobs, echo);
    pair.#listen();
    return pair;
  }

  #listen(): void {
    const follow = async (topic: Topic, heard: (value: Record<string, unknown>) => void): Promise<void> => {
      try {
        for await (const { value, own } of topic.messages({ live: true, signal: this.#stop.signal })) {
          if (!own && typeof value === "object" && value !== null) heard(value as Record<string, unknown>);
        }
      } catch (error) {
        if (!this.#stop.signal.aborted) throw error;
      }
    };
    void follow(this.bobs, ({ ask }) => {
      if (typeof ask === "number") void this.bobs.append({ answer: ask });
    });
    void follow(this.topic, ({ answer }) => {
      const sample = this.#asked.get(Number(answer));
      if (sample === undefined) return;
      sample.pairMs = performance.now() - sample.atMs;
      this.#asked.delete(Number(answer));
      for (const look of [...this.#waiting]) look();
    });
    this.echo.on("message", (data: Buffer) => {
      const number = Number(data.toString());
      const sample = this.#echoes.get(number);
      if (sample !== undefined) sample.echoMs = performance.now() - sample.atMs;
      this.#echoes.delete(number);
    });
  }

  /** Asks ten times a second from here on, whether or not answers come. */
  begin(): void {
    this.#timer = setInterval(() => this.#ask(), 1000 / questionsPerSecond);
  }

  /** Asks no more. */
  rest(): void {
    clearInterval(this.#timer);
  }

  #ask(): void {
    if (this.#asked.size >= waitingMax) return;
    const number = this.#next++;
    const sample: Sample = { atMs: performance.now() };
    this.samples.push(sample);
    this.#asked.set(number, sample);
    this.#echoes.set(number, sample);
    this.echo.send(String(number));
    void this.topic.append({ ask: number });
  }

  askedSince(fromMs: number): number {
    return this.samples.filter(({ atMs }) => atMs >= fromMs).length;
  }

  /** Resolves once that many more have been answered than had been when it was called, or so many milliseconds have gone by. */
  answered(count: number, limitMs: number): Promise<void> {
    const answers = (): number => this.samples.filter(({ pairMs }) => pairMs !== undefined).length;
    const from = answers();
    return this.#until(() => answers() >= from + count, limitMs);
  }

  /** Resolves once no question of before waits, or so many milliseconds have gone by. */
  settled(limitMs: number): Promise<void> {
    const before = performance.now();
    return this.#until(() => [...this.#asked.values()].every(({ atMs }) => atMs > before), limitMs);
  }

  #until(holds: () => boolean, limitMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(() => done(), limitMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const look = (): void => {
        if (holds()) done();
      };
      this.#waiting.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.rest();
    this.#stop.abort();
    this.echo.terminate();
    await Promise.all([this.ada.close(), this.bob.close()]);
  }
}

export interface Figures {
  readonly count: number;
  readonly medianMs: number;
  readonly slowestMs: number;
  readonly echoSlowestMs: number;
  readonly echoMedianMs: number;
}

/** Of the questions of a stretch of time. One without an answer counts as long as it has waited. */
export function figures(samples: readonly Sample[], fromMs: number, toMs: number): Figures {
  const now = performance.now();
  const ofThen = samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const sorted = (times: number[]): number[] => times.sort((a, b) => a - b);
  const pair = sorted(ofThen.map(({ atMs, pairMs }) => pairMs ?? now - atMs));
  const echo = sorted(ofThen.map(({ atMs, echoMs }) => echoMs ?? now - atMs));
  const middle = (times: number[]): number => times[times.length >> 1] ?? Number.NaN;
  return {
    count: ofThen.length,
    medianMs: middle(pair),
    slowestMs: pair.at(-1) ?? Number.NaN,
    echoSlowestMs: echo.at(-1) ?? Number.NaN,
    echoMedianMs: middle(echo),
  };
}
