// Makes web/demo/screenshot.png, the README's picture of the stage: a cut that has healed, and one card with two versions.
//
//   npm run screenshot
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const at = path => fileURLToPath(new URL(path, import.meta.url));
const data = mkdtempSync(join(tmpdir(), "perdure-picture-"));
const demo = spawn(process.execPath, [at("../../dist/cli.js"), "demo", "--data", data], {
  stdio: ["ignore", "pipe", "inherit"],
});
const browser = await chromium.launch({
  executablePath: process.env.PERDURE_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--disable-features=WebRtcHideLocalIpsWithMdns"],
});
try {
  const url = await new Promise((resolve, reject) => {
    demo.stdout.setEncoding("utf8").on("data", text => {
      const found = /side by side:\s+(\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    demo.on("close", () => reject(new Error("the demo has ended")));
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  await page.goto(url);
  const [ann, ben] = ["left", "right"].map(id => page.frameLocator(`#${id} iframe`));
  const joined = () =>
    page.waitForFunction(() => document.querySelector("#cable-label").textContent.startsWith("webrtc"));
  const says = async (who, text, other) => {
    await who.locator("#text:enabled").fill(text);
    await who.locator("#text").press("Enter");
    await other?.locator("#messages p", { hasText: text }).waitFor();
  };
  await joined();
  await says(ann, "Cake on Friday, who brings what?", ben);
  await says(ben, "I bring plates. No server in between, by the way.", ann);
  await page.click("#cable");
  await says(ann, "The train has no network, I keep writing");
  await says(ben, "So do I, and nothing gets lost");
  for (const [who, text] of [
    [ann, "Lemon cake"],
    [ben, "Carrot cake"],
  ]) {
    await who.locator(".card textarea").fill(text);
    await who.locator(".card textarea").press("Enter");
  }
  await page.click("#cable");
  await joined();
  for (const who of [ann, ben]) await who.locator(".version").nth(1).waitFor();
  await ann.locator(".where", { hasText: "here · Ben · anchor" }).nth(1).waitFor();
  await ben.locator(".where", { hasText: "here · Ann · anchor" }).nth(1).waitFor();
  await page.mouse.move(640, 700);
  await page.evaluate(() => document.activeElement.blur());
  // The round trip of a machine that is busy with starting a browser is no figure: wait for one that is not.
  await page
    .waitForFunction(() => /· [1-5] ms/.test(document.querySelector("#cable-label").textContent), null, {
      timeout: 60_000,
    })
    .catch(() => undefined);
  await page.screenshot({ path: at("screenshot.png") });
  console.log(`web/demo/screenshot.png: ${Math.ceil(statSync(at("screenshot.png")).size / 1_000)} kB`);
} finally {
  await browser.close();
  demo.kill("SIGTERM");
  await new Promise(resolve => demo.once("close", resolve));
  rmSync(data, { recursive: true, force: true });
}
