// The public interface. Everything that is not here is private.
import type { PerdureError } from "./errors.js";

// What browsers add to the language is named only where the user's `lib` names it: apps for Node compile without DOM.
type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module : never;
type RtcOptions = typeof globalThis extends {
  RTCPeerConnection: { new (configuration?: infer Configuration): unknown };
}
  ? NonNullable<Configuration>
  : object;
type Bytes = ArrayBuffer | ArrayBufferView;
type TrustedAddress = typeof globalThis extends { TrustedScriptURL: { prototype: infer Trusted } } ? Trusted : object;

export interface PeerOptions {
  /** Names the network and the local database. */
  app: string;
  /** ws:// or wss://; more come with invites and later. None: local until an invite brings one. More than 16 are `bad-argument`. */
  anchors?: readonly (string | URL)[];
  /** What others see beside the id. */
  name?: string;
  /** Tells several peers of one app apart, on one origin or in one process of Node; "default" if not said. Without it two calls of openPeer are two
   *  handles on one peer. */
  instance?: string;
  /** auto: IndexedDB. opfs: SQLite, in perdure/worker-opfs alone: not with worker: false, nor in perdure/inline. In Node say "memory" or a SQLite file. What is kept in memory is a peer of its own, in each tab another, in a page or process the
   *  same one for the same app and instance, as long as a handle on it is open. Handles and tabs that share a peer name the same storage, or else the
   *  later one is `bad-argument`. A file belongs to the app that opened it first; to all others it is `bad-argument`. */
  storage?: "auto" | "indexeddb" | "opfs" | "memory" | { file: string };
  /** Default: host candidates, and STUN at the anchors that offer it. false: no WebRTC. One that the browser's RTCPeerConnection refuses is `bad-argument`;
   *  where there is none it does not count. */
  rtc?: RtcOptions | false;
  /** When a bundler loses perdure.wasm: its address, its bytes or the compiled module. */
  wasm?: string | URL | Bytes | WasmModule;
  /** When a bundler loses perdure/worker: its address, a TrustedScriptURL where the page requires Trusted Types; false: run in the page. */
  worker?: string | URL | TrustedAddress | false;
  limits?: Partial<Limits>;
  /** Aborting rejects openPeer with signal.reason; afterwards it does nothing. */
  signal?: AbortSignal;
}

export interface Limits {
  /** Rows kept in memory. */
  memoryMB: number;
  /** What is said in the topics that are open, sealed. More is not stored: an append is rejected with storage-full, and so says status.trouble if
   *  it comes from others. */
  storageMB: number;
  /** Direct links to other peers at once, 8 at most. */
  links: number;
  /** What is sent while nothing happens: signs of life, comparisons, presence. What is said for each link and topic comes more rarely then, as
   *  far as links and presence stay alive. Without it there is no bound. */
  idleBytesPerSecond: number;
}

/** Something that changes. `subscribe` calls at once, then after each change, at most once per frame; `current` keeps its
 *  identity until it changes; both are bound. So it is a Svelte store as it is, and React's
 *  useSyncExternalStore(view.subscribe, () => view.current, () => view.current). It costs nothing while nobody subscribes. All who read a view
 *  see the same objects, so these are frozen, but for Uint8Array and Date: structuredClone(value) is a copy to change. */
export interface View<T> {
  /** Of latest(), copies(), map.view() and map.conflicts() it is kept up only while somebody is subscribed, and empty before. */
  readonly current: T;
  readonly subscribe: (listener: (value: T) => void) => () => void;
}

/** This device in a network. All promises reject with a PerdureError; after close() its code is `closed`. */
export interface Peer extends AsyncDisposable {
  /** The device's public key, 64 hex digits. */
  readonly id: string;
  /** The first 16 hex digits of SHA-256(public key). */
  readonly shortId: string;
  readonly status: View<PeerStatus>;
  readonly peers: View<readonly PeerInfo[]>;
  /** All topics this device has joined, open or not. */
  readonly topics: View<readonly TopicInfo[]>;
  /** The topic this device calls so; made the first time. What another device calls so is another topic: it comes by an invite. */
  topic<S extends Shape = Shape>(name: string): Promise<Topic<S>>;
  /** Always a new one. shortcode: it can be entered by a spoken code. */
  create<S extends Shape = Shape>(options?: { name?: string; shortcode?: boolean }): Promise<Topic<S>>;
  /** Enters by an invite, or a link that holds one; works offline, the contents come later. `bad-invite` says what is wrong. */
  join<S extends Shape = Shape>(invite: string | URL, options?: { name?: string }): Promise<Topic<S>>;
  /** Enters by a shortcode that create made; a typo is `bad-invite`; whoever guesses it is in, too. */
  joinCode<S extends Shape = Shape>(code: string, options?: { name?: string }): Promise<Topic<S>>;
  readonly anchors: {
    /** Uses that anchor from now on. Throws `bad-argument` for what is no ws:// or wss:// address, and for more than 16 at once. */
    add(url: string | URL): void;
    remove(url: string | URL): void;
    readonly list: View<readonly AnchorInfo[]>;
  };
  /** Closes all links, and makes none until online(), in all tabs of this peer: for "work offline", and for trying out what then
   *  happens. It lasts as long as one handle or tab that asked for it is open, and until any of them says online(). */
  offline(): void;
  online(): void;
  /** Resolves when everything accepted is on disk; closing twice is harmless. */
  close(): Promise<void>;
}

