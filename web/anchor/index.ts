// perdure/anchor: a peer that is always on. It stores what members bring, blind, forwards their signals and relays for those who
// cannot reach each other.
//
//     const anchor = await startAnchor({ data: "anchor.db", port: 8787 });
//     console.log(anchor.url);
//     await anchor.close();
import { resolve } from "node:path";
import { loadCoreInNode, type CoreModule } from "../src/engine/core.js";
import type { CoreConfig } from "../src/engine/boundary.js";
import { SystemClock } from "../src/engine/clock.js";
import { Driver } from "../src/engine/driver.js";
import { badArgument, PerdureError } from "../src/base/errors.js";
import { randomBytes } from "../src/base/platform.js";
import { openMemory, type MemoryDisk } from "../src/store/memory.js";
import { anchorName, claim, type Owner } from "../src/store/owner.js";
import { plainSeed, type Seed } from "../src/store/seed.js";
import { noSqlite, openSqlite } from "../src/store/sqlite.js";
import type { Held, Own, Store } from "../src/store/store.js";
import { StaticFiles } from "./files.js";
import { AnchorLinks } from "./links.js";
import { Metrics } from "./metrics.js";
import { settingsOf, type AnchorOptions, type Settings } from "./options.js";
import { Secrets, sqliteBesides } from "./secrets.js";
import { AnchorServer } from "./server.js";
import { StunServer } from "./stun.js";
import { version } from "../src/base/version.js";
import { WatchedStore } from "./watched.js";

export { PerdureError } from "../src/base/errors.js";
export type { AnchorOptions } from "./options.js";

/** A running anchor. */
export interface Anchor extends AsyncDisposable {
  /** Where it is reached: publicUrl, or else ws:// or wss:// with the port it has. Without a path there is no slash at its end, as in AnchorInfo,
   *  however it was written; with a token ?token=… follows */
  readonly url: string;
  /** Its public key, 64 hex digits. */
  readonly id: string;
  /** Resolves after close(). Rejects if the anchor stops by itself: another process has taken over its database, or its core failed. */
  readonly ended: Promise<void>;
  /** Says goodbye to all links, then resolves when everything accepted is on disk. Closing twice is harmless. */
  close(): Promise<void>;
}

const MiB = 1024 * 1024;
/** Of what the process may use: rows of other people's topics, read again and again while they sync. */
const cacheShare = 1 / 16;
const cacheBytesMax = 512 * MiB;

/** What is still to be written has so long. */
const closeMs = 10_000;

/** Starts an anchor in this process. Rejects with `bad-argument` (the port is taken, a file is missing, the data file is a peer's,
 *  it or the key lies in the folder that is served), `storage-unavailable` (the file cannot be written, or there is no SQLite) or `outdated` (a newer version has written the file). */
