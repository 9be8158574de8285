import { byTurns, middle, speed, timed } from "../measure.mjs";
import { texts } from "../messages.mjs";
import { alone } from "../peer.mjs";
import { bareSign } from "../sign.mjs";

const messages = texts(4_000);

async function ours() {
  const { peer, topic } = await alone();
  const ms = await timed(async () => {
    for (const message of messages) await topic.append(message);
  });
  await peer.close();
  return ms / messages.length;
}

export const row = {
  name: "append-each",
  work: "append one after another, each awaited until its receipt",
  async run() {
    const sign = await bareSign(messages);
    const found = await byTurns({ ours, theirs: async () => (await timed(sign)) / messages.length }, { warm: 1 });
    return [
      speed(middle(found), {
        against:
          "bare crypto_sign_detached of the same messages (the module's libsodium.a, linked with its flags and nothing else)",
        least: 0.8,
      }),
    ];
  },
};
