// The workers that lie beside the bundles in the package. perdure/inline has inside/worker.ts in the place of this.

/** Starts the worker of the package, or the one that has SQLite in it. Throws a SecurityError where the package comes from another
 *  origin than the page. Bundlers know this form, and only this one; webpack puts workers of one name into one file. */
export function startOwnWorker(withSqlite: boolean): Worker {
  return withSqlite
    ? new Worker(new URL("./worker-opfs.js", import.meta.url), { type: "module", name: "perdure-opfs" })
    : new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "perdure" });
}

/** Its address, put together so that bundlers do not take it for one more file. */
export function ownWorkerUrl(withSqlite: boolean): string {
  return import.meta.url.replace(/[^/]*$/, withSqlite ? "worker-opfs.js" : "worker.js");
}
