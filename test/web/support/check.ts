// The few checks of suites that run in Node and in browsers alike.

/** Throws unless it holds. */
export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`not so: ${what}`);
}

/** Throws unless both read the same; byte arrays read as their numbers. */
export function same(found: unknown, wanted: unknown, what = ""): void {
  const [a, b] = [show(found), show(wanted)];
  if (a !== b)
    throw new Error(`${what === "" ? "" : `${what}: `}found ${a.slice(0, 2000)}, wanted ${b.slice(0, 2000)}`);
}

/** The code of the PerdureError that the promise rejects with. Throws if it does not. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    const code: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
    if (typeof code === "string") return code;
    throw error;
  }
  throw new Error("it was not refused");
}

/** A promise and its ends. */
export function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Uint8Array ? `<${Array.from(inner).join(" ")}>` : inner,
  );
  return text ?? String(value);
}
