// Presence as large and as often as it goes, to members who take nothing: in a topic of strangers and in the honest one.

import { counted, join, networkOf, random, Topic, varint } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";
import { hello, nothing } from "../logs.js";

export const presence: Attack = {
  name: "presence to who does not read",
  limits: { bytes: 6 * MiB, sockets: 64 },
  seconds: 5,
  prepare: at => {
    const network = networkOf(at.app);
    const strangers = new Topic(network);
    const honest = Topic.ofInvite(network, at.invite);
    const value = join([0xc5, 0x0f, 0xf0], random(0x0ff0));
    return async purse => {
      // Every eighth in the honest topic. Of the others the odd ones do not read.
      const links = await crowd(64, purse, index => ({ url: at.url, network, address: at.address(4 + (index % 2)) }));
      let said = 0n;
      const saying = links.map(async (link, index) => {
        const topic = index % 8 === 7 ? honest : strangers;
        try {
          link.enter(topic);
          link.send(tags.hello, 1, 0, hello(nothing(link.session), 0, [], undefined, 1));
        } catch (error) {
          purse.excuse(error);
        }
        if (index % 2 === 1) link.deafen();
        if (index % 4 === 1) return;
        await flood(link, purse, () => {
          const sequence = BigInt(Date.now()) + said++;
          const sealed = topic === honest ? honest.presence(link.device, sequence, value) : random(4_200);
          link.send(tags.presence, 1, 0, link.device.id, [1], varint(sequence), counted(sealed));
        });
      });
      await Promise.all(saying);
      // What waits for them waits as long as they stand.
      await purse.over();
      return { stood: links.length, said: Number(said) };
    };
  },
};
