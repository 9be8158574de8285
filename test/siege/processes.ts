// What stands around the siege: the anchor, the echo and the attackers, each a process of its own, and the proxy before the anchor.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

declare const root: string;
declare const echoScript: string;

/** Ends it by its id. */
async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, "close");
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await closed;
}

/** Its first line; rejects if it ends before. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) return reject(new Error("it has no output"));
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("close", code => reject(new Error(`it ended with ${code} before it said anything`)));
  });
}

/** The port on which that process listens. It tells its public address, not this one. */
function portOf(pid: number): number {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map(fd => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A" && inodes.has(inode)) return Number.parseInt(local.slice(-4), 16);
  }
  throw new Error("it listens on no port");
}

export interface Memory {
  readonly nowMB: number;
  readonly mostMB: number;
}

export interface AnchorProcess extends AsyncDisposable {
  readonly port: number;
  memory(): Memory;
  /** Seconds of the processor that it has used. */
  worked(): number;
}

/** An anchor of this package, behind a proxy. */
export async function startAnchor(...args: readonly string[]): Promise<AnchorProcess> {
  const child = spawn(
    process.execPath,
    [`${root}/dist/cli.js`, "anchor", "--port", "0", "--public-url", "ws://siege.example", ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const { pid } = child;
  if (pid === undefined) throw new Error("the anchor does not start");
  await firstLine(child);
  const field = (name: string): number =>
    Number(
      new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN,
    ) / 1024;
  return {
    port: portOf(pid),
    memory: () => ({ nowMB: Math.round(field("VmRSS")), mostMB: Math.round(field("VmHWM")) }),
    worked: () => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}

export async function startEcho(): Promise<AsyncDisposable & { readonly url: string }> {
  const child = spawn(process.execPath, [echoScript], { stdio: ["ignore", "pipe", "inherit"] });
  return { url: `ws://127.0.0.1:${await firstLine(child)}`, [Symbol.asyncDispose]: () => end(child) };
}

export interface Child extends AsyncDisposable {
  /** Says it, and resolves with what it answers. */
  ask(what: object): Promise<unknown>;
}

export function startAttackers(script: string): Child {
  const child = spawn(process.execPath, ["--enable-source-maps", script], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    ask: what =>
      new Promise((resolve, reject) => {
        const gone = (code: number | null): void => reject(new Error(`the attackers ended with ${code}`));
        child.once("close", gone);
        child.once("message", answer => {
          child.off("close", gone);
          resolve(answer);
        });
        child.send(what);
      }),
    [Symbol.asyncDispose]: () => end(child),
  };
}

export interface Door extends AsyncDisposable {
  readonly url: string;
}

/** A proxy that tells the anchor from where its clients come. */
export async function openDoor(port: number, address: string): Promise<Door> {
  const sockets = new Set<Socket>();
  const server = createServer(client => {
    const inner = connect(port, "127.0.0.1");
    for (const socket of [client, inner]) {
      sockets.add(socket);
      socket
        .setNoDelay(true)
        .on("close", () => sockets.delete(socket))
        .on("error", () => (client.destroy(), inner.destroy()));
    }
    let head = "";
    const greet = (data: Buffer): void => {
      head += data.toString("latin1");
      const line = head.indexOf("\r\n");
      if (line < 0) return;
      client.off("data", greet);
      inner.write(`${head.slice(0, line)}\r\nX-Forwarded-For: ${address}${head.slice(line)}`, "latin1");
      client.pipe(inner);
    };
    client.on("data", greet);
    inner.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = server.address();
  if (place === null || typeof place === "string") throw new Error("the proxy listens on no port");
  return {
    url: `ws://127.0.0.1:${place.port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
