// Real Firefox for tests, driven over WebDriver BiDi.
//
//     await using firefox = await openFirefox();
//     const page = await firefox.page(server.url);
//     await page.evaluate(() => …);

import { existsSync } from "node:fs";
import { launch, type BrowserContext, type Page } from "puppeteer-core";
import { firefoxPrefs } from "../../../web/src/testing/browsers.js";

export interface TestFirefox extends AsyncDisposable {
  /** Another person's browser: its storage is seen by no other context. */
  context(): Promise<BrowserContext>;
  /** A new tab at that address, loaded; in a context of its own unless one is given. */
  page(url: string, context?: BrowserContext): Promise<Page>;
  /** What pages have said on their consoles, and errors nobody caught. */
  readonly said: readonly string[];
}

const places = [process.env["PERDURE_FIREFOX"], "/usr/bin/firefox-esr", "/usr/bin/firefox"];

/** Starts a browser of its own. Rejects if there is none, and says what to install. */
export async function openFirefox(): Promise<TestFirefox> {
  const executablePath = places.find(place => place !== undefined && existsSync(place));
  if (executablePath === undefined)
    throw new Error("Firefox is not there. Install it with: apt-get install firefox-esr");
  const browser = await launch({
    browser: "firefox",
    executablePath,
    headless: true,
    extraPrefsFirefox: { ...firefoxPrefs },
  });
  const said: string[] = [];
  const context = (): Promise<BrowserContext> => browser.createBrowserContext();
  return {
    said,
    context,
    page: async (url, where) => {
      const page = await (where ?? (await context())).newPage();
      page.on("console", message => said.push(message.text()));
      page.on("pageerror", error => said.push(String(error)));
      await page.goto(url);
      return page;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
