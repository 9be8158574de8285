import { merged, pushed, updateOf } from "../loro.mjs";
import { byTurns, middle, speed, timed } from "../measure.mjs";
import { count, messages } from "../messages.mjs";
import { turnMs, two } from "../peer.mjs";

/** The receiver's turns, from the wire's bytes to what is handed to the store. */
async function ours() {
  const { net, a, b, here, until } = await two();
  net.partition([a], [b]);
  await here.appendAll(messages);
  net.heal();
  globalThis.gc?.();
  turnMs.clear();
  await until(count);
  const ms = turnMs.get(b.id);
  await net.close();
  return ms;
}

export const row = {
  name: "receive",
  work: "receive, verify, merge and index 10,000 from wire bytes, values left undecoded",
  async run() {
    const update = updateOf(pushed());
    const theirs = async () => {
      let doc;
      const ms = await timed(() => {
        doc = merged(update);
      });
      doc.free();
      return ms;
    };
    return [
      speed(middle(await byTurns({ ours, theirs }, { warm: 3 })), {
        against: "Loro's import of one merged update",
        least: 3,
      }),
    ];
  },
};
