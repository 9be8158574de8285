// The page of the store tests: one worker for each request.

type Answer =
  | { kind: "done"; value: unknown }
  | { kind: "failed"; text: string; code?: string }
  | { kind: "make-room" };

declare global {
  interface Window {
    ask(request: object, keep?: boolean): Promise<unknown>;
    makeRoom(): Promise<void>; // the test's
  }
}

window.ask = (request, keep = false) =>
  new Promise((resolve, reject) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onerror = event => reject(new Error(event.message));
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.kind === "make-room") {
        void window.makeRoom().then(() => worker.postMessage({ kind: "room-made" }));
        return;
      }
      if (!keep) worker.terminate();
      if (data.kind === "done") resolve(data.value);
      else reject(new Error(data.code === undefined ? data.text : `[${data.code}] ${data.text}`));
    };
    worker.postMessage(request);
  });

export {};
