// Topics in which nothing is said, entered by the thousand; then everybody leaves at once.

import { networkOf, Topic } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";

const perLink = 1_000;

export const emptyTopics: Attack = {
  name: "empty topics",
  limits: { bytes: 3 * MiB, sockets: 15 },
  seconds: 5,
  prepare: at => {
    const network = networkOf(at.app);
    const topics = Array.from({ length: 15 * perLink }, () => Topic.invented(network));
    return async purse => {
      const links = await crowd(15, purse, () => ({ url: at.url, network, address: at.address(3) }));
      let entered = 0;
      await Promise.all(
        links.map((link, place) => {
          const own = topics.slice(place * perLink, (place + 1) * perLink);
          return flood(link, purse, round => {
            for (const [index, topic] of own.slice(round * 16, round * 16 + 16).entries()) {
              link.enter(topic, round * 16 + index + 1);
              entered += 1;
            }
          });
        }),
      );
      for (const link of links) link.end();
      return { stood: links.length, entered };
    };
  },
};