export function startAnchor(options: AnchorOptions): Promise<Anchor>;
/** @internal In memory that is still there when it is started the next time. */
export function startAnchor(options: AnchorOptions, disk: MemoryDisk): Promise<Anchor>;
export async function startAnchor(options: AnchorOptions, disk?: MemoryDisk): Promise<Anchor> {
  const settings = { ...settingsOf(options), ...(disk === undefined ? {} : { disk }) };
  const files = settings.serve === undefined ? undefined : await StaticFiles.in(settings.serve, secretsOf(settings));
  const metrics = new Metrics();
  const server = new AnchorServer(settings, files, reason => metrics.refusals.add(reason));
  try {
    const topics = settings.invites.length === 0 ? settings.topics : topicsOf(settings, await loadCoreInNode());
    // First the port: who asks for one that is taken must not take over the database of the anchor that has it.
    const port = await server.listen();
    return await Running.start(settings, topics, port, server, metrics);
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

  private constructor(
    url: string,
    driver: Driver,
    server: AnchorServer,
    metrics: Metrics,
    stun: StunServer | undefined,
  ) {
    this.url = url;
    this.id = driver.id;
    this.#driver = driver;
    this.#server = server;
    this.#metrics = metrics;
    this.#stun = stun;
    this.ended = new Promise(
      (resolve, reject) => (this.#end = reason => (reason === undefined ? resolve() : reject(reason))),
    );
    // Nobody has to listen.
    this.ended.catch(() => undefined);
  }

  static async start(
    settings: Settings,
    topics: readonly string[],
    port: number,
    server: AnchorServer,
    metrics: Metrics,
  ): Promise<Anchor> {
    const rows = await openRows(settings);
    // Beside the WebSockets, at the same number: who runs an anchor opens one port for both.
    const stun = await StunServer.listen(settings.host, port);
    let links: AnchorLinks | undefined;
    let running: Running | undefined;
    const lost = (how: "superseded" | "lost"): void => {
      if (running !== undefined) running.#fail(lostStore(settings.data, how));
    };
    const store = new WatchedStore(rows, metrics.saveSeconds, {
      failing: why => warn(`${why} (${placeOf(settings.data)})`),
      well: () => {
        warn(`All that it is given can be stored again. (${placeOf(settings.data)})`);
        if (running !== undefined) running.#driver.room();
      },
      lost,
    });
    try {
      const seed = await plainSeed(rows);
      const core = (await loadCoreInNode()).create(configOf(settings, topics, seed, stun?.port ?? 0));
      const driver = new Driver(core, store, events => (links = new AnchorLinks(events)), new SystemClock(), {
        // A key without rows is of an anchor that was stopped before it stored any.
        lostStore: !store.wasEmpty && seed.fresh,
        onSuperseded: () => lost("superseded"),
      });
      running = new Running(
        withToken(settings.publicUrl ?? addressOf(settings, port), settings.tokens[0]),
        driver,
        server,
        metrics,
        stun,
      );
      await running.#open(settings, store, links);
      await claim(rows, anchorName);
      return running;
    } catch (error) {
      stun?.close();
      await store.close();
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
      if (fault !== undefined)
        this.#fail(
          new PerdureError(
            fault.code,
            "The anchor's core has stopped. What was acknowledged is on disk: start it again, and please report this.",
          ),
        );
    });
    await this.#driver.start();
    this.#server.open({
      accept: (socket, network, visitor) => links?.accept(socket, network, visitor),
      health: () => store.trouble(),
      metrics: async () => {
        const bytes = this.#server.bytes();
        const { usedBytes } = await store.usage().catch(() => ({ usedBytes: 0 }));
        const healthy = (await store.trouble()) === "";
        return this.#metrics.text({
          version,
          storage: store.kind,
          core: counters,
          links: this.#server.links,
          bytesIn: bytes.in,
          bytesOut: bytes.out,
          databaseBytes: usedBytes,
          healthy,
          ...(this.#stun === undefined ? {} : { stunRequests: this.#stun.answered }),
        });
      },
    });
    if (settings.tls !== undefined) process.on("SIGHUP", this.#reload);
  }

  readonly #reload = (): void => {
    try {
      this.#server.reload();
    } catch (error) {
      warn(`The certificate was not read again: ${error instanceof Error ? error.message : String(error)}`);
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

/** What is only to be kept in memory needs no SQLite. */
async function openRows({ data, disk }: Settings): Promise<Store & Own & Held> {
  return disk !== undefined || (data === ":memory:" && (await noSqlite()) !== undefined)
    ? openMemory("anchor", disk)
    : openSqlite(data, { owner: ownerOf(data) });
}

/** What has it open goes on. */
function ownerOf(data: string): Owner {
  return {
    name: anchorName,
    refusal: app =>
      badArgument(
        `${placeOf(data)} is not an anchor's: it belongs to a peer${app === undefined ? "" : ` of the app ${JSON.stringify(app)}`}. Name another file with --data: it is made if it is not there.`,
        "data",
      ),
  };
}

/** What must not be served along with the files. */
function secretsOf({ data, tls }: Settings): Secrets {
  return new Secrets([
    ...(data === ":memory:"
      ? []
      : [
          { file: data, option: "data", flag: "--data", harm: "have the anchor's private key", besides: sqliteBesides },
        ]),
    ...(tls === undefined
      ? []
      : [
          { file: tls.key, option: "tls.key", flag: "--key", harm: "have the key of this server's certificate" },
          {
            file: tls.cert,
            option: "tls.cert",
            flag: "--cert",
            harm: "be handed a file that belongs to this server alone",
          },
        ]),
  ]);
}

function configOf(
  { apps, quotas, tokens, memoryBytes }: Settings,
  topics: readonly string[],
  seed: Seed,
  stunPort: number,
): CoreConfig {
  return {
    // Networks are told by those who come.
    app: "",
    deviceSeed: seed.bytes,
    randomSeed: randomBytes(32),
    name: "",
    anchor: true,
    rtc: false,
    anchors: [],
    quotas: {
      totalBytes: Math.floor(quotas.totalMB * MiB),
      topicBytes: Math.floor(quotas.topicMB * MiB),
      deviceBytes: Math.floor(quotas.deviceMB * MiB),
      leaseDays: quotas.leaseDays,
      addressBytes: Math.floor(quotas.addressMB * MiB),
    },
    apps,
    cacheBytes: Math.floor(Math.min(memoryBytes * cacheShare, cacheBytesMax)),
    linksMax: quotas.links,
    idleBytesPerSecond: 0,
    stunPort,
    version,
    topics,
    tokens: tokens.length > 0,
    memoryBytes,
  };
}

/** Of an invite only the topic's id is kept. Throws bad-argument. */
function topicsOf({ invites, topics }: Settings, module: CoreModule): readonly string[] {
  const invited = invites.map((invite, at) => {
    try {
      return module.topicOf(invite);
    } catch (error) {
      throw badArgument(
        `invites[${at}] leads nowhere: ${error instanceof Error ? error.message : String(error)}`,
        `invites[${at}]`,
      );
    }
  });
  return [...new Set([...topics, ...invited])];
}

/** Where those come who bring the token. */
function withToken(url: string, token: string | undefined): string {
  if (token === undefined) return url;
  const [base = url, query] = url.split("?", 2);
  return `${base}${new URL(base).pathname === "/" && !base.endsWith("/") ? "/" : ""}?${query === undefined ? "" : `${query}&`}token=${encodeURIComponent(token)}`;
}

/** A line on stderr, unless the process does something else with its warnings. */
function warn(line: string): void {
  process.emitWarning(line, "PerdureWarning");
}

function placeOf(data: string): string {
  return data === ":memory:" ? "memory" : resolve(data);
}

function lostStore(data: string, how: "superseded" | "lost"): PerdureError {
  const place = placeOf(data);
  return new PerdureError(
    "storage-unavailable",
    how === "superseded"
      ? `Another anchor has taken over ${place}; this one has stopped. One file serves one anchor: give each its own with --data.`
      : `${place} was taken away while this anchor used it, or something else put in its place. Put it back and start the anchor again.`,
  );
}

/** Where this machine reaches it. */
function addressOf({ host, tls }: Settings, port: number): string {
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  return `${tls === undefined ? "ws" : "wss"}://${name}:${port}`;
}
