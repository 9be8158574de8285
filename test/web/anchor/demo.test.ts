// The demo page as it is built, in a real browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { openBrowser } from "../support/browser.js";
import { projectRoot } from "../support/bundle.js";
import { check, same } from "../support/check.js";
import { dist, scratch, startAnchor, until } from "./shipped.js";

const said = (page: Page): Promise<string[]> => page.locator("#messages li p").allTextContents();

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#text:enabled").fill(text);
  await page.press("#text", "Enter");
}

/** The page that has put its invite into its address. */
async function ready(page: Page): Promise<Page> {
  await page.locator("#copy-invite:enabled").waitFor();
  return page;
}

describe("the demo", { timeout: 120_000 }, () => {
  test("two devices chat, share a board, settle a conflict and survive a reload", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0, serve: join(dist, "demo") });
    await using browser = await openBrowser();
    // The page finds the anchor that serves it.
    const ada = await ready(await browser.page(`${anchor.url.replace("ws", "http")}/`));
    check(ada.url().includes("#perdure-"), ada.url());
    await say(ada, "hello");
    const bob = await ready(await browser.page(String(await ada.locator("#second").getAttribute("href"))));
    await until(async () => (await said(bob)).includes("hello"), "the greeting");
    await say(bob, "hello <b>yourself</b>");
    await until(async () => (await said(ada)).length === 2, "the answer");
    same(await said(ada), ["hello", "hello <b>yourself</b>"]);
    await until(async () => /webrtc|relayed|local/.test(String(await ada.textContent("#peers"))), "the other among the peers");
    await until(async () => await ada.locator("#messages .waiting").count() === 0, "nothing is waiting");

    await bob.getByLabel("New card in To do").fill("Write it down");
    await bob.keyboard.press("Enter");
    const card = (page: Page) => page.getByLabel("Text of the card");
    await card(ada).waitFor();
    await ada.getByLabel("Move to Doing").click();
    await until(async () => await bob.locator(".column").nth(1).locator(".card").count() === 1, "the card in the other column");

    // Both write before either hears of the other.
    await Promise.all([card(ada).fill("Write it down today"), card(bob).fill("Write it down in full")]);
    await Promise.all([ada.evaluate(() => (document.activeElement as HTMLElement).blur()), bob.evaluate(() => (document.activeElement as HTMLElement).blur())]);
    await until(async () => await ada.inputValue("textarea") === await bob.inputValue("textarea"), "one winner");
    if (await ada.locator(".version").count() > 0) {
      await ada.locator(".version", { hasText: "in full" }).getByRole("button").click();
      await until(async () => await bob.inputValue("textarea") === "Write it down in full" && await bob.locator(".version").count() === 0, "the version that was kept");
    }

    await ada.reload();
    await ready(ada);
    await until(async () => (await said(ada)).length === 2, "what was said before");
    same(browser.said.filter(line => !/favicon/.test(line)), []);
  });

  test("fits a small screen, and says what is wrong with an invite", async () => {
    await using anchor = await startAnchor({ data: ":memory:", port: 0, serve: join(dist, "demo") });
    await using browser = await openBrowser();
    const base = `${anchor.url.replace("ws", "http")}/`;
    const page = await ready(await browser.page(base));
    for (const width of [360, 768, 1440]) {
      await page.setViewportSize({ width, height: 700 });
      for (const tab of ["board", "people", "chat"]) {
        if (await page.locator("nav").isVisible()) await page.click(`nav [data-shows=${tab}]`);
        check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `no scrolling sideways at ${width} px`);
      }
    }
    const wrong = await browser.page(`${base}?instance=other#perdure-wrong`);
    await wrong.locator("#trouble .banner").waitFor();
    check(/invite|link/i.test(String(await wrong.textContent("#trouble"))), String(await wrong.textContent("#trouble")));
  });

  test("is shown by npm start, until Ctrl-C", async () => {
    using folder = scratch();
    const child = spawn(process.execPath, [join(projectRoot, "web/demo/serve.mjs"), "--data", folder.file("anchor.db")], { stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(child, "close");
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    await until(() => /\/\?anchor=ws:\S+/.test(out), "the link");
    const link = /http:\S+/.exec(out)?.[0] ?? "";
    const page = await fetch(link);
    same([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    same((await fetch(new URL("/perdure.wasm", link))).headers.get("content-type"), "application/wasm");
    same((await fetch(new URL("/..%2f..%2fpackage.json", link))).status, 404);
    same((await fetch(new URL("/%zz", link))).status, 404);
    child.kill("SIGINT");
    await closed;
    same(child.exitCode, 0);
  });
});
