// Links that stand, answer pings and are in no topic: places that others would need.

import { networkOf } from "../bytes.js";
import { crowd, MiB, type Attack } from "../attack.js";

export const idleLinks: Attack = {
  name: "links in no topic",
  limits: { bytes: MiB, sockets: 150 },
  seconds: 5,
  prepare: at => async purse => {
    const links = await crowd(150, purse, index => ({
      url: at.url,
      network: networkOf(at.app),
      address: at.address(11 + (index % 5)),
    }));
    await purse.over();
    return { stood: links.length, standing: links.filter(link => link.isOpen).length };
  },
};
