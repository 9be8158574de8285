// Who stands at the other end, how often one address may knock or ask for a page, and whether it brings a token.
//
// Each handshake costs the core public-key work, and each page the processor, so an address has a bucket of tokens that fills slowly.
// Addresses of one IPv6 network (/64) share it: whoever has one address there has all of them. How often this machine itself comes is
// not counted, unless a proxy stands here that may not have said for whom it asks.
import { createHash, timingSafeEqual } from "node:crypto";

/** How many at once, and how many a second from then on. */
export interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** Reloads of a few tabs behind one address fit in; a loop does not. */
const handshakes: Allowance = { burst: 40, perSecond: 4 };
/** A page is some 15 files, and the 25 of a classroom open it together, behind one router. A file costs the processor a millisecond: they
 *  cost half a second then, and a twentieth of it from then on. */
const pages: Allowance = { burst: 400, perSecond: 50 };
/** From all addresses together: a second of the processor, and a quarter of it from then on, is what pages may take from the links. */
const allPages: Allowance = { burst: 1_000, perSecond: 200 };
/** Of what watches over the anchor: a few of them, each several times a second. */
const looks: Allowance = { burst: 60, perSecond: 10 };
/** Beyond so many, the one not seen for longest is forgotten. */
const addressesMax = 10_000;

class Bucket {
  readonly #allowance: Allowance;
  #tokens: number;
  #atMs: number;

  constructor(allowance: Allowance, nowMs: number) {
    this.#allowance = allowance;
    this.#tokens = allowance.burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    const { burst, perSecond } = this.#allowance;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export class Gate {
  readonly #allowance: Allowance;
  readonly #buckets = new Map<string, Bucket>();

  constructor(allowance = handshakes) {
    this.#allowance = allowance;
  }

  /** False if that address comes too often. `nowMs` is steady time. */
  admits(address: string, nowMs: number): boolean {
    const key = networkOf(address);
    if (key === thisMachine) return true;
    const bucket = this.#buckets.get(key) ?? new Bucket(this.#allowance, nowMs);
    // At the end again, so that the first is the one not seen for longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > addressesMax)
      for (const [oldest] of this.#buckets) {
        this.#buckets.delete(oldest);
        break;
      }
    return bucket.take(nowMs);
  }
}

/** Who may ask for a page. What asks for the health is not kept from it by those who ask for pages, be they at its own address. */
export class Desk {
  readonly #behindProxy: boolean;
  readonly #pages = new Gate(pages);
  readonly #looks = new Gate(looks);
  #all: Bucket | undefined;

  constructor(behindProxy: boolean) {
    this.#behindProxy = behindProxy;
  }

  admits(address: string, path: string, nowMs: number): boolean {
    if (path === "/healthz") return this.#looks.admits(address, nowMs);
    if (!this.#pages.admits(address, nowMs)) return false;
    if (networkOf(address) === thisMachine && !this.#behindProxy) return true;
    this.#all ??= new Bucket(allPages, nowMs);
    return this.#all.take(nowMs);
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
