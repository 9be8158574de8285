// A peer as its user holds it.
import type { CallBody, NoticeOf } from "../engine/boundary.js";
import { checkInvite, checkOptions, checkText, nameMax } from "../base/arguments.js";
import type { Engine, Surroundings } from "../engine/engine.js";
import { surroundings } from "../engine/engine.js";
import { badArgument, closedError, errorOf } from "../base/errors.js";
import { Anchors } from "./anchors.js";
import { ask, Feed } from "./feed.js";
import { TopicHandle } from "./topic.js";
import type { AnchorInfo, Peer, PeerInfo, PeerStatus, Shape, Topic, TopicInfo, View } from "../base/types.js";
import { DerivedView } from "./view.js";
import { TopicList } from "../engine/topiclist.js";
import { newHolder } from "../engine/wants.js";

/** Alone, or in a link: it holds a secret of 32 bytes, which no name of a topic is to show. */
const isInvite = /(^|#)\s*perdure-[\w-]{43}/;

export class PeerHandle implements Peer {
  readonly id: string;
  readonly shortId: string;
  readonly status: View<PeerStatus>;
  readonly peers: View<readonly PeerInfo[]>;
  readonly topics: View<readonly TopicInfo[]>;
  readonly anchors: Peer["anchors"];
  readonly #engine: Engine;
  readonly #surroundings: Surroundings;
  readonly #release: () => Promise<void>;
  readonly #stops: (() => void)[] = [];
  /** How many wait until an anchor holds something. */
  #awaiting = 0;
  readonly #open = new Set<{ close(): Promise<void> }>();
  readonly #holder = newHolder();
  #wasOffline = false;
  /** Said here and not heard of yet: how often somebody had asked to be online by then. */
  #goesOffline = Number.POSITIVE_INFINITY;
  readonly #statusChanged: () => void;
  #closed: Promise<void> | undefined;

  /** `release` is called once, when this handle has let go of all its topics; by default it closes the engine. */
  constructor(
    engine: Engine,
    around: Surroundings = surroundings,
    release: () => Promise<void> = () => engine.close(),
  ) {
    this.id = engine.id;
    this.shortId = engine.info().shortId;
    this.#engine = engine;
    this.#surroundings = around;
    this.#release = release;

    let status: NoticeOf<"StatusNotice"> | undefined;
    let peers: NoticeOf<"PeersNotice">["peers"] = [];
    let anchors: NoticeOf<"AnchorsNotice">["anchors"] = [];
    const topics = new TopicList();
    const statusView = new DerivedView(() => this.#statusOf(status, anchors.length > 0), around.frame);
    this.#statusChanged = () => statusView.invalidate();
    const peersView = new DerivedView(() => peers.map(peerOf), around.frame);
    const anchorsView = new DerivedView(() => anchors.map(anchorOf), around.frame);
    const ours = new Anchors(anchorsView, change => this.#tell(change));
    const topicsView = new DerivedView(() => topics.topics.map(topicOf), around.frame);
    this.#stops.push(
      engine.onInfo(({ onlines = 0 }) => {
        if (onlines > this.#goesOffline) this.#says(true);
        statusView.invalidate();
      }),
      engine.onNotice(notice => {
        switch (notice.kind) {
          case "StatusNotice":
            status = notice;
            if (notice.state === "offline") this.#says(true);
            return statusView.invalidate();
          case "PeersNotice":
            ({ peers } = notice);
            return peersView.invalidate();
          case "AnchorsNotice":
            ({ anchors } = notice);
            ours.heard(anchors);
            statusView.invalidate();
            return anchorsView.invalidate();
          case "TopicsNotice":
            topics.merge(notice);
            return topicsView.invalidate();
          default:
            return;
        }
      }),
      () => {
        // Others may go on using the engine; this handle is linked to nobody any more.
        status = undefined;
        peers = [];
        anchors = [];
        ours.heard([]);
        for (const view of [statusView, peersView, anchorsView]) view.invalidate();
      },
    );
    this.status = statusView;
    this.peers = peersView;
    this.topics = topicsView;
    this.anchors = ours.api;
  }

  async topic<S extends Shape = Shape>(name: string): Promise<Topic<S>> {
    if (typeof name === "string" && isInvite.test(name))
      throw badArgument("This is an invite, and no name of a topic. Did you mean peer.join(invite)?", "name");
    return this.#opened<S>({ kind: "TopicNamed", name: checkText("A topic's name", name) });
  }

  async create<S extends Shape = Shape>(options: { name?: string; shortcode?: boolean } = {}): Promise<Topic<S>> {
    const { shortcode = false } = checkOptions("create", options, ["name"], ["shortcode"]);
    return this.#opened<S>({ kind: "TopicCreate", ...naming(options), shortcode });
  }

  async join<S extends Shape = Shape>(invite: string | URL, options: { name?: string } = {}): Promise<Topic<S>> {
    const text = checkInvite(
      "An invite",
      invite instanceof URL ? invite.href : invite,
      "Give what topic.invite() or topic.link() gave, or location.hash of such a link.",
    );
    return this.#opened<S>({ kind: "TopicJoin", invite: text, ...naming(checkOptions("join", options, ["name"])) });
  }

  async joinCode<S extends Shape = Shape>(code: string, options: { name?: string } = {}): Promise<Topic<S>> {
    return this.#opened<S>({
      kind: "TopicJoinCode",
      code: checkInvite("A shortcode", code, "Type the 13 characters that topic.shortcode() gave."),
      ...naming(checkOptions("joinCode", options, ["name"])),
    });
  }

  offline(): void {
    void this.#tell({ kind: "AllowLinks", allowed: false, holder: this.#holder });
    this.#wasOffline = true;
    this.#says(false);
  }

  online(): void {
    void this.#tell({ kind: "AllowLinks", allowed: true, holder: this.#holder });
    this.#says(true);
  }

  /** Its status tells at once that no links are wanted any more, and else what it hears. */
  #says(online: boolean): void {
    this.#goesOffline = online ? Number.POSITIVE_INFINITY : (this.#engine.info().onlines ?? 0);
    this.#statusChanged();
  }

  #statusOf(notice: NoticeOf<"StatusNotice"> | undefined, hasAnchors: boolean): PeerStatus {
    const { tab, storage, trouble } = this.#engine.info();
    const goesOffline = this.#goesOffline < Number.POSITIVE_INFINITY;
    const { state = "offline", webrtc = 0, websocket = 0, relayed = 0, local = 0 } = (!goesOffline && notice) || {};
    const ours = this.#awaiting > 0 && !hasAnchors ? [noAnchor] : [];
    return {
      state,
      tab,
      links: { webrtc, websocket, relayed, local },
      pending: notice?.pending ?? 0,
      storage,
      ...(notice?.skewMs === undefined ? {} : { clockSkewMs: notice.skewMs }),
      trouble: [...trouble, ...(notice?.trouble ?? []), ...ours].map(errorOf),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #opened<S extends Shape>(body: CallBody): Promise<Topic<S>> {
    if (this.#closed !== undefined) throw closedError();
    const { topic: number, id, name } = await ask(this.#engine, "OpenedTopic", body);
    const feed = new Feed(this.#engine, number, this.#surroundings);
    feed.onAwaiting = change => {
      this.#awaiting += change;
      this.#statusChanged();
    };
    const topic: TopicHandle<S> = new TopicHandle<S>(feed, id, name, () => void this.#open.delete(topic));
    if (this.#closed !== undefined) {
      await topic.close();
      throw closedError();
    }
    this.#open.add(topic);
    return topic;
  }

  /** For what has no answer to wait for. Resolves when it is answered, whatever. */
  #tell(body: CallBody): Promise<void> {
    if (this.#closed !== undefined) throw closedError();
    const nothing = (): void => undefined;
    return this.#engine.call(body).then(nothing, nothing);
  }

  async #close(): Promise<void> {
    for (const stop of this.#stops) stop();
    if (this.#wasOffline) this.#engine.call({ kind: "Release", holder: this.#holder }).catch(() => undefined);
    await Promise.all([...this.#open].map(topic => topic.close()));
    await this.#release();
  }
}

function naming({ name }: { name?: string }): { name?: string } {
  return name === undefined ? {} : { name: checkText("A topic's name", name, nameMax, "name") };
}

/** What anchored() waits for does not come by itself. */
const noAnchor = {
  code: "not-found",
  text: "Something waits to be held by an anchor, and there is none. Add one: openPeer({ anchors }), or peer.anchors.add().",
} as const;

function peerOf({
  id,
  shortId,
  name,
  state,
  path,
  roundTripMs,
  anchor,
  version,
}: NoticeOf<"PeersNotice">["peers"][number]): PeerInfo {
  return {
    id,
    shortId,
    ...(name === "" ? {} : { name }),
    state,
    path: path === "datachannel" ? "webrtc" : path,
    ...(roundTripMs === undefined ? {} : { roundTripMs }),
    role: anchor ? "anchor" : "edge",
    ...(version === "" ? {} : { version }),
  };
}

function anchorOf({ url, state, id, reason }: NoticeOf<"AnchorsNotice">["anchors"][number]): AnchorInfo {
  return { url, state, ...(id === undefined ? {} : { id }), ...(reason === "" ? {} : { reason }) };
}

function topicOf({ id, name, unread, lastActivityMs }: NoticeOf<"TopicsNotice">["topics"][number]): TopicInfo {
  return {
    id,
    ...(name === undefined ? {} : { name }),
    unread,
    ...(lastActivityMs === undefined ? {} : { lastActivity: new Date(lastActivityMs) }),
  };
}
