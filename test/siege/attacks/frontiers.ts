// Claims of logs that there are not, by the ten thousand in each of twelve topics.

import { networkOf, random, Topic, varint } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";
import { hello, item } from "../logs.js";

const perFrame = 512;

export const frontiers: Attack = {
  name: "invented frontiers",
  limits: { bytes: 6 * MiB, sockets: 12 },
  seconds: 4,
  prepare: at => {
    const topics = Array.from({ length: 12 }, () => Topic.invented(networkOf(at.app)));
    return async purse => {
      const links = await crowd(topics.length, purse, () => ({
        url: at.url,
        network: networkOf(at.app),
        address: at.address(2),
      }));
      const frames = await Promise.all(
        links.map(async (link, index) => {
          const topic = topics[index];
          if (topic === undefined) return 0;
          try {
            link.enter(topic);
            link.send(tags.hello, 1, 0, hello(random(16), 60_000, [], undefined, 1));
          } catch (error) {
            purse.excuse(error);
          }
          const one = item(random(8), 9, 9, 1_700_000_000, random(4));
          const items = Buffer.concat(Array.from({ length: perFrame }, () => one));
          let made = 0;
          return flood(link, purse, () => {
            // Each time of other logs: the first bytes of a name are enough.
            for (let at = 0; at < items.length; at += one.length) items.writeUInt32BE(made++, at);
            link.send(tags.items, 1, 0, varint(perFrame), items);
          });
        }),
      );
      return { stood: links.length, items: frames.reduce((sum, count) => sum + count * perFrame, 0) };
    };
  },
};
