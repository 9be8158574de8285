// Static files of one folder, for GET and HEAD. Nothing outside it is served, whatever the path says and wherever links lead. Which
// file it is is decided here; conditions, ranges and the rest of HTTP are those of @fastify/send.
//
//     const files = await StaticFiles.in("site", new Secrets([]));
//     await files.answer(request, response);
//     files.close();
import { once } from "node:events";
import { ReadStream } from "node:fs";
import { opendir, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { isAbsolute, join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import send from "@fastify/send";
import { badArgument } from "../src/base/errors.js";
import { codingOf, Compressed, type Coding } from "./compressed.js";
import { Lanes } from "./lanes.js";
import type { Secrets } from "./secrets.js";

/** Of what is compressed before anybody asks for it: a page and its package. */
const warmBytesMax = 8 << 20;
const warmEntriesMax = 2_000;
/** Files that are looked for and opened at the same time: between them the links have their turn, however many are asked for at once. As many
 *  as Node has threads for it. */
const looking = 4;

export class StaticFiles {
  readonly #root: string;
  readonly #secrets: Secrets;
  readonly #compressed = new Compressed();
  readonly #lanes = new Lanes(looking);
  #closed = false;

  private constructor(root: string, secrets: Secrets) {
    this.#root = root;
    this.#secrets = secrets;
  }

  /** Rejects with bad-argument if there is no such folder, or if a secret lies in it. */
  static async in(folder: string, secrets: Secrets): Promise<StaticFiles> {
    const root = await realpath(folder).catch(() => undefined);
    if (root === undefined || !(await stat(root)).isDirectory())
      throw badArgument(`There is no folder ${folder} to serve. Make it, or name another one.`, "serve");
    await secrets.mustLieOutside(root);
    return new StaticFiles(root, secrets);
  }

  /** Compresses what pages are likely to ask for, so that nobody has to wait for it. Resolves when that is done. */
  async warm(): Promise<void> {
    let [bytes, entries] = [0, 0];
    // What lies higher comes first.
    const folders = [this.#root];
    for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
      for await (const entry of (await opendir(folder).catch(() => undefined)) ?? []) {
        if (this.#closed || ++entries > warmEntriesMax) return;
        if (entry.isDirectory() && !entry.name.startsWith(".")) folders.push(join(folder, entry.name));
        const file =
          entry.isFile() && shrinks(typeOf(entry.name))
            ? await this.find(urlOf(relative(this.#root, join(folder, entry.name))))
            : undefined;
        const size = file === undefined || file === "folder" ? Infinity : (await stat(file)).size;
        if (typeof file !== "string" || bytes + size > warmBytesMax) continue;
        bytes += size;
        await this.#compressed.of(file, "br");
      }
    }
  }

  /** The same for one file. */
  async warmOne(path: string): Promise<void> {
    const file = await this.find(path);
    if (file !== undefined && file !== "folder") await this.#compressed.of(file, "br");
  }

  /** Nothing is compressed ahead any more. */
  close(): void {
    this.#closed = true;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const opened = await this.#lanes.run(() => this.#open(request, response));
    if (opened === undefined) return;
    const { file, found, type, coding } = opened;
    const { statusCode, stream } = found;
    const headers: OutgoingHttpHeaders = found.headers;
    if (found.type === "file") {
      // Kept, but asked about each time: names stay the same from one version to the next.
      headers["Cache-Control"] = "no-cache";
      if (shrinks(type)) headers["Vary"] = "Accept-Encoding";
      if (statusCode !== 304) headers["Content-Type"] = type;
      const copy = statusCode === 200 && coding !== undefined ? await this.#compressed.of(file, coding) : undefined;
      if (copy !== undefined) {
        stream.destroy();
        response
          .writeHead(200, {
            ...headers,
            "Content-Encoding": coding,
            "Content-Length": copy.length,
            "Accept-Ranges": "none",
          })
          .end(request.method === "HEAD" ? undefined : copy);
        return;
      }
    }
    response.writeHead(statusCode, headers);
    await pipeline(stream, response);
    // It has become shorter meanwhile: whoever waits for the rest must not wait for ever.
    if (stream instanceof ReadStream && stream.bytesRead < Number(headers["Content-Length"])) request.socket.destroy();
  }

  /** What is to be sent; undefined if there is nothing, which is told. */
  async #open(request: IncomingMessage, response: ServerResponse): Promise<Opened | undefined> {
    // Whoever asked has gone while it waited.
    if (request.socket.destroyed) return undefined;
    const { path, query } = targetOf(request);
    const file = await this.find(path);
    if (file === undefined) return notFound(response);
    if (file === "folder") {
      // One slash: two would name another host.
      response.writeHead(308, { location: `${path.replace(/^\/+/, "/")}/${query}` }).end();
      return undefined;
    }
    const type = typeOf(file);
    const taken = shrinks(type) ? codingOf(request.headers["accept-encoding"]) : undefined;
    const since = request.headers["if-range"];
    // Who goes on with what may have come compressed, or by a tag, which is weak here (RFC 9110, 13.1.5), gets all of it once more.
    if (since !== undefined && (taken !== undefined || since.includes('"'))) delete request.headers.range;
    // Parts are parts of the file as it is.
    const coding = request.headers.range === undefined ? taken : undefined;
    const found = await send(request, urlOf(relative(this.#root, file)), {
      root: this.#root,
      index: false,
      dotfiles: "allow",
      cacheControl: false,
      contentType: false,
    });
    const { statusCode, stream } = found;
    if (found.type !== "file" && statusCode !== 412 && statusCode !== 416) return notFound(response);
    // A file that may not be read is none; nothing is promised before.
    if (
      stream instanceof ReadStream &&
      !(await once(stream, "open").then(
        () => true,
        () => false,
      ))
    )
      return notFound(response);
    return { file, found, type, coding };
  }

  /** The file that a path names, still encoded and without its query: where it is in truth. */
  async find(path: string): Promise<string | "folder" | undefined> {
    const parts = partsOf(path);
    if (parts === undefined) return undefined;
    try {
      const file = await realpath(join(this.#root, ...parts, ...(path.endsWith("/") ? ["index.html"] : [])));
      const inside = relative(this.#root, file);
      // Links that lead out of the folder climb; those that lead to something hidden show its name.
      if (isAbsolute(inside) || isHidden(inside.split(sep))) return undefined;
      const about = await stat(file, { bigint: true });
      if (about.isDirectory()) return path.endsWith("/") ? undefined : "folder";
      return about.isFile() && !(await this.#secrets.include(about)) ? file : undefined;
    } catch {
      return undefined;
    }
  }
}

interface Opened {
  readonly file: string;
  readonly found: Awaited<ReturnType<typeof send>>;
  readonly type: string;
  readonly coding: Coding | undefined;
}

/** What a request asks for: the path as it is written, and the query with its question mark. */
export function targetOf(request: IncomingMessage): { readonly path: string; readonly query: string } {
  const [, path = "", query = ""] = /^([^?#]*)(\?[^#]*)?/s.exec(request.url ?? "/") ?? [];
  return { path, query };
}

/** The names in a path; undefined if one of them climbs, hides, or is no name at all. */
function partsOf(path: string): string[] | undefined {
  try {
    const parts = path
      .split("/")
      .filter(part => part !== "")
      .map(decodeURIComponent);
    return parts.some(part => /[/\\\0]/.test(part)) || isHidden(parts) ? undefined : parts;
  } catch {
    return undefined;
  }
}

/** Names that start with a dot, and what lies below them; but for /.well-known, which is made to be asked for (RFC 8615). */
function isHidden(parts: readonly string[]): boolean {
  return parts.some((part, at) => part.startsWith(".") && !(at === 0 && part === ".well-known"));
}

const urlOf = (inside: string): string => `/${inside.split(sep).map(encodeURIComponent).join("/")}`;

function typeOf(file: string): string {
  const type = (send.mime.getType(file) ?? "application/octet-stream").replace(
    "application/javascript",
    "text/javascript",
  );
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

/** Whether compressing such files gains anything. */
function shrinks(type: string): boolean {
  return /^text\/|[/+](json|xml|wasm)$|^font\/[ot]tf$|^image\/(bmp|vnd\.microsoft\.icon)$/.test(type);
}

function notFound(response: ServerResponse): undefined {
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found.\n");
}
