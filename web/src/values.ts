// What apps store, as MessagePack: what JSON can say, plus Uint8Array (bin) and Date (the timestamp extension).
//
// Written here rather than taken from a library: checking, skipping of undefined properties and packing are one pass, and every
// value comes back as it went in — -0, own `__proto__` keys, and texts with half a surrogate pair, which UTF-8 cannot say (they
// travel as extension 1, UTF-16). Numbers that are whole and safe travel as integers, all others as 64-bit floats.
import { isWellFormed, MalformedBytes, Reader, Writer } from "./bytes.js";
import { badArgument, PerdureError } from "./errors.js";

/** The largest value, packed: 256 KiB of text or of bytes, and five that say so. */
export const valueMax = 256 * 1024 + 5;
/** The largest presence, packed. */
export const presenceMax = 4 * 1024;
/** How deep arrays and objects may stand in one another; the core takes no more. */
const depthMax = 64;

const timestamp = -1;
const utf16 = 1;

/** A step from a value into it. */
export type Step = string | number;

/** Packs a value into bytes of its caller's own. Throws `bad-argument` with the path for what cannot be stored, `too-large` past
 *  `max` bytes. `base` is where the value itself stands in what the caller was given. */
export function encodeValue(value: unknown, max = valueMax, base: readonly Step[] = []): Uint8Array {
  const packer = new Packer(max, base);
  packer.put(value, 0);
  return packer.take();
}

/** The same for many at once: all in one buffer. `step` is where the n-th one stands in what the caller was given. */
export function encodeValues(values: readonly unknown[], step: (at: number) => Step, max = valueMax): Uint8Array[] {
  const packer = new Packer(max, []);
  const ends = values.map((value, at) => {
    packer.next(step(at));
    packer.put(value, 0);
    return packer.end();
  });
  const all = packer.take();
  return ends.map((end, at) => all.subarray(ends[at - 1] ?? 0, end));
}

/** The value of those bytes, or null if they are not exactly one value that this program knows: whoever wrote them may run another. */
export function decodeValue(bytes: Uint8Array): unknown {
  try {
    const r = new Reader(bytes);
    const value = get(r, 0);
    return r.left === 0 ? value : null;
  } catch (error) {
    if (error instanceof MalformedBytes) return null;
    throw error;
  }
}

