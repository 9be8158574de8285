// Who stands at the other end, how often one address may knock, and whether it brings a token.
//
// Each handshake costs the core public-key work, so an address has a bucket of tokens that fills slowly. Addresses of one IPv6
// network (/64) share it: whoever has one address there has all of them. How often this machine itself knocks is not counted.
import { createHash, timingSafeEqual } from "node:crypto";

/** Reloads of a few tabs behind one address fit in; a loop does not. */
const burst = 40;
const perSecond = 4;
/** Beyond so many, the one not seen for longest is forgotten. */
const addressesMax = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class Gate {
  readonly #buckets = new Map<string, Bucket>();

  /** False if that address comes too often. `nowMs` is steady time. */
  admits(address: string, nowMs: number): boolean {
    const key = networkOf(address);
    if (key === thisMachine) return true;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    // At the end again, so that the first is the one not seen for longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > addressesMax)
      for (const [oldest] of this.#buckets) {
        this.#buckets.delete(oldest);
        break;
      }
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

/** Links that bring one of these texts may enter any topic. */
export class Tokens {
  readonly #digests: readonly Buffer[];

  constructor(tokens: readonly string[]) {
    this.#digests = tokens.map(digestOf);
  }

  /** Takes as long for a text that is nearly right as for any other. */
  admits(text: string | null): boolean {
    if (text === null) return false;
    const digest = digestOf(text);
    let admitted = false;
    for (const known of this.#digests) admitted = timingSafeEqual(known, digest) || admitted;
    return admitted;
  }
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

const thisMachine = "127.0.0.1";

/** What is one stranger: an IPv4 address, an IPv6 network; all addresses of this machine are one. */
export function networkOf(address: string): string {
  const plain = address
    .replace(/^::ffff:(?=\d+\.)/i, "")
    .replace(/%.*$/, "")
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
  if (!plain.includes(":")) return plain.startsWith("127.") ? thisMachine : plain;
  if (plain === "::1") return thisMachine;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...new Array<string>(zeros).fill("0"), ...last]
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

/** The same in at most 16 bytes, as the core has it. */
export function addressBytes(address: string): Uint8Array {
  const network = networkOf(address);
  const four = network.split(".").map(Number);
  if (four.length === 4 && four.every(part => part >= 0 && part <= 255)) return Uint8Array.from(four);
  const groups = network.split(":").map(group => Number.parseInt(group, 16));
  if (groups.length === 4 && groups.every(group => group >= 0 && group <= 0xffff))
    return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 255]));
  return new Uint8Array(digestOf(network).subarray(0, 16));
}

/** Who stands at the other end. Behind a proxy on this machine or its network, the proxy's last word on it. */
export function addressOf(
  remote: string | undefined,
  forwarded: string | string[] | undefined,
  behindProxy: boolean,
): string {
  const address = remote ?? "";
  if (!behindProxy || !isPrivate(address)) return address;
  const said = (Array.isArray(forwarded) ? forwarded.join(",") : (forwarded ?? "")).split(",").at(-1)?.trim();
  return said === undefined || said === "" ? address : said;
}

function isPrivate(address: string): boolean {
  return /^(::ffff:)?(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|^::1$|^f[cd]/i.test(address);
}
