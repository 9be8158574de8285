// The demo's files, and a switch for its anchor. Only pages of this address may use the switch, and only under an address of this
// machine is anything served: whoever points a name of theirs here gets nothing.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { StaticFiles, targetOf } from "./files.js";
import type { Secrets } from "./secrets.js";
import { explain } from "./server.js";

/** What can be switched. */
export interface Switched {
  readonly url: string;
  readonly running: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export class DemoServer {
  /** The link of the room of real messages. */
  room: string | undefined;
  readonly #pages: StaticFiles;
  readonly #package: StaticFiles;
  readonly #anchor: Switched;
  readonly #server = createServer(
    (request, response) => void this.#answer(request, response).catch(() => response.destroy()),
  );

  private constructor(pages: StaticFiles, all: StaticFiles, anchor: Switched) {
    this.#pages = pages;
    this.#package = all;
    this.#anchor = anchor;
  }

  /** Rejects if the pages are not there, or if a secret lies among them. */
  static async of(pages: string, secrets: Secrets, anchor: Switched): Promise<DemoServer> {
    if (!existsSync(join(pages, "index.html")))
      throw new Error(`The demo's pages are not in ${pages}. In a clone, run: npm run build`);
    return new DemoServer(
      await StaticFiles.in(pages, secrets),
      await StaticFiles.in(join(pages, ".."), secrets),
      anchor,
    );
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** On loopback; on another port if that one is taken, unless it must be that. */
  async listen(port: number, must: boolean): Promise<void> {
    const listen = (at: number): Promise<void> =>
      new Promise((resolve, reject) => {
        this.#server.once("error", reject).listen(at, "127.0.0.1", () => resolve());
      });
    await listen(port).catch((error: unknown) => {
      if (must || port === 0) throw explain(error, "127.0.0.1", port);
      return listen(0);
    });
    for (const warming of [this.#pages.warm(), this.#package.warmOne("/perdure.wasm")]) warming.catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#pages.close();
    if (!this.#server.listening) return;
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = request.headers.host ?? "";
    if (![`127.0.0.1:${this.port}`, `localhost:${this.port}`].includes(host))
      return end(response, 403, "This is served to this machine only.\n");
    const { path } = targetOf(request);
    if (path === "/anchor") return this.#switch(request, response, host);
    if (request.method !== "GET" && request.method !== "HEAD")
      return end(response, 405, "There are only files here.\n");
    response.setHeader("x-content-type-options", "nosniff").setHeader("x-frame-options", "SAMEORIGIN");
    const file = await this.#pages.find(path);
    if (file !== undefined && extname(file) === ".html") {
      response
        .writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" })
        .end(this.#told(await readFile(file, "utf8")));
      return;
    }
    // The package holds its .wasm once, one folder up.
    const files = file === undefined && path === "/perdure.wasm" ? this.#package : this.#pages;
    await files.answer(request, response);
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
      if (run === undefined) return end(response, 400, 'It takes { "run": true } or { "run": false }.\n');
      await (run ? this.#anchor.start() : this.#anchor.stop());
    }
    response
      .writeHead(200, { "content-type": "application/json", "cache-control": "no-store" })
      .end(JSON.stringify({ running: this.#anchor.running }));
  }

  /** The page with what only this server knows: the page reads it, and misses nothing where there is none. */
  #told(html: string): string {
    const known = JSON.stringify({
      anchor: this.#anchor.url,
      running: this.#anchor.running,
      ...(this.room === undefined ? {} : { room: this.room }),
    });
    const escaped = known.replace(/[&"<>]/g, sign => `&#${sign.charCodeAt(0)};`);
    return html.replace("<head>", () => `<head>\n  <meta name="perdure-demo" content="${escaped}">`);
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
