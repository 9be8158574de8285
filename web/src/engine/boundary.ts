// Events, actions, calls and replies, and their bytes: the other side of src/boundary/boundary_table.hpp. `kind` is the name in
// include/perdure/events.hpp, where each is explained; fields have its order. Where a struct there has a field called `kind`, it
// is `path` (LinkOpened) and `signal` (RtcSignal) here. Ids are hex, values are MessagePack bytes, times are milliseconds.
import { Reader, Writer } from "../base/bytes.js";
import {
  borrowed,
  bytes,
  choice,
  code,
  flag,
  id,
  list,
  number,
  optional,
  pair,
  signed,
  sized,
  struct,
  text,
  union,
  type ValueOf,
} from "./codec.js";

const seed = sized(32);

// ---- calls and replies ---------------------------------------------------------------------------------------------------
const opShape = struct({ kind: choice(1, "message", "set", "erase"), key: text, value: bytes });
/** Ten thousand of them may go in one call, so without the table's detours. */
const newOp: typeof opShape = {
  put: (w, { kind, key, value }) => {
    w.u8(kind === "message" ? 1 : kind === "set" ? 2 : 3);
    w.text(key);
    w.bytes(value);
  },
  get: opShape.get,
};
const named = optional(text);

const calls = {
  TopicNamed: [64, { name: text }],
  TopicCreate: [65, { name: named, shortcode: flag }],
  TopicJoin: [66, { invite: text, name: named }],
  TopicJoinCode: [67, { code: text, name: named }],
  TopicClose: [68, { topic: number }],
  TopicLeave: [69, { topic: number, forget: flag }],
  TopicInvite: [70, { topic: number }],
  TopicShortcode: [71, { topic: number }],
  Append: [72, { topic: number, tag: sized(16), ops: list(newOp) }],
  Messages: [73, { topic: number, before: named, after: named, limit: number, reverse: flag }],
  Latest: [74, { topic: number, limit: number }],
  GetMessage: [75, { topic: number, id: text }],
  Live: [76, { topic: number, after: optional(number), limit: number }],
  MarkRead: [77, { topic: number, id: named }],
  MapGet: [78, { topic: number, key: text }],
  MapEntries: [79, { topic: number, prefix: text, after: named, limit: number }],
  MapConflicts: [80, { topic: number, prefix: text, after: named, limit: number }],
  MapHistory: [81, { topic: number, key: text, after: named, limit: number }],
  GetCopies: [82, { topic: number, id: named }],
  WaitCopies: [83, { topic: number, id: text, copies: number, anchored: flag }],
  WaitSynced: [84, { topic: number }],
  Cancel: [85, { call: number }],
  SetPresence: [86, { topic: number, value: optional(bytes) }],
  AnchorAdd: [87, { url: text }],
  AnchorRemove: [88, { url: text }],
  GetDigest: [89, { topic: number }],
  Close: [90, {}],
  PullLimit: [91, { topic: number, limits: list(pair(bytes, number)) }],
  GetLogs: [92, { id }],
} as const;
const callBody = union(calls);

const message = struct({ id: text, author: id, timeMs: number, own: flag, value: bytes });
const version = struct({ id: text, author: id, timeMs: number, value: optional(bytes) });
const entry = struct({ key: text, version });
const conflict = struct({ key: text, winner: version, losers: list(version) });
const trouble = struct({ code, text });

const replies = {
  Error: [128, { code, text }],
  Nothing: [129, {}],
  OpenedTopic: [130, { topic: number, id, name: named, invite: text }],
  Text: [131, { text }],
  Appended: [132, { id: text }],
  MessagePage: [133, { messages: list(message), more: flag }],
  LivePage: [134, { messages: list(message), next: number }],
  MapPage: [135, { entries: list(entry), more: flag }],
  ConflictPage: [136, { conflicts: list(conflict), more: flag }],
  HistoryPage: [137, { versions: list(version), more: flag }],
  CopyList: [138, { here: flag, peers: list(id), anchors: list(id) }],
  LogList: [139, { logs: list(struct({ id, length: number, own: flag, acked: list(id) })) }],
} as const;
const replyBody = union(replies);

