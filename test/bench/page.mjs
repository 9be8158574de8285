// What pages of the bench have: the libraries that Perdure is measured beside, and the same messages.
import { Peer } from "peerjs";
import { IndexeddbPersistence, storeState } from "y-indexeddb";
import * as Y from "yjs";
import { texts } from "./messages.mjs";

/** What a page does with messages: they stand in it. */
function show(values) {
  document.body.replaceChildren(...values.map(value => Object.assign(document.createElement("p"), { textContent: value })));
}

/** Resolves with the first value that holds. */
function until(view, holds) {
  return new Promise(resolve => {
    const leave = view.subscribe(value => {
      if (!holds(value)) return;
      resolve(value);
      queueMicrotask(() => leave());
    });
  });
}

Object.assign(window, { PeerJS: Peer, IndexeddbPersistence, storeState, Y, texts, show, until });
// Not bundled: it is the file that users get.
const shipped = "/dist/index.js";
window.ready = import(shipped).then(({ openPeer }) => { window.openPeer = openPeer; });
