// How a page gets its engine: from a dedicated worker, or in its own thread where `worker: false` says so. A worker that opens a peer has it in its
// own thread, too, unless it asks for a worker; it makes no WebRTC connections, which only pages can.
//
//     const engine = await browserEngine({ app: "talkbox" });

import { ownWasm, ownWasmUrl } from "../beside/wasm.js";
import { compileEarly } from "./early.js";
import type { Engine } from "../engine/engine.js";
import { errorOf, PerdureError } from "../base/errors.js";
import { absolute, startWorker, workerFault } from "./launch.js";
import { RtcPage } from "../links/rtc-page.js";
import type { FromPage, RtcPort, ToPage } from "../links/rtc.js";
import { isHidden, watchPage } from "./page.js";
import { inPage, inServiceWorker } from "../base/platform.js";
import { PortEngine, type FromWorker, type ToWorker } from "./port.js";
import type { StartOptions } from "../tabs/start.js";
import { anchorsOf } from "../base/arguments.js";
import { markOf, peerName } from "../base/names.js";
import type { PeerOptions } from "../base/types.js";

/** Resolves when calls can be answered. Rejects with `storage-unavailable`, `outdated`, `insecure-context`, `wasm-blocked` or
 *  `wasm-failed`; the last also if the worker does not start, and then says what helps. */
export async function browserEngine(options: PeerOptions): Promise<Engine> {
  const marker = new StoreMarker(options);
  const start = startOptions({ ...options, ...(await ownWasmOf(options)) }, marker.isSet);
  askToPersist(options);
  return staysHere(options) ? inThread(options, start, marker) : inWorker(options, start, marker);
}

function staysHere({ worker, storage }: PeerOptions): boolean {
  if (worker === false || typeof Worker === "undefined") return true;
  return !inPage() && worker === undefined && storage !== "opfs";
}

async function inThread(options: PeerOptions, start: StartOptions, marker: StoreMarker): Promise<Engine> {
  const compiling = compileEarly(start);
  const [{ runTab }, { takeLead }] = await Promise.all([import("../tabs/run.js"), import("../tabs/lead.js")]).catch(
    notLoaded,
  );
  const listeners = new Set<(message: FromPage) => void>();
  const rtc = start.peer.rtc
    ? new RtcPage(
        message =>
          queueMicrotask(() => {
            for (const listener of [...listeners]) listener(message);
          }),
        { ...rtcConfig(options), move: true },
      )
    : undefined;
  const port: RtcPort | undefined =
    rtc === undefined
      ? undefined
      : {
          post: message => rtc.hear(message),
          listen: listener => {
            listeners.add(listener);
            return () => void listeners.delete(listener);
          },
        };
  const tab = await runTab(start, compiling, port, () => marker.set(), takeLead);
  const unwatch = watchPage(tab, rtc);
  return ended(tab, unwatch);
}

async function inWorker(options: PeerOptions, start: StartOptions, marker: StoreMarker): Promise<Engine> {
  const worker = startWorker(options.worker === false ? undefined : options.worker, options.storage === "opfs");
  const compiling = compileEarly(start);
  const post = (message: ToWorker, transfer: Transferable[] = []): void => worker.postMessage(message, transfer);
  const rtc = start.peer.rtc
    ? new RtcPage((message, transfer) => post({ kind: "rtc", message }, transfer), rtcConfig(options))
    : undefined;
  let unwatch: () => void = () => undefined;
  const end = (): void => {
    unwatch();
    worker.terminate();
  };
  try {
    const engine = engineIn(worker, {
      rtc: message => rtc?.hear(message),
      stored: () => marker.set(),
      ended: () => {
        rtc?.closeAll();
        end();
      },
    });
    post({ kind: "start", options: start });
    void compiling.then(module => post({ kind: "wasm", module }));
    unwatch = watchPage(
      {
        network: online => post({ kind: "network", online }),
        visibility: hidden => post({ kind: "visibility", hidden }),
        goodbye: () => post({ kind: "goodbye" }),
        sleep: () => post({ kind: "sleep" }),
        resumed: () => post({ kind: "resumed" }),
      },
      rtc,
    );
    return await engine;
  } catch (error) {
    end();
    throw error;
  }
}

