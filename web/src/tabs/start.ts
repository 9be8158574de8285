import type { PeerOptions } from "../base/types.js";

/** What a worker needs to run a tab. Addresses are absolute. */
export interface StartOptions {
  readonly peer: Omit<PeerOptions, "signal" | "worker" | "anchors" | "rtc" | "wasm"> & {
    readonly anchors: readonly string[];
    /** The page makes connections. */
    readonly rtc: boolean;
    readonly wasm?: Exclude<PeerOptions["wasm"], URL | undefined>;
  };
  /** Where the package's own perdure.wasm lies. */
  readonly wasmUrl: string | undefined;
  /** This device has stored something here before. */
  readonly hadStore: boolean;
  readonly hidden: boolean;
}
