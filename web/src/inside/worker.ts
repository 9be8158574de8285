// What perdure/inline has in place of beside/worker.ts.

/** The worker's script, whole: web/build.mjs puts it here. */
declare const PERDURE_WORKER: string;

let blob: string | undefined;

/** Starts the worker from a Blob. There is none with SQLite in it: it refuses, and says what to do. */
export function startOwnWorker(): Worker {
  return new Worker(ownWorkerUrl(), { type: "module", name: "perdure" });
}

export function ownWorkerUrl(): string {
  return (blob ??= URL.createObjectURL(new Blob([PERDURE_WORKER], { type: "text/javascript" })));
}
