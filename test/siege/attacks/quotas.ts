// Sixteen topics that nobody else knows, filled with batches that nobody can read.

import { networkOf, random, Topic } from "../bytes.js";
import { crowd, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";
import { hello, Log, nothing } from "../logs.js";

const batchBytes = 60_000;

export const quotas: Attack = {
  name: "quotas",
  limits: { bytes: 23 * MiB, sockets: 16 },
  seconds: 6,
  prepare: at => {
    const topics = Array.from({ length: 16 }, () => Topic.invented(networkOf(at.app)));
    return async purse => {
      const links = await crowd(topics.length, purse, () => ({
        url: at.url,
        network: networkOf(at.app),
        address: at.address(19),
      }));
      let bytes = 0,
        refused = 0;
      await Promise.all(
        links.map(async (link, index) => {
          const topic = topics[index];
          if (topic === undefined) return;
          try {
            const log = new Log(topic, link.device);
            link.onFrame(({ tag }) => void (tag === tags.refused && (refused += 1)));
            link.enter(topic);
            link.send(tags.hello, 1, 0, hello(nothing(link.session), 0, [], undefined, 1));
            while (link.isOpen && purse.hasTime) {
              log.put(random(batchBytes));
              link.send(tags.page, 1, 0, log.page(link.session, log.batches.length - 1));
              bytes += batchBytes;
              await link.room();
            }
          } catch (error) {
            purse.excuse(error);
          }
        }),
      );
      return { stood: links.length, bytes, refused };
    };
  },
};
