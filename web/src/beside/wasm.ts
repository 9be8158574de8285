// perdure.wasm, which lies beside the bundles in the package. perdure/inline has inside/wasm.ts in the place of this.

import { readFileInNode } from "../node-import.js";
import { inNode } from "../platform.js";

/** perdure.wasm in Node, where fetch() reads no files. Elsewhere it has an address. */
export async function ownWasm(): Promise<BufferSource | undefined> {
  if (!inNode) return undefined;
  return readFileInNode(new URL(import.meta.url.replace(/[^/]*$/, "perdure.wasm")));
}

/** Where a page finds it. Bundlers know this form, and bring the file along. None in scripts that do not know where they lie. */
export function ownWasmUrl(): string | undefined {
  try {
    return new URL("perdure.wasm", import.meta.url).href;
  } catch {
    return undefined;
  }
}
