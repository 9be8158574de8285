// Chromium for the rows that run in pages: one browser with a profile on the disk, one server with what dist/ holds.
//
//     const page = await newPage();                     // in that profile: what it stores is on the disk
//     const stranger = await newPage(await context());  // a browser of its own, which has never been here; what it stores is in memory
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { openBrowser } from "../web/support/browser.ts";
import { bundle } from "../web/support/bundle.ts";
import { pageOf, serve } from "../web/support/server.ts";

let world;

async function make() {
  const relaxed = `
    // Tells of commits before they are on the disk.
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, options) { return transaction.call(this, stores, mode, { ...options, durability: "relaxed" }); };`;
  const server = await serve({
    "/": pageOf("/page.js"),
    ...(await bundle({ page: "../bench/page.mjs" })),
    "/dist/": { folder: "dist" },
    "/relaxed.js": relaxed,
    "/relaxed-worker.js": 'import "/relaxed.js"; import "/dist/worker.js";',
  });
  return { server, browser: await openBrowser() };
}

const opened = () => (world ??= make());

/** What the server has been asked for, so far. */
export const asked = async () => (await opened()).server.asked;

export async function context() {
  const { browser } = await opened();
  return browser.context.browser().newContext({ permissions: ["camera", "microphone"] });
}

export async function newPage(where) {
  const { server, browser } = await opened();
  const page = await (where ?? browser.context).newPage();
  await page.goto(server.url);
  await page.evaluate(() => window.ready);
  return page;
}

const children = [];

/** A server in a process of its own; resolves with the first line that it says. */
export async function started(script, ...args) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const ended = once(child, "close").then(() => {
    throw new Error(`${script} has ended`);
  });
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended]);
  ended.catch(() => undefined);
  return line;
}

export async function closeAll() {
  for (const child of children) child.kill();
  if (world === undefined) return;
  const { server, browser } = await world;
  await browser.close();
  await server.close();
}
