// A page that opens engines as openPeer does.

import type { CallBody } from "../../../web/src/engine/boundary.js";
import type { Engine, EngineInfo } from "../../../web/src/engine/engine.js";
import { browserEngine } from "../../../web/src/host/browser.js";
import { openIndexedDb } from "../../../web/src/store/indexeddb.js";
import type { PeerOptions } from "../../../web/src/base/types.js";

let tags = 0;
const prefix = crypto.getRandomValues(new Uint8Array(8));

/** An append that no other is like. */
function append(): CallBody {
  const tag = new Uint8Array(16);
  tag.set(prefix);
  new DataView(tag.buffer).setUint32(8, ++tags);
  return { kind: "Append", topic: 7, tag, ops: [] };
}

/** What the core was asked, and how many rows there are. */
async function digest(engine: Engine): Promise<{ asked: string[]; rows: number }> {
  const reply = await engine.call({ kind: "GetDigest", topic: 7 });
  if (reply.kind !== "Text") throw new Error(reply.kind);
  return JSON.parse(reply.text) as { asked: string[]; rows: number };
}

/** Resolves once the digest is so. */
async function until(engine: Engine, holds: (found: { asked: string[]; rows: number }) => boolean): Promise<string[]> {
  for (;;) {
    const found = await digest(engine);
    if (holds(found)) return found.asked;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Resolves once the engine's info is so. */
function untilInfo(engine: Engine, holds: (info: EngineInfo) => boolean): Promise<EngineInfo> {
  return new Promise(resolve => {
    const look = (info: EngineInfo): void => {
      if (holds(info)) {
        stop();
        resolve(info);
      }
    };
    const stop = engine.onInfo(look);
    look(engine.info());
  });
}

/** The code and the text of the error that it rejects with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return `${String(Reflect.get(Object(error), "code"))}: ${error instanceof Error ? error.message : String(error)}`;
  }
  throw new Error("it was not refused");
}

const tools = {
  open: (options: Partial<PeerOptions> = {}): Promise<Engine> =>
    browserEngine({ app: "test", worker: "/worker.js", rtc: false, ...options }),
  append,
  digest,
  until,
  untilInfo,
  refusal,
  openIndexedDb,
};
declare global {
  interface Window {
    tabs: typeof tools;
    engine: Engine;
    results: Promise<unknown>;
  }
}
window.tabs = tools;