export interface PeerStatus {
  /** online: at least one link stands. */
  readonly state: "online" | "connecting" | "offline";
  readonly tab: "leader" | "follower";
  readonly links: {
    readonly webrtc: number;
    readonly websocket: number;
    readonly relayed: number;
    readonly local: number;
  };
  /** Own ops that nobody else has acknowledged yet, in topics that are open. */
  readonly pending: number;
  readonly storage: {
    readonly kind: "indexeddb" | "opfs" | "sqlite" | "memory";
    readonly persisted: boolean;
    readonly usedBytes: number;
    readonly quotaBytes?: number;
  };
  /** How far the median of linked peers is ahead of this clock: negative if it is fast. Absent while alone. */
  readonly clockSkewMs?: number;
  /** What a user should be told now: storage-full, storage-lost, outdated … */
  readonly trouble: readonly PerdureError[];
}

export interface PeerInfo {
  readonly id: string;
  readonly shortId: string;
  readonly name?: string;
  readonly state: "connected" | "connecting" | "away";
  /** local: another instance on this origin; there is no WebRTC to it then. */
  readonly path: "webrtc" | "websocket" | "relayed" | "local";
  readonly roundTripMs?: number;
  readonly role: "edge" | "anchor";
  /** Of its package; absent until it has said so, and of packages before 0.2.0. */
  readonly version?: string;
}

export interface AnchorInfo {
  readonly url: string;
  readonly state: "connected" | "connecting" | "unreachable" | "refused";
  readonly id?: string;
  /** Why it is not connected, or does not store what it is sent. */
  readonly reason?: string;
}

export interface TopicInfo {
  readonly id: string;
  readonly name?: string;
  /** Messages of others not marked as read; of a topic that is not open, those that are here. */
  readonly unread: number;
  readonly lastActivity?: Date;
}

/** What a topic carries, for the compiler: Topic<{ message: Chat; entry: Card; presence: Cursor }>. Nothing is checked at
 *  run time: what others send is theirs; check it as you would any input. */
export interface Shape {
  message?: unknown;
  entry?: unknown;
  presence?: unknown;
}
/** What the shape says of it, else anything. No conditional type, so that every Topic<…> is a Topic. */
export type Of<S, K extends keyof Shape> = (S & Shape)[K];

/** Messages and a map that its members share. Values are what JSON can say, plus `Uint8Array` and `Date`, at most 256 KiB each;
 *  what you read is your own copy, and frozen where a view shows it to many. A value that another program wrote and this one cannot read is shown as `null`. */
export interface Topic<S extends Shape = Shape> extends AsyncDisposable {
  readonly id: string;
  readonly name?: string;
  readonly status: View<TopicStatus>;
  readonly members: View<readonly Member[]>;
  readonly presence: Presence<Of<S, "presence">>;
  readonly map: TopicMap<Of<S, "entry">>;
  /** A secret: show it, send it, never put it into a query or a log. */
  invite(): Promise<string>;
  /** That page with the invite in its fragment. */
  link(page: string | URL): Promise<string>;
  /** 12 symbols and a check symbol, if created with one. */
  shortcode(): Promise<string | undefined>;
  /** Resolves when durable on this device. `bad-argument` with the path, `too-large` over 256 KiB, `storage-full`. */
  append(value: Of<S, "message">): Promise<Receipt>;
  /** All or none; at most 16 MiB. An empty list is `bad-argument`. */
  appendAll(values: Iterable<Of<S, "message">>): Promise<Receipt>;
  /** Messages and entries together, all or none. A batch that says nothing is `bad-argument`. */
  batch(change: (batch: Batch<S>) => void): Promise<Receipt>;
  /** The newest, default 50. What a chat shows: late ones take their right place. Unchanged messages keep their identity.
   *  Its `current` is kept up only while somebody is subscribed; to read once, use messages(). */
  latest(limit?: number): View<Page<Of<S, "message">>>;
  /** Reads through the timeline, a page at a time. */
  messages(options?: MessagesOptions): AsyncIterableIterator<Message<Of<S, "message">>>;
  get(id: string): Promise<Message<Of<S, "message">> | undefined>;
  /** Who is known to hold that message, or else all of the topic: own messages by what others have said, those of others also by what was
   *  sent on. Its `current` is kept up only while somebody is subscribed. */
  copies(id?: string): View<Copies>;
  /** Up to there, or to the newest; kept on this device. */
  markRead(id?: string): Promise<void>;
  /** Resolves once all is here that one other peer or anchor held when asked. Who does not answer within 10 s is taken at its last word. What is
   *  asked more than 30 times a minute, or four times at once, waits for the next time that may be asked. */
  synced(options?: { signal?: AbortSignal }): Promise<void>;
  /** Stops following it; it stays joined. Twice is harmless. */
  close(): Promise<void>;
  /** Leaves it, once what was accepted is stored. forget: deletes it from this device. Rejects with `storage-full` or `storage-unavailable` if
   *  that cannot be stored: then nothing has changed. Appends that follow reject with `closed`. */
  leave(options?: { forget?: boolean }): Promise<void>;
}

