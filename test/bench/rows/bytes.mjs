import { bounded } from "../measure.mjs";
import { count, messages, texts } from "../messages.mjs";
import { alone, sent, sentBytes, two } from "../peer.mjs";

/** Bytes of all rows, keys and indexes included, that each message adds. */
async function stored(fill, length) {
  const { peer, topic, disk } = await alone();
  await topic.append("the first of all");
  const before = disk.usedBytes;
  await fill(topic);
  await peer.close();
  process.stderr.write(".");
  return (disk.usedBytes - before) / length;
}

/** What the author sends for one message that is made by itself to one who is there. */
async function carried() {
  const { net, here, until } = await two();
  await here.append("the first of all");
  await until(1);
  await net.settle();
  const all = [];
  for (const [n, message] of texts(50).entries()) {
    sent.length = 0;
    await here.append(message);
    await until(n + 2);
    const [{ from: author }] = sent;
    all.push(sentBytes(sent.filter(({ from }) => from === author)));
  }
  await net.close();
  process.stderr.write(".");
  return all.reduce((sum, bytes) => sum + bytes, 0) / all.length;
}

export const row = {
  name: "bytes",
  work: "bytes per message",
  run: async () => [
    bounded(await stored(topic => topic.appendAll(messages), count), 132, {
      work: "stored in bulk, all rows and indexes",
      unit: "B",
    }),
    bounded(
      await stored(async topic => {
        for (const message of texts(count)) await topic.append(message);
      }, count),
      320,
      { work: "stored alone", unit: "B" },
    ),
    bounded(await carried(), 290, { work: "on the wire alone", unit: "B" }),
  ],
};
