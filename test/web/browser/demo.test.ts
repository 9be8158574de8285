// The demo, told as its sixty seconds.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Frame, Page } from "playwright-core";
import { cableSays, lives, runDemo, says, shows, side, type RunningDemo } from "./demo.js";
import { story } from "./world.js";

const axe = readFileSync(createRequire(join(process.cwd(), "package.json")).resolve("axe-core/axe.min.js"), "utf8");

/** Nothing that keeps anybody out, in the page and its frames. */
async function accessible(page: Page, when: string): Promise<void> {
  for (const frame of page.frames()) {
    await frame.evaluate(axe);
    const found = await frame.evaluate(async () => {
      const run = Reflect.get(window, "axe") as {
        run(
          where: Document,
          options: object,
        ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
      };
      return (await run.run(document, { iframes: false })).violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ""}`).join("; ")}`,
      );
    });
    assert.deepEqual(found, [], `${when}, ${frame.url().replace(/#.*/, "")}`);
  }
}

const card = (frame: Frame) => frame.getByLabel("Text of the card");
const server = (page: Page, state: string): Promise<unknown> =>
  page.waitForFunction(text => document.querySelector("#server-state")?.textContent === text, state);

/** The two on the page, each in a frame. */
interface Stage {
  readonly page: Page;
  readonly ann: Frame;
  readonly ben: Frame;
}

/** Opens once both can write. */
async function stageOn(page: Page): Promise<Stage> {
  const [ann, ben] = await Promise.all([side(page, "left"), side(page, "right")]);
  return { page, ann, ben };
}

async function linked({ page, ann, ben }: Stage): Promise<void> {
  await cableSays(page, /^webrtc · \d+ ms$/);
  await says(ann, "hello Ben");
  await shows(ben, "hello Ben");
  await says(ben, "hello Ann");
  await shows(ann, "hello Ben", "hello Ann");
  await lives(ann, "hello Ben", "here · Ben · anchor");
  await accessible(page, "linked");
}

/** Each changes the card meanwhile. */
async function cut({ page, ann, ben }: Stage): Promise<void> {
  await page.click("#cable");
  for (const frame of [ann, ben])
    await frame.waitForFunction(() => document.querySelector("#state")?.textContent === "offline");
  await says(ann, "alone");
  await lives(ann, "alone", "only here so far");
  await card(ann).fill("Friday");
  await card(ann).press("Enter");
  await ann.waitForFunction(() => document.querySelector("#pending")?.textContent === "2 waiting");
  await card(ben).fill("Saturday");
  await card(ben).press("Enter");
  await cableSays(page, /^cut · 3 waiting$/);
  await shows(ben, "hello Ben", "hello Ann");
}

/** Both versions of the card are there until Ben keeps one. */
async function healed({ page, ann, ben }: Stage): Promise<void> {
  await page.click("#cable");
  await cableSays(page, /^webrtc/);
  await shows(ben, "hello Ben", "hello Ann", "alone");
  for (const frame of [ann, ben])
    assert.deepEqual(
      (await frame.locator(".version p").allTextContents()).sort(),
      await frame.waitForSelector(".version").then(() => ["Friday", "Saturday"]),
    );
  await accessible(page, "two versions of a card");
  await ben.locator(".version", { hasText: "Friday" }).getByRole("button").click();
  await ann.waitForFunction(() => document.querySelectorAll(".version").length === 0);
  assert.equal(await card(ann).inputValue(), "Friday");
}

async function serverStopped({ page, ann, ben }: Stage, { anchorUrl }: RunningDemo): Promise<void> {
  await page.click("#server-switch");
  await server(page, "server stopped");
  await assert.rejects(fetch(`${anchorUrl.replace("ws", "http")}/healthz`));
  await says(ann, "no server");
  await lives(ann, "no server", "here · Ben");
  await shows(ben, "hello Ben", "hello Ann", "alone", "no server");
}

/** With the server still stopped; then it runs again. Resolves with who is on the page then. */
async function reloaded(page: Page): Promise<Stage> {
  await page.reload();
  await server(page, "server stopped");
  const stage = await stageOn(page);
  for (const frame of [stage.ann, stage.ben]) await shows(frame, "hello Ben", "hello Ann", "alone", "no server");
  await cableSays(page, /^webrtc/);
  await page.click("#server-switch");
  await server(page, "server running");
  await lives(stage.ann, "no server", "here · Ben · anchor");
  return stage;
}

