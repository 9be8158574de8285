// An app that knows nothing of workers and wasm files: it imports the package and leaves the rest to its bundler.
import { openPeer } from "perdure";

interface Chat { text: string }

const show = (id: string, text: string): void => { (document.getElementById(id) as HTMLElement).textContent = text; };

async function main(): Promise<void> {
  const anchor = new URLSearchParams(location.search).get("anchor");
  const peer = await openPeer({ app: "vite-app", anchors: anchor === null ? [] : [anchor] });
  const topic = location.hash ? await peer.join<{ message: Chat }>(location.hash) : await peer.topic<{ message: Chat }>("lunch");
  topic.latest().subscribe(({ messages }) => show("messages", messages.map(({ value }) => value.text).join(", ")));
  peer.status.subscribe(({ links }) => show("state", `${links.webrtc} webrtc, ${links.websocket} websocket`));
  await topic.append({ text: "hello" });
  document.title = await topic.link(location.href);
}

void main();
