// How often one address may knock.
//
// Each handshake costs the core public-key work, so an address has a bucket of tokens that fills slowly. Addresses of one IPv6
// network (/64) share a bucket: whoever has one address there has all of them. This machine itself is not counted.

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
    if (key === undefined) return true;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    // At the end again, so that the first is the one not seen for longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > addressesMax) for (const [oldest] of this.#buckets) {
      this.#buckets.delete(oldest);
      break;
    }
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
}

/** What shares a bucket; undefined for loopback addresses. */
export function networkOf(address: string): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!plain.includes(":")) return plain.startsWith("127.") ? undefined : plain;
  if (plain === "::1") return undefined;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...new Array<string>(zeros).fill("0"), ...last].slice(0, 4).map(group => group.replace(/^0+(?=.)/, "")).join(":");
}

/** Who stands at the other end. Behind a proxy on this machine or its network, the proxy's last word on it. */
export function addressOf(remote: string | undefined, forwarded: string | string[] | undefined, behindProxy: boolean): string {
  const address = remote ?? "";
  if (!behindProxy || !isPrivate(address)) return address;
  const said = (Array.isArray(forwarded) ? forwarded.join(",") : forwarded ?? "").split(",").at(-1)?.trim();
  return said === undefined || said === "" ? address : said;
}

function isPrivate(address: string): boolean {
  return /^(::ffff:)?(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)|^::1$|^f[cd]/i.test(address);
}
