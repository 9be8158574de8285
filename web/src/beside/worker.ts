// The workers that lie beside the bundles in the package. perdure/inline has inside/worker.ts in the place of this.

import type { WorkerScript } from "./script.js";

/** The worker of the package, or the one that has SQLite in it. Only the bundler knows where it has put the file, and it knows only this form, and
 *  only this one; webpack puts workers of one name into one file. So the constructor is overheard: nothing starts yet. A worker where this realm lets
 *  nobody do that. */
export function ownWorker(withSqlite: boolean): WorkerScript | Worker {
  const real = globalThis.Worker;
  const overheard = Reflect.set(
    globalThis,
    "Worker",
    function Overheard(url: WorkerScript["url"], options: WorkerOptions): WorkerScript {
      return { url, options };
    },
  );
  try {
    return withSqlite
      ? new Worker(new URL("./worker-opfs.js", import.meta.url), { type: "module", name: "perdure-opfs" })
      : new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "perdure" });
  } finally {
    if (overheard) globalThis.Worker = real;
  }
}
