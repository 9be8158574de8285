// What perdure/inline has in place of beside/wasm.ts.

import { importInNode } from "../base/node-import.js";
import { inNode } from "../base/platform.js";
import { unpack } from "../base/unpack.js";

/** perdure.wasm, packed: web/build.mjs puts it here. */
declare const PERDURE_WASM: string;

/** The bytes of perdure.wasm, anywhere. */
export async function ownWasm(): Promise<BufferSource> {
  const packed = PERDURE_WASM; // named once: each time it is named it is in the bundle
  if (!inNode) return unpack(packed);
  const { gunzipSync } = (await importInNode("node:zlib")) as typeof import("node:zlib");
  return new Uint8Array(gunzipSync(Buffer.from(packed, "base64")));
}

export function ownWasmUrl(): undefined {
  return undefined;
}

/** Nobody asks: the bytes are here. */
export function ownWasmFile(): string {
  return "";
}
