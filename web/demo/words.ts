// What the page says about things, in words.
import type { AnchorInfo, Copies, PeerInfo, PeerStatus } from "perdure";

export function stateWords(status: PeerStatus): string {
  const { webrtc, websocket, relayed, local } = status.links;
  const links = webrtc + websocket + relayed + local;
  if (status.state === "online") return `online, ${links} ${links === 1 ? "link" : "links"}`;
  return status.state === "connecting" ? "connecting" : "offline";
}

const paths: Readonly<Record<PeerInfo["path"], string>> = {
  webrtc: "directly, browser to browser",
  relayed: "through an anchor that cannot read it",
  websocket: "over a WebSocket",
  local: "inside this browser",
};

/** `webrtc · 1 ms`. */
export function linkWords({ state, path, roundTripMs }: PeerInfo): string {
  if (state !== "connected") return state;
  return roundTripMs === undefined ? path : `${path} · ${Math.max(1, Math.round(roundTripMs))} ms`;
}

export function pathWords(path: PeerInfo["path"]): string {
  return paths[path];
}

/** Where something lives: `here`, Ben, `anchor`. */
export function copiesWords({ here, peers, anchors }: Copies, nameOf: (id: string) => string): string[] {
  const names = peers.map(nameOf);
  const others = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} more`] : names;
  const kept = anchors.length === 0 ? [] : [anchors.length === 1 ? "anchor" : `${anchors.length} anchors`];
  return [...(here ? [others.length + kept.length === 0 ? "only here so far" : "here"] : []), ...others, ...kept];
}

export function anchorWords({ state, reason }: AnchorInfo): string {
  const said = { connected: "connected", connecting: "connecting", unreachable: "not reachable", refused: "refuses" }[
    state
  ];
  return reason === undefined || reason === "" ? said : `${said}: ${reason}`;
}

export function storageWords({ kind, persisted, usedBytes, quotaBytes }: PeerStatus["storage"]): string {
  const used = `${size(usedBytes)} used${quotaBytes === undefined ? "" : ` of ${size(quotaBytes)}`}`;
  switch (kind) {
    case "memory":
      return "Kept in memory only: all of it is gone when this page is closed.";
    case "indexeddb":
      return `Kept in this browser (IndexedDB), ${used}. ${lasting(persisted)}`;
    case "opfs":
      return `Kept in this browser (SQLite), ${used}. ${lasting(persisted)}`;
    case "sqlite":
      return `Kept in a file, ${used}.`;
  }
}

function lasting(persisted: boolean): string {
  return persisted ? "The browser has promised to keep it." : "The browser may delete it when space runs short.";
}

export function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

export function timeWords(time: Date): string {
  const now = new Date();
  if (time.toDateString() === now.toDateString()) return hour.format(time);
  return (time.getFullYear() === now.getFullYear() ? day : year).format(time);
}
