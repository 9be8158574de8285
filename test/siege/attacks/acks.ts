// A member who acknowledges what others wrote in the names of keys that it made up, and in the names of others.

import { big, join, networkOf, random, rootOf, Signer, Topic, varint } from "../bytes.js";
import { crowd, flood, MiB, type Attack, type Besieged } from "../attack.js";
import { tags } from "../client.js";
import { Member } from "../logs.js";
import type { Purse } from "../purse.js";

/** A member that has read a log of each of the others; undefined if it does not come to that. */
async function reader(at: Besieged, topic: Topic, purse: Purse, attacker: number): Promise<Member | undefined> {
  const [link] = await crowd(1, purse, () => ({ url: at.url, network: topic.network, address: at.address(attacker) }));
  if (link === undefined) return undefined;
  const member = new Member(link, topic);
  const read = await Promise.race([
    member
      .until(() => member.logs.size >= 2)
      .then(
        () => true,
        () => false,
      ),
    purse.over().then(() => false),
  ]);
  return read ? member : undefined;
}

export const sybils: Attack = {
  name: "acknowledgements of invented keys",
  limits: { bytes: MiB, sockets: 2 },
  seconds: 4,
  prepare: at => {
    const topic = Topic.ofInvite(networkOf(at.app), at.invite);
    const keys = Array.from({ length: 600 }, () => new Signer());
    return async purse => {
      const member = await reader(at, topic, purse, 16);
      if (member === undefined) return { stood: 0 };
      const logs = [...member.logs.values()].map(log => ({
        log,
        length: log.batches.length,
        root: rootOf(log.leaves),
      }));
      let said = 0;
      await flood(member.client, purse, round => {
        const key = keys[round];
        if (key === undefined) return;
        for (const { log, length, root } of logs) {
          member.client.send(tags.ack, 1, 0, member.ack(log, length, root, key, random(8)));
          said += 1;
        }
      });
      return { stood: 1, said };
    };
  },
};

export const junkAcks: Attack = {
  name: "junk acknowledgements",
  limits: { bytes: 2 * MiB, sockets: 2 },
  seconds: 4,
  prepare: at => {
    const topic = Topic.ofInvite(networkOf(at.app), at.invite);
    return async purse => {
      const member = await reader(at, topic, purse, 17);
      if (member === undefined) return { stood: 0 };
      let said = 0;
      await flood(member.client, purse, () => {
        for (const log of member.logs.values()) {
          const acker = said % 2 === 0 ? random(32) : member.client.anchor;
          member.client.send(
            tags.ack,
            1,
            0,
            join(
              log.device,
              big(log.incarnation, 8),
              acker,
              varint(0),
              varint(1 + (said % 1000)),
              random(8),
              random(64),
            ),
          );
          said += 1;
        }
      });
      return { stood: 1, said };
    };
  },
};
