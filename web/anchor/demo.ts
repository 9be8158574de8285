// npx perdure demo: the demo page, with an anchor in a process of its own.
//
//     const demo = await startDemo({ data: ".perdure", history: "path/to/a/clone", tell: console.log });
//     demo.url; demo.room; await demo.close();
//
// Ports are kept from one start to the next where they are free: what a browser keeps belongs to an address.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openPeer } from "../src/index.js";
import { MemoryDisk } from "../src/store/memory.js";
import { noSqlite } from "../src/store/sqlite.js";
import type { PeerOptions } from "../src/base/types.js";
import { checkHistory, fillRoom } from "./history.js";
import { startAnchor, type Anchor } from "./index.js";
import { DemoServer, type Switched } from "./demo-server.js";
import { Secrets, sqliteBesides } from "./secrets.js";

export interface DemoOptions {
  /** A folder: what the anchor stores, and the room of real messages. */
  readonly data: string;
  /** A clone, or a *.jsonl.gz. None: there is no such room. */
  readonly history?: string;
  readonly port?: number;
  /** Told how it goes on, a line at a time. */
  readonly tell: (line: string) => void;
}

export interface Demo {
  readonly url: string;
  readonly anchorUrl: string;
  /** Where the anchor keeps what it is given: a folder, or memory where there is no SQLite. */
  readonly keeps: string;
  /** The room of real messages. */
  readonly room?: string;
  /** Resolves when that room is full. */
  readonly filled: Promise<void>;
  close(): Promise<void>;
}

/** Resolves when the page can be opened; the room is filled meanwhile. */
export async function startDemo({ data, history, port, tell }: DemoOptions): Promise<Demo> {
  if (history !== undefined) await checkHistory(history);
  const trouble = await noSqlite();
  const kept = trouble === undefined;
  if (!kept) tell(`The anchor keeps everything in memory, until the demo stops: ${trouble.message}`);
  const known = readPorts(data);
  const [anchorFile, historyFile, keyFile] = [
    join(data, "anchor.db"),
    join(data, "history.db"),
    join(data, "anchor.key"),
  ];
  const anchor = kept ? new AnchorChild(anchorFile, tell) : new AnchorHere(keyFile, tell);
  const secrets = new Secrets(
    [anchorFile, historyFile, keyFile].map(file => ({
      file,
      option: "data",
      flag: "--data",
      takes: "DIR",
      harm: "have a private key",
      besides: sqliteBesides,
    })),
  );
  const server = await DemoServer.of(fileURLToPath(new URL("demo/", import.meta.url)), secrets, anchor);
  makeFolder(data);
  try {
    await anchor.start(kept ? known.anchor : known.here);
    await server.listen(port ?? known.server, port !== undefined);
    writeFileSync(
      join(data, "ports.json"),
      JSON.stringify({ ...known, server: server.port, [kept ? "anchor" : "here"]: anchor.port }),
    );
    const room =
      history === undefined
        ? undefined
        : await openRoom(
            kept ? { file: historyFile } : "memory",
            resolve(history),
            anchor.url,
            `${server.url}room.html`,
          );
    server.room = room?.link;
    const filled =
      room === undefined
        ? Promise.resolve()
        : room.fill(tell).catch((error: unknown) => tell(error instanceof Error ? error.message : String(error)));
    return {
      url: server.url,
      anchorUrl: anchor.url,
      keeps: kept ? resolve(data) : "memory",
      filled,
      ...(room === undefined ? {} : { room: room.link }),
      close: async () => {
        await Promise.all([server.close(), anchor.stop(), room?.close()]);
      },
    };
  } catch (error) {
    await Promise.all([server.close(), anchor.stop()]);
    throw error;
  }
}

function makeFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true });
  } catch (error) {
    throw new Error(
      `The folder ${data} cannot be made (${error instanceof Error ? error.message : String(error)}). Name another one: --data DIR`,
      { cause: error },
    );
  }
}

/** Of the pages, of the anchor, and of the one in this process: that one has another key, and browsers know which belongs to an address. */
interface Ports {
  readonly server: number;
  readonly anchor: number;
  readonly here: number;
}

function readPorts(data: string): Ports {
  try {
    const {
      server = 0,
      anchor = 0,
      here = 0,
    } = JSON.parse(readFileSync(join(data, "ports.json"), "utf8")) as Partial<Record<string, unknown>>;
    if (typeof server === "number" && typeof anchor === "number" && typeof here === "number")
      return { server, anchor, here };
  } catch {
    // The first time.
  }
  return { server: 0, anchor: 0, here: 0 };
}

