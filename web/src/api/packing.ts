// From values to MessagePack (values.ts says which): checking, skipping and packing in one pass.

import { isWellFormed, type Writer } from "../base/bytes.js";
import { badArgument, PerdureError } from "../base/errors.js";
import { depthMax, timestamp, utf16, wtf8, wtf8Of } from "./extensions.js";

/** A step from a value into it. */
export type Step = string | number;

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

export class Packer {
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
