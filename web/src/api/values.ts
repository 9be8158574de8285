// What apps store, as MessagePack: what JSON can say, plus Uint8Array (bin) and Date (the timestamp extension).
//
// Written here rather than taken from a library: checking, skipping of undefined properties and packing are one pass, and every
// value comes back as it went in — -0, own `__proto__` keys, and texts with half a surrogate pair, which UTF-8 cannot say: they
// travel as extension 1, UTF-16, or where a value would be too large that way as extension 2, UTF-8 with halves as code points of
// their own (WTF-8), which 0.1.0 cannot read. Numbers that are whole and safe travel as integers, all others as 64-bit floats.
//
// What comes from others may have been written by hand. What this program cannot say is null where it stands: NaN, infinities, dates
// that are none, extensions that it does not know, maps with keys that are no texts. Whole numbers past 2^53 are the nearest ones that
// there are; what is not UTF-8 is U+FFFD; of two equal keys the last one counts.
import { isWellFormed, MalformedBytes, Reader, textOf, utf8, Writer } from "../base/bytes.js";
import { badArgument, PerdureError } from "../base/errors.js";

/** The largest value, packed: 256 KiB of text or of bytes, and five that say so. */
export const valueMax = 256 * 1024 + 5;
/** The largest presence, packed. */
export const presenceMax = 4 * 1024;
/** How deep arrays and objects may stand in one another; the core takes no more. */
const depthMax = 64;

const timestamp = -1;
const utf16 = 1;
const wtf8 = 2;

/** A step from a value into it. */
export type Step = string | number;

/** Packs a value into bytes of its caller's own. Throws `bad-argument` with the path for what cannot be stored or read, `too-large`
 *  past `max` bytes. `base` is where the value itself stands in what the caller was given. */
export function encodeValue(value: unknown, max = valueMax, base: readonly Step[] = []): Uint8Array {
  return packing(max, base, packer => {
    packer.put(value, 0);
    return packer.take();
  });
}

