// perdure/anchor: a peer that is always on. It stores what members bring, blind, forwards their signals and relays for those who
// cannot reach each other.
//
//     const anchor = await startAnchor({ data: "anchor.db", port: 8787 });
//     console.log(anchor.url);
//     await anchor.close();
import { loadCore } from "../src/core.js";
import type { CoreConfig } from "../src/boundary.js";
import { SystemClock } from "../src/clock.js";
import { Driver } from "../src/driver.js";
import { PerdureError } from "../src/errors.js";
import { plainSeed, type Seed } from "../src/store/seed.js";
import { openSqlite } from "../src/store/sqlite.js";
import { StaticFiles } from "./files.js";
import { AnchorLinks } from "./links.js";
import { Metrics } from "./metrics.js";
import { settingsOf, type AnchorOptions, type Settings } from "./options.js";
import { AnchorServer } from "./server.js";
import { StunServer } from "./stun.js";
import { version } from "../src/version.js";
import { WatchedStore } from "./watched.js";

export { PerdureError } from "../src/errors.js";
export type { AnchorOptions } from "./options.js";

/** A running anchor. */
export interface Anchor extends AsyncDisposable {
  /** Where it is reached: publicUrl, or else ws:// or wss:// with the port it has. */
  readonly url: string;
  /** Its public key, 64 hex digits. */
  readonly id: string;
  /** Resolves after close(). Rejects if the anchor stops by itself: another process has taken over its database, or its core failed. */
  readonly ended: Promise<void>;
  /** Says goodbye to all links, then resolves when everything accepted is on disk. Closing twice is harmless. */
  close(): Promise<void>;
}

const MiB = 1024 * 1024;
/** Rows of other people's topics, read again and again while they sync. */
const cacheBytes = 32 * MiB;

/** What is still to be written has so long. */
const closeMs = 10_000;

/** Starts an anchor in this process. Rejects with `bad-argument` (the port is taken, a file is missing), `storage-unavailable` (the
 *  file cannot be written, or there is no SQLite) or `outdated` (a newer version has written the file). */
export async function startAnchor(options: AnchorOptions): Promise<Anchor> {
  const settings = settingsOf(options);
  const files = settings.serve === undefined ? undefined : await StaticFiles.in(settings.serve);
  const metrics = new Metrics();
  const server = new AnchorServer(settings, files, reason => metrics.refusals.add(reason));
  try {
    // First the port: who asks for one that is taken must not take over the database of the anchor that has it.
    const port = await server.listen();
    return await Running.start(settings, port, server, metrics);
  } catch (error) {
    metrics.stop();
    await server.close();
    throw error;
  }
}

class Running implements Anchor {
  readonly url: string;
  readonly id: string;
  readonly ended: Promise<void>;
  readonly #driver: Driver;
  readonly #server: AnchorServer;
  readonly #metrics: Metrics;
  readonly #stun: StunServer | undefined;
  #end: (reason?: unknown) => void = () => undefined;
  #closed: Promise<void> | undefined;

