// Hashes, keys and numbers as src/wire/README.md writes them (sections 1 and 3).

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign as signWith,
  type ED25519KeyPairOptions,
  type KeyObject,
  type X25519KeyPairOptions,
} from "node:crypto";

export type Part = string | Uint8Array | readonly number[];

const text = new TextEncoder();

export function join(...parts: readonly Part[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      parts.map(part =>
        typeof part === "string" ? text.encode(part) : part instanceof Uint8Array ? part : Uint8Array.from(part),
      ),
    ),
  );
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const fromHex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));
export const random = (count: number): Uint8Array => new Uint8Array(randomBytes(count));

/** Unsigned, big-endian, in so many bytes. */
export function big(value: number | bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let index = size, rest = BigInt(value); index-- > 0; rest >>= 8n) out[index] = Number(rest & 255n);
  return out;
}

export function varint(value: number | bigint): Uint8Array {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...out, Number(rest)]);
}

/** A varint length before them. */
export const counted = (bytes: Uint8Array): Uint8Array => join(varint(bytes.length), bytes);

export const hash = (size: number, ...parts: readonly Part[]): Uint8Array => blake2b(join(...parts), { dkLen: size });
export const keyed = (size: number, key: Uint8Array, ...parts: readonly Part[]): Uint8Array =>
  blake2b(join(...parts), { dkLen: size, key });
export const derive = (secret: Uint8Array, label: string): Uint8Array => keyed(32, secret, [label.length], label);

/** The types know only keys of which both halves are written out, or none. */
export type MadeWith = ED25519KeyPairOptions<"der", "der"> & X25519KeyPairOptions<"der", "der">;

/** An Ed25519 key. It is at work in its thousands, so the signatures are those of the platform, which is fast. */
export class Signer {
  readonly id: Uint8Array;
  readonly #key: KeyObject;