/** The same for many at once: all in one buffer. `step` is where the n-th one stands in what the caller was given. */
export function encodeValues(values: readonly unknown[], step: (at: number) => Step, max = valueMax): Uint8Array[] {
  return packing(max, [], packer => {
    const ends = values.map((value, at) => {
      packer.next(step(at));
      packer.put(value, 0);
      return packer.end();
    });
    const all = packer.take();
    return ends.map((end, at) => all.subarray(ends[at - 1] ?? 0, end));
  });
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
const kept = new Writer();
let keptInUse = false;

// What is read while packing may be code of the app's (getters, proxies), which may pack something itself.
function packing<T>(max: number, base: readonly Step[], run: (packer: Packer) => T): T {
  const own = !keptInUse;
  keptInUse = true;
  const writer = own ? kept : new Writer();
  let packer = new Packer(writer, max, base);
  try {
    try {
      return run(packer);
    } catch (error) {
      if (!packer.brokenTexts || !(error instanceof PerdureError) || error.code !== "too-large") throw error;
      writer.clear();
      return run((packer = new Packer(writer, max, base, true)));
    }
  } catch (error) {
    throw error instanceof PerdureError ? error : packer.unreadable(error);
  } finally {
    writer.clear();
    if (own) keptInUse = false;
  }
}

class Packer {
  /** It met a text with half a surrogate pair. */
  brokenTexts = false;
  readonly #writer: Writer;
  readonly #max: number;
  readonly #tight: boolean;
  #base: readonly Step[];
  #start = 0;
  /** The way to the value at hand: steps and the containers they lead out of. */
  readonly #steps: Step[] = [];
  readonly #above: object[] = [];
  #depth = 0;
  readonly #textHead: (length: number) => void;

  /** `tight`: broken texts take as little room as they can, and not the form that 0.1.0 reads. */
  constructor(writer: Writer, max: number, base: readonly Step[], tight = false) {
    this.#writer = writer;
    this.#max = max;
    this.#base = base;
    this.#tight = tight;
    this.#textHead = length => textHead(writer, length);
  }

  /** Another value, behind those before. */
  next(step: Step): void {
    this.#base = [step];
    this.#start = this.#writer.length;
  }

  end(): number {
    this.#room(0, 0);
    return this.#writer.length;
  }

  take(): Uint8Array {
    this.#room(0, 0);
    return this.#writer.view().slice();
  }

  /** What went wrong while the value was read, as its caller is told it. */
  unreadable(cause: unknown): PerdureError {
    const path = this.#path(this.#depth);
    return new PerdureError(
      "bad-argument",
      `${path === "" ? "The value" : `At ${path}: the value`} cannot be read (${said(cause)}).`,
      { path, cause },
    );
  }

  put(value: unknown, depth: number): void {
    this.#depth = depth;
    switch (typeof value) {
      case "string":
        return this.#text(value, depth);
      case "number":
        return this.#number(value, depth);
      case "boolean":
        return this.#writer.u8(value ? 0xc3 : 0xc2);
      case "object":
        return value === null ? this.#writer.u8(0xc0) : this.#object(value, depth);
      case "undefined":
        return this.#refuse(
          depth,
          depth === 0 ? "undefined cannot be stored; null can" : "undefined cannot stand in an array; null can",
        );
      case "bigint":
        return this.#refuse(depth, "a bigint cannot be stored; a text can say it");
      default:
        return this.#refuse(depth, `a ${typeof value} cannot be stored`);
    }
  }

  #number(value: number, depth: number): void {
    if (!Number.isFinite(value)) return this.#refuse(depth, `${value} cannot be stored; null can`);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#writer.u8(0xcb);
      return this.#writer.f64(value);
    }
    if (value >= 0) {
      if (value < 128) return this.#writer.u8(value);
      if (value < 256) return this.#tagged(0xcc, () => this.#writer.u8(value));
      if (value < 0x10000) return this.#tagged(0xcd, () => this.#writer.u16(value));
      if (value < 0x100000000) return this.#tagged(0xce, () => this.#writer.u32(value));
      return this.#tagged(0xcf, () => this.#writer.i64(BigInt(value)));
    }
    if (value >= -32) return this.#writer.u8(value & 255);
    if (value >= -128) return this.#tagged(0xd0, () => this.#writer.u8(value & 255));
    if (value >= -0x8000) return this.#tagged(0xd1, () => this.#writer.u16(value & 0xffff));
    if (value >= -0x80000000) return this.#tagged(0xd2, () => this.#writer.u32(value >>> 0));
    return this.#tagged(0xd3, () => this.#writer.i64(BigInt(value)));
  }

  #tagged(tag: number, write: () => void): void {
    this.#writer.u8(tag);
    write();
  }

  #text(text: string, depth: number): void {
    this.#room(text.length, depth);
    const writer = this.#writer;
    if (isWellFormed(text)) return writer.textAfter(text, this.#textHead);
    this.brokenTexts = true;
    const tight = this.#tight ? wtf8Of(text) : undefined;
    if (tight !== undefined && tight.length < 2 * text.length) {
      this.#extension(wtf8, tight.length);
      return writer.raw(tight);
    }
    this.#extension(utf16, 2 * text.length);
    for (let i = 0; i < text.length; i++) writer.u16(text.charCodeAt(i));
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) return this.#array(value, depth);
    const prototype: unknown = Object.getPrototypeOf(value);
    const tag: unknown = Reflect.get(value, Symbol.toStringTag);
    // Objects of other frames have another Object.prototype, which has no prototype either.
    const plain = prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
    if (plain && tag === undefined) return this.#map(value as Record<string, unknown>, depth);
    if (isBytes(value)) return this.#bytes(value, depth);
    const ms = timeOf(value);
    if (ms !== undefined) return this.#date(ms, depth);
    if (tag === "Date" || tag === "Uint8Array")
      return this.#refuse(depth, `what calls itself a ${tag} and is none cannot be stored`);
    if (plain) return this.#map(value as Record<string, unknown>, depth);
    return this.#refuse(
      depth,
      `${nameOf(value)} cannot be stored; only plain objects, arrays, Uint8Array and Date can`,
    );
  }

  #array(values: readonly unknown[], depth: number): void {
    this.#enter(values, depth);
    head(this.#writer, values.length, 0x90, 16, 0xdc);
    for (let i = 0; i < values.length; i++) {
      this.#steps[depth] = i;
      this.#depth = depth + 1;
      this.put(values[i], depth + 1);
      this.#room(0, depth);
    }
  }

  #map(value: Record<string, unknown>, depth: number): void {
    this.#enter(value, depth);
    const keys = Object.keys(value);
    // Each is read once: what a getter gives may change.
    const items: unknown[] = [];
    let count = 0;
    for (const key of keys) {
      this.#steps[depth] = key;
      this.#depth = depth + 1;
      if (items[items.push(value[key]) - 1] !== undefined) count++;
    }
    head(this.#writer, count, 0x80, 16, 0xde);
    for (const [at, key] of keys.entries()) {
      if (items[at] === undefined) continue;
      this.#steps[depth] = key;
      this.#text(key, depth);
      this.put(items[at], depth + 1);
      this.#room(0, depth);
    }
  }

  #bytes(bytes: Uint8Array, depth: number): void {
    this.#room(bytes.length, depth);
    lengthHead(this.#writer, bytes.length, 0xc4);
    this.#writer.raw(bytes);
  }

  #date(ms: number, depth: number): void {
    const writer = this.#writer;
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
    if (fixed >= 0) this.#writer.u8(0xd4 + fixed);
    else lengthHead(this.#writer, length, 0xc7);
    this.#writer.u8(type & 255);
  }

  #enter(container: object, depth: number): void {
    this.#above[depth] = container;
    if (depth < depthMax) return;
    // A cycle always comes so deep. Told is where it first closes.
    for (let at = 1; at <= depth; at++) {
      if (this.#above.indexOf(this.#above[at] ?? container) < at)
        this.#refuse(at, "a value cannot stand within itself");
    }
    this.#refuse(depth, `arrays and objects can stand in one another ${depthMax} deep at most`);
  }

  #room(more: number, depth: number): void {
    if (this.#writer.length - this.#start + more <= this.#max) return;
    const path = this.#path(depth);
    // What says how long it is does not count for its user.
    const most = `${Math.floor(this.#max / 1024)} KiB`;
    throw new PerdureError(
      "too-large",
      `A value takes at most ${most}, and this one takes more${path === "" ? "" : ` (at ${path})`}. Keep files elsewhere and store where they are.`,
      { path },
    );
  }

  #refuse(depth: number, text: string): never {
    const path = this.#path(depth);
    throw badArgument(path === "" ? `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}.` : `At ${path}: ${text}.`, path);
  }

  #path(depth: number): string {
    return pathOf([...this.#base, ...this.#steps.slice(0, depth)]);
  }
}

