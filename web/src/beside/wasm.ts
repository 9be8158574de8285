// perdure.wasm, which lies beside the bundles in the package. perdure/inline has inside/wasm.ts in the place of this.

/** The bytes that the bundle holds: none here. */
export async function ownWasm(): Promise<BufferSource | undefined> {
  return undefined;
}

/** Where a page finds it. Bundlers know this form, and bring the file along. None in scripts that do not know where they lie. */
export function ownWasmUrl(): string | undefined {
  try {
    return new URL("perdure.wasm", import.meta.url).href;
  } catch {
    return undefined;
  }
}

/** Where Node finds it, whose fetch() reads no files; put together so that no bundler takes it for one more. */
export function ownWasmFile(): string {
  return import.meta.url.replace(/[^/]*$/, "perdure.wasm");
}
