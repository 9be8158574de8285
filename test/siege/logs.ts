// Logs of a topic: one that is written here, and those of others as an anchor brings them (sections 10 to 12).

import { ed25519 } from "@noble/curves/ed25519.js";
import {
  big,
  counted,
  hex,
  join,
  keyed,
  leaf,
  random,
  Reader,
  rootOf,
  Signer,
  stretches,
  varint,
  type Topic,
} from "./bytes.js";
import { Client, tags, type Frame } from "./client.js";

/** The name of a log on a session. */
export const logTag = (session: Uint8Array, log: Uint8Array): Uint8Array => keyed(8, session, log);

/** A log of a device. */
export class Log {
  readonly id: Uint8Array;
  readonly batches: Uint8Array[] = [];
  readonly leaves: Uint8Array[] = [];
  ops = 0;
  time = 0n;
  #certificate: Uint8Array | undefined;

  constructor(
    readonly topic: Topic,
    readonly device: Signer,
    readonly incarnation = BigInt(`0x${hex(random(8))}`),
  ) {
    this.id = topic.logId(device.id, incarnation);
  }

  /** One more message. `value` is MessagePack. */
  append(value: Uint8Array): void {
    this.#tick();
    this.put(this.topic.batch(this.id, this.batches.length, this.time, this.ops, value));
  }

  /** A batch that nobody can unseal: an anchor cannot know. */
  put(batch: Uint8Array): void {
    if (this.time === 0n) this.#tick();
    this.batches.push(batch);
    this.leaves.push(leaf(batch));
    this.ops += 1;
  }

  #tick(): void {
    const now = BigInt(Date.now()) << 16n;
    this.time = now > this.time ? now : this.time + 1n;
  }

  /** The body of a Page with the batches from there on. */
  page(session: Uint8Array, from = 0): Uint8Array {
    this.#certificate ??= this.topic.certificate(this.device.id, this.incarnation);
    const opening =
      from === 0
        ? join([1], this.device.id, big(this.incarnation, 8), this.#certificate)
        : join([0], logTag(session, this.id));
    const { length } = this.batches;
    const statement = this.topic.headStatement(
      this.device.id,
      this.incarnation,
      length,
      this.ops,
      rootOf(this.leaves),
      this.time,
    );
    const batches = this.batches.slice(from);
    return join(
      opening,
      [1],
      varint(from),
      varint(batches.length),
      ...batches.map(counted),
      [0],
      varint(length),
      varint(this.ops),
      varint(this.time),
      this.device.sign(statement),
    );
  }
}

export interface Item {
  readonly tag: Uint8Array;
  readonly length: number;
  readonly ops: number;
  readonly timeS: number;
  readonly root: Uint8Array;
  readonly cut: number;
}

export const item = (
  tag: Uint8Array,
  length: number,
  ops: number,
  timeS: number,
  root: Uint8Array,
  cut = 0,
): Uint8Array => join(tag, varint(length), varint(ops), varint(timeS), root.slice(0, 4), varint(cut));

/** The body of a Hello. */
export const hello = (
  fingerprint: Uint8Array,
  count: number,
  items: readonly Uint8Array[],
  cursor: Uint8Array | undefined,
  again: number,
): Uint8Array =>
  join(fingerprint, varint(count), varint(items.length), ...items, cursor === undefined ? [0] : join([1], cursor), [
    again,
  ]);

export const cursor = (epoch: Uint8Array, count: number | bigint, name: Uint8Array): Uint8Array =>
  join(epoch, varint(count), name);

/** The fingerprint of who holds nothing. */
export const nothing = (session: Uint8Array): Uint8Array => keyed(16, session, "perdure/frontier/1");

/** Somebody's log, as far as it is proved. */
export interface Held {
  readonly id: Uint8Array;
  readonly device: Uint8Array;
  readonly incarnation: bigint;
  readonly batches: Uint8Array[];
  readonly leaves: Uint8Array[];
}

export interface HeardAck {
  readonly acker: Uint8Array;
  readonly length: number;
}

