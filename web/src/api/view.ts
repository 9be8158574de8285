// Views: one way to listen. Listeners are told at most once a frame, and nothing is fetched while there are none.
import { badArgument, PerdureError } from "../base/errors.js";
import type { Surroundings } from "../engine/engine.js";
import { callEach } from "../engine/notices.js";
import type { View } from "../base/types.js";

interface Listener<T> {
  readonly hear: (value: T) => void;
  told: T;
}

/** Who listens to one changing value, and when they are told. */
class Audience<T> {
  readonly #listeners = new Set<Listener<T>>();
  readonly #read: () => T;
  readonly #frame: Surroundings["frame"];
  #scheduled = false;

  constructor(read: () => T, frame: Surroundings["frame"]) {
    this.#read = read;
    this.#frame = frame;
  }

  get empty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Tells it the value at once. Returns how it leaves. */
  add(hear: (value: T) => void): () => void {
    if (typeof hear !== "function") throw badArgument("subscribe needs a function: view.subscribe(value => { … }).");
    const listener: Listener<T> = { hear, told: this.#read() };
    this.#listeners.add(listener);
    callEach([hear], listener.told);
    return () => void this.#listeners.delete(listener);
  }

  /** The value may have changed: those that have not heard this one are told in the next frame. */
  changed(): void {
    if (this.#scheduled || this.empty) return;
    this.#scheduled = true;
    this.#frame(() => {
      this.#scheduled = false;
      const value = this.#read();
      for (const listener of [...this.#listeners]) {
        if (listener.told === value || !this.#listeners.has(listener)) continue;
        listener.told = value;
        callEach([listener.hear], value);
      }
    });
  }
}

/** A view of what is already at hand: computed when looked at, again after invalidate(). What stays equal keeps its identity. */
export class DerivedView<T> implements View<T> {
  readonly subscribe: View<T>["subscribe"];
  readonly #compute: () => T;
  readonly #audience: Audience<T>;
  #value: { readonly it: T } | undefined;
  #stale = true;

  constructor(compute: () => T, frame: Surroundings["frame"]) {
    this.#compute = compute;
    this.#audience = new Audience(() => this.current, frame);
    this.subscribe = listener => this.#audience.add(listener);
  }

  get current(): T {
    if (this.#value === undefined || this.#stale) {
      const next = this.#compute();
      this.#value = { it: frozen(this.#value === undefined ? next : sharing(this.#value.it, next)) };
      this.#stale = false;
    }
    return this.#value.it;
  }

  invalidate(): void {
    this.#stale = true;
    this.#audience.changed();
  }
}

/** How a FetchedView gets its value. */
export interface Fetching<T> {
  /** Before anything was fetched. */
  readonly first: T;
  /** Begins to watch for changes; returns how to end that. `changed` says that fetch() would now give something else. */
  watch(changed: () => void): () => void;
  /** The value now; returns `previous` itself if nothing is different. */
  fetch(previous: T, signal: AbortSignal): Promise<T>;
}

/** A view of what must be asked for: asked for from the first listener to the last, at most once a frame. */
export class FetchedView<T> implements View<T> {
  readonly subscribe: View<T>["subscribe"];
  readonly #fetching: Fetching<T>;
  readonly #frame: Surroundings["frame"];
  readonly #audience: Audience<T>;
  #value: T;
  #stop: (() => void) | undefined;

  constructor(fetching: Fetching<T>, frame: Surroundings["frame"]) {
    this.#fetching = fetching;
    this.#frame = frame;
    this.#value = frozen(fetching.first);
    this.#audience = new Audience(() => this.#value, frame);
    this.subscribe = listener => this.#subscribe(listener);
  }

  get current(): T {
    return this.#value;
  }

  #subscribe(listener: (value: T) => void): () => void {
    const leave = this.#audience.add(listener);
    if (!this.#audience.empty) this.#stop ??= this.#start();
    return () => {
      leave();
      if (!this.#audience.empty) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  #start(): () => void {
    const end = new AbortController();
    let busy = false;
    let again = false;
    const run = (): void => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      again = false;
      const rest = (): void =>
        this.#frame(() => {
          busy = false;
          if (again && !end.signal.aborted) run();
        });
      this.#fetching.fetch(this.#value, end.signal).then(
        value => {
          if (end.signal.aborted) return;
          if (value !== this.#value) {
            this.#value = frozen(value);
            this.#audience.changed();
          }
          rest();
        },
        // What is wrong stands in status.trouble; the last value stays, and the next change tries again.
        rest,
      );
    };
    const unwatch = this.#fetching.watch(run);
    run();
    return () => {
      unwatch();
      end.abort();
    };
  }
}

/** Made such that nobody changes it for the others who see it. Bytes, dates and errors stay as they are: nothing makes them so. What is frozen
 *  is so throughout; what is put into a map is frozen by whoever puts it, as few of many change at a time. */
export function frozen<T>(value: T): T {
  if (Object.isFrozen(value)) return value;
  if (value instanceof Map)
    for (const change of ["set", "delete", "clear"]) Object.defineProperty(value, change, { value: refuse });
  else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value as object)) frozen(item);
  else return value;
  return Object.freeze(value);
}

function refuse(): never {
  throw new TypeError("What a view shows is read-only. Copy it to change it.");
}

/** `next`, in which every part that equals the same part of `old` is that part. Knows plain data, Date, Map and PerdureError. */
export function sharing<T>(old: T, next: T): T {
  return share(old, next) as T;
}

function share(old: unknown, next: unknown): unknown {
  if (Object.is(old, next) || typeof old !== "object" || typeof next !== "object" || old === null || next === null)
    return next;
  if (Array.isArray(old) && Array.isArray(next)) return shareArray(old, next);
  if (old instanceof Date && next instanceof Date) return old.getTime() === next.getTime() ? old : next;
  if (old instanceof PerdureError && next instanceof PerdureError)
    return old.code === next.code && old.message === next.message ? old : next;
  if (old instanceof Map && next instanceof Map) return shareMap(old, next);
  if (Object.getPrototypeOf(old) !== Object.prototype || Object.getPrototypeOf(next) !== Object.prototype) return next;
  return shareObject(old as Record<string, unknown>, next as Record<string, unknown>);
}

function shareArray(old: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  // Items that have an id are found by it, wherever they have moved.
  const byId = new Map(old.map((item, at) => [idOf(item) ?? at, item]));
  const items = next.map((item, at) => share(byId.get(idOf(item) ?? at), item));
  return old.length === items.length && items.every((item, at) => item === old[at]) ? old : items;
}

function shareObject(old: Record<string, unknown>, next: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(next);
  const shared = Object.fromEntries(keys.map(key => [key, share(old[key], next[key])]));
  return Object.keys(old).length === keys.length &&
    keys.every(key => Object.hasOwn(old, key) && Object.is(shared[key], old[key]))
    ? old
    : shared;
}

function shareMap(
  old: ReadonlyMap<unknown, unknown>,
  next: ReadonlyMap<unknown, unknown>,
): ReadonlyMap<unknown, unknown> {
  const shared = new Map([...next].map(([key, value]) => [key, share(old.get(key), value)] as const));
  return old.size === shared.size && [...shared].every(([key, value]) => old.has(key) && Object.is(value, old.get(key)))
    ? old
    : shared;
}

function idOf(item: unknown): string | undefined {
  const id: unknown = typeof item === "object" && item !== null ? (item as { readonly id?: unknown }).id : undefined;
  return typeof id === "string" ? id : undefined;
}
