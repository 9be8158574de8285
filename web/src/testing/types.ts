// What a test network offers.
import type { Peer, PeerOptions } from "../base/types.js";

export type Cuttable = TestPeer | TestAnchor;

export interface TestNetwork extends AsyncDisposable {
  /** Printed by every rejection of the network and of what its peers are asked. */
  readonly seed: number;
  /** The virtual time. */
  readonly now: Date;
  /** A new device each time, linked to all others of its app unless cut off from them: up to sixteen each to each, more over some steps.
   *  `instance` stands beside its number in what settle() says of it, no more. */
  open(options: Pick<PeerOptions, "app" | "name" | "instance">): Promise<TestPeer>;
  /** A new anchor, which all peers use from now on. */
  anchor(): Promise<TestAnchor>;
  /** Cuts all links between the sides, each one of them or a list. Who is on none, or comes later, stands on one more side.
   *  `bad-argument` for who stands on two, or is of no such network. */
  partition(...sides: readonly (Cuttable | readonly Cuttable[])[]): void;
  /** Ends every partition. */
  heal(): void;
  /** Runs what falls due, in order. */
  advance(ms: number): Promise<void>;
  /** Advances until all that can reach each other hold the same. Resolves with the milliseconds that took; rejects with what differs
   *  (`not-found`) and the seed after withinMs, default 60,000. */
  settle(options?: { withinMs?: number }): Promise<number>;
  close(): Promise<void>;
}

/** Appends resolve without advance(); replicated() and anchored() need it. */
export interface TestPeer extends Peer {
  offline(): void;
  online(): void;
  /** Its core is gone at once, with everything not yet on disk. Calls are `closed` until restart(), and its status says offline. */
  crash(): void;
  /** Starts again from its disk; a peer that runs crashes first. Topics that were open are open again. */
  restart(): Promise<void>;
  /** Sets its wall clock so far ahead of the network's. */
  setClock(offsetMs: number): void;
  /** Everything on its disk is gone, but not the device's key. A peer that runs can store nothing more until restart(). */
  loseStorage(): void;
  /** While full, nothing can be saved. */
  fillDisk(full: boolean): void;
}

export interface TestAnchor {
  readonly id: string;
  crash(): void;
  /** empty: with nothing on its disk. */
  restart(options?: { empty?: boolean }): Promise<void>;
}
