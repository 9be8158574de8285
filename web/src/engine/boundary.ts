// Events, actions, calls and replies, and their bytes: the other side of src/boundary/boundary_table.hpp. `kind` is the name in
// include/perdure/events.hpp, where each is explained; fields have its order. Where a struct there has a field called `kind`, it
// is `path` (LinkOpened) and `signal` (RtcSignal) here. Ids are hex, values are MessagePack bytes, times are milliseconds.
import { bytesOfHex, MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { codeOf, numberOf } from "../base/errors.js";
import type { ErrorCode } from "../base/errors.js";

/** How a T is written and read. */
interface Codec<T> {
  put(w: Writer, value: T): void;
  get(r: Reader): T;
}
type ValueOf<C> = C extends Codec<infer T> ? T : never;
type Fields = Readonly<Record<string, Codec<unknown>>>;
type OptionalKey<F extends Fields> = { [K in keyof F]: undefined extends ValueOf<F[K]> ? K : never }[keyof F];
type StructOf<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKey<F>>]: ValueOf<F[K]> } & {
  readonly [K in OptionalKey<F>]?: ValueOf<F[K]>;
};
type Table = Readonly<Record<string, readonly [tag: number, fields: Fields]>>;
type UnionOf<T extends Table> = { [K in keyof T]: { readonly kind: K } & StructOf<T[K][1]> }[keyof T];

// ---- the small ones ------------------------------------------------------------------------------------------------------
const number: Codec<number> = { put: (w, v) => w.varint(v), get: r => r.varint() };
const flag: Codec<boolean> = { put: (w, v) => w.u8(v ? 1 : 0), get: r => r.u8() === 1 };
const text: Codec<string> = { put: (w, v) => w.text(v), get: r => r.text() };
const bytes: Codec<Uint8Array> = { put: (w, v) => w.bytes(v), get: r => r.bytes() };
/** For whoever copies it before the next turn. */
const borrowed: Codec<Uint8Array> = { put: bytes.put, get: r => r.borrowed() };
const signed: Codec<number> = {
  put: (w, v) => w.varint(v < 0 ? -2 * v - 1 : 2 * v),
  get: r => {
    const zigzag = r.varint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  },
};
const id: Codec<string> = {
  put: (w, v) => {
    const raw = bytesOfHex(v);
    if (raw?.length !== 32) throw new MalformedBytes("an id has 64 hex digits");
    w.raw(raw);
  },
  get: r => r.hex(32),
};
const seed = sized(32);
const code: Codec<ErrorCode> = { put: (w, v) => w.u8(numberOf(v)), get: r => codeOf(r.u8()) };

function sized(size: number): Codec<Uint8Array> {
  return {
    put: (w, v) => {
      if (v.length !== size) throw new MalformedBytes(`${size} bytes are needed`);
      w.raw(v);
    },
    get: r => r.raw(size),
  };
}

/** One byte that counts the names from `first`. */
function choice<const N extends readonly string[]>(first: number, ...names: N): Codec<N[number]> {
  return {
    put: (w, v) => w.u8(first + names.indexOf(v)),
    get: r => {
      const name = names[r.u8() - first];
      if (name === undefined) throw new MalformedBytes("an unknown choice");
      return name;
    },
  };
}

function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    put: (w, v) => {
      w.u8(v === undefined ? 0 : 1);
      if (v !== undefined) inner.put(w, v);
    },
    get: r => (r.u8() === 1 ? inner.get(r) : undefined),
  };
}

function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    put: (w, v) => {
      w.varint(v.length);
      for (const one of v) item.put(w, one);
    },
    get: r => {
      const items: T[] = [];
      for (let left = r.varint(); left > 0; left--) items.push(item.get(r));
      return items;
    },
  };
}

function pair<A, B>(first: Codec<A>, second: Codec<B>): Codec<readonly [A, B]> {
  return {
    put: (w, v) => {
      first.put(w, v[0]);
      second.put(w, v[1]);
    },
    get: r => [first.get(r), second.get(r)],
  };
}

function putFields(w: Writer, fields: readonly (readonly [string, Codec<unknown>])[], value: object): void {
  const named = value as Readonly<Record<string, unknown>>;
  for (const [name, codec] of fields) codec.put(w, named[name]);
}

function getFields(
  r: Reader,
  fields: readonly (readonly [string, Codec<unknown>])[],
  into: Record<string, unknown>,
): object {
  for (const [name, codec] of fields) {
    const value = codec.get(r);
    if (value !== undefined) into[name] = value;
  }
  return into;
}

function struct<F extends Fields>(shape: F): Codec<StructOf<F>> {
  const fields = Object.entries(shape);
  return { put: (w, v) => putFields(w, fields, v), get: r => getFields(r, fields, {}) as StructOf<F> };
}

function union<const T extends Table>(table: T): Codec<UnionOf<T>> {
  const byKind = new Map(
    Object.entries(table).map(([kind, [tag, shape]]) => [kind, { kind, tag, fields: Object.entries(shape) }]),
  );
  const byTag = new Map([...byKind.values()].map(entry => [entry.tag, entry]));
  return {
    put: (w, v) => {
      const entry = byKind.get((v as { readonly kind: string }).kind);
      if (entry === undefined) throw new MalformedBytes("an unknown kind");
      w.u8(entry.tag);
      putFields(w, entry.fields, v as object);
    },
    get: r => {
      const entry = byTag.get(r.u8());
      if (entry === undefined) throw new MalformedBytes("an unknown tag");
      return getFields(r, entry.fields, { kind: entry.kind }) as UnionOf<T>;
    },
  };
}

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
  OpenedTopic: [130, { topic: number, id, name: named }],
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
const topic = struct({ id, name: named, unread: number, lastActivityMs: optional(number) });
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
  TopicsNotice: [45, { topics: list(topic) }],
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
  Saved: [3, { save: number, outcome: choice(0, "ok", "full", "superseded", "failed", "unknown") }],
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
export type Action = ValueOf<typeof action>;
type CoreNotice = Extract<Action, { readonly kind: keyof typeof notices }>;
/** What an engine tells: the core's notices, and that a topic is not open any more for anybody. */
export type Notice = CoreNotice | { readonly kind: "TopicEnded"; readonly topic: number };
export type Turn = ValueOf<typeof turn>;
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
export function getTurn(borrowed: Uint8Array): Turn {
  return turn.get(new Reader(borrowed));
}

/** Both directions of everything, for tests. */
export const codecs = { events, turn, config };

export function encodeConfig(value: CoreConfig): Uint8Array {
  const w = new Writer();
  config.put(w, value);
  return w.view().slice();
}
