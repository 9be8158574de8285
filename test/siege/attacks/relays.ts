// Whole pieces to be carried to those who do not know the sender, and to nobody.

import { counted, fromHex, networkOf, random } from "../bytes.js";
import { crowd, flood, MiB, type Attack } from "../attack.js";
import { tags } from "../client.js";

export const relays: Attack = {
  name: "relays to strangers",
  limits: { bytes: 4 * MiB, sockets: 8 },
  seconds: 4,
  prepare: at => async purse => {
    const links = await crowd(8, purse, () => ({ url: at.url, network: networkOf(at.app), address: at.address(18) }));
    const targets = [...at.members.map(fromHex), ...links.map(link => link.device.id)];
    // Those who are relayed to do not read either.
    for (const link of links.slice(4)) link.deafen();
    const sent = await Promise.all(
      links.slice(0, 4).map((link, index) =>
        flood(link, purse, round => {
          const target = round % 8 === 7 ? random(32) : (targets[(round + index) % targets.length] ?? random(32));
          const bytes = random([32, 175, 1_000, 16_384][round % 4] ?? 32);
          link.send(tags.relay, 0, 0, target, [0], counted(bytes));
          link.send(tags.signal, 0, 0, link.device.id, target, counted(random(200)));
        }),
      ),
    );
    return { stood: links.length, sent: sent.reduce((sum, count) => sum + count, 0) };
  },
};