/** "items[3].when" */
export function pathOf(steps: readonly Step[]): string {
  let path = "";
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`;
    else if (/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(step)) path += path === "" ? step : `.${step}`;
    else path += `[${JSON.stringify(step)}]`;
  }
  return path;
}

// ---- packing -------------------------------------------------------------------------------------------------------------
const writer = new Writer();

class Packer {
  readonly #max: number;
  #base: readonly Step[];
  #start = 0;
  /** The way to the value at hand: steps and the containers they lead out of. */
  readonly #steps: Step[] = [];
  readonly #above: object[] = [];

  constructor(max: number, base: readonly Step[]) {
    this.#max = max;
    this.#base = base;
    writer.clear();
  }

  /** Another value, behind those before. */
  next(step: Step): void {
    this.#base = [step];
    this.#start = writer.length;
  }

  end(): number {
    this.#room(0, 0);
    return writer.length;
  }

  take(): Uint8Array {
    this.#room(0, 0);
    const bytes = writer.view().slice();
    writer.clear();
    return bytes;
  }

  put(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string": return this.#text(value, depth);
      case "number": return this.#number(value, depth);
      case "boolean": return writer.u8(value ? 0xc3 : 0xc2);
      case "object": return value === null ? writer.u8(0xc0) : this.#object(value, depth);
      case "undefined": return this.#refuse(depth, depth === 0 ? "undefined cannot be stored; null can" : "undefined cannot stand in an array; null can");
      case "bigint": return this.#refuse(depth, "a bigint cannot be stored; a text can say it");
      default: return this.#refuse(depth, `a ${typeof value} cannot be stored`);
    }
  }

  #number(value: number, depth: number): void {
    if (!Number.isFinite(value)) return this.#refuse(depth, `${value} cannot be stored; null can`);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      writer.u8(0xcb);
      return writer.f64(value);
    }
    if (value >= 0) {
      if (value < 128) return writer.u8(value);
      if (value < 256) return this.#tagged(0xcc, () => writer.u8(value));
      if (value < 0x10000) return this.#tagged(0xcd, () => writer.u16(value));
      if (value < 0x100000000) return this.#tagged(0xce, () => writer.u32(value));
      return this.#tagged(0xcf, () => writer.i64(BigInt(value)));
    }
    if (value >= -32) return writer.u8(value & 255);
    if (value >= -128) return this.#tagged(0xd0, () => writer.u8(value & 255));
    if (value >= -0x8000) return this.#tagged(0xd1, () => writer.u16(value & 0xffff));
    if (value >= -0x80000000) return this.#tagged(0xd2, () => writer.u32(value >>> 0));
    return this.#tagged(0xd3, () => writer.i64(BigInt(value)));
  }

  #tagged(tag: number, write: () => void): void {
    writer.u8(tag);
    write();
  }

  #text(text: string, depth: number): void {
    this.#room(text.length, depth);
    if (isWellFormed(text)) return writer.textAfter(text, textHead);
    this.#extension(utf16, 2 * text.length);
    for (let i = 0; i < text.length; i++) writer.u16(text.charCodeAt(i));
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) return this.#array(value, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    // Objects of other frames have another Object.prototype, which has no prototype either.
    if (prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null) return this.#map(value as Record<string, unknown>, depth);
    switch (Object.prototype.toString.call(value)) {
      case "[object Uint8Array]": return this.#bytes(value as Uint8Array, depth);
      case "[object Date]": return this.#date(value as Date, depth);
      default: return this.#refuse(depth, `${nameOf(value)} cannot be stored; only plain objects, arrays, Uint8Array and Date can`);
    }
  }

  #array(values: readonly unknown[], depth: number): void {
    this.#enter(values, depth);
    head(values.length, 0x90, 16, 0xdc);
    for (let i = 0; i < values.length; i++) {
      this.#steps[depth] = i;
      this.put(values[i], depth + 1);
      this.#room(0, depth);
    }
  }

  #map(value: Record<string, unknown>, depth: number): void {
    this.#enter(value, depth);
    let keys = Object.keys(value);
    if (keys.some(key => value[key] === undefined)) keys = keys.filter(key => value[key] !== undefined);
    head(keys.length, 0x80, 16, 0xde);
    for (const key of keys) {
      this.#steps[depth] = key;
      this.#text(key, depth);
      this.put(value[key], depth + 1);
      this.#room(0, depth);
    }
  }

  #bytes(bytes: Uint8Array, depth: number): void {
    this.#room(bytes.length, depth);
    lengthHead(bytes.length, 0xc4);
    writer.raw(bytes);
  }

  #date(date: Date, depth: number): void {
    const ms = date.getTime();
    if (Number.isNaN(ms)) return this.#refuse(depth, "an invalid Date cannot be stored; null can");
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = (ms - seconds * 1000) * 1_000_000;
    if (seconds >= 0 && seconds < 0x100000000 && nanoseconds === 0) {
      this.#extension(timestamp, 4);
      writer.u32(seconds);
    } else if (seconds >= 0 && seconds < 0x400000000) {
      this.#extension(timestamp, 8);
      writer.i64(BigInt.asIntN(64, (BigInt(nanoseconds) << 34n) | BigInt(seconds)));
    } else {
      this.#extension(timestamp, 12);
      writer.u32(nanoseconds);
      writer.i64(BigInt(seconds));
    }
  }

  #extension(type: number, length: number): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(length);
    if (fixed >= 0) writer.u8(0xd4 + fixed);
    else lengthHead(length, 0xc7);
    writer.u8(type & 255);
  }

  #enter(container: object, depth: number): void {
    this.#above[depth] = container;
    if (depth < depthMax) return;
    // A cycle always comes so deep. Told is where it first closes.
    for (let at = 1; at <= depth; at++) {
      if (this.#above.indexOf(this.#above[at] ?? container) < at) this.#refuse(at, "a value cannot stand within itself");
    }
    this.#refuse(depth, `arrays and objects can stand in one another ${depthMax} deep at most`);
  }

  #room(more: number, depth: number): void {
    if (writer.length - this.#start + more <= this.#max) return;
    writer.clear();
    const path = this.#path(depth);
    const large = this.#max >= 1024 * 1024 ? `${this.#max / 1024 / 1024} MiB` : `${this.#max / 1024} KiB`;
    throw new PerdureError("too-large", `The value takes more than ${large}${path === "" ? "" : ` (at ${path})`}. Keep files elsewhere and store where they are.`, { path });
  }

  #refuse(depth: number, text: string): never {
    writer.clear();
    const path = this.#path(depth);
    throw badArgument(path === "" ? `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}.` : `At ${path}: ${text}.`, path);
  }

  #path(depth: number): string {
    return pathOf([...this.#base, ...this.#steps.slice(0, depth)]);
  }
}

