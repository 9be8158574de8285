// Handshakes that are begun and not ended, or ended with something else.

import { networkOf, random } from "../bytes.js";
import { MiB, type Attack } from "../attack.js";
import { knock } from "../client.js";

/** What comes after the upgrade: each a first message, and what answers the second. */
const ways: readonly { first?: Uint8Array; third?: Uint8Array }[] = [
  {},
  { first: random(32) },
  { first: random(32), third: random(175) },
  { first: new Uint8Array(32) },
  { first: random(31) },
  { first: random(16_448) },
  { first: random(32), third: new Uint8Array(0) },
];

export const halfOpen: Attack = {
  name: "half-open handshakes",
  limits: { bytes: MiB, sockets: 150 },
  seconds: 4,
  prepare: at => async purse => {
    let stood = 0,
      answered = 0,
      next = 0;
    const worker = async (): Promise<void> => {
      while (next < purse.limits.sockets && purse.hasTime) {
        const index = next++;
        const way = ways[index % ways.length] ?? {};
        try {
          const socket = await knock({
            url: at.url,
            network: networkOf(at.app),
            address: at.address(7 + (index % 4)),
            purse,
          });
          stood += 1;
          socket.on("message", () => {
            answered += 1;
            if (way.third !== undefined) socket.send(way.third, () => undefined);
          });
          purse.spend((way.first?.length ?? 0) + (way.third?.length ?? 0));
          if (way.first !== undefined) socket.send(way.first, () => undefined);
        } catch {
          // It was not let in, or there is nothing left to spend.
        }
      }
    };
    await Promise.race([Promise.all(Array.from({ length: 8 }, worker)), purse.over()]);
    await purse.over();
    return { stood, answered };
  },
};
