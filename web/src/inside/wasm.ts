// What perdure/inline has in place of beside/wasm.ts.

import { unpack } from "../unpack.js";

/** perdure.wasm, packed: web/build.mjs puts it here. */
declare const PERDURE_WASM: string;

/** The bytes of perdure.wasm, anywhere. */
export function ownWasm(): Promise<BufferSource> {
  return unpack(PERDURE_WASM);
}

export function ownWasmUrl(): undefined {
  return undefined;
}