  private constructor(url: string, driver: Driver, server: AnchorServer, metrics: Metrics, stun: StunServer | undefined) {
    this.url = url;
    this.id = driver.id;
    this.#driver = driver;
    this.#server = server;
    this.#metrics = metrics;
    this.#stun = stun;
    this.ended = new Promise((resolve, reject) => (this.#end = reason => (reason === undefined ? resolve() : reject(reason))));
    // Nobody has to listen.
    this.ended.catch(() => undefined);
  }

  static async start(settings: Settings, port: number, server: AnchorServer, metrics: Metrics): Promise<Anchor> {
    const rows = await openSqlite(settings.data);
    // Beside the WebSockets, at the same number: who runs an anchor opens one port for both.
    const stun = await StunServer.listen(settings.host, port);
    try {
      const store = new WatchedStore(rows, metrics.saveSeconds);
      const seed = await plainSeed(rows);
      const core = (await loadCore()).create(configOf(settings, seed, stun?.port ?? 0));
      let links: AnchorLinks | undefined;
      let running: Running | undefined;
      const driver = new Driver(core, store, events => (links = new AnchorLinks(events)), new SystemClock(), {
        // The key and the rows come and go together, unless somebody has meddled with the file.
        lostStore: store.wasEmpty !== seed.fresh,
        onSuperseded: () => {
          if (running !== undefined) running.#fail(new PerdureError("storage-unavailable", `Another anchor has taken over ${settings.data}.`));
        },
      });
      running = new Running(settings.publicUrl ?? addressOf(settings, port), driver, server, metrics, stun);
      await running.#open(settings, store, links);
      return running;
    } catch (error) {
      stun?.close();
      await rows.close();
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(settings: Settings, store: WatchedStore, links: AnchorLinks | undefined): Promise<void> {
    let counters: readonly (readonly [string, number])[] = [];
    this.#driver.onNotice(notice => {
      if (notice.kind === "MetricsNotice") ({ counters } = notice);
    });
    this.#driver.onInfo(({ trouble }) => {
      const [fault] = trouble;
      if (fault !== undefined) this.#fail(new PerdureError(fault.code, "The anchor's core has stopped. What was acknowledged is on disk: start it again, and please report this."));
    });
    await this.#driver.start();
    this.#server.open({
      accept: (socket, network) => links?.accept(socket, network),
      health: () => store.trouble(),
      metrics: async () => {
        const bytes = this.#server.bytes();
        const { usedBytes } = await store.usage().catch(() => ({ usedBytes: 0 }));
        const healthy = (await store.trouble()) === "";
        return this.#metrics.text({ version, storage: store.kind, core: counters, links: this.#server.links, bytesIn: bytes.in, bytesOut: bytes.out, databaseBytes: usedBytes, healthy, ...(this.#stun === undefined ? {} : { stunRequests: this.#stun.answered }) });
      },
    });
    if (settings.tls !== undefined) process.on("SIGHUP", this.#reload);
  }

  readonly #reload = (): void => {
    try {
      this.#server.reload();
    } catch (error) {
      process.emitWarning(`The certificate was not read again: ${error instanceof Error ? error.message : String(error)}`, "PerdureWarning");
    }
  };

  #fail(reason: PerdureError): void {
    this.#end(reason);
    // There is nothing to wait for: this core can write no more.
    this.#driver.abandon();
    this.close().catch(() => undefined);
  }

  async #close(): Promise<void> {
    process.off("SIGHUP", this.#reload);
    this.#server.shut();
    // A database that has stopped answering must not keep the process.
    const patience = setTimeout(() => this.#driver.abandon(), closeMs);
    await this.#driver.close();
    clearTimeout(patience);
    await this.#server.close();
    this.#stun?.close();
    this.#metrics.stop();
    this.#end();
  }
}

function configOf({ apps, quotas }: Settings, seed: Seed, stunPort: number): CoreConfig {
  return {
    // Networks are told by those who come.
    app: "",
    deviceSeed: seed.bytes,
    randomSeed: crypto.getRandomValues(new Uint8Array(32)),
    name: "",
    anchor: true,
    rtc: false,
    anchors: [],
    quotas: {
      totalBytes: Math.floor(quotas.totalMB * MiB), topicBytes: Math.floor(quotas.topicMB * MiB),
      deviceBytes: Math.floor(quotas.deviceMB * MiB), leaseDays: quotas.leaseDays,
    },
    apps,
    cacheBytes,
    linksMax: quotas.links,
    idleBytesPerSecond: 0,
    stunPort,
    version,
    memoryBytes: 0,
  };
}

/** Where this machine reaches it. */
function addressOf({ host, tls }: Settings, port: number): string {
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "ws" : "wss"}://${name}:${port}`;
}
