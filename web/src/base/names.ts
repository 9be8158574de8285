// All names under which a peer keeps things on an origin and calls out to its like.
//
//   perdure:<app>:<instance>             database; mark in localStorage; in hex: folder of the private file system
//   perdure:<app>                        channel of the links within the origin; below it those of two, and locks (links/local.ts)
//   <ours>:<app>:<instance>              lock of the tab that leads
//   <ours>:<app>:<instance>:tab:<id>     lock of a tab that lives
//   <ours>:<app>:<instance>:tabs         channel of the tabs of one peer; below it one for each of them
//
// No two peers have one name: parts without a colon are joined as they are, so that stores stay where they have always been; where a
// part holds one, the name begins with a colon, and colons within parts are escaped.
//
// The package 0.1.0 joined all parts as they are, and began all names with "perdure:". What it took is called old here: tabs of it may
// be open beside this one (tabs/older.ts), and its store may lie under a name that was two peers' (store/claim.ts).

/** What locks begin with that others wait for, and channels that tabs trust: a page's own do not by accident. */
const ours = "perdure-4b7e19c2d05f";

/** Tells two peers of an origin apart. */
export interface PeerParts {
  readonly app: string;
  readonly instance?: string | undefined;
}

export function peerName({ app, instance = "default" }: PeerParts): string {
  if (!app.includes(":") && !instance.includes(":")) return `${app}:${instance}`;
  return `:${escaped(app)}:${escaped(instance)}`;
}

export function oldPeerName({ app, instance = "default" }: PeerParts): string {
  return `${app}:${instance}`;
}

export function databaseOf(peer: string): string {
  return `perdure:${peer}`;
}
export function markOf(peer: string): string {
  return `perdure:${peer}`;
}
export function localChannelOf(app: string): string {
  return `perdure:${app}`;
}
export function tabsChannelOf(peer: string): string {
  return `${ours}:${peer}:tabs`;
}
export function leaderLockOf(peer: string): string {
  return `${ours}:${peer}`;
}
export function tabLockOf(peer: string, tab: string): string {
  return `${ours}:${peer}:tab:${tab}`;
}
/** Nobody needs it: whoever is refused it is refused all. */
export const probeLock = `${ours}:probe`;

export function oldTabsChannelOf(oldPeer: string): string {
  return `perdure:${oldPeer}:tabs`;
}
export function oldLeaderLockOf(oldPeer: string): string {
  return `perdure:${oldPeer}`;
}
/** What the locks of living tabs begin with. */
export function oldTabLocksOf(oldPeer: string): string {
  return `perdure:${oldPeer}:tab:`;
}

function escaped(part: string): string {
  return part.replaceAll("%", "%25").replaceAll(":", "%3A");
}
