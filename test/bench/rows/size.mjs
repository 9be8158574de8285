import { bounded } from "../measure.mjs";
import { downloaded, sizesOf } from "../sizes.mjs";

export const row = {
  name: "size",
  work: "script and WebAssembly that a page downloads, brotli; SQLite, which it does not, not included",
  run() {
    const { page, worker } = downloaded();
    const script = [...new Set([...page, ...worker])].reduce((sum, name) => sum + sizesOf(name)[2], 0);
    const core = sizesOf("perdure.wasm")[2];
    return [
      bounded(script + core, 120_000, { unit: "B", against: `the limit; perdure.wasm ${core} B, script ${script} B` }),
    ];
  },
};
