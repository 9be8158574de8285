// What openPeer takes, checked before anything happens.
import { checkKnown, checkOption, checkOptions } from "../base/arguments.js";
import { edgeConfig } from "../engine/config.js";
import { badArgument } from "../base/errors.js";
import { inNode } from "../base/platform.js";
import type { Limits, PeerOptions } from "../base/types.js";

const known = [
  "app",
  "anchors",
  "name",
  "instance",
  "storage",
  "rtc",
  "wasm",
  "worker",
  "limits",
  "signal",
] satisfies (keyof PeerOptions)[];

const limits = ["memoryMB", "storageMB", "links", "idleBytesPerSecond"] satisfies (keyof Limits)[];

/** Throws bad-argument for options that mean nothing here; what is in rtc is tried where connections are made. */
export function checkPeerOptions(options: PeerOptions): void {
  checkNames("openPeer", options, known);
  checkStorage(options.storage);
  if (options.rtc !== undefined && options.rtc !== false && (typeof options.rtc !== "object" || options.rtc === null))
    throw badArgument("rtc must be an RTCConfiguration or false.", "rtc");
  checkWorker(options.worker);
  checkWasm(options.wasm);
  const none = new Uint8Array(32);
  edgeConfig(options, none, none);
  checkKnown("limits", options.limits ?? {}, limits, "limits.");
}

/** What a peer is known by, as the function `what` is given it, which knows those options. */
export function checkNames<T extends Pick<PeerOptions, "app" | "name" | "instance">>(
  what: string,
  options: T,
  names: readonly (keyof T & string)[],
): void {
  if (typeof options !== "object" || options === null)
    throw badArgument(`${what} needs options: ${what}({ app: "the name of your app" }).`);
  checkOptions(what, options, names);
  checkOption("app", options.app);
  if (options.name !== undefined && options.name !== "") checkOption("name", options.name);
  if (options.instance !== undefined) checkOption("instance", options.instance);
}

// A TrustedScriptURL says of itself that it is one.
function checkWorker(worker: unknown = false): void {
  if (
    worker === false ||
    typeof worker === "string" ||
    worker instanceof URL ||
    Object.prototype.toString.call(worker) === "[object TrustedScriptURL]"
  )
    return;
  throw badArgument(
    "worker must be the address of perdure/worker (a text, a URL or a TrustedScriptURL) or false.",
    "worker",
  );
}

function checkWasm(wasm: unknown = ""): void {
  if (typeof wasm === "string" || wasm instanceof URL || wasm instanceof ArrayBuffer || ArrayBuffer.isView(wasm))
    return;
  if (typeof WebAssembly !== "object" || !(wasm instanceof WebAssembly.Module))
    throw badArgument("wasm must be the address, the bytes or the module of perdure.wasm.", "wasm");
}

function checkStorage(storage: PeerOptions["storage"] = "auto"): void {
  const file =
    typeof storage === "object" && storage !== null && typeof storage.file === "string" && storage.file !== "";
  if (!file && storage !== "auto" && storage !== "indexeddb" && storage !== "opfs" && storage !== "memory") {
    throw badArgument('storage must be "auto", "indexeddb", "opfs", "memory" or { file }.', "storage");
  }
  if (inNode && !file && storage !== "memory") {
    throw badArgument(
      'In Node say where to keep things: openPeer({ storage: { file: "peer.db" } }) keeps them, openPeer({ storage: "memory" }) forgets them.',
      "storage",
    );
  }
  if (file) checkKnown("storage", storage, ["file"], "storage.");
  if (!inNode && file)
    throw badArgument('storage: { file } is for Node; a page has "auto", "indexeddb", "opfs" and "memory".', "storage");
}
