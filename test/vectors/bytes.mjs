// Bytes, as the makers of vectors write them.
import { sha256 } from "@noble/hashes/sha2.js";

export const none = new Uint8Array();
export const hex = bytes => Buffer.from(bytes).toString("hex");
export const fromHex = text => new Uint8Array(Buffer.from(text, "hex"));
export const concat = (...parts) => new Uint8Array(Buffer.concat(parts));
/** That one byte. */
export const byte = value => Uint8Array.of(value);

let drawn = 0;
/** Others with each call and the same in each run, as long as the calls come in the same order. */
export function draw(length) {
  let all = none;
  while (all.length < length) all = concat(all, sha256(Buffer.from(`vector ${drawn++}`)));
  return all.slice(0, length);
}

export const flipped = (original, bit) =>
  original.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

/** The number that these bytes are, the least first, and the other way about. */
export const numberOf = little => BigInt(`0x${hex(little.slice().reverse())}`);
export const little = (value, length = 32) => fromHex(value.toString(16).padStart(2 * length, "0")).reverse();
