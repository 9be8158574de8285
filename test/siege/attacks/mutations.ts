// Every message, with bits turned, cut short, made longer and made too long. Most of it ends the link, so there are many.

import { big, counted, join, networkOf, random, Signer, Topic, varint } from "../bytes.js";
import { crowd, MiB, type Attack } from "../attack.js";
import { chunkBytes, frame, tags, type Client } from "../client.js";
import { cursor, hello, item, Log, logTag, nothing } from "../logs.js";
import type { Purse } from "../purse.js";

/** One of each, as it should be. */
function messages(link: Client, log: Log): Uint8Array[] {
  return [...ofLink(), ...ofComparing(link, log), ...ofLogs(link, log), ...ofPeers(link)];
}

function ofLink(): Uint8Array[] {
  return [
    frame(tags.ping, 0, 0, varint(1), varint(Date.now())),
    frame(tags.pong, 0, 0, varint(1), varint(Date.now())),
    frame(tags.bye, 0, 0, [0]),
    frame(tags.topics, 0, 0, varint(16), random(256)),
    frame(
      tags.abilities,
      0,
      0,
      varint(2),
      [128, 1, 200, 1],
      varint(2),
      varint(1),
      counted(varint(65_536)),
      varint(3),
      counted(join("0.2.0")),
    ),
    frame(200, 0, 0, random(40)),
  ];
}

function ofComparing(link: Client, log: Log): Uint8Array[] {
  const tag = logTag(link.session, log.id);
  return [
    frame(tags.enter, 2, 0, log.topic.id, log.topic.signer.sign("perdure/enter/1", link.session, link.device.id)),
    frame(tags.refused, 1, 0, [2]),
    frame(tags.closed, 1, 0),
    frame(
      tags.hello,
      1,
      0,
      hello(random(16), 1, [item(tag, 1, 1, 1_700_000_000, random(4))], cursor(random(8), 7, random(8)), 1),
    ),
    frame(
      tags.items,
      1,
      0,
      varint(2),
      item(tag, 2, 2, 1_700_000_000, random(4), 2),
      item(random(8), 1, 1, 1, random(4)),
    ),
    frame(tags.done, 1, 0, cursor(random(8), 3, random(8))),
  ];
}

function ofLogs(link: Client, log: Log): Uint8Array[] {
  const tag = logTag(link.session, log.id);
  return [
    frame(tags.want, 1, 1, tag, varint(0), varint(2), varint(524_288)),
    frame(tags.page, 1, 0, log.page(link.session)),
    frame(tags.noPage, 1, 1, tag),
    frame(tags.check, 1, 0, random(16)),
    frame(
      tags.ack,
      1,
      0,
      link.device.id,
      big(log.incarnation, 8),
      random(32),
      varint(0),
      varint(1),
      random(8),
      random(64),
    ),
    frame(tags.askProof, 1, 0, tag, varint(1)),
    frame(
      tags.proof,
      1,
      0,
      tag,
      varint(1),
      varint(1),
      random(32),
      varint(0),
      varint(1),
      varint(1),
      varint(log.time),
      random(64),
    ),
    frame(tags.askNodes, 1, 0, tag, varint(1), varint(0)),
    frame(tags.nodes, 1, 0, tag, varint(1), varint(0), random(64)),
  ];
}

function ofPeers(link: Client): Uint8Array[] {
  const { id } = link.device;
  return [
    frame(tags.introduce, 1, 0, varint(1), random(32), [1], varint(1), random(32)),
    frame(tags.signal, 0, 0, id, random(32), counted(random(200))),
    frame(tags.relay, 0, 0, random(32), [0], counted(random(200))),
    frame(tags.unreachable, 0, 0, random(32)),
    frame(tags.presence, 1, 0, id, [1], varint(Date.now()), counted(random(100))),
  ];
}

/** A small generator of numbers, so that a run can be had again. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function mutated(bytes: Uint8Array, pick: (below: number) => number): Uint8Array {
  const out = bytes.slice();
  switch (pick(6)) {
    case 0:
      return out.slice(0, pick(out.length));
    case 1:
      return join(out, random(1 + pick(40)));
    case 2:
      return join(
        out.slice(0, pick(out.length)),
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        out.slice(pick(out.length)),
      );
    case 3:
      return join(out.slice(0, 4), random(out.length));
    default:
      for (let flips = 1 + pick(3); flips > 0; flips -= 1) {
        const at = pick(out.length);
        out[at] = (out[at] ?? 0) ^ (1 << pick(8));
      }
      return out;
  }
}

/** What is wrong below the frames. */
const pieces: readonly ((link: Client) => void)[] = [
  link => link.sendPiece(new Uint8Array(0)),
  link => link.sendPiece(Uint8Array.of(1)),
  link => link.sendPiece(Uint8Array.of(2, 2, 0, 0, 0)),
  link => link.sendMessage(random(40)),
  link => link.sendMessage(random(16_449)),
  link => link.sendMessage(random(65_601)),
  link => link.sendMessage(new Uint8Array(0)),
  link => link.sendText("hello"),
  link => link.sendFrame(frame(200, 0, 0, new Uint8Array(360_449))),
  link => {
    for (let index = 0; index < 23; index += 1) link.sendPiece(join([1], new Uint8Array(chunkBytes)));
  },
  link => link.sendFrame(Uint8Array.of(99, 0, 0, 0)),
  link => link.sendFrame(Uint8Array.of(2, 1, 0, 0, 1, 1)),
  link => link.sendFrame(Uint8Array.of(2, 0, 0x80, 0, 0, 1, 1)),
];

async function answered(link: Client, purse: Purse): Promise<void> {
  const pong = link.next(tags.pong).catch(() => undefined);
  link.send(tags.ping, 0, 0, varint(1), varint(Date.now()));
  await Promise.race([pong, purse.over()]);
}

const seed = 7;

export const mutations: Attack = {
  name: "mutated frames",
  limits: { bytes: 3 * MiB, sockets: 160 },
  seconds: 6,
  prepare: at => {
    const topic = new Topic(networkOf(at.app));
    const pick = numbers(seed);
    return async purse => {
      let stood = 0,
        sent = 0,
        ended = 0,
        next = 0;
      const worker = async (address: number): Promise<void> => {
        while (next < purse.limits.sockets && purse.hasTime) {
          const turn = next++;
          const [link] = await crowd(1, purse, () => ({
            url: at.url,
            network: topic.network,
            address: at.address(address),
          }));
          if (link === undefined) continue;
          stood += 1;
          try {
            const log = new Log(topic, new Signer());
            log.put(random(40));
            link.enter(topic);
            link.send(tags.hello, 1, 0, hello(nothing(link.session), 0, [], undefined, 1));
            const below = turn % 4 === 3 ? pieces[(turn >> 2) % pieces.length] : undefined;
            below?.(link);
            if (below !== undefined) sent += 1;
            const all = messages(link, log);
            for (let index = 0; index < 100 && link.isOpen && purse.hasTime; index += 1) {
              link.sendFrame(mutated(all[(turn + index) % all.length] ?? random(8), pick));
              sent += 1;
              // Once it is answered what came before has been heard; else the link is gone.
              if (index % 4 === 3) await answered(link, purse);
            }
          } catch (error) {
            purse.excuse(error);
          }
          if (!link.isOpen) ended += 1;
        }
      };
      await Promise.race([Promise.all([20, 21, 22, 23].map(worker)), purse.over()]);
      return { stood, sent, ended };
    };
  },
};
