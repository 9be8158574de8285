// Rows that live as long as the page or the process: the last resort, and the disk of tests.
//
//     const disk = new MemoryDisk();               // survives its openers, as a real one does
//     const store = await openMemory("a", disk);   // a later opener supersedes this one
//     disk.full = true;                            // saves that put rows end as "full" from here on

import { OrderedStore, type Backend } from "./ordered.js";
import {
  reopening,
  storeFormat,
  type Change,
  type Held,
  type Own,
  type Reopening,
  type Row,
  type SaveOutcome,
  type Stands,
  type Store,
  type Usage,
} from "./store.js";
import { newerFormat } from "./refusals.js";

/** What a memory store stands on. Rows are kept sorted, keys as strings of one character a byte, which compare as bytes do. */
export class MemoryDisk {
  /** While true every save that puts rows ends as "full". */
  full = false;
  /** So does one whose rows would not fit. */
  maxBytes = Infinity;
  generation = 0;
  readonly own = new Map<string, unknown>();
  readonly #values = new Map<string, Uint8Array>();
  #keys: string[] = [];
  #bytes = 0;

  get usedBytes(): number {
    return this.#bytes;
  }
  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /** Forgets everything, as a browser does that evicts a site. */
  lose(): void {
    this.#values.clear();
    this.#keys = [];
    this.#bytes = 0;
    this.own.clear();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const text = textOf(key);
    const old = this.#values.get(text);
    if (old === undefined) this.#keys.splice(this.#place(text), 0, text);
    this.#values.set(text, value);
    this.#bytes += value.length - (old === undefined ? -key.length : old.length);
  }

  erase(from: Uint8Array, to: Uint8Array): void {
    this.#cut(this.#place(textOf(from)), this.#place(textOf(to)));
  }

  eraseKey(key: Uint8Array): void {
    const text = textOf(key);
    const place = this.#place(text);
    if (this.#keys[place] === text) this.#cut(place, place + 1);
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Row[] {
    const [first, end] = [this.#place(textOf(from)), this.#place(textOf(to))];
    const most = limit === 0 ? end - first : Math.min(limit, end - first);
    const keys = reverse ? this.#keys.slice(end - most, end).reverse() : this.#keys.slice(first, first + most);
    return keys.flatMap(text => {
      const value = this.#values.get(text);
      return value === undefined ? [] : [[bytesOf(text), value.slice()] as const];
    });
  }

  #cut(first: number, end: number): void {
    for (const text of this.#keys.splice(first, end - first)) {
      this.#bytes -= text.length + (this.#values.get(text)?.length ?? 0);
      this.#values.delete(text);
    }
  }

  // Where the key is or would be.
  #place(text: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? "") < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Opens the disk, a new one if none is given; names tell nothing apart. Rejects with `outdated` only. */
export async function openMemory(_name: string, disk: MemoryDisk = new MemoryDisk()): Promise<Store & Own & Held> {
  const format = disk.own.get("format");
  if (typeof format === "number" && format > storeFormat) throw newerFormat();
  disk.own.set("format", storeFormat);
  return new OrderedStore("memory", disk.isEmpty, new MemoryBackend(disk));
}

/** An opener's hold on such a disk. */
export class MemoryBackend implements Backend {
  readonly #disk: MemoryDisk;
  readonly #generation: number;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.#disk = disk;
    this.#generation = ++disk.generation;
  }

  read(keys: readonly Uint8Array[]): Row[] {
    return keys.flatMap(key => {
      const value = this.#disk.get(key);
      return value === undefined ? [] : [[key, value.slice()] as const];
    });
  }

  range(from: Uint8Array, to: Uint8Array, limit: number, reverse: boolean): Row[] {
    return this.#disk.range(from, to, limit, reverse);
  }

  commit(change: Change): SaveOutcome {
    const disk = this.#disk;
    if (this.recover() !== "ok") return "superseded";
    const added = change.puts.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    if (added > 0 && (disk.full || disk.usedBytes + added > disk.maxBytes)) return "full";
    for (const [from, to] of change.eraseRanges) disk.erase(from, to);
    for (const key of change.erases) disk.eraseKey(key);
    for (const [key, value] of change.puts) disk.put(key, value);
    return "ok";
  }

  recover(): Reopening {
    return reopening(this.#disk.generation, this.#generation);
  }
  usage(): Usage {
    return { usedBytes: this.#disk.usedBytes, persisted: false };
  }
  getOwn(key: string): unknown {
    return this.#disk.own.get(key);
  }
  putOwn<T>(key: string, value: T, stands?: Stands<T>): T {
    const found = this.getOwn(key);
    if (stands?.(found) === true) return found;
    this.#disk.own.set(key, value);
    return value;
  }
  close(): void {
    /* the disk stays */
  }
}

function textOf(bytes: Uint8Array): string {
  // A key, nearly always. Put together character by character it would be flattened when it is looked up.
  if (bytes.length <= 64) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0));
}