// ---- notices -------------------------------------------------------------------------------------------------------------
const path = choice(1, "websocket", "datachannel", "relayed", "local");
const peer = struct({
  id,
  name: text,
  state: choice(1, "connected", "connecting", "away"),
  path,
  roundTripMs: optional(number),
  anchor: flag,
  version: text,
});
const anchor = struct({
  url: text,
  state: choice(1, "connected", "connecting", "unreachable", "refused"),
  id: optional(id),
  reason: text,
});
const topic = struct({ topic: number, id, name: named, unread: number, lastActivityMs: optional(number) });
const member = struct({ id, name: text, online: flag, lastSeenMs: optional(number), own: flag });

const notices = {
  StatusNotice: [
    42,
    {
      state: choice(1, "online", "connecting", "offline"),
      webrtc: number,
      websocket: number,
      relayed: number,
      local: number,
      pending: number,
      skewMs: optional(signed),
      trouble: list(trouble),
    },
  ],
  PeersNotice: [43, { peers: list(peer) }],
  AnchorsNotice: [44, { anchors: list(anchor) }],
  TopicsNotice: [45, { whole: flag, topics: list(topic), ended: list(number) }],
  TopicNotice: [
    46,
    {
      topic: number,
      state: choice(1, "live", "syncing", "alone"),
      length: number,
      unread: number,
      pending: number,
      behind: number,
      held: number,
      unreadable: number,
      peers: number,
      mapSize: number,
      timeline: flag,
      copies: flag,
      allKeys: flag,
      keys: list(text),
    },
  ],
  MembersNotice: [47, { topic: number, members: list(member) }],
  PresenceNotice: [48, { topic: number, device: id, value: optional(bytes) }],
  MetricsNotice: [49, { counters: list(pair(text, number)) }],
} as const;

// ---- events and actions --------------------------------------------------------------------------------------------------
const row = pair(bytes, bytes);
const rtcSignal = [10, { attempt: number, signal: choice(1, "offer", "answer", "candidate"), text }] as const;

const event = union({
  Start: [1, { lostStore: flag }],
  RowsRead: [2, { read: number, ok: flag, rows: list(row) }],
  Saved: [3, { save: number, outcome: choice(0, "ok", "full", "superseded", "failed", "unknown", "lost") }],
  Reopened: [4, { outcome: choice(0, "ok", "superseded", "lost", "failed") }],
  LinkOpened: [
    5,
    { link: number, path, dialler: flag, url: text, attempt: number, network: text, address: bytes, admitted: flag },
  ],
  LinkReceived: [6, { link: number, bytes }],
  LinkClosed: [7, { link: number }],
  LinkDrained: [8, { link: number, buffered: number }],
  DialFailed: [9, { url: text }],
  RtcSignal: rtcSignal,
  RtcFailed: [11, { attempt: number }],
  Network: [12, { online: flag }],
  Visibility: [13, { hidden: flag }],
  Goodbye: [14, {}],
  Call: [15, { call: number, body: callBody }],
  Room: [16, {}],
});
const action = union({
  Read: [32, { read: number, keys: list(bytes) }],
  ReadRange: [33, { read: number, from: bytes, to: bytes, limit: number, reverse: flag }],
  Save: [
    34,
    {
      save: number,
      puts: list(pair(borrowed, borrowed)),
      erases: list(borrowed),
      eraseRanges: list(pair(borrowed, borrowed)),
    },
  ],
  Reopen: [35, {}],
  Dial: [36, { url: text, network: text }],
  Send: [37, { link: number, bytes }],
  CloseLink: [38, { link: number }],
  RtcOpen: [39, { attempt: number, initiator: flag, ice: list(text) }],
  RtcSignal: rtcSignal,
  RtcClose: [40, { attempt: number }],
  Reply: [41, { call: number, body: replyBody }],
  ...notices,
});
const events = list(event);
const turn = struct({ deadlineMs: optional(number), actions: list(action) });
const config = struct({
  app: text,
  deviceSeed: seed,
  randomSeed: seed,
  name: text,
  anchor: flag,
  rtc: flag,
  anchors: list(text),
  quotas: struct({
    totalBytes: number,
    topicBytes: number,
    deviceBytes: number,
    leaseDays: number,
    addressBytes: number,
  }),
  apps: list(text),
  cacheBytes: number,
  linksMax: number,
  idleBytesPerSecond: number,
  stunPort: number,
  version: text,
  topics: list(id),
  tokens: flag,
  memoryBytes: number,
});

