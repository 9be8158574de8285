// A client of the wire, written from src/wire/README.md alone: it shares no code with the core. It dials an anchor, shakes hands
// and says what it is told to, right or wrong.

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { WebSocket } from "ws";
import { hash, hex, join, Reader, Signer, varint, type MadeWith, type Part, type Topic } from "./bytes.js";
import type { Purse } from "./purse.js";

/** Tags of section 7. */
export const tags = {
  ping: 2,
  pong: 3,
  bye: 4,
  topics: 10,
  enter: 11,
  refused: 12,
  closed: 13,
  hello: 20,
  items: 21,
  done: 22,
  want: 23,
  page: 24,
  noPage: 25,
  check: 26,
  ack: 27,
  askProof: 30,
  proof: 31,
  askNodes: 32,
  nodes: 33,
  introduce: 40,
  signal: 41,
  relay: 42,
  unreachable: 43,
  presence: 50,
  abilities: 128,
} as const;

/** What a chunk of a piece holds at most (section 5). */
export const chunkBytes = 16_367;

export interface Frame {
  readonly tag: number;
  readonly alias: number;
  readonly request: number;
  readonly body: Uint8Array;
}

/** A frame as it travels. */
export const frame = (tag: number, alias: number, request: number, ...body: readonly Part[]): Uint8Array =>
  join([tag, 0], varint(alias), varint(request), ...body);

export interface Dialling {
  readonly url: string;
  readonly network: Uint8Array;
  /** The address that the proxy before the anchor would tell. */
  readonly address: string;
  readonly purse: Purse;
  readonly device?: Signer;
  /** Checks what the other side signed. It is slow, so only who means well does it. */
  readonly careful?: boolean;
}

/** The WebSocket of a dialling, opened; rejects if the anchor lets it not in. */
export async function knock({ url, network, address, purse }: Dialling): Promise<WebSocket> {
  purse.socket();
  const asked = new URL(url);
  asked.searchParams.set("network", hex(network));
  const socket = new WebSocket(asked, { perMessageDeflate: false, headers: { "X-Forwarded-For": address } });
  socket.binaryType = "nodebuffer";
  purse.holds(() => socket.terminate());
  await new Promise<void>((resolve, reject) =>
    socket
      .on("open", resolve)
      .on("error", reject)
      .on("close", () => reject(new Error("closed before it stood"))),
  );
  return socket;
}

const nonce12 = (count: bigint): Uint8Array => {
  const out = new Uint8Array(12);
  new DataView(out.buffer).setBigUint64(4, count, true);
  return out;
};

function twoKeys(chaining: Uint8Array, secret: Uint8Array): [Uint8Array, Uint8Array] {
  const mixed = hmac(blake2b, chaining, secret);
  const first = hmac(blake2b, mixed, Uint8Array.of(1));
  return [first, hmac(blake2b, mixed, join(first, [2]))];
}

/** The symmetric state of Noise (section 4). */
class Noise {
  h = join("Noise_XX_25519_ChaChaPoly_BLAKE2b", new Uint8Array(31));
  ck = this.h;
  #key: Uint8Array | undefined;
  #count = 0n;

  constructor(prologue: Uint8Array) {
    this.mix(prologue);
  }

  mix(bytes: Uint8Array): void {
    this.h = hash(64, this.h, bytes);
  }

  mixKey(secret: Uint8Array): void {
    const [chaining, key] = twoKeys(this.ck, secret);
    this.ck = chaining;
    this.#key = key.slice(0, 32);
    this.#count = 0n;
  }

  seal(plain: Uint8Array): Uint8Array {
    const out =
      this.#key === undefined ? plain : chacha20poly1305(this.#key, nonce12(this.#count++), this.h).encrypt(plain);
    this.mix(out);
    return out;
  }

  open(sealed: Uint8Array): Uint8Array {
    const out =
      this.#key === undefined ? sealed : chacha20poly1305(this.#key, nonce12(this.#count++), this.h).decrypt(sealed);
    this.mix(sealed);
    return out;
  }

  split(): [Direction, Direction] {
    const [first, second] = twoKeys(this.ck, new Uint8Array(0));
    return [new Direction(first.slice(0, 32)), new Direction(second.slice(0, 32))];
  }
}

