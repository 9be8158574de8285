// A page of a plain static host: the package's files lie in perdure/. ?anchor= names an anchor, the fragment may hold an invite.
import { openPeer } from "./perdure/index.js";

const byId = id => document.getElementById(id);
const anchor = new URLSearchParams(location.search).get("anchor");
const peer = await openPeer({ app: "static-page", anchors: anchor === null ? [] : [anchor] });
const topic = location.hash.startsWith("#perdure-") ? await peer.join(location.hash) : await peer.topic("lunch");
topic.latest().subscribe(({ messages }) => {
  byId("messages").textContent = messages.map(({ value }) => value).join(", ");
});
peer.status.subscribe(({ links, storage }) => {
  byId("state").textContent = `${links.webrtc} webrtc, ${links.websocket} websocket, ${storage.kind}`;
});
await topic.append("hello");
document.title = await topic.link(location.href);