/** Cleo follows the link on a page of her own. */
async function invited({ page, ann }: Stage, cleo: Page): Promise<void> {
  await page.click("#invite");
  const link = await page.inputValue("#invitation input");
  await page.waitForSelector("#invitation svg.qr");
  await accessible(page, "the invitation");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click("#invitation .primary");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await cleo.goto(link);
  await shows(cleo, "hello Ben", "hello Ann", "alone", "no server");
  await cleo.waitForFunction(() => document.querySelector<HTMLTextAreaElement>(".card textarea")?.value === "Friday");
  await says(cleo, "me too");
  await shows(ann, "hello Ben", "hello Ann", "alone", "no server", "me too");
}

story(
  "sixty seconds: linked, cut and healed, the server stopped, a reload, an invite",
  async ({ context, folder }) => {
    await using demo = await runDemo(join(folder, "demo"));
    const page = await (await context()).newPage();
    const said: string[] = [];
    page.on("pageerror", error => said.push(String(error)));
    await page.goto(demo.url);
    const stage = await stageOn(page);
    await linked(stage);
    await cut(stage);
    await healed(stage);
    await serverStopped(stage, demo);
    const again = await reloaded(page);
    await invited(again, await (await context()).newPage());
    assert.deepEqual(said, []);
  },
  { timeout: 120_000 },
);

story(
  "two windows that were closed meet again through the anchor, and keep talking when it dies",
  async ({ context, folder }) => {
    const data = join(folder, "demo");
    const [anns, bens] = [await context(), await context()];
    let room: string;
    {
      await using demo = await runDemo(data);
      const page = await anns.newPage();
      await page.goto(`${demo.url}room.html?name=Ann`);
      await says(page, "before we all go");
      await lives(page, "before we all go", "here · anchor");
      room = page.url();
      await page.close();
      assert.equal(await demo.stop(), 0);
    }
    // The ports are those of the last time, so that all addresses still hold.
    await using demo = await runDemo(data);
    assert.equal(new URL(room).origin, new URL(demo.url).origin);
    const ben = await bens.newPage();
    await ben.goto(room);
    await shows(ben, "before we all go");
    const ann = await anns.newPage();
    await ann.goto(room);
    for (const page of [ann, ben])
      await page.waitForFunction(() => /webrtc/.test(document.querySelector("#peers")?.textContent ?? ""));
    const answer = await fetch(`${demo.url}anchor`, {
      method: "POST",
      headers: { origin: demo.url.slice(0, -1), "content-type": "application/json" },
      body: '{"run":false}',
    });
    assert.deepEqual(await answer.json(), { running: false });
    await says(ben, "the anchor is dead");
    await shows(ann, "before we all go", "the anchor is dead");
    await ann.waitForFunction(() => /not reachable/.test(document.querySelector("#anchors")?.textContent ?? ""));
  },
  { timeout: 120_000 },
);

/** Which control has the focus, in whichever frame: "left text". */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const { activeElement } = document;
    if (!(activeElement instanceof HTMLIFrameElement)) return activeElement?.id ?? "";
    const inner = activeElement.contentDocument?.activeElement;
    return `${activeElement.closest("section")?.id ?? ""} ${inner?.id || inner?.getAttribute("aria-label") || inner?.localName || ""}`;
  });

async function tabTo(page: Page, wanted: string, key = "Tab"): Promise<void> {
  const passed: string[] = [];
  for (let step = 0; step < 60; step++) {
    if ((await focused(page)) === wanted) return;
    await page.keyboard.press(key);
    passed.push(await focused(page));
  }
  assert.fail(`${wanted} was not reached by ${key}: ${passed.join(", ")}`);
}