interface WorkerEvents {
  rtc(message: ToPage): void;
  /** Something is on the disk now. */
  stored(): void;
  /** Of an engine that was resolved with: its worker is not needed any more. */
  ended(): void;
}

/** Resolves with the engine that runs in the worker, once it can be asked. */
function engineIn(worker: Worker, { rtc, stored, ended }: WorkerEvents): Promise<Engine> {
  return new Promise((resolve, reject) => {
    let alive = false;
    let made: PortEngine | undefined;
    worker.onerror = event => {
      event.preventDefault();
      const fault = workerFault(alive, event.message);
      if (made === undefined) reject(fault);
      else made.fail(fault);
    };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      switch (data.kind) {
        case "alive":
          alive = true;
          break;
        case "ready":
          made = new PortEngine(message => worker.postMessage(message), data, ended);
          resolve(made);
          break;
        case "failed":
          reject(errorOf(data.error));
          break;
        case "rtc":
          rtc(data.message);
          break;
        case "stored":
          stored();
          break;
        default:
          made?.hear(data);
      }
    };
  });
}

/** The bytes that perdure/inline has in it; nothing where they lie beside it. */
async function ownWasmOf({ wasm }: PeerOptions): Promise<Pick<PeerOptions, "wasm">> {
  const own = wasm === undefined ? await ownWasm() : undefined;
  return own === undefined ? {} : { wasm: own };
}

function notLoaded(cause: unknown): never {
  const text = inServiceWorker()
    ? "A service worker loads nothing later than at its start. Import perdure/inline there, or let a bundler make one file of it; it runs as long as the browser lets it, and a page runs longer."
    : "A part of Perdure could not be loaded. Serve all files of the package's dist folder side by side, or import perdure/inline.";
  throw new PerdureError("wasm-failed", text, { cause });
}

function startOptions(options: PeerOptions, hadStore: boolean): StartOptions {
  const { app, name, instance, storage, limits, wasm } = options;
  return {
    peer: {
      app,
      anchors: anchorsOf(options.anchors),
      rtc: options.rtc !== false && typeof RTCPeerConnection !== "undefined",
      ...(name === undefined ? {} : { name }),
      ...(instance === undefined ? {} : { instance }),
      ...(storage === undefined ? {} : { storage }),
      ...(limits === undefined ? {} : { limits }),
      ...(wasm === undefined
        ? {}
        : { wasm: typeof wasm === "string" || wasm instanceof URL ? absolute("wasm", wasm) : wasm }),
    },
    wasmUrl: ownWasmUrl(),
    hadStore,
    hidden: isHidden(),
  };
}

function rtcConfig({ rtc }: PeerOptions): { config?: RTCConfiguration } {
  return typeof rtc === "object" ? { config: rtc } : {};
}

function ended(engine: Engine, done: () => void): Engine {
  let closing: Promise<void> | undefined;
  return {
    get id() {
      return engine.id;
    },
    call: (body, options) => engine.call(body, options),
    onNotice: listener => engine.onNotice(listener),
    info: () => engine.info(),
    onInfo: listener => engine.onInfo(listener),
    close: () => (closing ??= engine.close().finally(done)),
  };
}

// Remembers that something was stored here, outside of what may get lost: localStorage is neither part of IndexedDB nor evicted
// with it. Workers cannot reach it, so the page reads it for its own. Where there is none, a loss shows as a new device.
class StoreMarker {
  readonly #key: string;
  readonly isSet: boolean;

  constructor(options: PeerOptions) {
    this.#key = markOf(peerName(options));
    this.isSet = StoreMarker.#try(() => localStorage.getItem(this.#key) === "stored") ?? false;
  }

  set(): void {
    StoreMarker.#try(() => localStorage.setItem(this.#key, "stored"));
  }

  static #try<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch {
      return undefined;
    }
  }
}

// What peers keep for each other should not be evicted first. Not where it would ask the user: that is for the app to do.
function askToPersist({ storage }: PeerOptions): void {
  if (storage === "memory" || "mozInnerScreenX" in globalThis) return;
  globalThis.navigator?.storage?.persist?.().catch(() => false);
}
