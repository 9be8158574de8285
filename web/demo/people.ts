// Who is here, by which path; anchors; what is kept where.
import type { Peer, PeerInfo, PerdureError } from "perdure";
import { arrange, button, byId, make } from "./dom.js";
import { anchorWords, linkWords, pathWords, stateWords, storageWords } from "./words.js";

/** Shows the peer's views; returns how to end that. */
export function showPeer(peer: Peer, nameOf: (id: string) => string): { end: () => void; names: () => void } {
  byId("id", "code").textContent = peer.shortId;
  byId("id", "code").title = peer.id;
  const peers = byId("peers", "ul");
  const anchors = byId("anchors", "ul");
  const showPeers = (): void => {
    const all = peer.peers.current.map(info => peerItem(info, nameOf));
    arrange(peers, all.length > 0 ? all : [make("li", { class: "hint" }, "Nobody else is here now.")]);
  };
  const ends = [
    peer.status.subscribe(status => {
      const state = byId("state", "span");
      state.dataset["state"] = status.state;
      state.textContent = stateWords(status);
      const pending = byId("pending", "span");
      // It keeps its place, so that nothing moves when it comes and goes.
      pending.dataset["state"] = status.pending === 0 ? "none" : "waiting";
      pending.textContent = `${status.pending} waiting`;
      pending.title = "What you wrote and nobody else has yet. It is safe on this device.";
      byId("storage", "p").textContent = storageWords(status.storage);
      showTrouble(status.trouble);
    }),
    peer.peers.subscribe(showPeers),
    peer.anchors.list.subscribe(list => {
      const items = list.map(anchor =>
        make(
          "li",
          {},
          make("span", { class: "who" }, anchor.url),
          make("span", { class: "pill", "data-state": anchor.state }, anchorWords(anchor)),
          button("Remove", `Remove the anchor ${anchor.url}`, () => peer.anchors.remove(anchor.url)),
        ),
      );
      arrange(
        anchors,
        items.length > 0
          ? items
          : [
              make(
                "li",
                { class: "hint" },
                "None. Two browsers find each other through one, and it keeps the topic while all are away.",
              ),
            ],
      );
    }),
  ];
  return { end: () => ends.forEach(end => end()), names: showPeers };
}

/** Each of them as a line at the top of the page. */
export function showTrouble(trouble: readonly (PerdureError | Error)[]): void {
  arrange(
    byId("trouble", "div"),
    trouble.map(({ message }) => make("p", { class: "banner" }, message)),
  );
}

function peerItem(info: PeerInfo, nameOf: (id: string) => string): HTMLLIElement {
  return make(
    "li",
    {},
    make(
      "span",
      { class: "who", title: info.id },
      info.role === "anchor" ? `Anchor ${info.shortId.slice(0, 8)}` : (info.name ?? nameOf(info.id)),
    ),
    make(
      "span",
      { class: "pill", "data-path": info.path, "data-state": info.state, title: `Linked ${pathWords(info.path)}.` },
      linkWords(info),
    ),
  );
}