/** Seals or unseals the messages of one direction (section 5). */
class Direction {
  #key: Uint8Array;
  #count = 0n;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  #cipher(): ReturnType<typeof chacha20poly1305> {
    if (this.#count > 0n && this.#count % 65_536n === 0n) {
      this.#key = chacha20poly1305(this.#key, nonce12(2n ** 64n - 1n))
        .encrypt(new Uint8Array(32))
        .slice(0, 32);
    }
    return chacha20poly1305(this.#key, nonce12(this.#count++));
  }

  seal(piece: Uint8Array): Uint8Array {
    return this.#cipher().encrypt(piece);
  }

  open(sealed: Uint8Array): Uint8Array {
    return this.#cipher().decrypt(sealed);
  }
}

/** An X25519 key. There is a handshake for each link, so it is the platform's, which is fast. */
class Exchange {
  readonly public: Uint8Array;
  readonly #key: KeyObject;

  constructor() {
    const made = generateKeyPairSync("x25519", {
      publicKeyEncoding: { format: "der", type: "spki" },
    } as unknown as MadeWith);
    this.#key = made.privateKey as unknown as KeyObject;
    this.public = new Uint8Array(made.publicKey).slice(-32);
  }

  with(theirs: Uint8Array): Uint8Array {
    const publicKey = createPublicKey({
      key: { kty: "OKP", crv: "X25519", x: Buffer.from(theirs).toString("base64url") },
      format: "jwk",
    });
    return new Uint8Array(diffieHellman({ privateKey: this.#key, publicKey }));
  }
}

/** The static key, as a peer makes it at each start. All diallings share it. */
const fixed = new Exchange();

/** A link that stands, for all that an edge does on it. */
export class Client {
  /** 32 bytes that name this session. */
  session = new Uint8Array(32);
  anchor = new Uint8Array(32);
  anchorEpoch = new Uint8Array(8);
  /** Why the anchor's greeting refuses, 0: it does not. */
  refusal = 0;
  isOpen = true;
  readonly network: Uint8Array;
  readonly ended: Promise<void>;
  readonly #sealing: Direction;
  readonly #unsealing: Direction;
  readonly #socket: WebSocket;
  readonly #heard = new Set<(frame: Frame) => void>();
  readonly #purse: Purse;
  #part: Uint8Array = new Uint8Array(0);

  private constructor(
    socket: WebSocket,
    readonly device: Signer,
    { purse, network }: Dialling,
    keys: [Direction, Direction],
  ) {
    this.network = network;
    this.#socket = socket;
    this.#purse = purse;
    [this.#sealing, this.#unsealing] = keys;
    this.ended = new Promise(resolve => {
      const end = (): void => {
        this.isOpen = false;
        resolve();
      };
      if (socket.readyState >= WebSocket.CLOSING) end();
      socket.on("close", end);
    });
  }

  /** Dials and shakes hands. Rejects if the anchor closes before. */
  static async dial(to: Dialling): Promise<Client> {
    const socket = await knock(to);
    const device = to.device ?? new Signer();
    const noise = new Noise(join("perdure/session/1", to.network, [1]));
    const own = new Exchange();
    const early: Uint8Array[] = [];
    let hear = (message: Uint8Array): void => void early.push(message);
    const second = new Promise<Uint8Array>((resolve, reject) => {
      socket.on("close", () => reject(new Error("closed in the handshake")));
      socket.once("message", (data: Buffer) => resolve(new Uint8Array(data)));
    });
    second.catch(() => undefined);
    socket.on("message", (data: Buffer) => hear(new Uint8Array(data)));
    noise.mix(own.public);
    to.purse.spend(32);
    socket.send(join(own.public, noise.seal(new Uint8Array(0))));
    const message = await second;
    if (message.length !== 207) throw new Error(`the second message has ${message.length} bytes`);
    const theirs = message.slice(0, 32);
    noise.mix(theirs);
    noise.mixKey(own.with(theirs));
    const theirStatic = noise.open(message.slice(32, 80));
    noise.mixKey(own.with(theirStatic));
    const said = noise.open(message.slice(80));
    if (said.length !== 111 || said[0] !== 1) throw new Error("the anchor's payload is none");
    const statement = join("perdure/noise/1", to.network, theirStatic);
    if (to.careful === true && !ed25519.verify(said.slice(33, 97), statement, said.slice(1, 33), { zip215: false }))
      throw new Error("the anchor's static key is not signed");
    const sealedStatic = noise.seal(fixed.public);
    noise.mixKey(fixed.with(theirs));
    const greeting = join([1, 0, 0], device.id.slice(0, 8), [0, 0, 0]);
    const payload = join([1], device.id, device.sign("perdure/noise/1", to.network, fixed.public), greeting);
    to.purse.spend(175);
    socket.send(join(sealedStatic, noise.seal(payload)));
    const client = new Client(socket, device, to, noise.split());
    client.session = noise.h.slice(0, 32);
    client.anchor = said.slice(1, 33);
    client.anchorEpoch = said.slice(100, 108);
    client.refusal = said[110] ?? 0;
    // What is heard is answered as long as there is something to spend. What cannot be read ends the process.
    hear = message => {
      try {
        client.#take(message);
      } catch (error) {
        to.purse.excuse(error);
      }
    };
    // The first one was the handshake's.
    for (const message of early.slice(1)) hear(message);
    return client;
  }

  onFrame(heard: (frame: Frame) => void): void {
    this.#heard.add(heard);
  }

  /** The next frame with this tag for which `fits` holds. Rejects when the link ends. */
  next(tag: number, fits: (frame: Frame) => boolean = () => true): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const hear = (frame: Frame): void => {
        if (frame.tag !== tag || !fits(frame)) return;
        this.#heard.delete(hear);
        resolve(frame);
      };
      this.#heard.add(hear);
      void this.ended.then(() => reject(new Error(`the link ended while frame ${tag} was waited for`)));
    });
  }

  send(tag: number, alias: number, request: number, ...body: readonly Part[]): void {
    this.sendFrame(frame(tag, alias, request, ...body));
  }

  sendFrame(bytes: Uint8Array): void {
    for (let at = 0; ; at += chunkBytes) {
      const isLast = at + chunkBytes >= bytes.length;
      this.sendPiece(join([isLast ? 0 : 1], bytes.slice(at, at + chunkBytes)));
      if (isLast) return;
    }
  }

  sendPiece(piece: Uint8Array): void {
    this.sendMessage(this.#sealing.seal(piece));
  }

  sendMessage(message: Uint8Array): void {
    if (!this.isOpen) return;
    this.#purse.spend(message.length);
    this.#socket.send(message, () => undefined);
  }

  sendText(text: string): void {
    this.#socket.send(text, () => undefined);
  }

  /** What waits here to be taken by the anchor. */
  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  /** Resolves once little waits here, or the link has ended, or the time is over. */
  async room(): Promise<void> {
    await this.#purse.turn();
    while (this.isOpen && this.waiting > 262_144 && this.#purse.hasTime) await this.#purse.turn();
  }

  /** Reads nothing from here on. */
  deafen(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.terminate();
  }

  /** Says that this alias means that topic, with the proof that its secret is known (section 9). */
  enter(topic: Topic, alias = 1): void {
    this.send(tags.enter, alias, 0, topic.id, topic.signer.sign("perdure/enter/1", this.session, this.device.id));
  }

  #take(message: Uint8Array): void {
    if (!this.isOpen) return;
    const piece = this.#unsealing.open(message);
    this.#part = this.#part.length === 0 ? piece.slice(1) : join(this.#part, piece.slice(1));
    if (piece[0] === 1) return;
    const read = new Reader(this.#part);
    this.#part = new Uint8Array(0);
    const tag = read.u8();
    if (read.u8() !== 0) throw new Error("a frame has flags");
    const alias = read.number();
    const request = read.number();
    const frame = { tag, alias, request, body: read.rest() };
    if (tag === tags.ping) this.send(tags.pong, 0, 0, varint(new Reader(frame.body).big()), varint(Date.now()));
    for (const heard of [...this.#heard]) heard(frame);
  }
}
