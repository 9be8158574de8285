// What pages of the bench have: the libraries that Perdure is measured beside, and the same messages.
import { Peer } from "peerjs";
import { IndexeddbPersistence, storeState } from "y-indexeddb";
import * as Y from "yjs";
import { texts } from "./messages.mjs";
import { until } from "../web/support/until.mjs";

/** What a page does with messages: they stand in it. */
function show(values) {
  document.body.replaceChildren(
    ...values.map(value => Object.assign(document.createElement("p"), { textContent: value })),
  );
}

Object.assign(window, { PeerJS: Peer, IndexeddbPersistence, storeState, Y, texts, show, until });
// Not bundled: it is the file that users get.
const shipped = "/dist/index.js";
window.ready = import(shipped).then(({ openPeer }) => {
  window.openPeer = openPeer;
});
