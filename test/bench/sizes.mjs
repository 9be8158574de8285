// How large the files of dist/ are, and which of them a page takes.
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** As it is, with gzip, with brotli. */
export function sizesOf(name) {
  const bytes = readFileSync(`dist/${name}`);
  return [bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length];
}

/** The files that come with that one, without what it imports later, when it needs it. */
function needed(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, other] of readFileSync(`dist/${name}`, "utf8").matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g))
    needed(other, found);
  return found;
}

/** What a page downloads that opens a peer: its own script, and its worker's. */
export function downloaded() {
  return { page: needed("index.js"), worker: needed("worker.js") };
}

/** All of that, and perdure.wasm: what the README states the size of. */
export function arriving() {
  const { page, worker } = downloaded();
  return new Set([...page, ...worker, "perdure.wasm"]);
}
