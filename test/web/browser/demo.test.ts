// The demo, as `npm start` shows it: two windows.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { projectRoot } from "../support/bundle.js";
import { story } from "./world.js";

/** Serves the demo with an anchor until disposed of. */
async function serveDemo(data: string): Promise<AsyncDisposable & { readonly link: string }> {
  const child = spawn(process.execPath, [join(projectRoot, "web/demo/serve.mjs"), "--data", data], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let said = "";
  const link = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const found = /http:\/\/\S+\/\?anchor=\S+/.exec(said)?.[0];
      if (found !== undefined) resolve(found);
    });
    ended.then(() => reject(new Error(`the demo has ended: ${said}`)), reject);
  });
  return { link, [Symbol.asyncDispose]: async () => { child.kill("SIGTERM"); await ended; } };
}

const shows = (page: Page, ...texts: string[]): Promise<unknown> =>
  page.waitForFunction(wanted => wanted.every(text => document.querySelector("#messages")?.textContent?.includes(text)), texts);

async function says(page: Page, text: string): Promise<void> {
  await page.fill("#text:not([disabled])", text);
  await page.click("#say button");
}

story("the link that npm start prints leads to a page that two windows chat on over WebRTC, and that survives a reload", async ({ context, folder }) => {
  await using demo = await serveDemo(join(folder, "demo.db"));
  const said: string[] = [];
  const window = async (address: string): Promise<Page> => {
    const browser = await context();
    const page = await browser.newPage();
    page.on("console", message => said.push(message.text()));
    page.on("pageerror", error => said.push(String(error)));
    await page.goto(address);
    return page;
  };
  const ann = await window(demo.link);
  await says(ann, "hello from the first window");
  const ben = await window(ann.url());
  await shows(ben, "hello from the first window");
  await says(ben, "and back");
  await shows(ann, "hello from the first window", "and back");
  for (const page of [ann, ben]) await page.waitForFunction(() => /webrtc/i.test(document.querySelector("#peers")?.textContent ?? ""));
  // Who has no name goes by what its own page shows.
  const shown = await ben.textContent("#id");
  await ann.waitForFunction(id => document.querySelector("#peers")?.textContent?.includes(id), shown?.slice(0, 8) ?? "");
  await ben.reload();
  await shows(ben, "hello from the first window", "and back");
  assert.deepEqual(said, []);
});