story(
  "the whole story is told by keyboard alone",
  async ({ context, folder }) => {
    await using demo = await runDemo(join(folder, "demo"));
    const page = await (await context()).newPage();
    await page.goto(demo.url);
    const { ann, ben } = await stageOn(page);
    await cableSays(page, /^webrtc/);
    await tabTo(page, "left text");
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await shows(ben, "typed");
    await tabTo(page, "cable");
    await page.keyboard.press("Enter");
    await cableSays(page, /^cut/);
    await tabTo(page, "left Text of the card", "Shift+Tab");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("Ann's");
    await page.keyboard.press("Enter");
    await tabTo(page, "right Text of the card");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("Ben's");
    await page.keyboard.press("Enter");
    await cableSays(page, /^cut · 2 waiting/);
    await tabTo(page, "cable", "Shift+Tab");
    await page.keyboard.press("Space");
    await ben.waitForSelector(".version");
    await tabTo(page, "right Keep this, by Ann");
    await page.keyboard.press("Enter");
    await ann.waitForFunction(
      () => document.querySelectorAll(".version").length === 0 && document.querySelector("textarea")?.value === "Ann's",
    );
    await tabTo(page, "server-switch", "Shift+Tab");
    await page.keyboard.press("Enter");
    await server(page, "server stopped");
    await page.keyboard.press("Enter");
    await server(page, "server running");
    await tabTo(page, "invite", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#invitation[open]");
    await page.keyboard.press("Escape");
    assert.equal(await focused(page), "invite");
  },
  { timeout: 120_000 },
);

story(
  "nothing moves while messages arrive, and all fits in every size and colour scheme",
  async ({ context, folder }) => {
    await using demo = await runDemo(join(folder, "demo"));
    const page = await (await context()).newPage();
    await page.goto(demo.url);
    const { ann, ben } = await stageOn(page);
    await cableSays(page, /^webrtc/);
    for (const frame of [page.mainFrame(), ann, ben]) {
      await frame.evaluate(() => {
        const moved: string[] = [];
        Reflect.set(window, "moved", moved);
        new PerformanceObserver(list => {
          for (const entry of list.getEntries())
            moved.push(
              ...(Reflect.get(entry, "sources") as { node?: Element }[]).map(
                ({ node }) => `${node?.nodeName} ${node?.parentElement?.outerHTML.slice(0, 200)}`,
              ),
            );
        }).observe({ type: "layout-shift" });
      });
    }
    const texts = Array.from({ length: 40 }, (_, at) => `message ${at}${" and more of it".repeat(at % 7)}`);
    for (const text of texts) await says(ann, text);
    await shows(ben, ...texts);
    await lives(ann, texts.at(-1) ?? "", "here · Ben · anchor");
    for (const frame of [page.mainFrame(), ann, ben])
      assert.deepEqual(await frame.evaluate(() => Reflect.get(window, "moved") as string[]), []);

    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const width of [360, 768, 1440]) {
        await page.setViewportSize({ width, height: 800 });
        for (const frame of page.frames())
          assert.ok(
            await frame.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
            `no scrolling sideways at ${width} px`,
          );
        await ben.click("[data-shows=people]");
        await accessible(page, `${colorScheme}, ${width} px`);
      }
    }
  },
  { timeout: 120_000 },
);

story(
  "a room of real messages: the newest stand at once, one can scroll to the first, the board shows the files",
  async ({ context, folder }) => {
    const history = join(folder, "history.jsonl.gz");
    const commits = Array.from({ length: 900 }, (_, at) => ({
      author: at % 37,
      time: 1_500_000_000 + at * 3_600,
      text: `change ${at}`,
      paths: [`src/file${at % 120}.cpp`],
    }));
    writeFileSync(history, gzipSync(commits.map(commit => JSON.stringify(commit)).join("\n")));
    await using demo = await runDemo(join(folder, "demo"), ["--history", history]);
    const page = await (await context()).newPage();
    await page.goto(demo.room);
    await page.waitForFunction(() => document.querySelector("#count")?.textContent === "900 messages");
    await page.waitForFunction(() =>
      document.querySelector("#messages li:last-child")?.textContent?.includes("change 899"),
    );
    assert.match((await page.textContent("#messages li:last-child")) ?? "", /Author 12.*2017/);

    // Up to the first, page by page; never more than some hundreds on the page.
    await page.focus("#scroll");
    while ((await page.textContent("#messages li:first-child p")) !== "change 0") {
      assert.ok((await page.locator("#messages li").count()) <= 300);
      await page.keyboard.press("PageUp");
    }
    await page.keyboard.press("End");
    await page.waitForFunction(() => document.querySelector("#messages li:last-child p")?.textContent === "change 899");
    await page.keyboard.press("Home");
    await page.waitForFunction(() => document.querySelector("#messages li:first-child p")?.textContent === "change 0");

    const files = page.locator(".file");
    await page.waitForFunction(
      () =>
        document.querySelectorAll(".file").length === 40 &&
        /8 changes, last by Author/.test(document.querySelector(".file")?.textContent ?? ""),
    );
    for (const count of [80, 120]) {
      await page.click("#more-files");
      await page.waitForFunction(wanted => document.querySelectorAll(".file").length === wanted, count);
    }
    await page.fill("#prefix", "src/file11");
    await page.waitForFunction(() => document.querySelectorAll(".file").length === 11);
    assert.match((await files.first().textContent()) ?? "", /^src\/file11\.cpp/);
    await accessible(page, "the room of real messages");

    // Coming back, the newest are the first that is seen, from the own disk.
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("#messages li").length > 0);
    assert.deepEqual(
      await page.locator("#messages li p").allTextContents(),
      commits.slice(-50).map(({ text }) => text),
    );
  },
  { timeout: 120_000 },
);
