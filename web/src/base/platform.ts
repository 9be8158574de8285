// Where this runs. What is asked is what cannot be put on: test environments give Node a window and a document, bundlers give pages a `process`.

interface NodeLike {
  readonly versions?: { readonly node?: unknown; readonly nw?: unknown };
  readonly type?: unknown;
  readonly getBuiltinModule?: (name: string) => object;
}

/** In Node, or what is like it; not in a page or a worker, nor in those of a desktop shell, which have Node beside them. */
export const inNode: boolean = isNode((globalThis as { readonly process?: unknown }).process);

function isNode(process: unknown): boolean {
  if (Object.prototype.toString.call(process) !== "[object process]") return false;
  const { versions, type } = process as NodeLike;
  const shell = type === "renderer" || type === "worker" || (versions?.nw !== undefined && "window" in globalThis);
  return typeof versions?.node === "string" && !shell;
}

/** The global of that name; in Node, where a test environment hides it (jsdom's for Jest lacks half of them), what Node's own module holds. */
export function given<K extends keyof typeof globalThis>(
  name: K,
  module: string,
  inside: string = name,
): (typeof globalThis)[K] {
  const known: unknown = Reflect.get(globalThis, name);
  if (known !== undefined || !inNode) return known as (typeof globalThis)[K];
  const { getBuiltinModule } = (globalThis as { readonly process?: unknown }).process as NodeLike;
  return Reflect.get(getBuiltinModule?.(module) ?? {}, inside) as (typeof globalThis)[K];
}

/** Fresh ones. */
export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  return given("crypto", "node:crypto", "webcrypto").getRandomValues(new Uint8Array(size));
}

/** In a page; elsewhere outside Node this is some worker. */
export function inPage(): boolean {
  return typeof document !== "undefined";
}

/** In a service worker, which may load nothing later than at its start. */
export function inServiceWorker(): boolean {
  return "ServiceWorkerGlobalScope" in globalThis;
}

/** A page that is given no origin of its own, as in <iframe sandbox>, and what it starts: nothing is kept there, and no script's origin is its own. */
export function isOriginless(): boolean {
  return globalThis.origin === "null" && location.protocol !== "file:";
}

/** The address that relative ones are meant from. */
export function baseUrl(): string {
  return inPage() ? document.baseURI : location.href;
}

/** Whether this thread can be heard by others of its origin. Some browsers let pages without an origin make no channel. */
export function canBroadcast(): boolean {
  try {
    new BroadcastChannel("perdure").close();
    return true;
  } catch {
    return false;
  }
}
