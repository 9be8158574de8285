// Much at once: the page stays free, memory stays flat.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SystemClock } from "../../../web/src/engine/clock.js";
import { edgeConfig } from "../../../web/src/engine/config.js";
import { loadCore, type CoreModule } from "../../../web/src/engine/core.js";
import { Driver } from "../../../web/src/engine/driver.js";
import { nodeWebSocket } from "../../../web/src/host/node.js";
import { makeLinks } from "../../../web/src/links/links.js";
import { PeerHandle } from "../../../web/src/api/peer.js";
import { openSqlite } from "../../../web/src/store/sqlite.js";
import type { View } from "../../../web/src/base/types.js";
import { projectRoot } from "../support/bundle.js";
import { tasksOf } from "../support/tasks.js";
import { story } from "./world.js";

const text = (at: number): string => `${at} `.padEnd(120, "and so on, ");

story(
  "no task of the page takes over 50 ms while 10,000 messages arrive and the newest are shown",
  async ({ person, anchor }) => {
    const { url } = await anchor();
    const ann = await person({ anchors: [url] });
    const ben = await person({ anchors: [url] });
    const link = await ann.evaluate(async () => {
      window.topic = await window.peer.create();
      return window.topic.link(location.href);
    });
    await ben.evaluate(async invite => {
      window.topic = await window.peer.join(invite);
      await window.until(window.topic.status, ({ state }) => state === "live");
      window.topic.latest(50).subscribe(({ messages }) => {
        document.body.replaceChildren(
          ...messages.map(({ value }) => Object.assign(document.createElement("p"), { textContent: value })),
        );
      });
    }, link);
    const tasks = await tasksOf(ben, async () => {
      await ann.evaluate(async last => {
        const value = (at: number): string => `${at} `.padEnd(120, "and so on, ");
        for (let from = 0; from < last; from += 500)
          await Promise.all(Array.from({ length: 500 }, (_, at) => window.topic.append(value(from + at))));
      }, 10_000);
      await ben.evaluate(async () => {
        await window.until(window.topic.status, ({ length }) => length === 10_000, 60_000);
        await window.until(window.topic.latest(50), ({ messages }) =>
          String(messages.at(-1)?.value).startsWith("9999 "),
        );
        await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
      });
    });
    assert.ok((tasks[0] ?? 0) <= 50, `the longest, in ms: ${tasks.slice(0, 5).join(", ")}`);
  },
  { timeout: 120_000 },
);

// ---- memory --------------------------------------------------------------------------------------------------------------------

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

async function peer(app: string, file: string, anchor: string): Promise<{ peer: PeerHandle; module: CoreModule }> {
  const module = await loadCore(readFileSync(join(projectRoot, "dist/perdure.wasm")));
  const seed = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));
  const config = edgeConfig({ app, anchors: [anchor], rtc: false }, seed(), seed());
  const driver = new Driver(
    module.create(config),
    await openSqlite(file),
    makeLinks({ webSocket: await nodeWebSocket() }),
    new SystemClock(),
  );
  await driver.start();
  return { peer: new PeerHandle(driver), module };
}

function until<T>(view: View<T>, holds: (value: T) => boolean): Promise<void> {
  return new Promise(resolve => {
    let stop: (() => void) | undefined;
    let over = false;
    stop = view.subscribe(value => {
      if (over || !holds(value)) return;
      over = true;
      stop?.();
      resolve();
    });
    if (over) stop();
  });
}

story(
  "the memory of the core and of JavaScript stays flat over 100,000 messages after the first 10,000",
  async ({ app, anchor, folder }) => {
    const { url } = await anchor({ more: ["--total-mb", "1024"] });
    const ann = await peer(app, join(folder, "ann.db"), url);
    const ben = await peer(app, join(folder, "ben.db"), url);
    const hers = await ann.peer.topic("lunch");
    const his = await ben.peer.join(await hers.invite());
    const stop = his.latest(50).subscribe(() => undefined);
    const send = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at += 1000) {
        for (let part = at; part < at + 1000; part += 100)
          await hers.appendAll(Array.from({ length: 100 }, (_, next) => text(part + next)));
        await until(his.status, ({ length }) => length >= at);
      }
      await until(his.status, ({ length }) => length === to);
      await until(ann.peer.status, ({ pending }) => pending === 0);
    };
    const measure = (): { wasm: number; js: number } => {
      collect();
      collect();
      return { wasm: ann.module.memoryBytes + ben.module.memoryBytes, js: process.memoryUsage().heapUsed };
    };
    await send(0, 10_000);
    const before = measure();
    await send(10_000, 110_000);
    const after = measure();
    stop();
    const MiB = 1024 * 1024;
    const grown = { wasm: (after.wasm - before.wasm) / MiB, js: (after.js - before.js) / MiB };
    assert.ok(
      Math.abs(grown.wasm) <= 1 && grown.js <= 1,
      `grown by MiB: ${JSON.stringify(grown)}; now ${JSON.stringify(after)}`,
    );
    await Promise.all([ann.peer.close(), ben.peer.close()]);
  },
  { timeout: 150_000 },
);
