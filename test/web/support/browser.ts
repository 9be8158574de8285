// Real Chromium for tests.
//
//     await using browser = await openBrowser();
//     const page = await browser.page(server.url);
//     await page.evaluate(() => …);
//
// The system's Chromium where there is one (or where PERDURE_CHROMIUM points), else the one Playwright has downloaded.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { chromiumArgs } from "../../../web/src/testing/browsers.js";

export interface BrowserOptions {
  /** A folder with the profile of an earlier run. Default: a fresh one, deleted afterwards. */
  readonly profile?: string;
  readonly args?: readonly string[];
  /** Arguments of Playwright that are left out. */
  readonly without?: readonly string[];
}

export interface TestBrowser extends AsyncDisposable {
  readonly context: BrowserContext;
  /** What pages have said on their consoles, and errors nobody caught. */
  readonly said: readonly string[];
  /** A new tab at that address, loaded. */
  page(url: string): Promise<Page>;
  /** Closes the browser in good order. */
  close(): Promise<void>;
  /** Ends it as SIGKILL does; the profile stays if it was given. */
  kill(): Promise<void>;
}

/** Starts a browser of its own. Rejects if there is none, and says what to install. */
export async function openBrowser(options: BrowserOptions = {}): Promise<TestBrowser> {
  const profile = options.profile ?? mkdtempSync(join(tmpdir(), "perdure-profile-"));
  const executable = process.env["PERDURE_CHROMIUM"] ?? "/usr/bin/chromium";
  const context = await chromium
    .launchPersistentContext(profile, {
      ...(existsSync(executable) ? { executablePath: executable } : {}),
      headless: true,
      args: [...chromiumArgs, ...(options.args ?? [])],
      ignoreDefaultArgs: [...(options.without ?? [])],
      permissions: ["camera", "microphone"],
    })
    .catch((error: unknown) => {
      throw new Error("Chromium did not start. Install it with: apt-get install chromium", { cause: error });
    });
  const said: string[] = [];
  const listen = (page: Page): void => {
    page.on("console", message => said.push(message.text()));
    page.on("pageerror", error => said.push(String(error)));
  };
  context.pages().forEach(listen);
  context.on("page", listen);
  const gone = (): void => {
    if (options.profile === undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  const close = async (): Promise<void> => {
    await context.close();
    gone();
  };
  return {
    context,
    said,
    close,
    page: async url => {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
    kill: async () => {
      const ended = new Promise<void>(resolve => context.once("close", () => resolve()));
      await killProcess(context);
      await ended;
      gone();
    },
    [Symbol.asyncDispose]: close,
  };
}

// The browser itself says which process it is.
async function killProcess(context: BrowserContext): Promise<void> {
  const session = await context.browser()?.newBrowserCDPSession();
  if (session === undefined) throw new Error("this browser does not tell its process");
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const main = processInfo.find(process => process.type === "browser");
  if (main === undefined) throw new Error("this browser does not tell its process");
  process.kill(main.id, "SIGKILL");
}
