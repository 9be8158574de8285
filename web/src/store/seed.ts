// The device's secret: 32 random bytes made the first time.
//
// In browsers it lies in IndexedDB, sealed under an AES key that WebCrypto keeps and never gives out: whoever copies the
// database's values cannot read it, whoever runs code on this origin can use it. In Node it lies in the SQLite file as it is,
// and the file's mode is what guards it.

import { PerdureError } from "../base/errors.js";
import { randomBytes } from "../base/platform.js";
import { isFull } from "./codes.js";
import { noRoom } from "./refusals.js";
import { compareBytes, type Own } from "./store.js";

export interface Seed {
  readonly bytes: Uint8Array;
  /** It was made just now. */
  readonly fresh: boolean;
}

interface Wrapped {
  readonly key: CryptoKey;
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** The seed of this browser. Rejects if the browser cannot keep it. One that does not open any more is replaced: the device is
 *  then another one. */
export async function wrappedSeed(own: Own, crypto: Crypto = globalThis.crypto): Promise<Seed> {
  const kept = await own.getOwn("seed");
  const old = await unwrapped(kept, crypto);
  if (old !== undefined) return { bytes: old, fresh: false };
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, bytes));
  const wrapped: Wrapped = { key, iv, sealed };
  // Another opener may have been quicker: then its seed is this device's.
  const stands = (found: unknown): found is Wrapped =>
    isWrapped(found) && !(isWrapped(kept) && compareBytes(found.sealed, kept.sealed) === 0);
  const there = await own.putOwn("seed", wrapped, stands);
  if (there === wrapped) return { bytes, fresh: true };
  const theirs = await unwrapped(there, crypto);
  return theirs === undefined ? wrappedSeed(own, crypto) : { bytes: theirs, fresh: false };
}

/** Undefined if there is none, or it is damaged. */
async function unwrapped(kept: unknown, crypto: Crypto): Promise<Uint8Array | undefined> {
  if (!isWrapped(kept)) return undefined;
  try {
    const bytes = await crypto.subtle.decrypt({ name: "AES-GCM", iv: kept.iv }, kept.key, kept.sealed);
    return bytes.byteLength === 32 ? new Uint8Array(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/** The seed of this file or memory. `file`: where it is. Rejects with `storage-unavailable` if it cannot be read or written, `storage-full` for want of room. */
export async function plainSeed(own: Own, file?: string): Promise<Seed> {
  try {
    const kept = await own.getOwn("seed");
    if (isSeed(kept)) return { bytes: kept, fresh: false };
    const made = randomBytes(32);
    const bytes = await own.putOwn("seed", made, isSeed);
    return { bytes, fresh: bytes === made };
  } catch (error) {
    if (error instanceof PerdureError) throw error;
    if (isFull(error)) throw noRoom("There is no room for the key of this device.", error);
    const why = error instanceof Error ? error.message : String(error);
    throw new PerdureError(
      "storage-unavailable",
      `The key of this device cannot be read or stored${file === undefined ? "" : ` in the file ${file}`}: ${why}. Put back a copy of the file, or use another one: that makes a new device.`,
      { cause: error },
    );
  }
}

function isSeed(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function isWrapped(value: unknown): value is Wrapped {
  return (
    typeof value === "object" &&
    value !== null &&
    "key" in value &&
    value.key instanceof CryptoKey &&
    "iv" in value &&
    value.iv instanceof Uint8Array &&
    "sealed" in value &&
    value.sealed instanceof Uint8Array
  );
}
