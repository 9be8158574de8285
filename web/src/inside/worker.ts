// What perdure/inline has in place of beside/worker.ts.

import type { WorkerScript } from "../beside/script.js";

/** The worker's script, whole: web/build.mjs puts it here. It imports nothing, so that it may be a classic one. */
declare const PERDURE_WORKER: string;

let blob: string | undefined;

/** From a Blob. There is none with SQLite in it: it refuses, and says what to do. */
export function ownWorker(): WorkerScript {
  blob ??= URL.createObjectURL(new Blob([PERDURE_WORKER], { type: "text/javascript" }));
  return { url: blob, options: { name: "perdure" } };
}
