// 0.1.0 as it was packed, and this package, side by side.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "../web/support/until.mjs";
import { install, installFirst } from "./support.mjs";

/** For all tests of a file, once they run: `first` and `here` are what both export, { openPeer, startAnchor, chromiumArgs, … }, and `dist`,
 *  where it lies. `then` runs before the tests, too. */
export function sides(then = () => undefined) {
  const found = { first: undefined, here: undefined };
  const strangers = [];
  const load = async installing => {
    const stranger = await installing;
    strangers.push(stranger);
    const parts = await Promise.all(["index", "anchor", "testing"].map(stranger.load));
    return Object.assign({ dist: stranger.dist }, ...parts);
  };
  before(async () => {
    found.first = await load(installFirst());
    found.here = await load(install());
    await then(found);
  });
  after(() => strangers.forEach(stranger => stranger.remove()));
  return found;
}

/** A test with a folder of its own; what it opened by `open` is closed in the end. */
export function story(name, run) {
  test(name, { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "perdure-beside-"));
    const opened = [];
    const open = async opening => {
      opened.push(await opening);
      return opened.at(-1);
    };
    try {
      await run({ open, file: name => join(folder, name) });
    } finally {
      await Promise.all(opened.map(one => one.close()));
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** What a topic says, in its order. */
export async function texts(topic) {
  const values = [];
  for await (const { value } of topic.messages()) values.push(value);
  return values;
}

/** Resolves when these are among the newest. */
export const shows = (topic, ...wanted) =>
  until(topic.latest(), ({ messages }) => wanted.every(text => messages.some(({ value }) => value === text)));

/** Counts the links to anchors that ended while the peer did not. */
export function watchLinks(peer) {
  let standing = 0,
    lost = 0;
  const leave = peer.status.subscribe(({ links: { websocket } }) => {
    lost += Math.max(0, standing - websocket);
    standing = websocket;
  });
  return () => {
    leave();
    return lost;
  };
}
