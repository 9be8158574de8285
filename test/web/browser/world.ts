// The world of the browser tests: one server with what dist/ holds, one Chromium in which every context is another person's
// browser, and anchors in processes of their own.
//
//     story("two people chat", async ({ person, anchor }) => {
//       const { url } = await anchor();
//       const ann = await person({ anchors: [url] });
//       await ann.evaluate(async () => { window.topic = await window.peer.topic("lunch"); });
//     });

import { after, test } from "node:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { PeerOptions } from "../../../web/src/index.js";
import { spawnAnchor, type AnchorProcess } from "../anchor/shipped.js";
import { openBrowser, type TestBrowser } from "../support/browser.js";
import { bundle, projectRoot } from "../support/bundle.js";
import { unpackOlder } from "../support/older.js";
import { pageOf, serve, type Site, type SiteServer } from "../support/server.js";

interface World {
  readonly server: SiteServer;
  readonly browser: TestBrowser;
  readonly engine: Browser;
  readonly folder: string;
  readonly site: Site;
}

export interface Story {
  /** An app that no other test uses. */
  readonly app: string;
  readonly site: Site;
  readonly server: SiteServer;
  readonly browser: TestBrowser;
  /** A browser of one's own: its storage is seen by no other context. */
  context(): Promise<BrowserContext>;
  /** A page with the package loaded and no peer. */
  page(context?: BrowserContext): Promise<Page>;
  /** A page of a new context, or of that one, with its peer open. */
  person(options?: Partial<PeerOptions>, context?: BrowserContext): Promise<Page>;
  /** Its database is deleted when the test is over. */
  anchor(options?: { data?: string; port?: number; more?: readonly string[] }): Promise<AnchorProcess>;
  /** The way to an anchor over a wire of one's own. */
  cable(url: string): Promise<Cable>;
  /** A place for files, deleted when the test is over. */
  readonly folder: string;
}

/** Carries bytes until it is cut; then those on their way are gone, and nobody gets through until it is mended. */
export interface Cable extends AsyncDisposable {
  readonly url: string;
  cut(): void;
  mend(): void;
}

let world: Promise<World> | undefined;
let apps = 0;

after(async () => {
  const made = await world?.catch(() => undefined);
  await made?.browser.close();
  await made?.server.close();
  if (made !== undefined) rmSync(made.folder, { recursive: true, force: true });
});

async function make(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "perdure-world-"));
  // A copy: whoever builds meanwhile does not take it away.
  cpSync(join(projectRoot, "dist"), join(folder, "dist"), { recursive: true });
  const site: Site = {
    "/": pageOf("/page.js"),
    ...(await bundle({ page: "browser/page.ts" })),
    "/dist/": { folder: join(folder, "dist") },
    "/older/": { folder: unpackOlder(join(folder, "older")) },
  };
  const server = await serve(site);
  const browser = await openBrowser();
  const engine = browser.context.browser();
  if (engine === null) throw new Error("this browser has no contexts");
  return { server, browser, engine, folder, site };
}

/** Opens the peer of a page; done again after each reload. */
export async function open(page: Page, options: Partial<PeerOptions> & { app: string }): Promise<void> {
  await page.evaluate(
    async given => {
      await window.ready;
      window.peer = await window.perdure.openPeer(given);
    },
    options as object as PeerOptions,
  );
}

async function layCable(url: string): Promise<Cable> {
  const { hostname, port } = new URL(url);
  const ends = new Set<Socket>();
  let whole = true;
  const server = createServer(near => {
    if (!whole) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(one);
      one.pipe(other);
      one
        .on("error", () => undefined)
        .on("close", () => {
          ends.delete(one);
          other.destroy();
        });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the cable has no port");
  const cut = (): void => {
    whole = false;
    for (const end of ends) end.destroy();
  };
  return {
    url: `ws://127.0.0.1:${address.port}`,
    cut,
    mend: () => {
      whole = true;
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** A test. Whatever it has opened is closed in the end; what went wrong in pages is told with its failure. */
export function story(
  name: string,
  run: (story: Story) => Promise<void>,
  { timeout = 60_000 }: { timeout?: number } = {},
): void {
  test(name, { timeout }, async () => {
    const { server, browser, engine, folder: worldFolder, site } = await (world ??= make());
    const app = `app${++apps}-${process.pid}`;
    const folder = mkdtempSync(join(worldFolder, "story-"));
    const contexts: BrowserContext[] = [];
    const anchors: AnchorProcess[] = [];
    const cables: Cable[] = [];
    const said: string[] = [];
    const cable = async (url: string): Promise<Cable> => {
      const laid = await layCable(url);
      cables.push(laid);
      return laid;
    };
    const context = async (): Promise<BrowserContext> => {
      const made = await engine.newContext({ permissions: ["camera", "microphone"] });
      contexts.push(made);
      return made;
    };
    const page = async (where?: BrowserContext): Promise<Page> => {
      const made = await (where ?? (await context())).newPage();
      made.on("console", message => said.push(message.text()));
      made.on("pageerror", error => said.push(String(error)));
      await made.goto(server.url);
      await made.evaluate(() => window.ready);
      return made;
    };
    const person = async (options: Partial<PeerOptions> = {}, where?: BrowserContext): Promise<Page> => {
      const made = await page(where);
      await open(made, { app, ...options });
      return made;
    };
    const anchor: Story["anchor"] = async ({ data = join(folder, "anchor.db"), port = 0, more = [] } = {}) => {
      const started = await spawnAnchor("--port", String(port), "--data", data, ...more);
      anchors.push(started);
      return started;
    };
    try {
      await run({ app, site, server, browser, folder, context, page, person, anchor, cable });
    } catch (error) {
      if (said.length > 0 && error instanceof Error)
        error.message += `\nThe pages said:\n${said.slice(-20).join("\n")}`;
      throw error;
    } finally {
      await Promise.all(contexts.map(made => made.close()));
      await Promise.all(cables.map(laid => laid[Symbol.asyncDispose]()));
      await Promise.all(anchors.map(started => started.kill("SIGKILL")));
    }
  });
}
