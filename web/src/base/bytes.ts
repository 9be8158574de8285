// Bytes: a writer that keeps its buffer, a reader that stops at the first fault, hex and text.

import { given } from "./platform.js";

const encoder = new (given("TextEncoder", "node:util"))();
const decoder = new (given("TextDecoder", "node:util"))("utf-8", { ignoreBOM: true });

/** The UTF-8 bytes of a text. Half a surrogate pair becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** True if no half of a surrogate pair stands alone in it, so that UTF-8 can say it. */
export function isWellFormed(text: string): boolean {
  // Where the engine knows, it knows at once.
  const { isWellFormed: known } = text as { isWellFormed?: () => boolean };
  return known === undefined ? isPaired(text) : known.call(text);
}

function isPaired(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    if (unit > 0xdbff) return false;
    const next = text.charCodeAt(++i);
    if (!(next >= 0xdc00 && next <= 0xdfff)) return false;
  }
  return true;
}

/** Orders texts as their UTF-8 bytes are ordered, which is how the core orders keys. */
export function compareText(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // Surrogates stand for code points above all others.
    return (
      (left >= 0xd800 && left <= 0xdfff ? left + 0x10000 : left) -
      (right >= 0xd800 && right <= 0xdfff ? right + 0x10000 : right)
    );
  }
  return a.length - b.length;
}

/** Two lower-case digits a byte, of few bytes. Made in one piece: put together digit by digit a string keeps all that it was made of,
 *  and an id a kilobyte. */
export function hexOf(bytes: Uint8Array): string {
  const codes: number[] = [];
  for (const byte of bytes) codes.push(digitOf(byte >> 4), digitOf(byte & 15));
  return String.fromCharCode.apply(null, codes);
}

function digitOf(half: number): number {
  return half + (half < 10 ? 48 : 87);
}

/** The inverse of hexOf; undefined for anything else. */
export function bytesOfHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex)) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Thrown by Reader and Writer; a fault of our own side of the boundary, never of an app. */
export class MalformedBytes extends Error {}

/** Kept between uses; a buffer that one great batch blew up is given back. */
const keptMax = 1 << 20;
const firstSize = 1 << 12;
/** Texts up to here are encoded where they belong. */
const inPlaceMax = 1 << 13;

/** Appends to a buffer that it keeps. `view()` is valid until the next write. */
export class Writer {
  #buffer = new Uint8Array(firstSize);
  #data = new DataView(this.#buffer.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written: borrowed. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > keptMax) this.#hold(new Uint8Array(firstSize));
  }

  /** Forgets what was written after `length`. */
  cut(length: number): void {
    this.#length = length;
  }

  u8(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    this.#data.setUint16(this.#length, value);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#room(4);
    this.#data.setUint32(this.#length, value);
    this.#length += 4;
  }

  i64(value: bigint): void {
    this.#room(8);
    this.#data.setBigInt64(this.#length, value);
    this.#length += 8;
  }

  f64(value: number): void {
    this.#room(8);
    this.#data.setFloat64(this.#length, value);
    this.#length += 8;
  }

  /** LEB128 of a whole number up to 2^53 - 1. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new MalformedBytes(`${value} is not a whole number`);
    this.#room(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.#buffer[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A varint length, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** A varint length, then UTF-8. */
  text(text: string): void {
    const known = this.#asciiLength(text);
    if (known === undefined) return this.bytes(encoder.encode(text));
    this.varint(known);
    this.#ascii(text);
  }

  /** UTF-8 after whatever head `head(byteLength)` writes. */
  textAfter(text: string, head: (byteLength: number) => void): void {
    if (this.#asciiLength(text) !== undefined) {
      head(text.length);
      return this.#ascii(text);
    }
    if (text.length > inPlaceMax) {
      const bytes = encoder.encode(text);
      head(bytes.length);
      return this.raw(bytes);
    }
    // Most texts take a byte a character: written in place, and written again where they do not.
    const start = this.#length;
    head(text.length);
    let written = this.#utf8(text);
    if (written !== text.length) {
      this.#length = start;
      head(written);
      written = this.#utf8(text);
    }
    this.#length += written;
  }

  /** Behind what was written, and not counted yet. */
  #utf8(text: string): number {
    this.#room(3 * text.length);
    return encoder.encodeInto(text, this.#buffer.subarray(this.#length)).written;
  }

  #asciiLength(text: string): number | undefined {
    if (text.length > 64) return undefined;
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return undefined;
    return text.length;
  }

  #ascii(text: string): void {
    this.#room(text.length);
    for (let i = 0; i < text.length; i++) this.#buffer[this.#length++] = text.charCodeAt(i);
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const wider = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
    wider.set(this.#buffer.subarray(0, this.#length));
    this.#hold(wider);
  }

  #hold(buffer: Uint8Array<ArrayBuffer>): void {
    this.#buffer = buffer;
    this.#data = new DataView(buffer.buffer);
  }
}

/** Reads borrowed bytes; throws MalformedBytes past the end. What it returns is its caller's own. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#data.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#data.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#data.getUint32(this.#take(4));
  }

  i8(): number {
    return this.#data.getInt8(this.#take(1));
  }

  i16(): number {
    return this.#data.getInt16(this.#take(2));
  }

  i32(): number {
    return this.#data.getInt32(this.#take(4));
  }

  u64(): bigint {
    return this.#data.getBigUint64(this.#take(8));
  }

  i64(): bigint {
    return this.#data.getBigInt64(this.#take(8));
  }

  f32(): number {
    return this.#data.getFloat32(this.#take(4));
  }

  f64(): number {
    return this.#data.getFloat64(this.#take(8));
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
      if (scale > Number.MAX_SAFE_INTEGER) throw new MalformedBytes("a number is too long");
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedBytes("a number is too great");
    return value;
  }

  /** A copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const from = this.#take(length);
    return this.#bytes.slice(from, from + length);
  }

  /** The same, borrowed: as long as the bytes that are read. */
  borrowed(): Uint8Array {
    const length = this.varint();
    const from = this.#take(length);
    return this.#bytes.subarray(from, from + length);
  }

  hex(length: number): string {
    const from = this.#take(length);
    return hexOf(this.#bytes.subarray(from, from + length));
  }

  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  text(length = this.varint()): string {
    const from = this.#take(length);
    if (length > 32) return decoder.decode(this.#bytes.subarray(from, from + length));
    const codes: number[] = [];
    for (let i = from; i < from + length; i++) {
      const byte = this.#bytes[i] ?? 0;
      if (byte > 127) return decoder.decode(this.#bytes.subarray(from, from + length));
      codes.push(byte);
    }
    return String.fromCharCode.apply(null, codes);
  }

  #take(length: number): number {
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new MalformedBytes("the bytes end too early");
    this.#at = from + length;
    return from;
  }
}
