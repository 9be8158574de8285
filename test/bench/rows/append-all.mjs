import { pushed } from "../loro.mjs";
import { byTurns, middle, speed, timed } from "../measure.mjs";
import { messages } from "../messages.mjs";
import { alone } from "../peer.mjs";

async function ours() {
  const { peer, topic } = await alone();
  const ms = await timed(() => topic.appendAll(messages));
  await peer.close();
  return ms;
}

const loro = options => async () => {
  let doc;
  const ms = await timed(() => {
    doc = pushed(options);
  });
  doc.free();
  return ms;
};

export const row = {
  name: "append-all",
  work: "append 10,000 in one appendAll, signed and sealed",
  async run() {
    const found = await byTurns({ ours, theirs: loro(), each: loro({ commitEach: true }) }, { warm: 3 });
    return [
      speed(middle(found), { against: "Loro, pushed one by one and committed once", least: 2 }),
      speed(
        middle(
          found,
          run => run.ours,
          run => run.each,
        ),
        { against: "Loro, committed after each push" },
      ),
    ];
  },
};
