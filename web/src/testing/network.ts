// The peers of a test network, who can reach whom, and when they agree.
import { loadCoreInNode } from "../engine/core.js";
import type { CoreModule, WasmSource } from "../engine/core.js";
import { checkOptions } from "../base/arguments.js";
import { badArgument, closedError, PerdureError } from "../base/errors.js";
import { checkNames } from "../api/options.js";
import { PeerHandle } from "../api/peer.js";
import type { PeerOptions } from "../base/types.js";
import { apart, differences } from "./agreement.js";
import { Random } from "./random.js";
import { Station } from "./station.js";
import { VirtualTime } from "./time.js";
import type { Cuttable, TestAnchor, TestNetwork, TestPeer } from "./types.js";
import { Cables, Port } from "./wires.js";
import { wiredTo } from "./wiring.js";

/** How often settle() looks. */
const lookEveryMs = 100;

export class Network implements TestNetwork {
  readonly seed: number;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #cables: Cables;
  readonly #stations = new Map<object, Station>();
  #sides: ReadonlyMap<Station, number> = new Map();
  readonly #wasm: WasmSource | undefined;
  #module: Promise<CoreModule> | undefined;
  #anchors = 0;
  #peers = 0;
  #closed: Promise<void> | undefined;

  constructor(options: { seed?: number; latencyMs?: number; loss?: number; wasm?: WasmSource }) {
    const {
      seed = 1,
      latencyMs = 30,
      loss = 0,
      wasm,
    } = checkOptions("createNetwork", options, ["seed", "latencyMs", "loss", "wasm"]);
    if (!Number.isSafeInteger(seed) || seed < 0) throw badArgument("seed must be a whole number from 0 on.", "seed");
    checkTime("latencyMs", latencyMs, "latencyMs");
    if (!Number.isFinite(loss) || loss < 0 || loss >= 1)
      throw badArgument("loss must be a number from 0 up to, not including, 1.", "loss");
    this.seed = seed;
    this.#random = new Random(seed);
    this.#wasm = wasm;
    this.#cables = new Cables(this.#time, this.#random, { latencyMs, loss }, (from, url) => this.#answering(from, url));
  }

