// One peer of a test network, edge or anchor: what outlives its cores, and the core that runs.
import type { CoreConfig } from "../engine/boundary.js";
import type { CoreModule } from "../engine/core.js";
import { Driver } from "../engine/driver.js";
import { closedError, PerdureError } from "../base/errors.js";
import { TestDisk } from "./disk.js";
import { Random } from "./random.js";
import { SwitchEngine } from "./switch.js";
import { VirtualClock } from "./time.js";
import type { VirtualTime } from "./time.js";
import { Port } from "./wires.js";
import type { Cables } from "./wires.js";
import { version } from "../base/version.js";
import { wiredAtLeast } from "./wiring.js";

export interface StationOptions {
  /** For reports. */
  readonly label: string;
  readonly app: string;
  readonly name: string;
  /** None: an edge. */
  readonly anchorUrl?: string;
  readonly seed: number;
  /** What its callers hear of an error. */
  readonly told: (error: PerdureError) => PerdureError;
}

export class Station {
  readonly label: string;
  readonly app: string;
  readonly anchorUrl: string | undefined;
  readonly disk = new TestDisk();
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly engine: SwitchEngine;
  online = true;
  /** Anchors that its next core begins with. */
  anchors: readonly string[] = [];
  readonly #options: StationOptions;
  readonly #module: CoreModule;
  readonly #cables: Cables;
  readonly #deviceSeed: Uint8Array;
  readonly #changed: () => void;
  #port: Port | undefined;
  #ended = false;

  /** `changed` is called when it began or ceased to run. */
  constructor(options: StationOptions, module: CoreModule, time: VirtualTime, cables: Cables, changed: () => void) {
    this.label = options.label;
    this.app = options.app;
    this.anchorUrl = options.anchorUrl;
    this.clock = new VirtualClock(time);
    this.random = new Random(options.seed);
    this.#options = options;
    this.#module = module;
    this.#cables = cables;
    this.#changed = changed;
    this.#deviceSeed = this.random.bytes(32);
    const probe = module.create(this.#config());
    this.engine = new SwitchEngine(
      probe,
      () => this.end(),
      () => this.#whyGone(),
      options.told,
    );
    probe.free();
  }

  get id(): string {
    return this.engine.id;
  }

  /** Its port while it runs. */
  get port(): Port | undefined {
    return this.#port;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Starts a core on what the disk holds. Resolves when it can be used. */
  async start(): Promise<void> {
    const core = this.#module.create(this.#config());
    const { store, lost } = await this.disk.open();
    const makeLinks = (events: ConstructorParameters<typeof Port>[0]): Port =>
      (this.#port = new Port(events, this.#cables));
    const driver = new Driver(core, store, makeLinks, this.clock, { lostStore: lost });
    await driver.start();
    if (!this.online) driver.network(false);
    this.engine.use(driver);
    await this.engine.reenter(lost);
    this.#changed();
  }

  /** Stops as a killed process does. Twice is harmless. */
  crash(): void {
    this.disk.crash();
    this.#port?.drop();
    this.#port = undefined;
    const { driver } = this.engine;
    this.engine.use(undefined);
    driver?.abandon();
    this.#changed();
  }

  /** Stops as one who leaves: all is on disk, and the others are told. Twice is harmless. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.engine.driver?.close();
    this.#port = undefined;
    this.engine.use(undefined);
    this.#changed();
  }

  setOnline(online: boolean): void {
    if (this.online === online) return;
    this.online = online;
    this.engine.driver?.network(online);
    this.#changed();
  }

  #whyGone(): PerdureError {
    return this.#ended
      ? closedError()
      : new PerdureError("closed", `${this.label} has crashed. Call its restart() to go on.`);
  }

  #config(): CoreConfig {
    const MiB = 1024 * 1024;
    return {
      app: this.app,
      deviceSeed: this.#deviceSeed,
      randomSeed: this.random.bytes(32),
      name: this.#options.name,
      anchor: this.anchorUrl !== undefined,
      rtc: false,
      anchors: this.anchors,
      quotas: {
        totalBytes: 4096 * MiB,
        topicBytes: 256 * MiB,
        deviceBytes: 64 * MiB,
        leaseDays: 30,
        addressBytes: 64 * MiB,
      },
      apps: [],
      cacheBytes: 4 * MiB,
      // A core that wants no more links than it has wires asks nobody to relay to others, and a crowd would be busy with little else.
      // An anchor has room for a crowd.
      linksMax: this.anchorUrl === undefined ? wiredAtLeast : 4_096,
      idleBytesPerSecond: 0,
      stunPort: 0,
      version,
      topics: [],
      tokens: false,
      memoryBytes: 0,
    };
  }
}