interface Room {
  readonly link: string;
  fill(tell: (line: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** The room as a peer in this process holds it: it fills the room and brings it to the anchor. */
async function openRoom(
  storage: NonNullable<PeerOptions["storage"]>,
  history: string,
  anchorUrl: string,
  page: string,
): Promise<Room> {
  const peer = await openPeer({ app: "perdure-demo", name: "History", storage, anchors: [anchorUrl] });
  const topic = await peer.topic(`history ${history}`);
  return {
    link: await topic.link(page),
    fill: async tell => {
      let toldAt = 0;
      const count = await fillRoom(topic, history, done => {
        if (done - toldAt < 2_500) return;
        toldAt = done;
        tell(`The room of real messages: ${done.toLocaleString("en")} so far.`);
      });
      tell(`The room of real messages is complete: ${count.toLocaleString("en")}.`);
    },
    close: () => peer.close(),
  };
}

/** Things that happen one after the other, whoever asks. */
class Turns {
  #last: Promise<void> = Promise.resolve();

  next(run: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** The anchor where there is no SQLite: in this process, with all it is given in its memory, also while it is stopped. Its key is in a
 *  file, for browsers remember which key answers at an address. */
class AnchorHere implements Switched {
  readonly #disk = new MemoryDisk();
  readonly #keyFile: string;
  readonly #tell: (line: string) => void;
  readonly #turns = new Turns();
  #anchor: Anchor | undefined;
  #url = "";

  constructor(keyFile: string, tell: (line: string) => void) {
    this.#keyFile = keyFile;
    this.#tell = tell;
  }

  get url(): string {
    return this.#url;
  }
  get port(): number {
    return Number(new URL(this.#url).port);
  }
  get running(): boolean {
    return this.#anchor !== undefined;
  }

  start(port = this.port): Promise<void> {
    return this.#turns.next(async () => {
      if (this.#anchor !== undefined) return;
      if (this.#url === "" && existsSync(this.#keyFile))
        this.#disk.own.set("seed", new Uint8Array(readFileSync(this.#keyFile)));
      const start = (at: number): Promise<Anchor> =>
        startAnchor({ data: ":memory:", port: at, quotas: { addressMB: 4096 } }, this.#disk);
      const anchor = await start(port).catch(error => {
        // Somebody else has taken it.
        if (port === 0 || this.#url !== "") throw error;
        return start(0);
      });
      const seed = this.#disk.own.get("seed");
      if (seed instanceof Uint8Array) writeFileSync(this.#keyFile, seed, { mode: 0o600 });
      this.#url = anchor.url;
      this.#anchor = anchor;
      anchor.ended.catch((error: unknown) => {
        this.#anchor = undefined;
        this.#tell(
          `The anchor has ended by itself. The page can start it again. ${error instanceof Error ? error.message : String(error)}`,
        );
      });
    });
  }

  stop(): Promise<void> {
    return this.#turns.next(async () => {
      await this.#anchor?.close();
      this.#anchor = undefined;
    });
  }
}

/** The anchor: a process that can be ended and begun again, at one address. */
export class AnchorChild implements Switched {
  readonly #data: string;
  readonly #tell: (line: string) => void;
  #child: ChildProcess | undefined;
  readonly #turns = new Turns();
  #url = "";
  #stopping = false;

  constructor(data: string, tell: (line: string) => void) {
    this.#data = data;
    this.#tell = tell;
  }

  get url(): string {
    return this.#url;
  }
  get port(): number {
    return Number(new URL(this.#url).port);
  }
  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Resolves when it serves. Rejects if it does not come up on any port. */
  start(port = this.port): Promise<void> {
    return this.#turns.next(async () => {
      if (this.#child !== undefined) return;
      await this.#spawn(port).catch(error => {
        // Somebody else has taken it.
        if (port === 0 || this.#url !== "") throw error;
        return this.#spawn(0);
      });
    });
  }

  /** Resolves when the process is gone. */
  stop(): Promise<void> {
    return this.#turns.next(async () => {
      const child = this.#child;
      if (child === undefined) return;
      this.#stopping = true;
      const gone = once(child, "close");
      child.kill("SIGTERM");
      await gone;
      this.#stopping = false;
    });
  }

  async #spawn(port: number): Promise<void> {
    const script = fileURLToPath(new URL("cli.js", import.meta.url));
    const child = spawn(
      process.execPath,
      [script, "anchor", "--port", String(port), "--data", this.#data, "--address-mb", "4096"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const orphaned = (): void => void child.kill();
    process.once("exit", orphaned);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const url = await new Promise<string>((found, reject) => {
      child.once("close", () => reject(new Error(`The anchor does not start: ${said.trim().split("\n").pop() ?? ""}`)));
      createInterface({ input: child.stdout }).on("line", line => {
        const address = /\bwss?:\/\/\S+/.exec(line)?.[0];
        if (address !== undefined) found(address);
      });
    });
    this.#url = url;
    this.#child = child;
    child.once("close", () => {
      process.off("exit", orphaned);
      this.#child = undefined;
      if (!this.#stopping) this.#tell(`The anchor has ended by itself. The page can start it again. ${said.trim()}`);
    });
  }
}
