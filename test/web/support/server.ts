// A static server for the pages of browser tests.
//
//     await using server = await serve({ "/": page, "/page.js": code }, { csp: "default-src 'self'" });
//     await page.goto(server.url);

import { createServer, type Server, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

/** What lies at a path: its content, or a file or folder on the disk. */
export type Content = string | Uint8Array | { readonly file: string } | { readonly folder: string };
export type Site = Readonly<Record<string, Content>>;

export interface ServeOptions {
  /** Content-Security-Policy of every answer. */
  readonly csp?: string;
  /** Further headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly port?: number;
}

export interface SiteServer extends AsyncDisposable {
  readonly url: string; // ends with a slash
  /** Paths asked for, in order. */
  readonly asked: readonly string[];
  /** Puts something at a path or takes it away. */
  put(path: string, content: Content | undefined): void;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
};

/** Serves the site on a free loopback port. A path that ends with a slash and names a folder serves all below it. */
export async function serve(site: Site, options: ServeOptions = {}): Promise<SiteServer> {
  const contents = new Map(Object.entries(site));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://here").pathname);
    asked.push(path);
    answer(contents, path, response, options).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const close = (): Promise<void> => stop(server);
  return {
    url: `http://localhost:${address.port}/`,
    asked,
    put: (path, content) => {
      if (content === undefined) contents.delete(path);
      else contents.set(path, content);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A page that runs one module. */
export function pageOf(script: string, title = "test"): string {
  return `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;
}

async function answer(
  contents: ReadonlyMap<string, Content>,
  path: string,
  response: ServerResponse,
  options: ServeOptions,
): Promise<void> {
  const found = await find(contents, path);
  const headers: Record<string, string> = { "cache-control": "no-store", ...options.headers };
  if (options.csp !== undefined) headers["content-security-policy"] = options.csp;
  if (found === undefined) {
    response.writeHead(404, headers).end("not here");
    return;
  }
  response
    .writeHead(200, { "content-type": types[extname(found.name)] ?? "application/octet-stream", ...headers })
    .end(found.body);
}

async function find(
  contents: ReadonlyMap<string, Content>,
  path: string,
): Promise<{ name: string; body: string | Uint8Array } | undefined> {
  const content = contents.get(path);
  const name = path.endsWith("/") ? "index.html" : path;
  if (content !== undefined) {
    if (typeof content === "string" || content instanceof Uint8Array) return { name, body: content };
    if ("file" in content) return { name: content.file, body: await readFile(content.file) };
  }
  for (const [prefix, folder] of contents) {
    if (typeof folder === "string" || !("folder" in folder) || !path.startsWith(prefix)) continue;
    const file = join(
      folder.folder,
      normalize(`/${path.slice(prefix.length)}`),
      path.endsWith("/") ? "index.html" : "",
    );
    try {
      return { name: file, body: await readFile(file) };
    } catch {
      /* look further */
    }
  }
  return undefined;
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