  /** The one of that seed, or a new one. */
  constructor(seed?: Uint8Array) {
    if (seed === undefined) {
      // Written out where it is made: Node 20 hangs now and then when it exports one of thousands of keys that it holds.
      const made = generateKeyPairSync("ed25519", {
        publicKeyEncoding: { format: "der", type: "spki" },
      } as unknown as MadeWith);
      this.#key = made.privateKey as unknown as KeyObject;
      this.id = new Uint8Array(made.publicKey).slice(-32);
    } else {
      this.#key = createPrivateKey({
        key: Buffer.concat([fromHex("302e020100300506032b657004220420"), seed]),
        format: "der",
        type: "pkcs8",
      });
      this.id = ed25519.getPublicKey(seed);
    }
  }

  sign(...parts: readonly Part[]): Uint8Array {
    return new Uint8Array(signWith(null, join(...parts), this.#key));
  }
}

export const networkOf = (app: string): Uint8Array => hash(32, "perdure/network/1", app);

/** A topic, for whoever has its secret. */
export class Topic {
  constructor(
    readonly network: Uint8Array,
    readonly secret: Uint8Array = random(32),
    readonly signer = new Signer(derive(secret, "perdure/topic/1")),
  ) {}

  /** One that can be entered and filled, but has no secret: it is made fast. */
  static invented(network: Uint8Array): Topic {
    return new Topic(network, new Uint8Array(32), new Signer());
  }

  /** The one that an invite leads to (section 17). */
  static ofInvite(network: Uint8Array, invite: string): Topic {
    const bytes = new Uint8Array(
      Buffer.from(invite.slice(invite.indexOf("perdure-") + "perdure-".length), "base64url"),
    );
    return new Topic(network, bytes.slice(5, 37));
  }

  get id(): Uint8Array {
    return this.signer.id;
  }

  get sealKey(): Uint8Array {
    return derive(this.secret, "perdure/seal/1");
  }

  /** Names the seal key. */
  get epoch(): Uint8Array {
    return hash(16, "perdure/epoch/1", this.sealKey);
  }

  logId(device: Uint8Array, incarnation: bigint): Uint8Array {
    return hash(32, "perdure/log/1", this.network, this.id, device, big(incarnation, 8));
  }

  certificate(device: Uint8Array, incarnation: bigint): Uint8Array {
    return this.signer.sign("perdure/open/1", this.network, this.id, device, big(incarnation, 8));
  }

  headStatement(
    device: Uint8Array,
    incarnation: bigint,
    length: number,
    ops: number,
    root: Uint8Array,
    time: bigint,
  ): Uint8Array {
    return join(
      "perdure/head/1",
      this.network,
      this.id,
      device,
      big(incarnation, 8),
      big(length, 8),
      big(ops, 8),
      root,
      big(time, 8),
    );
  }

  ackStatement(log: Uint8Array, length: number, root: Uint8Array, acker: Uint8Array, epoch: Uint8Array): Uint8Array {
    return join("perdure/ack/1", this.network, this.id, log, big(0, 8), big(length, 8), root, acker, epoch);
  }

  /** A batch of format 1 with one message, sealed for its place (section 16). `value` is MessagePack. */
  batch(log: Uint8Array, index: number, time: bigint, firstOp: number, value: Uint8Array): Uint8Array {
    const salt = random(8);
    const nonce = keyed(24, this.sealKey, this.epoch, log, big(index, 8), salt);
    const place = join(this.network, this.id, log, big(index, 8), this.epoch);
    const plain = join([0x40], big(time, 8), varint(firstOp), [1], value);
    return join([0], salt, xchacha20poly1305(this.sealKey, nonce, place).encrypt(plain));
  }

  unseal(log: Uint8Array, index: number, batch: Uint8Array): Uint8Array {
    const nonce = keyed(24, this.sealKey, this.epoch, log, big(index, 8), batch.slice(1, 9));
    return xchacha20poly1305(this.sealKey, nonce, join(this.network, this.id, log, big(index, 8), this.epoch)).decrypt(
      batch.slice(9),
    );
  }

  /** What a Presence frame carries (section 13). `value` is MessagePack. */
  presence(device: Signer, sequence: bigint, value: Uint8Array): Uint8Array {
    const about = join("perdure/presence/1", this.network, this.id, device.id, [1], big(sequence, 8));
    const content = join([1], value);
    const salt = random(8);
    const key = derive(this.sealKey, "perdure/presence/1");
    return join(
      salt,
      xchacha20poly1305(key, keyed(24, key, salt, about), about).encrypt(join(content, device.sign(about, content))),
    );
  }
}

// ---- the tree of a log (section 10)

export const leaf = (batch: Uint8Array): Uint8Array => hash(32, [0], batch);
const node = (left: Uint8Array, right: Uint8Array): Uint8Array => hash(32, [1], left, right);

function half(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/** Stretches of the tree of `size` leaves that lie wholly in [from, size): first leaf and count, left to right. */
export function stretches(from: number, size: number): { first: number; count: number }[] {
  if (from === size) return [];
  const out: { first: number; count: number }[] = [];
  let first = 0;
  let count = size;
  while (first !== from) {
    const left = half(count);
    if (from - first < left) {
      out.push({ first: first + left, count: count - left });
      count = left;
    } else {
      first += left;
      count -= left;
    }
  }
  out.push({ first, count });
  return out.reverse();
}

/** The root over `size` leaves, of which the first are known and the rest stand in the completion. */
export function rootOf(
  leaves: readonly Uint8Array[],
  size = leaves.length,
  completion: readonly Uint8Array[] = [],
): Uint8Array {
  const known = stretches(leaves.length, size);
  const over = (first: number, count: number): Uint8Array => {
    const place = known.findIndex(stretch => stretch.first === first && stretch.count === count);
    const found = place >= 0 ? completion[place] : count === 1 ? leaves[first] : undefined;
    if (found !== undefined) return found;
    if (count <= 1) throw new Error("the completion is too short");
    return node(over(first, half(count)), over(first + half(count), count - half(count)));
  };
  return over(0, size);
}

/** Reads the fields of a frame (section 6). */
export class Reader {
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  u8(): number {
    const byte = this.bytes[this.#at++];
    if (byte === undefined) throw new Error("a frame is too short");
    return byte;
  }

  raw(count: number): Uint8Array {
    if (this.#at + count > this.bytes.length) throw new Error("a frame is too short");
    return this.bytes.slice(this.#at, (this.#at += count));
  }

  big(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  number(): number {
    return Number(this.big());
  }

  list<T>(each: () => T): T[] {
    return Array.from({ length: this.number() }, each);
  }

  rest(): Uint8Array {
    return this.raw(this.bytes.length - this.#at);
  }

  /** Throws if something is left. */
  end(): void {
    if (this.#at !== this.bytes.length) throw new Error("a frame has bytes left over");
  }
}
