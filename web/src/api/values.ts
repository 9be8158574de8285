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
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { PerdureError } from "../base/errors.js";
import { Packer, type Step } from "./packing.js";
import { get } from "./unpacking.js";

/** The largest value, packed: 256 KiB of text or of bytes, and five that say so. */
export const valueMax = 256 * 1024 + 5;
/** The largest presence, packed: 4 KiB of text or of bytes, and three that say so. */
export const presenceMax = 4 * 1024 + 3;

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
