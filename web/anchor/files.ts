// Static files of one folder, for GET and HEAD. Nothing outside it is served, whatever the path says and wherever links lead.
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, isAbsolute, join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { badArgument } from "../src/errors.js";
import type { Secrets } from "./secrets.js";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json", ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
  ".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf",
  ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".xml": "application/xml", ".pdf": "application/pdf",
};

interface Found {
  readonly file: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: string;
}

export class StaticFiles {
  readonly #root: string;
  readonly #secrets: Secrets;

  private constructor(root: string, secrets: Secrets) {
    this.#root = root;
    this.#secrets = secrets;
  }

  /** Rejects with bad-argument if there is no such folder, or if a secret lies in it. */
  static async in(folder: string, secrets: Secrets): Promise<StaticFiles> {
    const root = await realpath(folder).catch(() => undefined);
    if (root === undefined || !(await stat(root)).isDirectory()) throw badArgument(`There is no folder ${folder} to serve. Make it, or name another one.`, "serve");
    await secrets.mustLieOutside(root);
    return new StaticFiles(root, secrets);
  }

  /** Answers the request; the path is as the request has it, still encoded, without its query. */
  async answer(request: IncomingMessage, path: string, response: ServerResponse): Promise<void> {
    const found = await this.#find(path);
    if (found === undefined) {
      response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found.\n");
      return;
    }
    if (found === "folder") {
      // One slash: two would name another host.
      response.writeHead(308, { location: `${path.replace(/^\/+/, "/")}/` }).end();
      return;
    }
    const headers = {
      etag: found.etag,
      "last-modified": found.modified,
      // Kept, but asked about each time: names stay the same from one version to the next.
      "cache-control": "no-cache",
    };
    if (matches(request.headers["if-none-match"], found.etag)) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, "content-type": types[extname(found.file).toLowerCase()] ?? "application/octet-stream", "content-length": found.size });
    if (request.method === "HEAD" || found.size === 0) {
      response.end();
      return;
    }
    // No longer than was announced, should the file grow meanwhile.
    await pipeline(createReadStream(found.file, { end: found.size - 1 }), response);
  }

  async #find(path: string): Promise<Found | "folder" | undefined> {
    const parts = partsOf(path);
    if (parts === undefined) return undefined;
    try {
      const wanted = join(this.#root, ...parts, ...(path.endsWith("/") ? ["index.html"] : []));
      const file = await realpath(wanted);
      const inside = relative(this.#root, file);
      // Links that lead out of the folder climb; those that lead to something hidden show its name.
      if (isAbsolute(inside) || isHidden(inside.split(sep))) return undefined;
      const about = await stat(file, { bigint: true });
      if (about.isDirectory()) return path.endsWith("/") ? undefined : "folder";
      if (!about.isFile() || (await this.#secrets.include(about))) return undefined;
      const { size, mtime, mtimeMs } = about;
      return { file, size: Number(size), etag: `"${size.toString(36)}-${mtimeMs.toString(36)}"`, modified: mtime.toUTCString() };
    } catch {
      return undefined;
    }
  }
}

/** The names in a path; undefined if one of them climbs, hides, or is no name at all. */
function partsOf(path: string): string[] | undefined {
  try {
    const parts = path.split("/").filter(part => part !== "").map(decodeURIComponent);
    return parts.some(part => /[/\\\0]/.test(part)) || isHidden(parts) ? undefined : parts;
  } catch {
    return undefined;
  }
}

/** Names that start with a dot, and what lies below them; but for /.well-known, which is made to be asked for (RFC 8615). */
function isHidden(parts: readonly string[]): boolean {
  return parts.some((part, at) => part.startsWith(".") && !(at === 0 && part === ".well-known"));
}

function matches(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(",").some(one => one.trim().replace(/^W\//, "") === etag || one.trim() === "*");
}
