// What openPeer takes as `rtc`, tried before anything happens: else all connections fail later, one by one and unseen. What may stand there the
// browser knows best. Where no connections are made, as in Node and in workers, it is not looked at.

import { checkKnown } from "../base/arguments.js";
import { badArgument } from "../base/errors.js";
import type { PeerOptions } from "../base/types.js";

const known = [
  "iceServers",
  "iceTransportPolicy",
  "bundlePolicy",
  "rtcpMuxPolicy",
  "certificates",
  "iceCandidatePoolSize",
];
const example = 'rtc: { iceServers: [{ urls: "stun:stun.example" }] }';

/** What the constructor throws for what it is given; else it is for want of something, which may be there later. */
const refusals = ["TypeError", "SyntaxError", "InvalidAccessError", "NotSupportedError"];

/** Throws bad-argument if no connections can be made with that. */
export function checkRtc(rtc: PeerOptions["rtc"] = false): void {
  if (rtc === false || typeof RTCPeerConnection === "undefined") return;
  checkFields(rtc); // the constructor takes what it does not know for nothing
  try {
    new RTCPeerConnection(rtc as RTCConfiguration).close();
  } catch (cause) {
    const { name, message } = cause as { readonly name?: unknown; readonly message?: unknown };
    if (!refusals.includes(String(name))) return;
    const said = String(message).trim();
    throw badArgument(
      `No connection can be made with that rtc: ${said}${said.endsWith(".") ? "" : "."} Write it as ${example}, or leave it out: what anchors offer is enough for most.`,
      "rtc",
    );
  }
}

function checkFields(rtc: object): void {
  checkKnown("rtc", rtc, known, "rtc.", true);
  for (const field of ["urls", "username", "credential"])
    if (field in rtc) throw badArgument(`rtc.${field} belongs into a server: ${example}.`, `rtc.${field}`);
}
