// What pages under test have: the built package as users get it, and ways to wait for what it says.

type Shipped = typeof import("../../../web/src/index.js");
type Peer = import("../../../web/src/index.js").Peer;
type Topic = import("../../../web/src/index.js").Topic;
type View<T> = import("../../../web/src/index.js").View<T>;

declare global {
  interface Window {
    /** Set once the package is loaded; `ready` resolves then. */
    perdure: Shipped;
    ready: Promise<void>;
    peer: Peer;
    topic: Topic;
    /** The view's first value for which it holds; rejects with the last one after ten seconds. */
    until<T>(view: View<T>, holds: (value: T) => boolean, ms?: number): Promise<T>;
    /** The same for values that are asked for. */
    eventually<T>(ask: () => Promise<T> | T, holds: (value: T) => boolean, ms?: number): Promise<T>;
    /** Resolves when the topic's newest messages are these. */
    shows(topic: Topic, ...values: unknown[]): Promise<void>;
    /** All messages in their order. */
    all(topic: Topic): Promise<unknown[]>;
    /** The code of the error that it rejects with; "ok" if it does not. */
    code(promise: Promise<unknown>): Promise<string>;
    /** What a request of IndexedDB answers. */
    done<T>(request: IDBRequest<T>): Promise<T>;
    /** For tests to leave things at. */
    kept: Record<string, unknown>;
  }
}

const patienceMs = 15_000;

function told(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Map ? [...inner] : inner instanceof Error ? String(inner) : inner,
    ) ?? "nothing"
  );
}

window.until = (view, holds, ms = patienceMs) =>
  new Promise((resolve, reject) => {
    const unsubscribe: { run?: () => void } = {};
    let over = false;
    const end = (): void => {
      over = true;
      clearTimeout(timer);
      unsubscribe.run?.();
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`not so: ${String(holds)}; it is ${told(view.current)}`));
    }, ms);
    unsubscribe.run = view.subscribe(value => {
      if (over || !holds(value)) return;
      end();
      resolve(value);
    });
    if (over) unsubscribe.run();
  });

window.eventually = async (ask, holds, ms = patienceMs) => {
  const end = performance.now() + ms;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (performance.now() > end) throw new Error(`not so: ${String(holds)}; it is ${told(value)}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
};

window.shows = async (topic, ...values) => {
  const wanted = told(values);
  await window
    .until(topic.latest(50), ({ messages }) => told(messages.map(({ value }) => value)) === wanted)
    .catch((error: unknown) => {
      throw new Error(`wanted ${wanted}: ${String(error)}`);
    });
};

window.all = async topic => {
  const values: unknown[] = [];
  for await (const { value } of topic.messages()) values.push(value);
  return values;
};

window.code = promise =>
  promise.then(
    () => "ok",
    (error: { code: string }) => error.code,
  );

window.done = request =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

window.kept = {};
// Not bundled: it is the file that users get.
const shipped = "/dist/index.js";
window.ready = import(shipped).then((loaded: Shipped) => {
  window.perdure = loaded;
});
