// A large topic in a page. In a file of its own, so that it runs beside the one in Node.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
const text = at => `${at} `.padEnd(120, "and so on, ");

test("a topic of 100,000 messages in Chromium opens and shows its newest", { timeout: 600_000 }, async () => {
  const types = { ".js": "text/javascript", ".wasm": "application/wasm" };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://here").pathname;
    if (path === "/")
      return void response
        .writeHead(200, { "content-type": "text/html" })
        .end("<!doctype html><title>large</title><link rel=icon href=data:,>");
    const body = await readFile(join(dist, path)).catch(() => undefined);
    response
      .writeHead(body === undefined ? 404 : 200, { "content-type": types[extname(path)] ?? "application/octet-stream" })
      .end(body);
  });
  await new Promise(resolve => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const executable = process.env.PERDURE_CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({
    ...(existsSync(executable) ? { executablePath: executable } : {}),
    args: ["--no-sandbox"],
  });
  try {
    const page = await browser.newPage();
    const address = `http://localhost:${server.address().port}/`;
    const run = amount =>
      page.evaluate(async wanted => {
        const { openPeer: open } = await import("/index.js");
        const began = performance.now();
        const peer = await open({ app: "large" });
        const topic = await peer.topic("all of it");
        const newest = await new Promise(resolve => {
          topic.latest(50).subscribe(shown => {
            if (!shown.loading) resolve(shown.messages.at(-1)?.value);
          });
        });
        const ms = performance.now() - began;
        for (let from = topic.status.current.length; from < wanted; from += 1_000) {
          await topic.appendAll(Array.from({ length: 1_000 }, (_, at) => `${from + at} `.padEnd(120, "and so on, ")));
        }
        const took = performance.now() - began;
        await peer.close();
        return { ms, took, newest };
      }, amount);
    await page.goto(address);
    console.log(`100000: appended in ${Math.round((await run(100_000)).took)} ms`);
    await page.reload();
    const { ms, newest } = await run(0);
    console.log(`100000: the newest 50 shown ${Math.round(ms)} ms after openPeer`);
    assert.equal(newest, text(99_999));
  } finally {
    await browser.close();
    server.close();
  }
});
