// Each message as fast as it goes, each kind on a link of its own, and who is thrown out comes again.

import { counted, join, networkOf, random, Signer, Topic, varint } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { frame, tags, type Client } from "../client.js";
import { hello, Log, logTag } from "../logs.js";

const kinds: Record<string, (link: Client, log: Log, round: number) => Uint8Array> = {
  ping: (_link, _log, round) => frame(tags.ping, 0, 0, varint(round), varint(Date.now())),
  check: () => frame(tags.check, 1, 0, random(16)),
  hello: (_link, _log, round) => frame(tags.hello, 1, 0, hello(random(16), 0, [], undefined, round % 3)),
  want: (link, log, round) =>
    frame(
      tags.want,
      1,
      round + 1,
      logTag(link.session, log.id),
      varint(0),
      varint(log.batches.length),
      varint(524_288),
    ),
  proof: (link, log) => frame(tags.askProof, 1, 0, logTag(link.session, log.id), varint(1)),
  nodes: (link, log) => frame(tags.askNodes, 1, 0, logTag(link.session, log.id), varint(1), varint(0)),
  page: (link, log) => frame(tags.page, 1, 0, log.page(link.session)),
  introduce: () =>
    frame(tags.introduce, 1, 0, varint(64), ...Array.from({ length: 64 }, () => [...random(32), 1]), varint(0)),
  signal: link => frame(tags.signal, 0, 0, link.device.id, random(32), varint(64), random(64)),
  enter: (link, log, round) =>
    frame(
      tags.enter,
      round + 2,
      0,
      log.topic.id,
      log.topic.signer.sign("perdure/enter/1", link.session, link.device.id),
    ),
  closed: (_link, _log, round) =>
    frame(
      round % 2 === 0 ? tags.closed : tags.hello,
      1,
      0,
      ...(round % 2 === 0 ? [] : [hello(random(16), 0, [], undefined, 1)]),
    ),
  abilities: (_link, _log, round) =>
    frame(tags.abilities, 0, 0, varint(0), varint(1), varint(3), counted(join(`0.2.${round}`))),
  unknown: () => frame(200, 0, 0, random(24)),
  unknownAlias: () => frame(tags.check, 77, 0, random(16)),
};

export const floods: Attack = {
  name: "floods",
  limits: { bytes: 8 * MiB, sockets: 32 },
  seconds: 4,
  prepare: at => {
    const topic = Topic.invented(networkOf(at.app));
    const log = new Log(topic, new Signer());
    for (let batch = 0; batch < 8; batch += 1) log.put(random(4_000));
    return async purse => {
      let stood = 0,
        frames = 0;
      const one = async (kind: string, make: (link: Client, log: Log, round: number) => Uint8Array): Promise<void> => {
        for (let again = 0; again < 2 && purse.hasTime; again += 1) {
          const [link] = await crowd(1, purse, () => ({
            url: at.url,
            network: topic.network,
            address: at.address(0),
            device: log.device,
          }));
          if (link === undefined) return;
          stood += 1;
          try {
            link.enter(topic);
            link.send(tags.hello, 1, 0, hello(random(16), 0, [], undefined, 1));
            link.send(tags.page, 1, 0, log.page(link.session));
          } catch (error) {
            purse.excuse(error);
          }
          // Who asks for much does not read it.
          if (kind === "want") link.deafen();
          frames +=
            16 *
            (await flood(link, purse, round => {
              for (let index = 0; index < 16; index += 1) link.sendFrame(make(link, log, round * 16 + index));
            }));
        }
      };
      await Promise.all(Object.entries(kinds).map(([kind, make]) => one(kind, make)));
      return { stood, frames };
    };
  },
};
