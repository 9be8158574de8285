import { PerdureError } from "./errors.js";

/** A module that only Node has. Bundlers for pages do not look for it: they would not find it, and some then refuse the whole app. */
export async function importInNode(name: string): Promise<unknown> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name);
}

/** The bytes of a file. Rejects with `wasm-failed`: it is perdure.wasm that is read like this. */
export async function readFileInNode(url: URL): Promise<BufferSource> {
  const { readFile } = (await importInNode("node:fs/promises")) as typeof import("node:fs/promises");
  try {
    return new Uint8Array(await readFile(url));
  } catch (cause) {
    throw new PerdureError("wasm-failed", `${url.href} cannot be read. Give its place in openPeer({ wasm }), as a URL or as bytes.`, { cause });
  }
}
