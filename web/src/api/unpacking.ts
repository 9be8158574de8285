// From MessagePack to values (values.ts says which). Throws MalformedBytes for what is none.

import { MalformedBytes, Reader } from "../base/bytes.js";
import { depthMax, textOfWtf8, timestamp, utf16, wtf8 } from "./extensions.js";

/** The value that comes next, which stands so deep in another. */
export function get(r: Reader, depth: number): unknown {
  const tag = r.u8();
  if (tag < 0x80) return tag;
  if (tag < 0x90) return getMap(r, tag & 15, depth);
  if (tag < 0xa0) return getArray(r, tag & 15, depth);
  if (tag < 0xc0) return r.text(tag & 31);
  if (tag >= 0xe0) return tag - 256;
  const read = tagged[tag - 0xc0];
  if (read === undefined) throw new MalformedBytes("no MessagePack");
  return read(r, depth);
}

/** What follows the tags from 0xc0 on. */
const tagged: readonly (((r: Reader, depth: number) => unknown) | undefined)[] = [
  () => null,
  undefined,
  () => false,
  () => true,
  r => r.raw(r.u8()), // 0xc4: bytes
  r => r.raw(r.u16()),
  r => r.raw(r.u32()),
  r => getExtension(r, r.u8()), // 0xc7
  r => getExtension(r, r.u16()),
  r => getExtension(r, r.u32()),
  r => finite(r.f32()), // 0xca: numbers
  r => finite(r.f64()),
  r => r.u8(),
  r => r.u16(),
  r => r.u32(),
  r => Number(r.u64()),
  r => r.i8(), // 0xd0
  r => r.i16(),
  r => r.i32(),
  r => Number(r.i64()),
  r => getExtension(r, 1), // 0xd4
  r => getExtension(r, 2),
  r => getExtension(r, 4),
  r => getExtension(r, 8),
  r => getExtension(r, 16),
  r => r.text(r.u8()), // 0xd9: texts
  r => r.text(r.u16()),
  r => r.text(r.u32()),
  (r, depth) => getArray(r, r.u16(), depth), // 0xdc
  (r, depth) => getArray(r, r.u32(), depth),
  (r, depth) => getMap(r, r.u16(), depth),
  (r, depth) => getMap(r, r.u32(), depth),
];

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
