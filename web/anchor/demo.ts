// npx perdure demo: the demo page, with an anchor in a process of its own.
//
//     const demo = await startDemo({ data: ".perdure", history: "path/to/a/clone", tell: console.log });
//     demo.url; demo.room; await demo.close();
//
// Ports are kept from one start to the next where they are free: what a browser keeps belongs to an address.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openPeer } from "../src/index.js";
import { fillRoom } from "./history.js";
import { DemoServer } from "./demo-server.js";

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
  /** The room of real messages. */
  readonly room?: string;
  /** Resolves when that room is full. */
  readonly filled: Promise<void>;
  close(): Promise<void>;
}

/** Resolves when the page can be opened; the room is filled meanwhile. */
export async function startDemo({ data, history, port, tell }: DemoOptions): Promise<Demo> {
  mkdirSync(data, { recursive: true });
  const known = readPorts(data);
  const anchor = new AnchorChild(join(data, "anchor.db"), line => tell(line));
  await anchor.start(known.anchor);
  const server = new DemoServer(fileURLToPath(new URL("demo/", import.meta.url)), anchor);
  try {
    await server.listen(port ?? known.server, port !== undefined);
    writeFileSync(join(data, "ports.json"), JSON.stringify({ server: server.port, anchor: anchor.port }));
    const room = history === undefined ? undefined : await openRoom(join(data, "history.db"), resolve(history), anchor.url, `${server.url}room.html`);
    server.room = room?.link;
    const filled = room === undefined ? Promise.resolve() : room.fill(tell).catch((error: unknown) => tell(error instanceof Error ? error.message : String(error)));
    return {
      url: server.url, anchorUrl: anchor.url, filled, ...(room === undefined ? {} : { room: room.link }),
      close: async () => {
        await Promise.all([server.close(), anchor.stop(), room?.close()]);
      },
    };
  } catch (error) {
    await Promise.all([server.close(), anchor.stop()]);
    throw error;
  }
}

function readPorts(data: string): { server: number; anchor: number } {
  try {
    const { server, anchor } = JSON.parse(readFileSync(join(data, "ports.json"), "utf8")) as Record<string, unknown>;
    if (typeof server === "number" && typeof anchor === "number") return { server, anchor };
  } catch {
    // The first time.
  }
  return { server: 0, anchor: 0 };
}

interface Room {
  readonly link: string;
  fill(tell: (line: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** The room as a peer in this process holds it: it fills the room and brings it to the anchor. */
async function openRoom(file: string, history: string, anchorUrl: string, page: string): Promise<Room> {
  const peer = await openPeer({ app: "perdure-demo", name: "History", storage: { file }, anchors: [anchorUrl] });
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

/** The anchor: a process that can be ended and begun again, at one address. */
export class AnchorChild {
  readonly #data: string;
  readonly #tell: (line: string) => void;
  #child: ChildProcess | undefined;
  #turn: Promise<void> = Promise.resolve();
  #url = "";
  #stopping = false;

  constructor(data: string, tell: (line: string) => void) {
    this.#data = data;
    this.#tell = tell;
  }

  get url(): string { return this.#url; }
  get port(): number { return Number(new URL(this.#url).port); }
  get running(): boolean { return this.#child !== undefined; }

  /** Resolves when it serves. Rejects if it does not come up on any port. */
  start(port = this.port): Promise<void> {
    return this.#next(async () => {
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
    return this.#next(async () => {
      const child = this.#child;
      if (child === undefined) return;
      this.#stopping = true;
      const gone = once(child, "close");
      child.kill("SIGTERM");
      await gone;
      this.#stopping = false;
    });
  }

  // One after the other, whoever asks.
  #next(run: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #spawn(port: number): Promise<void> {
    const script = fileURLToPath(new URL("cli.js", import.meta.url));
    const child = spawn(process.execPath, [script, "anchor", "--port", String(port), "--data", this.#data, "--address-mb", "4096"], { stdio: ["ignore", "pipe", "pipe"] });
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
