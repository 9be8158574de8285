// A stranger's topic of a great many tiny logs, and then short questions that have long answers.

import { networkOf, random, Signer, Topic } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";
import { hello, Log } from "../logs.js";

const logs = 16_000;

export const tinyLogs: Attack = {
  name: "tiny logs",
  limits: { bytes: 5 * MiB, sockets: 3 },
  seconds: 8,
  prepare: at => {
    const topic = Topic.invented(networkOf(at.app));
    const device = new Signer();
    const pages = Array.from({ length: logs }, () => {
      const log = new Log(topic, device);
      log.put(random(26));
      // It has no log before it, so it names no session.
      return log.page(random(32));
    });
    return async purse => {
      const dialling = { url: at.url, network: topic.network, address: at.address(1) };
      const [writer, ...askers] = await crowd(3, purse, index => (index === 0 ? { ...dialling, device } : dialling));
      if (writer === undefined) return { stood: 0 };
      let items = 0,
        questions = 0,
        pushed = 0;
      try {
        for (const link of [writer, ...askers]) {
          link.enter(topic);
          link.onFrame(({ tag, body }) => void (tag === tags.items && (items += body.length)));
          link.send(tags.hello, 1, 0, hello(random(16), 0, [], undefined, 1));
        }
        for (const page of pages) {
          if (!writer.isOpen || !purse.hasTime) break;
          writer.send(tags.page, 1, 0, page);
          pushed += 1;
          if (pushed % 32 === 0) await writer.room();
          if (pushed % 64 === 0)
            for (const link of askers)
              link.send(tags.hello, 1, 0, hello(random(16), 0, [], undefined, 0)), (questions += 1);
        }
      } catch (error) {
        purse.excuse(error);
      }
      const asked = await Promise.all(
        [writer, ...askers].map(link =>
          flood(link, purse, round => link.send(tags.hello, 1, 0, hello(random(16), 0, [], undefined, round % 2))),
        ),
      );
      return {
        stood: 1 + askers.length,
        pushed,
        questions: asked.reduce((sum, count) => sum + count, questions),
        itemBytes: items,
      };
    };
  },
};
