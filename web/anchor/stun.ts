// Tells whoever asks from which address and port it is seen, so that two browsers behind ordinary home routers can find each other.
// The Binding method of STUN (RFC 8489) over UDP, without authentication: what it says is what the asker's own packet says.
//
//     const stun = await StunServer.listen("0.0.0.0", 8787);     // undefined if the port cannot be had
//     stun.answered;                                             // for metrics
//     stun.close();
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv4, isIPv6 } from "node:net";

const headerSize = 20;
const magicCookie = 0x2112a442;
const bindingRequest = 0x0001;
const bindingResponse = 0x0101;
const bindingError = 0x0111;
const xorMappedAddress = 0x0020;
const errorCode = 0x0009;
const unknownAttributes = 0x000a;
/** Attributes below this must be understood (section 14); of those a Binding request may carry only what follows. */
const comprehensionOptional = 0x8000;
/** Sent by browsers in connectivity checks, and harmless: USERNAME, MESSAGE-INTEGRITY, PRIORITY, USE-CANDIDATE. */
const harmless = new Set([0x0006, 0x0008, 0x0024, 0x0025]);
/** A request has no need of more; what is longer is not answered, so that an answer is never much longer than what was asked. */
const requestBytesMax = 548;

export class StunServer {
  readonly #socket: Socket;
  #answered = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("message", (message, from) => {
      const answer = answerTo(message, from);
      if (answer === undefined) return;
      this.#answered++;
      socket.send(answer, from.port, from.address, () => undefined);
    });
  }

  /** Resolves once it answers; with nothing if that port cannot be had for UDP: an anchor does without. */
  static async listen(host: string, port: number): Promise<StunServer | undefined> {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    try {
      socket.bind({ address: host, port });
      await once(socket, "listening");
      return new StunServer(socket);
    } catch {
      socket.close();
      return undefined;
    }
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Requests answered. */
  get answered(): number {
    return this.#answered;
  }

  close(): void {
    this.#socket.close();
  }
}

/** The answer to one datagram; nothing if it is no Binding request. */
export function answerTo(message: Buffer, { address, port }: Pick<RemoteInfo, "address" | "port">): Buffer | undefined {
  if (message.length < headerSize || message.length > requestBytesMax) return undefined;
  const isRequest = message.readUInt16BE(0) === bindingRequest && message.readUInt32BE(4) === magicCookie;
  if (!isRequest || message.readUInt16BE(2) !== message.length - headerSize) return undefined;
  const unknown = unknownOf(message);
  if (unknown === undefined) return undefined;
  const transaction = message.subarray(8, headerSize);
  if (unknown.length > 0)
    return respond(bindingError, transaction, [
      attribute(errorCode, Buffer.from([0, 0, 4, 20])),
      attribute(unknownAttributes, Buffer.from(unknown.flatMap(type => [type >> 8, type & 255]))),
    ]);
  const ip = bytesOf(address);
  if (ip === undefined) return undefined;
  const value = Buffer.alloc(4 + ip.length);
  value[1] = ip.length === 4 ? 1 : 2;
  value.writeUInt16BE(port ^ (magicCookie >>> 16), 2);
  const mask = message.subarray(4, headerSize);
  for (const [at, byte] of ip.entries()) value[4 + at] = byte ^ (mask[at] ?? 0);
  return respond(bindingResponse, transaction, [attribute(xorMappedAddress, value)]);
}

/** Attributes that would have to be understood and are not; nothing if the attributes do not fit their message. */
function unknownOf(message: Buffer): number[] | undefined {
  const unknown: number[] = [];
  for (let at = headerSize; at < message.length; ) {
    if (at + 4 > message.length) return undefined;
    const type = message.readUInt16BE(at);
    at += 4 + ((message.readUInt16BE(at + 2) + 3) & ~3);
    if (at > message.length) return undefined;
    if (type < comprehensionOptional && !harmless.has(type)) unknown.push(type);
  }
  return unknown;
}

function attribute(type: number, value: Buffer): Buffer {
  const out = Buffer.alloc(4 + ((value.length + 3) & ~3));
  out.writeUInt16BE(type, 0);
  out.writeUInt16BE(value.length, 2);
  value.copy(out, 4);
  return out;
}

function respond(type: number, transaction: Buffer, attributes: readonly Buffer[]): Buffer {
  const body = Buffer.concat(attributes);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(body.length, 2);
  header.writeUInt32BE(magicCookie, 4);
  return Buffer.concat([header, transaction, body]);
}

/** 4 or 16 bytes; of an IPv4 address in IPv6's clothes the 4. */
function bytesOf(address: string): Buffer | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (isIPv4(plain)) return Buffer.from(plain.split(".").map(Number));
  if (!isIPv6(plain)) return undefined;
  const [head = "", tail] = plain.split("::");
  const words = (text: string): number[] => (text === "" ? [] : text.split(":").map(word => parseInt(word, 16)));
  const left = words(head),
    right = words(tail ?? "");
  const all =
    tail === undefined ? left : [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap(word => [word >> 8, word & 255]));
}
