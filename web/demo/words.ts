// What the page says about things, in words.
import type { AnchorInfo, PeerInfo, PeerStatus } from "perdure";

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

export function pathWords(path: PeerInfo["path"]): string {
  return paths[path];
}

export function anchorWords({ state, reason }: AnchorInfo): string {
  const said = { connected: "connected", connecting: "connecting", unreachable: "not reachable", refused: "refuses" }[state];
  return reason === undefined || reason === "" ? said : `${said}: ${reason}`;
}

export function storageWords({ kind, persisted, usedBytes, quotaBytes }: PeerStatus["storage"]): string {
  const used = `${size(usedBytes)} used${quotaBytes === undefined ? "" : ` of ${size(quotaBytes)}`}`;
  switch (kind) {
    case "memory": return "Kept in memory only: all of it is gone when this page is closed.";
    case "indexeddb": return `Kept in this browser (IndexedDB), ${used}. ${lasting(persisted)}`;
    case "opfs": return `Kept in this browser (SQLite), ${used}. ${lasting(persisted)}`;
    case "sqlite": return `Kept in a file, ${used}.`;
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

export function timeWords(time: Date): string {
  return (time.toDateString() === new Date().toDateString() ? hour : day).format(time);
}