  get now(): Date {
    return new Date(VirtualTime.epoch + this.#time.now);
  }

  /** What all have sent so far, and what the cores have taken of memory. */
  async measure(): Promise<{ readonly messages: number; readonly bytes: number; readonly memoryBytes: number }> {
    return { ...this.#cables.traffic, memoryBytes: (await this.#module)?.memoryBytes ?? 0 };
  }

  open(options: Pick<PeerOptions, "app" | "name" | "instance">): Promise<TestPeer> {
    return this.#telling(async () => {
      checkNames("open", options, ["app", "name", "instance"]);
      const { app, name = "", instance = "default" } = options;
      const label = name === "" ? `peer ${++this.#peers}${instance === "default" ? "" : ` (${instance})`}` : name;
      const station = await this.#station({ label, app, name });
      station.anchors = [...this.#stations.values()].flatMap(({ anchorUrl }) => anchorUrl ?? []);
      await station.start();
      const peer = new Device(
        station,
        this.#time,
        run => this.#telling(run),
        error => this.#told(error),
      );
      this.#stations.set(peer, station);
      // The last of its kind: nobody else's wires change.
      const alike = [...this.#stations.values()].filter(
        other => other.anchorUrl === undefined && other.app === app && this.#reach(other, station),
      );
      wire(
        alike.flatMap(({ port }) => port ?? []),
        alike.length - 1,
      );
      await this.#time.drain();
      return peer;
    });
  }

  anchor(): Promise<TestAnchor> {
    return this.#telling(async () => {
      const number = ++this.#anchors;
      const url = `wss://anchor-${number}.test`;
      const station = await this.#station({ label: `anchor ${number}`, app: "", name: "", anchorUrl: url });
      await station.start();
      const anchor: TestAnchor = {
        id: station.id,
        crash: () => station.crash(),
        restart: (options = {}) =>
          this.#telling(() =>
            restart(station, this.#time, checkOptions("restart", options, [], ["empty"]).empty === true),
          ),
      };
      this.#stations.set(anchor, station);
      for (const other of this.#stations.values()) {
        if (other.anchorUrl !== undefined) continue;
        other.anchors = [...other.anchors, url];
        other.engine.driver?.call({ kind: "AnchorAdd", url }).catch(() => undefined);
      }
      await this.#time.drain();
      return anchor;
    });
  }

  partition(...sides: readonly (Cuttable | readonly Cuttable[])[]): void {
    const found = new Map<Station, number>();
    for (const [at, side] of sides.entries()) {
      for (const member of [side].flat()) {
        const station = this.#stations.get(member);
        if (station === undefined)
          throw this.#told(badArgument("Only peers and anchors of this network can be cut off: partition([a, b], c)."));
        if ((found.get(station) ?? at) !== at)
          throw this.#told(badArgument(`${station.label} cannot stand on two sides of a partition.`));
        found.set(station, at);
      }
    }
    this.#sides = found;
    this.#relink();
  }

  heal(): void {
    this.#sides = new Map();
    this.#relink();
  }

  advance(ms: number): Promise<void> {
    return this.#telling(async () => {
      checkTime("What advance() is given", ms);
      await this.#time.advance(ms);
    });
  }

  settle(options: { withinMs?: number } = {}): Promise<number> {
    return this.#telling(async () => {
      const { withinMs = 60_000 } = checkOptions("settle", options, ["withinMs"]);
      checkTime("withinMs", withinMs, "withinMs");
      const began = this.#time.now;
      for (;;) {
        await this.#time.drain();
        const groups = this.#groups();
        const late = this.#time.now - began >= withinMs;
        if (late || !apart(groups)) {
          const found = await differences(groups, this.#time);
          if (found.length === 0) return this.#time.now - began;
          if (late)
            throw new PerdureError(
              "not-found",
              `After ${withinMs} ms they do not agree:\n${found.map(line => `  ${line}`).join("\n")}\n`,
            );
        }
        await this.#time.advance(Math.min(lookEveryMs, began + withinMs - this.#time.now));
      }
    });
  }

  close(): Promise<void> {
    // Whoever still waits hears that it is closed, as from peer.close(); nobody waits for a disk that is full.
    this.#closed ??= Promise.all(
      [...this.#stations].flatMap(([who, station]) => [
        who instanceof PeerHandle ? who.close() : undefined,
        station.end(),
      ]),
    ).then(() => undefined);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #station(options: { label: string; app: string; name: string; anchorUrl?: string }): Promise<Station> {
    // Drawn before anything is awaited: those opened together are told apart by the order of asking.
    const seed = this.#random.u32();
    this.#module ??= loadCoreInNode(this.#wasm);
    const station = new Station(
      { ...options, seed, told: error => this.#told(error) },
      await this.#module,
      this.#time,
      this.#cables,
      () => {
        // Not for one who is on its way in, or out with all others.
        if (this.#closed === undefined && [...this.#stations.values()].includes(station)) this.#relink();
      },
    );
    return station;
  }

  #reach(a: Station, b: Station): boolean {
    return (
      a.online && b.online && a.port !== undefined && b.port !== undefined && this.#sides.get(a) === this.#sides.get(b)
    );
  }

  /** Makes the wires as they should be. Edges of one app are wired to each other; anchors are dialled by the cores. */
  #relink(): void {
    const running = new Map(
      [...this.#stations.values()].flatMap(station =>
        station.port === undefined ? [] : [[station.port, station] as const],
      ),
    );
    const edges = new Map<string, Port[]>();
    for (const [port, station] of running) {
      for (const other of port.neighbours()) {
        const far = running.get(other);
        if (far !== undefined && !this.#reach(station, far)) port.cut(other);
      }
      if (station.anchorUrl !== undefined || !station.online) continue;
      const side = JSON.stringify([station.app, this.#sides.get(station) ?? -1]);
      const others = edges.get(side);
      if (others === undefined) edges.set(side, [port]);
      else others.push(port);
    }
    for (const ports of edges.values()) for (const at of ports.keys()) wire(ports, at);
  }

  /** The port behind that address, if it can be reached from there. */
  #answering(from: Port, url: string): Port | undefined {
    const stations = [...this.#stations.values()];
    const dialler = stations.find(({ port }) => port === from);
    const anchor = stations.find(({ anchorUrl }) => anchorUrl === url);
    return dialler !== undefined && anchor !== undefined && this.#reach(dialler, anchor) ? anchor.port : undefined;
  }

  /** Those of an app that can reach each other, with the anchors they can reach. */
  #groups(): Station[][] {
    const groups: Station[][] = [];
    const running = [...this.#stations.values()].filter(station => station.engine.driver !== undefined);
    for (const edge of running.filter(({ anchorUrl }) => anchorUrl === undefined)) {
      const group = groups.find(([first]) => first !== undefined && first.app === edge.app && this.#reach(first, edge));
      if (group === undefined)
        groups.push([edge, ...running.filter(other => other.anchorUrl !== undefined && this.#reach(edge, other))]);
      else group.push(edge);
    }
    return groups;
  }

  #told(error: PerdureError): PerdureError {
    return new PerdureError(error.code, `${error.message} (seed ${this.seed})`, {
      cause: error,
      ...(error.path === undefined ? {} : { path: error.path }),
    });
  }

  /** Runs it; what goes wrong is told with the seed. */
  async #telling<T>(run: () => Promise<T>): Promise<T> {
    try {
      if (this.#closed !== undefined)
        throw new PerdureError("closed", "This network is closed. Make a new one with createNetwork().");
      return await run();
    } catch (error) {
      if (error instanceof PerdureError) throw this.#told(error);
      throw new Error(`${error instanceof Error ? error.message : String(error)} (seed ${this.seed})`, {
        cause: error,
      });
    }
  }
}

function checkTime(what: string, ms: number, path?: string): void {
  if (!Number.isFinite(ms) || ms < 0) throw badArgument(`${what} must be a number of milliseconds from 0 on.`, path);
}

/** Wires the port at that place to those before it. */
function wire(ports: readonly Port[], at: number): void {
  const port = ports[at];
  for (const other of wiredTo(at).map(index => ports[index])) {
    if (port !== undefined && other !== undefined && !port.isWiredTo(other)) Port.connect(other, port, "local");
  }
}

async function restart(station: Station, time: VirtualTime, empty: boolean): Promise<void> {
  if (station.ended) throw closedError();
  station.crash();
  if (empty) station.disk.lose();
  await station.start();
  await time.drain();
}

/** A peer with what only a test can do to it. */
class Device extends PeerHandle implements TestPeer {
  readonly #station: Station;
  readonly #time: VirtualTime;
  readonly #telling: (run: () => Promise<void>) => Promise<void>;
  readonly #told: (error: PerdureError) => PerdureError;

  /** `telling` runs it and tells the seed with what goes wrong, as `told` does. */
  constructor(
    station: Station,
    time: VirtualTime,
    telling: (run: () => Promise<void>) => Promise<void>,
    told: (error: PerdureError) => PerdureError,
  ) {
    super(station.engine, { frame: run => time.soon(run), random: size => station.random.bytes(size) });
    this.#station = station;
    this.#time = time;
    this.#telling = telling;
    this.#told = told;
  }

  override offline(): void {
    this.#station.setOnline(false);
  }

  override online(): void {
    this.#station.setOnline(true);
  }

  crash(): void {
    this.#station.crash();
  }

  restart(): Promise<void> {
    return this.#telling(() => restart(this.#station, this.#time, false));
  }

  setClock(offsetMs: number): void {
    if (!Number.isFinite(offsetMs))
      throw this.#told(badArgument("What setClock() is given must be a number of milliseconds."));
    this.#station.clock.offsetMs = offsetMs;
  }

  loseStorage(): void {
    this.#station.disk.lose();
  }

  fillDisk(full: boolean): void {
    this.#station.disk.full = full;
  }
}
