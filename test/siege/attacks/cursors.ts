// Places in the anchor's order of arrival that it has not come to, told by strangers of other apps.

import { networkOf, random, Topic } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";
import { cursor, hello } from "../logs.js";

export const cursors: Attack = {
  name: "cursors from the future",
  limits: { bytes: MiB, sockets: 8 },
  seconds: 4,
  prepare: at => {
    const topics = Array.from({ length: 8 }, (_, index) => Topic.invented(networkOf(`a stranger's app ${index % 2}`)));
    return async purse => {
      const links = await crowd(topics.length, purse, index => ({
        url: at.url,
        network: topics[index]?.network ?? random(32),
        address: at.address(6),
      }));
      const rounds = await Promise.all(
        links.map(async link => {
          const topic = topics.find(({ network }) => network === link.network);
          if (topic === undefined) return 0;
          return flood(link, purse, round => {
            if (round === 0) link.enter(topic);
            // Some of the life that its greeting tells, some of others; near, far and at the end of numbers.
            const epoch = round % 4 === 3 ? random(8) : link.anchorEpoch;
            const count = [1n, 1_000n, 1n << 40n, (1n << 64n) - 1n][round % 4] ?? 0n;
            link.send(tags.hello, 1, 0, hello(random(16), 100, [], cursor(epoch, count, random(8)), round % 2));
            link.send(tags.done, 1, 0, cursor(random(8), count, random(8)));
          });
        }),
      );
      return { stood: links.length, cursors: rounds.reduce((sum, count) => sum + count, 0) };
    };
  },
};