function nameOf(value: object): string {
  const maker: unknown = (value as { readonly constructor?: unknown }).constructor;
  const name: unknown = typeof maker === "function" ? maker.name : undefined;
  return typeof name === "string" && name !== ""
    ? `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`
    : "an instance of a class";
}

const typedName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

// Both ask the engine what the object is, also one of another frame, and not the object.
function isBytes(value: object): value is Uint8Array {
  return ArrayBuffer.isView(value) && typedName?.call(value) === "Uint8Array";
}

function timeOf(value: object): number | undefined {
  try {
    return Date.prototype.getTime.call(value);
  } catch {
    return undefined;
  }
}

function said(cause: unknown): string {
  try {
    return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  } catch {
    return "it does not say why";
  }
}

function textHead(writer: Writer, length: number): void {
  if (length < 32) writer.u8(0xa0 | length);
  else lengthHead(writer, length, 0xd9);
}

/** UTF-8 in which half a surrogate pair takes three bytes of its own. */
function wtf8Of(text: string): Uint8Array {
  const bytes = new Uint8Array(3 * text.length);
  let at = 0;
  // Whole pieces as UTF-8, and what breaks them by hand.
  for (const piece of text.split(/(\p{Surrogate})/u)) {
    const unit = piece.length === 1 ? piece.charCodeAt(0) : 0;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      bytes[at++] = 0xed;
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      const whole = utf8(piece);
      bytes.set(whole, at);
      at += whole.length;
    }
  }
  return bytes.subarray(0, at);
}

