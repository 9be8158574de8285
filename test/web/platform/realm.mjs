// Runs a module of the tests as Jest does under its jsdom environment: in a realm of its own, with a window, and with those globals only that are
// found there.
//
//   node --experimental-vm-modules realm.mjs STORY DIST
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createContext, SourceTextModule, SyntheticModule } from "node:vm";

const [story, dist] = process.argv.slice(2);
// What jest-environment-jsdom leaves: no TextEncoder, setImmediate, MessageChannel, fetch, Response, DecompressionStream, BroadcastChannel, crypto.subtle.
const globals = {
  process,
  Buffer,
  URL,
  URLSearchParams,
  AbortController,
  AbortSignal,
  Event,
  EventTarget,
  queueMicrotask,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  performance,
  console,
  dist,
};
const window = createContext({
  ...globals,
  document: { baseURI: "http://localhost/", visibilityState: "visible" },
  location: new URL("http://localhost/"),
  navigator: { userAgent: "jsdom" },
});
window.window = window.self = window;

const modules = new Map();

async function load(specifier, from) {
  const where = specifier.startsWith("perdure")
    ? resolve(dist, `${specifier.slice(8) || "index"}.js`)
    : specifier.startsWith(".")
      ? resolve(dirname(from), specifier)
      : specifier;
  const known = modules.get(where) ?? make(where);
  modules.set(where, known);
  return known;
}

async function make(where) {
  if (!where.startsWith("/")) {
    const found = await import(where);
    const names = Object.keys(found);
    return new SyntheticModule(
      names,
      function () {
        for (const name of names) this.setExport(name, found[name]);
      },
      { context: window },
    );
  }
  return new SourceTextModule(readFileSync(where, "utf8"), {
    context: window,
    identifier: where,
    initializeImportMeta: meta => {
      meta.url = pathToFileURL(where).href;
    },
    importModuleDynamically: async specifier => linked(await load(specifier, where)),
  });
}

async function linked(module) {
  if (module.status === "unlinked") await module.link((specifier, from) => load(specifier, from.identifier));
  if (module.status === "linked") await module.evaluate();
  return module;
}

await linked(await load(resolve(dirname(fileURLToPath(import.meta.url)), story), ""));
