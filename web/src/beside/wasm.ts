// perdure.wasm, which lies beside the bundles in the package. perdure/inline has inside/wasm.ts in the place of this.

import { readFileInNode } from "../node-import.js";
import { inNode } from "../platform.js";

/** perdure.wasm in Node, where fetch() reads no files. Elsewhere Emscripten's glue knows where it lies and fetches it. */
export async function ownWasm(): Promise<BufferSource | undefined> {
  if (!inNode) return undefined;
  return readFileInNode(new URL(import.meta.url.replace(/[^/]*$/, "perdure.wasm")));
}
