// Where this runs.

/** In Node, or what is like it; not in a page or a worker, not in the page of a desktop shell. */
export const inNode: boolean =
  typeof process === "object" && process !== null && typeof process.versions?.node === "string" && typeof (globalThis as { readonly window?: unknown }).window === "undefined";
