// The demo as its users start it, and their hands on its pages.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Frame, Page } from "playwright-core";
import { projectRoot } from "../support/bundle.js";

export interface RunningDemo extends AsyncDisposable {
  readonly url: string;
  readonly anchorUrl: string;
  readonly room: string;
  /** All that it has printed. */
  said(): string;
  /** As Ctrl-C does. Resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** perdure demo, in a process of its own; of another build if one is named. */
export async function runDemo(
  data: string,
  more: readonly string[] = [],
  dist = join(projectRoot, "dist"),
  env = process.env,
): Promise<RunningDemo> {
  const child = spawn(process.execPath, [join(dist, "cli.js"), "demo", "--data", data, ...more], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close");
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", () => {
      if (/Ctrl-C/.test(said)) resolve();
    });
    ended.then(() => reject(new Error(`the demo has ended: ${said}`)), reject);
  });
  const found = (pattern: RegExp): string => pattern.exec(said)?.[1] ?? "";
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null) child.kill("SIGINT");
    await ended;
    return child.exitCode;
  };
  return {
    url: found(/side by side:\s+(\S+)/),
    room: found(/real messages:\s+(http\S+)/),
    anchorUrl: found(/runs at (\S+);/),
    said: () => said,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

/** Texts of the messages on a page. */
export const shows = (page: Page | Frame, ...texts: string[]): Promise<unknown> =>
  page.waitForFunction(wanted => {
    const found = [...document.querySelectorAll("#messages li p")].map(item => item.textContent);
    return wanted.length === found.length && wanted.every((text, at) => text === found[at]);
  }, texts);

export async function says(page: Page | Frame, text: string): Promise<void> {
  await page.fill("#text:not([disabled])", text);
  await page.press("#text", "Enter");
}

/** What stands under the message with that text. */
export const lives = (page: Page | Frame, text: string, where: string): Promise<unknown> =>
  page.waitForFunction(
    ([wanted, place]) =>
      [...document.querySelectorAll("#messages li")].some(
        item => item.querySelector("p")?.textContent === wanted && item.querySelector(".where")?.textContent === place,
      ),
    [text, where],
  );

export const cableSays = (page: Page, pattern: RegExp): Promise<unknown> =>
  page.waitForFunction(
    ([source]) => new RegExp(source ?? "").test(document.querySelector("#cable-label")?.textContent ?? ""),
    [pattern.source],
  );

/** The frame of that side, with its room open. */
export async function side(page: Page, id: "left" | "right"): Promise<Frame> {
  const element = await page.waitForSelector(`#${id} iframe`);
  const frame = await element.contentFrame();
  if (frame === null) throw new Error("no frame");
  await frame.waitForSelector("#text:not([disabled])");
  return frame;
}
