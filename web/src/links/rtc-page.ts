// Links over WebRTC, the half in the page: makes the connections, because only pages may, and hands their channels over.
//
//     const rtc = new RtcPage((message, transfer) => worker.postMessage(message, transfer), {});
//     rtc.hear(message);              // what the worker asks
//     rtc.closeAll();                 // on pagehide: without it the other side waits 7 to 17 s

import { ChannelPipe } from "./channel.js";
import type { SignalKind } from "./types.js";
import type { FromPage, ToPage } from "./rtc.js";

export interface RtcPageOptions {
  /** As given to openPeer. Its own iceServers stand in place of those that the core knows. */
  readonly config?: RTCConfiguration;
  /** Move channels to the worker; false: carry their messages over. Default: what this browser can. */
  readonly move?: boolean;
}

export type PostFromPage = (message: FromPage, transfer: Transferable[]) => void;

/** A description waits so long for candidates; the others follow one by one. */
const gatherMs = 250;
/** The core gives up sooner; a connection that it forgot ends here. */
const connectMs = 30_000;
const candidatesMax = 64;
const descriptionCharsMax = 16_384;
/** A bridged channel says how far it is after so many bytes, and when less than twice as many wait. Both are far below what the core waits for. */
const progressBytes = 32 * 1024;

export class RtcPage {
  readonly #post: PostFromPage;
  readonly #config: RTCConfiguration;
  readonly #move: boolean;
  readonly #connections = new Map<number, Connection>();

  constructor(post: PostFromPage, options: RtcPageOptions = {}) {
    this.#post = post;
    this.#config = options.config ?? {};
    this.#move = options.move ?? canMoveChannels();
  }

  hear(message: ToPage): void {
    switch (message.kind) {
      case "rtc-open":
        this.#open(message.attempt, message.initiator, message.ice);
        break;
      case "rtc-signal":
        this.#connections.get(message.attempt)?.signal(message.signal, message.text);
        break;
      case "rtc-bytes":
        this.#connections.get(message.attempt)?.send(message.bytes);
        break;
      case "rtc-end":
        this.#connections.get(message.attempt)?.end();
        break;
      case "rtc-close":
        this.#close(message.attempt);
        break;
      case "rtc-close-all":
        this.closeAll();
        break;
    }
  }

  /** Ends all connections at once; the other sides notice within milliseconds. */
  closeAll(): void {
    for (const attempt of [...this.#connections.keys()]) this.#close(attempt);
  }

  #open(attempt: number, initiator: boolean, ice: readonly string[]): void {
    const servers = this.#config.iceServers ?? ice.map(urls => ({ urls }));
    const over = (): void => this.#close(attempt);
    try {
      const connection = new Connection(
        attempt,
        { ...this.#config, iceServers: servers },
        this.#move,
        this.#post,
        over,
      );
      this.#connections.set(attempt, connection);
      if (initiator) connection.initiate();
    } catch {
      this.#close(attempt);
      this.#post({ kind: "rtc-over", attempt }, []);
    }
  }

  #close(attempt: number): void {
    const connection = this.#connections.get(attempt);
    this.#connections.delete(attempt);
    connection?.close();
  }
}

class Connection {
  readonly #attempt: number;
  readonly #move: boolean;
  readonly #post: PostFromPage;
  readonly #peer: RTCPeerConnection;
  readonly #over: () => void;
  readonly #patience: ReturnType<typeof setTimeout>;
  readonly #early: RTCIceCandidateInit[] = []; // candidates before the description they belong to
  #steps: Promise<void> = Promise.resolve();
  #candidates = 0;
  #described = false; // our description is out: further candidates follow it
  #heard = false; // theirs is in
  #channel: RTCDataChannel | undefined; // one each; kept, or it would be collected
  #pipe: ChannelPipe | undefined; // if it stays here
  #taken = 0;
  #told = 0;
  #closed = false;