/** The inverse. A half that stands beside its other half was not written here; it is one character then. */
function textOfWtf8(bytes: Uint8Array): string {
  let text = "";
  let from = 0;
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    const [second = 0, third = 0] = bytes.subarray(at + 1, at + 3);
    if (second < 0xa0 || second > 0xbf || third < 0x80 || third > 0xbf) continue;
    text += textOf(bytes.subarray(from, at)) + String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
    from = at + 3;
  }
  return text + textOf(bytes.subarray(from));
}

/** A length in 1, 2 or 4 bytes, under three tags in a row. */
function lengthHead(writer: Writer, length: number, tag: number): void {
  if (length < 0x100) {
    writer.u8(tag);
    writer.u8(length);
  } else {
    head(writer, length, 0, 0, tag + 1);
  }
}

/** A count within the tag, or in 2 or 4 bytes under two tags in a row. */
function head(writer: Writer, count: number, small: number, smallEnd: number, tag: number): void {
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
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return r.raw(r.u8());
    case 0xc5:
      return r.raw(r.u16());
    case 0xc6:
      return r.raw(r.u32());
    case 0xc7:
      return getExtension(r, r.u8());
    case 0xc8:
      return getExtension(r, r.u16());
    case 0xc9:
      return getExtension(r, r.u32());
    case 0xca:
      return finite(r.f32());
    case 0xcb:
      return finite(r.f64());
    case 0xcc:
      return r.u8();
    case 0xcd:
      return r.u16();
    case 0xce:
      return r.u32();
    case 0xcf:
      return Number(r.u64());
    case 0xd0:
      return r.i8();
    case 0xd1:
      return r.i16();
    case 0xd2:
      return r.i32();
    case 0xd3:
      return Number(r.i64());
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return getExtension(r, 1 << (tag - 0xd4));
    case 0xd9:
      return r.text(r.u8());
    case 0xda:
      return r.text(r.u16());
    case 0xdb:
      return r.text(r.u32());
    case 0xdc:
      return getArray(r, r.u16(), depth);
    case 0xdd:
      return getArray(r, r.u32(), depth);
    case 0xde:
      return getMap(r, r.u16(), depth);
    case 0xdf:
      return getMap(r, r.u32(), depth);
    default:
      throw new MalformedBytes("no MessagePack");
  }
}

function getArray(r: Reader, count: number, depth: number): unknown[] {
  deeper(depth);
  const values: unknown[] = [];
  for (let i = 0; i < count; i++) values.push(get(r, depth + 1));
  return values;
}

function finite(number: number): number | null {
  return Number.isFinite(number) ? number : null;
}

function getMap(r: Reader, count: number, depth: number): object | null {
  deeper(depth);
  const value: Record<string, unknown> = {};
  let named = true;
  for (let i = 0; i < count; i++) {
    const key = get(r, depth + 1);
    const item = get(r, depth + 1);
    if (typeof key !== "string" && typeof key !== "number") {
      named = false;
      continue;
    }
    // Assigning would change the prototype instead.
    if (key === "__proto__")
      Object.defineProperty(value, key, { value: item, enumerable: true, writable: true, configurable: true });
    else value[key] = item;
  }
  return named ? value : null;
}

function getExtension(r: Reader, length: number): unknown {
  const type = r.i8();
  const bytes = r.raw(length);
  if (type === timestamp) return getDate(bytes);
  if (type === wtf8) return textOfWtf8(bytes);
  if (type !== utf16 || length % 2 !== 0) return null;
  let text = "";
  for (let i = 0; i < length; i += 2) text += String.fromCharCode(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  return text;
}

function getDate(bytes: Uint8Array): Date | null {
  const r = new Reader(bytes);
  switch (bytes.length) {
    case 4:
      return dateOf(r.u32(), 0);
    case 8: {
      const both = r.u64();
      return dateOf(Number(both & 0x3ffffffffn), Number(both >> 34n));
    }
    case 12: {
      const nanoseconds = r.u32();
      return dateOf(Number(r.i64()), nanoseconds);
    }
    default:
      return null;
  }
}

function dateOf(seconds: number, nanoseconds: number): Date | null {
  const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000));
  return nanoseconds < 1e9 && !Number.isNaN(date.getTime()) ? date : null;
}

function deeper(depth: number): void {
  // Deeper than what the core lets pass.
  if (depth > 2 * depthMax) throw new MalformedBytes("too deep");
}
