// What dist/ holds, for tests of what users get.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { projectRoot } from "../support/bundle.js";

export const dist = join(projectRoot, "dist");

export const { startAnchor } = (await import(
  pathToFileURL(join(dist, "anchor.js")).href
)) as typeof import("../../../web/anchor/index.js");
export const { openPeer } = (await import(
  pathToFileURL(join(dist, "index.js")).href
)) as typeof import("../../../web/src/index.js");

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line to its end. */
export async function cli(
  args: readonly string[],
  script = join(dist, "cli.js"),
  cwd = tmpdir(),
  env = process.env,
): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  await once(child, "close");
  return { code: child.exitCode, signal: child.signalCode, out, err };
}

/** An anchor in a process of its own. */
export interface AnchorProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly lines: readonly string[];
  /** On stderr. */
  readonly complaints: readonly string[];
  readonly pid: number;
  /** Its exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Ends it and resolves with the exit code, null after SIGKILL. */
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGINT"): Promise<number | null>;
}

/** Of another build, and with another environment, if the last argument says so. */
export async function spawnAnchor(
  ...args: readonly (string | { readonly script: string; readonly env: NodeJS.ProcessEnv })[]
): Promise<AnchorProcess> {
  const { script, env } = args.flatMap(one => (typeof one === "string" ? [] : [one]))[0] ?? {
    script: join(dist, "cli.js"),
    env: process.env,
  };
  const words = args.filter(one => typeof one === "string");
  const child: ChildProcess = spawn(process.execPath, [script, "anchor", ...words], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const lines: string[] = [];
  const complaints: string[] = [];
  if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", line => complaints.push(line));
  const url = await new Promise<string>((resolve, reject) => {
    if (child.stdout === null) return reject(new Error("no output"));
    createInterface({ input: child.stdout }).on("line", line => {
      lines.push(line);
      const found = /\bwss?:\/\/\S+/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
    closed.then(() => reject(new Error(`the anchor ended: ${[...lines, ...complaints].join("\n")}`)));
  });
  const kill = async (signal: "SIGTERM" | "SIGKILL" | "SIGINT"): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
    return child.exitCode;
  };
  const ended = closed.then(() => child.exitCode);
  return {
    url,
    port: Number(new URL(url).port),
    lines,
    complaints,
    pid: child.pid ?? 0,
    ended,
    kill,
    [Symbol.asyncDispose]: async () => void (await kill("SIGKILL")),
  };
}

/** The package in a folder where no SQLite is found, neither Node's nor another, and what runs it there. */
export function withoutSqlite(folder: string): { readonly dist: string; readonly env: NodeJS.ProcessEnv } {
  mkdirSync(join(folder, "node_modules"));
  cpSync(dist, join(folder, "dist"), { recursive: true });
  cpSync(join(projectRoot, "package.json"), join(folder, "package.json"));
  for (const name of ["ws", "@fastify"])
    symlinkSync(join(projectRoot, "node_modules", name), join(folder, "node_modules", name));
  // Node 22 and later bring their own, and can be told to leave it out.
  const options = process.allowedNodeEnvironmentFlags.has("--experimental-sqlite")
    ? { NODE_OPTIONS: "--no-experimental-sqlite" }
    : {};
  return { dist: join(folder, "dist"), env: { ...process.env, ...options } };
}

/** A folder for one test. */
export function scratch(): { path: string; file: (name: string) => string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "perdure-anchor-"));
  return {
    path,
    file: name => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Resolves when it holds; rejects with what was waited for. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`this did not come: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
