// The short form of an id: the first 16 hex digits of SHA-256 of the public key. Written out because WebCrypto's digest answers
// later and is missing on plain http pages; nothing secret passes through here.
import { bytesOfHex } from "../base/bytes.js";

const known = new Map<string, string>();
/** Enough for all members of large topics; then the cache begins anew. */
const knownMax = 10_000;

/** The short id of a device id of 64 hex digits. */
export function shortIdOf(id: string): string {
  let short = known.get(id);
  if (short === undefined) {
    if (known.size >= knownMax) known.clear();
    short = sha256(bytesOfHex(id) ?? new Uint8Array()).slice(0, 16);
    known.set(id, short);
  }
  return short;
}

/** FIPS 180-4, the square roots and cube roots of the first primes computed as it defines them. */
const primes = Array.from({ length: 312 }, (_, n) => n).filter(
  n => n > 1 && !Array.from({ length: n }, (_, d) => d).some(d => d > 1 && n % d === 0),
);
const fraction = (x: number): number => Math.floor((x - Math.floor(x)) * 0x100000000) | 0;
const rounds = Int32Array.from(primes.slice(0, 64), prime => fraction(Math.cbrt(prime)));
const first = Int32Array.from(primes.slice(0, 8), prime => fraction(Math.sqrt(prime)));

const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** SHA-256 in hex. */
export function sha256(message: Uint8Array): string {
  const padded = new Uint8Array((((message.length + 8) >> 6) + 1) << 6);
  padded.set(message);
  padded[message.length] = 0x80;
  const data = new DataView(padded.buffer);
  data.setUint32(padded.length - 4, message.length * 8);
  const hash = Int32Array.from(first);
  const w = new Int32Array(64);
  const at = (words: Int32Array, i: number): number => words[i] ?? 0;
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = data.getInt32(block + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = at(w, i - 15);
      const y = at(w, i - 2);
      w[i] =
        at(w, i - 16) +
        at(w, i - 7) +
        (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) +
        (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = hash;
    for (let i = 0; i < 64; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + at(rounds, i) + at(w, i)) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] = at(hash, i) + word));
  }
  return [...hash].map(word => (word >>> 0).toString(16).padStart(8, "0")).join("");
}
