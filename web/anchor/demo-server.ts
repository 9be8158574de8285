// The demo's files, and a switch for its anchor. Only pages of this address may use the switch, and only under an address of this
// machine is anything served: whoever points a name of theirs here gets nothing.

import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";

/** What can be switched. */
export interface Switched {
  readonly url: string;
  readonly running: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".wasm": "application/wasm", ".svg": "image/svg+xml",
};

export class DemoServer {
  /** The link of the room of real messages. */
  room: string | undefined;
  readonly #pages: string;
  readonly #anchor: Switched;
  readonly #server = createServer((request, response) => void this.#answer(request, response).catch(() => response.destroy()));

  constructor(pages: string, anchor: Switched) {
    if (!existsSync(join(pages, "index.html"))) throw new Error("The demo is not built here.");
    this.#pages = pages;
    this.#anchor = anchor;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get url(): string { return `http://127.0.0.1:${this.port}/`; }

  /** On loopback; on another port if that one is taken, unless it must be that. */
  async listen(port: number, must: boolean): Promise<void> {
    const listen = (at: number): Promise<void> => new Promise((resolve, reject) => {
      this.#server.once("error", reject).listen(at, "127.0.0.1", () => resolve());
    });
    await listen(port).catch((error: unknown) => {
      if (must || port === 0) throw error;
      return listen(0);
    });
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = request.headers.host ?? "";
    if (![`127.0.0.1:${this.port}`, `localhost:${this.port}`].includes(host)) return end(response, 403, "This is served to this machine only.\n");
    const path = (request.url ?? "/").replace(/[?#].*$/, "");
    if (path === "/anchor") return this.#switch(request, response, host);
    if (request.method !== "GET" && request.method !== "HEAD") return end(response, 405, "There are only files here.\n");
    const file = this.#fileOf(path);
    if (file === undefined) return end(response, 404, "Not found.\n");
    const headers = { "content-type": types[extname(file)] ?? "application/octet-stream", "cache-control": "no-cache", "x-content-type-options": "nosniff", "x-frame-options": "SAMEORIGIN" };
    response.writeHead(200, headers);
    if (file.endsWith(".html")) response.end(this.#told(readFileSync(file, "utf8")));
    else createReadStream(file).pipe(response);
  }

  /** GET: whether it runs. POST { "run": … }: starts or ends it, and answers when that is done. */
  async #switch(request: IncomingMessage, response: ServerResponse, host: string): Promise<void> {
    const site = request.headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin") return end(response, 403, "For pages of this address only.\n");
    if (request.method === "POST") {
      // A form of another site cannot send this type, and scripts of another site would have to ask first.
      const own = request.headers.origin === `http://${host}` && request.headers["content-type"] === "application/json";
      if (!own) return end(response, 403, "For pages of this address only.\n");
      const run = await wanted(request);
      if (run === undefined) return end(response, 400, "It takes { \"run\": true } or { \"run\": false }.\n");
      await (run ? this.#anchor.start() : this.#anchor.stop());
    }
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify({ running: this.#anchor.running }));
  }

  /** The page with what only this server knows: the page reads it, and misses nothing where there is none. */
  #told(html: string): string {
    const known = JSON.stringify({ anchor: this.#anchor.url, running: this.#anchor.running, ...(this.room === undefined ? {} : { room: this.room }) });
    const escaped = known.replace(/[&"<>]/g, sign => `&#${sign.charCodeAt(0)};`);
    return html.replace("<head>", () => `<head>\n  <meta name="perdure-demo" content="${escaped}">`);
  }

  #fileOf(path: string): string | undefined {
    try {
      const name = normalize(`/${decodeURIComponent(path)}`);
      // The package holds its .wasm once, one folder up.
      const places = [join(this.#pages, name), ...(name === "/perdure.wasm" ? [join(this.#pages, "..", name)] : [])];
      return places.map(place => (path.endsWith("/") ? join(place, "index.html") : place)).find(place => existsSync(place) && statSync(place).isFile());
    } catch {
      return undefined;
    }
  }
}

function end(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { "content-type": "text/plain; charset=utf-8" }).end(text);
}

async function wanted(request: IncomingMessage): Promise<boolean | undefined> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += String(chunk);
    if (body.length > 100) return undefined;
  }
  try {
    const { run } = JSON.parse(body) as { run?: unknown };
    return typeof run === "boolean" ? run : undefined;
  } catch {
    return undefined;
  }
}
