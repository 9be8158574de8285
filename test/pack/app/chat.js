// An app that knows nothing of workers and wasm files. ?anchor= names an anchor, the fragment may hold an invite.
export async function chat(openPeer, options = {}) {
  const show = (id, text) => {
    document.getElementById(id).textContent = text;
  };
  try {
    const anchor = new URLSearchParams(location.search).get("anchor");
    const peer = await openPeer({ app: "chat", anchors: anchor === null ? [] : [anchor], ...options });
    const topic = location.hash.startsWith("#perdure-") ? await peer.join(location.hash) : await peer.topic("lunch");
    topic.latest().subscribe(({ messages }) => show("messages", messages.map(({ value }) => value.text).join(", ")));
    peer.status.subscribe(({ links, storage }) =>
      show("state", `${links.webrtc} webrtc, ${links.websocket} websocket, ${storage.kind}`),
    );
    await topic.append({ text: "hello" });
    document.title = await topic.link(location.href);
  } catch (error) {
    show("state", `${error.code}: ${error.message}`);
  }
}
