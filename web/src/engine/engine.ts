// What the API objects talk to: a Driver in the same thread, or a proxy to the tab that runs the core.
import type { CallBody, Notice, ReplyBody } from "./boundary.js";
import type { PeerStatus } from "../base/types.js";
import type { ErrorData } from "../base/errors.js";
import { randomBytes } from "../base/platform.js";

/** One running peer, seen from one of its users. */
export interface Engine {
  /** The device's public key, 64 hex digits. */
  readonly id: string;
  /** Rejects with a PerdureError, or with signal.reason (then the core forgets the call). */
  call(body: CallBody, options?: { signal?: AbortSignal }): Promise<ReplyBody>;
  /** The latest notice of each kind (and topic, and device) is told again to a new listener, at once. */
  onNotice(listener: (notice: Notice) => void): () => void;
  /** How it runs: which tab, which storage. A new object when something changed. */
  info(): EngineInfo;
  onInfo(listener: (info: EngineInfo) => void): () => void;
  /** Resolves when everything accepted is on disk. Twice is harmless. */
  close(): Promise<void>;
}

export interface EngineInfo {
  /** The short form of the device's id. */
  readonly shortId: string;
  readonly tab: "leader" | "follower";
  readonly storage: PeerStatus["storage"];
  /** What the shim has to tell beside the core. */
  readonly trouble: readonly ErrorData[];
  /** How often somebody has asked to be online since this core runs. */
  readonly onlines?: number;
}

/** What the API objects need of the thread they live in: functions that can be handed on. Tests put a virtual one in its place. */
export interface Surroundings {
  /** Runs once, before the next frame is painted, or soon where nothing is painted. */
  readonly frame: (run: () => void) => void;
  /** Fresh random bytes. */
  readonly random: (size: number) => Uint8Array;
}

/** Those of a page, a worker or Node. */
export const surroundings: Surroundings = {
  frame(run) {
    if (typeof requestAnimationFrame !== "function") {
      setTimeout(run, 16);
      return;
    }
    // A hidden page paints nothing, and its frames never come.
    const once = (): void => {
      cancelAnimationFrame(painted);
      clearTimeout(hidden);
      run();
    };
    const painted = requestAnimationFrame(once);
    const hidden = setTimeout(once, 100);
  },
  random(size) {
    // Some ahead: asking the system takes longer than the rest of what an append does here.
    if (ahead.length < size) ahead = randomBytes(Math.max(size, 1024));
    const bytes = ahead.slice(0, size);
    ahead = ahead.subarray(size);
    return bytes;
  },
};

let ahead = new Uint8Array(0);
