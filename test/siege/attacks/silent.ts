// TCP connections that say nothing, or begin a request and leave it there.

import { connect } from "node:net";
import { MiB, type Attack } from "../attack.js";

const beginnings = ["", "", "GET /?network=", "GET / HTTP/1.1\r\nHost: a\r\n", "GET /healthz HTTP/1.1\r\nX: "];

export const silentSockets: Attack = {
  name: "silent sockets",
  limits: { bytes: MiB / 16, sockets: 400 },
  seconds: 5,
  prepare: at => async purse => {
    let stood = 0,
      closed = 0;
    for (let index = 0; index < purse.limits.sockets && purse.hasTime; index += 1) {
      purse.socket();
      const beginning = beginnings[index % beginnings.length] ?? "";
      purse.spend(beginning.length);
      const socket = connect(at.port, "127.0.0.1", () => {
        stood += 1;
        if (beginning !== "") socket.write(beginning);
      });
      socket.on("error", () => undefined).on("close", () => (closed += 1));
      purse.holds(() => socket.destroy());
      if (index % 16 === 15) await purse.turn();
    }
    await purse.over();
    return { stood, closed };
  },
};