export interface TopicStatus {
  readonly state: "live" | "syncing" | "alone";
  readonly length: number;
  readonly unread: number;
  readonly pending: number;
  /** Ops that a linked peer has and this device has not yet, as far as they can be told before they are here. What it does not give when asked
   *  does not count. */
  readonly behind: number;
  /** Dated ahead, shown when due. */
  readonly held: number;
  /** Batches of ops that are kept and passed on and say nothing here: broken by who wrote them, or of a newer version (`outdated`). */
  readonly unreadable: number;
  readonly peers: number;
}

export interface Member {
  readonly id: string;
  readonly shortId: string;
  readonly name?: string;
  readonly online: boolean;
  readonly lastSeen?: Date;
  readonly own: boolean;
}

export interface Copies {
  readonly here: boolean;
  readonly peers: readonly string[];
  readonly anchors: readonly string[];
}

/** Oldest first. loading: nothing is known yet; more: older ones exist. */
export interface Page<M> {
  readonly messages: readonly Message<M>[];
  readonly loading: boolean;
  readonly more: boolean;
}

export interface MessagesOptions {
  /** How many stored messages at most; does not count the live ones. */
  limit?: number;
  before?: string;
  after?: string;
  /** Timeline order, oldest first unless reverse. */
  reverse?: boolean;
  /** Afterwards each newly learnt message once, in order of arrival, whatever its place. */
  live?: boolean;
  /** Aborting rejects with signal.reason; break ends quietly. */
  signal?: AbortSignal;
}

export interface Message<M> {
  readonly id: string;
  readonly author: string;
  readonly time: Date;
  readonly value: M;
  readonly own: boolean;
}

/** Ephemeral: cursors, "is typing", who looks at what. At most 4 KiB, sealed, sent at most 10 times a second (the newest
 *  wins), never stored; gone when its peer leaves, within 10 s of a crash. A device shows one value in a topic: of its tabs and handles
 *  that are still open, the newest. */
export interface Presence<P> {
  /** Throws what append would reject with. */
  set(value: P | undefined): void;
  readonly others: View<ReadonlyMap<string, P>>;
}

/** Both promises wait as long as it takes, and reject with `closed` once the topic or the peer is closed, or with the signal's reason. What is in the
 *  way is told elsewhere: `status.trouble` of the peer, and `AnchorInfo.reason` where an anchor does not store. */
export interface Receipt {
  /** Of the last op. */
  readonly id: string;
  /** Resolves with signed acknowledgements of so many other keys (not people), anchors included, this device not. */
  replicated(copies: number, options?: { signal?: AbortSignal }): Promise<void>;
  /** Resolves with an acknowledgement of at least one configured anchor. While none is configured, `status.trouble` of
   *  the peer says so. */
  anchored(options?: { signal?: AbortSignal }): Promise<void>;
}

export interface Batch<S extends Shape> {
  append(value: Of<S, "message">): void;
  set(key: string, value: Of<S, "entry">): void;
  delete(key: string): void;
}

/** Keys are texts of 1 to 1,024 bytes of UTF-8. */
export interface TopicMap<E = unknown> {
  readonly size: number;
  get(key: string): Promise<E | undefined>;
  set(key: string, value: E): Promise<Receipt>;
  /** All or none. An empty list is `bad-argument`. */
  setAll(entries: Iterable<readonly [string, E]>): Promise<Receipt>;
  delete(key: string): Promise<Receipt>;
  /** By key. */
  entries(options?: {
    prefix?: string;
    after?: string;
    limit?: number;
    signal?: AbortSignal;
  }): AsyncIterableIterator<[string, E]>;
  /** By key; unchanged values keep their identity. Its `current` is kept up only while somebody is subscribed; to read once, use entries(). */
  view(options?: { prefix?: string }): View<ReadonlyMap<string, E>>;
  /** Its `current` is kept up only while somebody is subscribed. */
  conflicts(options?: { prefix?: string }): View<readonly Conflict<E>[]>;
  /** Sets the key and ends its conflict: every version known here is replaced, also those that are too many to be listed. So do set and delete. */
  resolve(key: string, value: E): Promise<Receipt>;
  /** Newest first. */
  history(key: string): AsyncIterableIterator<Version<E>>;
}

/** value undefined: deleted. */
export interface Version<E> {
  readonly id: string;
  readonly author: string;
  readonly time: Date;
  readonly value: E | undefined;
}

export interface Conflict<E> {
  readonly key: string;
  readonly winner: Version<E>;
  /** Newest first: at most 256, and at most 1 MiB of values. */
  readonly losers: readonly Version<E>[];
}