  constructor(attempt: number, config: RTCConfiguration, move: boolean, post: PostFromPage, over: () => void) {
    this.#attempt = attempt;
    this.#move = move;
    this.#post = post;
    this.#over = over;
    const peer = (this.#peer = new RTCPeerConnection(config));
    peer.onicecandidate = ({ candidate }) => {
      if (this.#described && candidate !== null && candidate.candidate !== "")
        this.#tell("candidate", candidate.candidate);
    };
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") clearTimeout(this.#patience);
      if (peer.connectionState === "failed") over();
    };
    peer.ondatachannel = ({ channel }) => this.#hand(channel);
    this.#patience = setTimeout(over, connectMs);
  }

  initiate(): void {
    this.#hand(this.#peer.createDataChannel("perdure", { ordered: true }));
    this.#step(async () => this.#describe("offer", await this.#peer.createOffer()));
  }

  /** What does not fit, or is no description of one data channel, ends the attempt. */
  signal(kind: SignalKind, text: string): void {
    this.#step(async () => {
      if (kind === "candidate") return this.#candidate({ candidate: text, sdpMLineIndex: 0 });
      if (this.#heard || text.length > descriptionCharsMax || !isOneChannel(text))
        throw new Error("not a description of one channel");
      await this.#peer.setRemoteDescription({ type: kind, sdp: text });
      this.#heard = true;
      for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
      if (kind === "offer") await this.#describe("answer", await this.#peer.createAnswer());
    });
  }

  send(bytes: Uint8Array): void {
    this.#pipe?.send(bytes);
    this.#taken += bytes.length;
    if (this.#taken - this.#told >= progressBytes) this.#progress();
  }

  end(): void {
    if (this.#pipe === undefined) this.#over();
    else this.#pipe.close();
  }

  /** At once. Tells the worker, once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#patience);
    this.#peer.close();
    this.#post({ kind: "rtc-over", attempt: this.#attempt }, []);
  }

  // Within the task that made the channel: later it cannot be moved any more.
  #hand(channel: RTCDataChannel): void {
    if (
      this.#channel !== undefined ||
      !channel.ordered ||
      channel.maxRetransmits !== null ||
      channel.maxPacketLifeTime !== null
    ) {
      channel.close();
      return;
    }
    this.#channel = channel;
    if (this.#move) this.#post({ kind: "rtc-channel", attempt: this.#attempt, channel }, [channel]);
    else this.#keep(channel);
  }

  #keep(channel: RTCDataChannel): void {
    const attempt = this.#attempt;
    this.#pipe = new ChannelPipe(channel, 2 * progressBytes, {
      opened: () => this.#post({ kind: "rtc-bridged", attempt }, []),
      received: bytes => this.#post({ kind: "rtc-bytes", attempt, bytes }, [bytes.buffer]),
      drained: () => this.#progress(),
      closed: () => this.#over(),
    });
  }

  #progress(): void {
    this.#told = this.#taken;
    this.#post(
      { kind: "rtc-progress", attempt: this.#attempt, taken: this.#taken, buffered: this.#pipe?.buffered ?? 0 },
      [],
    );
  }

  async #describe(kind: "offer" | "answer", description: RTCSessionDescriptionInit): Promise<void> {
    const peer = this.#peer;
    await peer.setLocalDescription(description);
    await new Promise<void>(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, gatherMs);
      peer.onicegatheringstatechange = () => {
        if (peer.iceGatheringState === "complete") done();
      };
      if (peer.iceGatheringState === "complete") done();
    });
    const text = peer.localDescription?.sdp;
    if (text === undefined || this.#closed) return;
    this.#described = true;
    this.#tell(kind, text);
  }

  // A candidate that the browser does not take is one way less, no more.
  async #candidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#candidates++ >= candidatesMax) return;
    if (!this.#heard) this.#early.push(candidate);
    else await this.#peer.addIceCandidate(candidate).catch(() => undefined);
  }

  #step(run: () => Promise<void>): void {
    this.#steps = this.#steps.then(() => (this.#closed ? undefined : run())).catch(() => this.#over());
  }

  #tell(signal: SignalKind, text: string): void {
    this.#post({ kind: "rtc-signal", attempt: this.#attempt, signal, text }, []);
  }
}

/** Whether this browser can move a data channel to a worker. Tried out, not guessed. */
export function canMoveChannels(): boolean {
  if (typeof RTCPeerConnection === "undefined") return false;
  const peer = new RTCPeerConnection();
  const { port1, port2 } = new MessageChannel();
  try {
    const channel = peer.createDataChannel("perdure");
    port1.postMessage(channel, [channel as unknown as Transferable]);
    return true;
  } catch {
    return false;
  } finally {
    port1.close();
    port2.close();
    peer.close();
  }
}

function isOneChannel(sdp: string): boolean {
  const media = sdp.match(/^m=.*$/gm) ?? [];
  return media.length === 1 && media[0]?.startsWith("m=application ") === true;
}
