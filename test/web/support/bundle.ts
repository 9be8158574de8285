// Bundles entry points of test pages for the browser, into memory.
//
//     const files = await bundle({ page: "store/page.ts", worker: "store/worker.ts" });   // "/page.js", "/worker.js", chunks

import { build, type Plugin } from "esbuild";
import { relative, resolve } from "node:path";

declare global {
  // Set by support/run.mjs: the folder test/web.
  var testRoot: string;
}

/** The folder test/web. */
export const testRoot: string = globalThis.testRoot;
/** The folder of the checkout. */
export const projectRoot = resolve(testRoot, "../..");

export interface BundleOptions {
  readonly define?: Readonly<Record<string, string>>;
  /** Other contents for modules whose import ends so: { "perdure.mjs": "export default …" }. */
  readonly replace?: Readonly<Record<string, string>>;
}

/** ES modules by path, as a Site wants them; entries are named by their keys and are relative to test/web. */
export async function bundle(
  entries: Readonly<Record<string, string>>,
  { define = {}, replace = {} }: BundleOptions = {},
): Promise<Record<string, Uint8Array>> {
  const replaced: Plugin = {
    name: "replaced",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, ({ path }) => {
        const ending = Object.keys(replace).find(name => path.endsWith(name));
        return ending === undefined ? undefined : { path: ending, namespace: "replaced" };
      });
      onLoad({ filter: /./, namespace: "replaced" }, ({ path }) => ({ contents: replace[path] ?? "", loader: "js" }));
    },
  };
  const built = await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, resolve(testRoot, file)])),
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    write: false,
    outdir: "/",
    sourcemap: "inline",
    logLevel: "warning",
    define: { ...define },
    plugins: [replaced],
  });
  return Object.fromEntries(
    built.outputFiles.map(file => [`/${relative("/", file.path).replaceAll("\\", "/")}`, file.contents]),
  );
}