/** What the core is asked. */
export type CoreCall = ValueOf<typeof callBody>;
/** What the shim sees to: what those who share a peer want of it together (wants.ts). `holder` names who wants it. */
export type ShimCall =
  /** `onlines`: told again to who leads now, by one who had heard so often that links are allowed. */
  | { readonly kind: "AllowLinks"; readonly allowed: boolean; readonly holder?: string; readonly onlines?: number }
  /** At that time by the clock; no value: nothing. `again`: told again to who leads now. */
  | {
      readonly kind: "ShowPresence";
      readonly topic: number;
      readonly holder: string;
      readonly at: number;
      readonly value?: Uint8Array;
      readonly again?: true;
    }
  /** It is closed. */
  | { readonly kind: "Release"; readonly holder: string };
/** What an engine is asked. */
export type CallBody = CoreCall | ShimCall;
export type ReplyBody = ValueOf<typeof replyBody>;
export type Event = ValueOf<typeof event>;
/** As the core says it. */
export type TurnAction = ValueOf<typeof action>;
/** With the short ids that it does not say (shortids.ts). */
export type Action =
  | Exclude<TurnAction, { readonly kind: "PeersNotice" | "MembersNotice" }>
  | { readonly kind: "PeersNotice"; readonly peers: readonly WithShortId<typeof peer>[] }
  | { readonly kind: "MembersNotice"; readonly topic: number; readonly members: readonly WithShortId<typeof member>[] };
type WithShortId<C> = ValueOf<C> & { readonly shortId: string };
type CoreNotice = Extract<Action, { readonly kind: keyof typeof notices }>;
/** What an engine tells: the core's notices, and that a topic is not open any more for anybody. */
export type Notice = CoreNotice | { readonly kind: "TopicEnded"; readonly topic: number };
/** As the core says it. */
export type RawTurn = ValueOf<typeof turn>;
export type Turn = Omit<RawTurn, "actions"> & { readonly actions: readonly Action[] };
/** include/perdure/config.hpp */
export type CoreConfig = ValueOf<typeof config>;
export type NewOp = ValueOf<typeof newOp>;
export type MessageOut = ValueOf<typeof message>;
export type VersionOut = ValueOf<typeof version>;
export type EntryOut = ValueOf<typeof entry>;
export type ConflictOut = ValueOf<typeof conflict>;
/** The reply of that kind. */
export type ReplyOf<K extends ReplyBody["kind"]> = Extract<ReplyBody, { readonly kind: K }>;
/** The notice of that kind. */
export type NoticeOf<K extends Notice["kind"]> = Extract<Notice, { readonly kind: K }>;
export type LinkPath = ValueOf<typeof path>;

export function isNotice(action: Action): action is CoreNotice {
  return Object.hasOwn(notices, action.kind);
}

/** Appends the bytes of a batch of events; throws MalformedBytes for what no event can say. */
export function putEvents(w: Writer, batch: readonly Event[]): void {
  events.put(w, batch);
}

/** Reads borrowed bytes; what comes out is its caller's own, except for what a Save says: a store copies that when it is handed in. */
export function getTurn(borrowed: Uint8Array): RawTurn {
  return turn.get(new Reader(borrowed));
}

/** Both directions of everything, for tests. */
export const codecs = { events, turn, config };

export function encodeConfig(value: CoreConfig): Uint8Array {
  const w = new Writer();
  config.put(w, value);
  return w.view().slice();
}
