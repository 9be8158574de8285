// Starts the worker of a page: from its own file, or from a Blob that imports it where the browser takes no script from there.
//
//     const worker = startWorker(options.worker, options.storage === "opfs");

import type { WorkerScript } from "../beside/script.js";
import { ownWorker } from "../beside/worker.js";
import { badArgument, PerdureError } from "../base/errors.js";
import { baseUrl, isOriginless } from "../base/platform.js";
import type { PeerOptions } from "../base/types.js";
import { viteWords } from "../base/words.js";

/** A page that requires Trusted Types allows this policy by its name. It vouches for the package's own scripts alone. */
const policyName = "perdure#worker";

interface Policy {
  createScriptURL(url: string): object;
}
declare const trustedTypes:
  | { createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy }
  | undefined;

/** Throws `wasm-failed` if it cannot be started, and says what helps; `bad-argument` for an address that is none. */
export function startWorker(where: Exclude<PeerOptions["worker"], false>, withSqlite: boolean): Worker {
  const given =
    where === undefined
      ? undefined
      : typeof where === "string" || where instanceof URL
        ? absolute("worker", where)
        : where;
  try {
    const own = given === undefined ? ownWorker(withSqlite) : undefined;
    if (own !== undefined && !("url" in own)) return own;
    const script: WorkerScript = own ?? { url: given ?? "", options: { type: "module", name: "perdure" } };
    // What the app names it has to vouch for itself: else anybody could start any script by way of us.
    const isOurs = own !== undefined;
    try {
      if (isOfOurOrigin(script.url)) return made(script, isOurs);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "SecurityError") throw error;
    }
    // A script of another origin may not be a worker, but a worker may import it.
    return made(
      { url: importer(new URL(String(script.url), baseUrl()).href), options: { name: "perdure" } },
      isOurs || typeof given === "object",
    );
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw /Trusted/.test(said) ? untrusted(given, said) : workerFault(false, said);
  }
}

/** An address that an app has given, whole. Throws bad-argument. */
export function absolute(option: string, url: string | URL): string {
  try {
    return new URL(url, baseUrl()).href;
  } catch {
    throw badArgument(`${option} is no address here: give it whole, as https://… is.`, option);
  }
}

export function workerFault(alive: boolean, said: string | undefined): PerdureError {
  const detail = said === undefined || said === "" ? "" : ` (${said})`;
  if (alive)
    return new PerdureError(
      "wasm-failed",
      `Perdure's worker has stopped. Reload the page, and please report this.${detail}`,
    );
  const sandbox = isOriginless()
    ? "This page has no origin of its own, as in <iframe sandbox>: the worker starts from a Blob there, and what it loads needs Access-Control-Allow-Origin: *. "
    : "";
  return new PerdureError(
    "wasm-failed",
    `Perdure's worker could not be started. ${sandbox}${viteWords(import.meta.url)}If the page has a Content-Security-Policy, allow the script in worker-src; where the package comes ` +
      "from another origin, or is perdure/inline, the worker starts from a Blob: then worker-src needs blob:, too, and that origin. If a bundler has lost the file, copy perdure/worker to " +
      `your static files and give its address in openPeer({ worker }). Or say worker: false to run in the page.${detail}`,
  );
}

function untrusted(given: unknown, said: string): PerdureError {
  const helps =
    given === undefined
      ? `Add ${policyName} to trusted-types in its Content-Security-Policy, or give a TrustedScriptURL in openPeer({ worker })`
      : `Give a TrustedScriptURL in openPeer({ worker }), or leave that option out and add ${policyName} to trusted-types in its Content-Security-Policy`;
  return new PerdureError(
    "wasm-failed",
    `This page requires Trusted Types. ${helps}. Or say worker: false to run in the page. (${said})`,
  );
}

function made({ url, options }: WorkerScript, isOurs: boolean): Worker {
  // The browser takes what stands for an address as one.
  return new Worker((isOurs ? trusted(url) : url) as string, options);
}

let policy: Policy | undefined;

/** What a page that requires Trusted Types takes, if it allows our policy. */
function trusted(url: WorkerScript["url"]): WorkerScript["url"] {
  if (typeof url !== "string" && !(url instanceof URL)) return url;
  try {
    policy ??=
      typeof trustedTypes === "undefined"
        ? undefined
        : trustedTypes.createPolicy(policyName, { createScriptURL: text => text });
  } catch {
    /* it does not: where it requires them, the worker will not start, and that is told */
  }
  return policy?.createScriptURL(String(url)) ?? url;
}

function isOfOurOrigin(url: WorkerScript["url"]): boolean {
  const { protocol, origin } = new URL(String(url), baseUrl());
  return protocol === "blob:" || protocol === "data:" || (origin === globalThis.origin && !isOriginless());
}

// A classic worker, because a page without an origin cannot start a module from a Blob. What comes before the module has loaded is kept for it.
function importer(url: string): string {
  const text = `const kept = [], keep = event => kept.push(event);
addEventListener("message", keep);
import(${JSON.stringify(url)}).then(() => {
  removeEventListener("message", keep);
  for (const { data } of kept) dispatchEvent(new MessageEvent("message", { data }));
}, error => setTimeout(() => { throw error; }));`;
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
