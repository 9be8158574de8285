// What helps is not the same everywhere: who runs in Node has no page to reload and no tab. The core, which does not know where it runs,
// speaks to pages.

import { inNode } from "./platform.js";

const inNodeWords: readonly (readonly [said: RegExp, meant: string])[] = [
  [/reload the page, or close the peer and open it again/gi, "close the peer and open it again"],
  [/reload the page/gi, "close the peer and open it again"],
  [/or reload to take it back/gi, "or close this peer and open it again to take it back"],
  [/reload to run (it too|the newer version)/gi, "update the package perdure to run $1"],
  [/another tab or process/gi, "another process"],
];

/** What helps first where a script came from what Vite bundles ahead, without the files that lie beside it. `url`: of the script or the file. */
export function viteWords(url = ""): string {
  return url.includes("/.vite/")
    ? 'Vite has bundled this package without its files: say optimizeDeps: { exclude: ["perdure"] } in vite.config.js. '
    : "";
}

/** The same in the words of Node, if this is Node. */
export function wordsHere(text: string, node = inNode): string {
  if (!node) return text;
  return inNodeWords.reduce((words, [said, meant]) => words.replace(said, found => asBegun(found, meant, said)), text);
}

function asBegun(found: string, meant: string, said: RegExp): string {
  const words = found.replace(said, meant);
  return /^[A-Z]/.test(found) ? `${words[0]?.toUpperCase() ?? ""}${words.slice(1)}` : words;
}