/** A member that follows a topic by way of an anchor, reads what it brings and writes a log of its own. */
export class Member {
  readonly logs = new Map<string, Held>();
  /** Of the own log, verified. */
  readonly acks: HeardAck[] = [];
  readonly own: Log;
  readonly epoch = random(8);
  #items: Item[] = [];
  #isHeard = false;
  #isAnswered = false;
  #requests = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly client: Client,
    readonly topic: Topic,
    readonly alias = 1,
  ) {
    this.own = new Log(topic, client.device);
    client.onFrame(frame => {
      if (frame.alias === alias) this.#hear(frame);
    });
    client.enter(topic, alias);
    client.send(tags.hello, alias, 0, hello(nothing(client.session), 0, [], undefined, 1));
  }

  append(value: Uint8Array): void {
    const from = this.own.batches.length;
    this.own.append(value);
    this.client.send(tags.page, this.alias, 0, this.own.page(this.client.session, from));
  }

  /** Resolves once it is so; rejects when the link ends. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      void this.client.ended.then(() => reject(new Error("the link ended while something was waited for")));
      look();
    });
  }

  /** The values of the messages of a device, MessagePack, as far as they have come. */
  read(device: Uint8Array): Uint8Array[] {
    return [...this.logs.values()]
      .filter(log => hex(log.device) === hex(device))
      .flatMap(log =>
        log.batches.map((batch, index) => {
          const read = new Reader(this.topic.unseal(log.id, index, batch));
          // Shape, time, first op, deps of 8 bytes, length and 8 bytes each; then the one op, whose value takes the rest.
          const shape = read.u8();
          if ((shape & 0xf0) !== 0x40) return new Uint8Array(0);
          read.raw(8);
          read.big();
          for (let dep = 0; dep < (shape & 0x0f); dep += 1) {
            read.raw(8);
            read.big();
            read.raw(8);
          }
          read.u8();
          return read.rest();
        }),
      );
  }

  /** An acknowledgement of somebody's log by a device, up to a length and the root there. */
  ack(log: Held, length: number, root: Uint8Array, acker: Signer, epoch: Uint8Array): Uint8Array {
    const signature = acker.sign(this.topic.ackStatement(log.id, length, root, acker.id, epoch));
    return join(log.device, big(log.incarnation, 8), acker.id, varint(0), varint(length), epoch, signature);
  }

  #hear(frame: Frame): void {
    const read = new Reader(frame.body);
    if (frame.tag === tags.hello) {
      read.raw(16);
      read.number();
      this.#items.push(...read.list(() => this.#item(read)));
      if (read.u8() === 1) read.raw(8), read.big(), read.raw(8);
      const again = read.u8();
      read.end();
      if (again === 2 || (again === 1 && this.#isHeard))
        this.client.send(tags.hello, this.alias, 0, hello(nothing(this.client.session), 0, [], undefined, 0));
      this.#isHeard = true;
      this.client.send(tags.done, this.alias, 0, cursor(this.epoch, 0, new Uint8Array(8)));
    } else if (frame.tag === tags.items) {
      this.#items.push(...read.list(() => this.#item(read)));
      read.end();
    } else if (frame.tag === tags.done) {
      read.raw(8), read.big(), read.raw(8);
      read.end();
      this.#isAnswered = true;
    } else if (frame.tag === tags.page) {
      this.#page(read);
    } else if (frame.tag === tags.ack) {
      this.#ack(read);
    }
    if (this.#isAnswered) this.#ask();
    for (const look of [...this.#waiting]) look();
  }

  #item(read: Reader): Item {
    return {
      tag: read.raw(8),
      length: read.number(),
      ops: read.number(),
      timeS: read.number(),
      root: read.raw(4),
      cut: read.number(),
    };
  }

  #ask(): void {
    for (const { tag, length } of this.#items.splice(0)) {
      const held = this.#byTag(tag)?.batches.length ?? 0;
      if (held < length)
        this.client.send(tags.want, this.alias, ++this.#requests, tag, varint(held), varint(length), varint(524_288));
    }
  }

  #byTag(tag: Uint8Array): Held | undefined {
    return [...this.logs.values()].find(log => hex(logTag(this.client.session, log.id)) === hex(tag));
  }

  #page(read: Reader): void {
    let log: Held | undefined;
    if (read.u8() === 1) {
      const device = read.raw(32);
      const incarnation = BigInt(`0x${hex(read.raw(8))}`);
      const certificate = read.raw(64);
      if (
        !ed25519.verify(
          certificate,
          join("perdure/open/1", this.topic.network, this.topic.id, device, big(incarnation, 8)),
          this.topic.id,
          { zip215: false },
        )
      ) {
        throw new Error("a certificate does not verify");
      }
      const id = this.topic.logId(device, incarnation);
      log = this.logs.get(hex(id)) ?? { id, device, incarnation, batches: [], leaves: [] };
    } else {
      log = this.#byTag(read.raw(8));
    }
    read.u8();
    const from = read.number();
    const batches = read.list(() => read.raw(read.number()));
    const completion = read.list(() => read.raw(32));
    const length = read.number();
    const ops = read.number();
    const time = read.big();
    const signature = read.raw(64);
    read.end();
    if (log === undefined || from > log.batches.length) return;
    const fresh = batches.slice(log.batches.length - from);
    const leaves = [...log.leaves, ...fresh.map(leaf)];
    if (stretches(leaves.length, length).length !== completion.length)
      throw new Error("a completion has another number of roots");
    const statement = this.topic.headStatement(
      log.device,
      log.incarnation,
      length,
      ops,
      rootOf(leaves, length, completion),
      time,
    );
    if (!ed25519.verify(signature, statement, log.device, { zip215: false })) throw new Error("a head does not verify");
    log.batches.push(...fresh);
    log.leaves.splice(0, log.leaves.length, ...leaves);
    this.logs.set(hex(log.id), log);
  }

  #ack(read: Reader): void {
    const author = read.raw(32);
    const incarnation = BigInt(`0x${hex(read.raw(8))}`);
    const acker = read.raw(32);
    const from = read.number();
    const length = read.number();
    const epoch = read.raw(8);
    const signature = read.raw(64);
    read.end();
    if (hex(author) !== hex(this.own.device.id) || incarnation !== this.own.incarnation || from !== 0) return;
    const statement = this.topic.ackStatement(
      this.own.id,
      length,
      rootOf(this.own.leaves.slice(0, length)),
      acker,
      epoch,
    );
    if (ed25519.verify(signature, statement, acker, { zip215: false })) this.acks.push({ acker, length });
  }
}
