// perdure.wasm, fetched and compiled in the page while its worker starts, which takes as long.
//
//     const compiling = compileEarly(start);           // nothing if it fails: then whoever needs it tries again, and says what is wrong

import { leaderLockOf, peerName } from "../base/names.js";
import type { StartOptions } from "../tabs/start.js";

/** Resolves with nothing as well where another tab leads: this one may never need it. Never rejects. */
export async function compileEarly({ peer, wasmUrl }: StartOptions): Promise<WebAssembly.Module | undefined> {
  const { wasm = wasmUrl } = peer;
  if (typeof wasm !== "string") return undefined;
  try {
    const leads = await navigator.locks?.query();
    if (leads?.held?.some(({ name }) => name === leaderLockOf(peerName(peer)))) return undefined;
    const response = await fetch(wasm);
    if (!response.ok) return undefined;
    const typed = response.headers.get("content-type")?.startsWith("application/wasm");
    return await (typed ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer()));
  } catch {
    return undefined;
  }
}