function nameOf(value: object): string {
  const maker: unknown = (value as { readonly constructor?: unknown }).constructor;
  return typeof maker === "function" && maker.name !== "" ? `a ${maker.name}` : "an instance of a class";
}

function textHead(length: number): void {
  if (length < 32) writer.u8(0xa0 | length);
  else lengthHead(length, 0xd9);
}

/** A length in 1, 2 or 4 bytes, under three tags in a row. */
function lengthHead(length: number, tag: number): void {
  if (length < 0x100) {
    writer.u8(tag);
    writer.u8(length);
  } else {
    head(length, 0, 0, tag + 1);
  }
}

/** A count within the tag, or in 2 or 4 bytes under two tags in a row. */
function head(count: number, small: number, smallEnd: number, tag: number): void {
  if (count < smallEnd) {
    writer.u8(small | count);
  } else if (count < 0x10000) {
    writer.u8(tag);
    writer.u16(count);
  } else {
    writer.u8(tag + 1);
    writer.u32(count);
  }
}

// ---- unpacking -----------------------------------------------------------------------------------------------------------
function get(r: Reader, depth: number): unknown {
  const tag = r.u8();
  if (tag < 0x80) return tag;
  if (tag < 0x90) return getMap(r, tag & 15, depth);
  if (tag < 0xa0) return getArray(r, tag & 15, depth);
  if (tag < 0xc0) return r.text(tag & 31);
  if (tag >= 0xe0) return tag - 256;
  switch (tag) {
    case 0xc0: return null;
    case 0xc2: return false;
    case 0xc3: return true;
    case 0xc4: return r.raw(r.u8());
    case 0xc5: return r.raw(r.u16());
    case 0xc6: return r.raw(r.u32());
    case 0xc7: return getExtension(r, r.u8());
    case 0xc8: return getExtension(r, r.u16());
    case 0xc9: return getExtension(r, r.u32());
    case 0xca: return r.f32();
    case 0xcb: return r.f64();
    case 0xcc: return r.u8();
    case 0xcd: return r.u16();
    case 0xce: return r.u32();
    case 0xcf: return Number(r.u64());
    case 0xd0: return r.i8();
    case 0xd1: return r.i16();
    case 0xd2: return r.i32();
    case 0xd3: return Number(r.i64());
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return getExtension(r, 1 << (tag - 0xd4));
    case 0xd9: return r.text(r.u8());
    case 0xda: return r.text(r.u16());
    case 0xdb: return r.text(r.u32());
    case 0xdc: return getArray(r, r.u16(), depth);
    case 0xdd: return getArray(r, r.u32(), depth);
    case 0xde: return getMap(r, r.u16(), depth);
    case 0xdf: return getMap(r, r.u32(), depth);
    default: throw new MalformedBytes("no MessagePack");
  }
}

function getArray(r: Reader, count: number, depth: number): unknown[] {
  deeper(depth);
  const values: unknown[] = [];
  for (let i = 0; i < count; i++) values.push(get(r, depth + 1));
  return values;
}

function getMap(r: Reader, count: number, depth: number): object {
  deeper(depth);
  const value: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const key = get(r, depth + 1);
    if (typeof key !== "string" && typeof key !== "number") throw new MalformedBytes("a key is no text");
    const item = get(r, depth + 1);
    // Assigning would change the prototype instead.
    if (key === "__proto__") Object.defineProperty(value, key, { value: item, enumerable: true, writable: true, configurable: true });
    else value[key] = item;
  }
  return value;
}

function getExtension(r: Reader, length: number): unknown {
  const type = r.i8();
  if (type === timestamp) return getDate(r, length);
  if (type !== utf16 || length % 2 !== 0) throw new MalformedBytes("an unknown extension");
  let text = "";
  for (let i = 0; i < length; i += 2) text += String.fromCharCode(r.u16());
  return text;
}

function getDate(r: Reader, length: number): Date {
  if (length === 4) return new Date(r.u32() * 1000);
  if (length === 8) {
    const both = r.u64();
    return new Date(Number(both & 0x3ffffffffn) * 1000 + Math.floor(Number(both >> 34n) / 1_000_000));
  }
  if (length !== 12) throw new MalformedBytes("no timestamp");
  const nanoseconds = r.u32();
  return new Date(Number(r.i64()) * 1000 + Math.floor(nanoseconds / 1_000_000));
}

function deeper(depth: number): void {
  // Deeper than what the core lets pass.
  if (depth > 2 * depthMax) throw new MalformedBytes("too deep");
}
