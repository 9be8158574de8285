import { bounded } from "../measure.mjs";
import { count, messages, texts } from "../messages.mjs";
import { sent, sentBytes, tripMs, two } from "../peer.mjs";

const extra = 10;

/** What goes over the wire, from the handshake's end until both sides have all, and in how many round trips. */
async function synced(append) {
  const { net, a, b, here, other, until } = await two();
  await here.appendAll(messages.slice(1));
  await until(count - 1);
  await net.settle();
  const ack = await lengthOfAck(net, here, until);
  net.partition([a], [b]);
  await append(here, texts(extra, 2 * count));
  await append(other, texts(extra, 3 * count));
  await net.settle();
  sent.length = 0;
  net.heal();
  // The three messages of the handshake; the session stands when the last of them has arrived.
  while (sent.length < 3) await net.advance(1);
  const handshake = sentBytes(sent.slice(0, 3));
  const ms = (await until(count + 2 * extra)) - tripMs;
  const frames = sent.slice(3);
  await net.close();
  const acks = frames.filter(({ bytes }) => Math.abs(bytes - ack) <= 2);
  return { handshake, acks: sentBytes(acks), bytes: sentBytes(frames) - sentBytes(acks), trips: ms / (2 * tripMs) };
}

/** Frames are sealed: what an acknowledgement weighs is learnt from one message, which is answered by nothing else. */
async function lengthOfAck(net, topic, until) {
  sent.length = 0;
  await topic.append(messages[0]);
  await until(count);
  await net.settle();
  const [{ from: author }] = sent;
  return Math.max(...sent.filter(({ from }) => from !== author).map(({ bytes }) => bytes));
}

export const row = {
  name: "sync",
  work: "sync 10,000 common and ten more on each side",
  async run() {
    const once = await synced((topic, values) => topic.appendAll(values));
    process.stderr.write(".");
    const each = await synced(async (topic, values) => {
      for (const value of values) await topic.append(value);
    });
    process.stderr.write(".");
    const line = (work, { bytes, acks, handshake }, limit) =>
      bounded(bytes, limit, {
        work,
        unit: "B",
        against: `the limit, without the handshake's ${handshake} B and acknowledgements of ${acks} B`,
      });
    return [
      line("each side's ten made by one appendAll", once, 3_000),
      line("each side's ten made one by one", each, 3_800),
      bounded(once.trips, 1, { work: "round trips from the standing session until both have all", unit: "" }),
    ];
  },
};
