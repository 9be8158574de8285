// Files as they go over the wire: compressed once, then kept in memory until they change.
//
//     const compressed = new Compressed();
//     await compressed.of("/site/app.js", "br");       // its bytes; undefined where they are better sent as they are
//     compressed.of("/site/app.js", codingOf("gzip, br;q=0.8"));
//
// What is kept has a bound, and nothing that is asked for drives out what is there: whoever asks for one file after another has each
// compressed once, and the last ones not at all.
import type { BigIntStats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { Lanes } from "./lanes.js";

export type Coding = "br" | "gzip";

/** A larger one would have its first reader wait for seconds. */
const bytesMax = 16 << 20;
/** Up to there the best quality takes a second or three; beyond, one that is ten times as fast. */
const bestUntil = 2 << 20;
/** Of all copies together. */
const keptBytesMax = 32 << 20;
/** Those that turned out useless included. */
const copiesMax = 4096;
/** At the same time: the threads that do this read files, too. */
const lanes = 2;
/** What would have to wait behind more than these is sent as it is: as many as a page asks for at once. */
const waitingMax = 6;
/** Copies of files that are gone are looked for no more often than this. */
const pruneEveryMs = 10_000;

interface Copy {
  readonly version: string;
  readonly bytes: Promise<Buffer | undefined>;
  /** What it takes here: nothing if it is not kept, or not made yet. */
  size: number;
  hadNoRoom: boolean;
}

export class Compressed {
  readonly #copies = new Map<string, Copy>();
  readonly #lanes = new Lanes(lanes);
  readonly #keptBytesMax: number;
  readonly #pruneEveryMs: number;
  #kept = 0;
  #prunedAt = -Infinity;

  constructor(bytes = keptBytesMax, everyMs = pruneEveryMs) {
    this.#keptBytesMax = bytes;
    this.#pruneEveryMs = everyMs;
  }

  /** Bytes that are kept. */
  get kept(): number {
    return this.#kept;
  }

  /** The file's bytes in that coding, made if they are not there yet. Undefined: too large, nothing gained, no room, too much to do,
   *  or not to be read. */
  async of(file: string, coding: Coding): Promise<Buffer | undefined> {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (found === undefined || !found.isFile() || found.size > bytesMax) return undefined;
    const name = `${coding} ${file}`;
    const version = versionOf(found);
    if (this.#isFull || this.#copies.get(name)?.hadNoRoom === true) await this.#prune();
    const known = this.#copies.get(name);
    if (known?.version === version) return known.bytes;
    this.#forget(name);
    if (this.#isFull || this.#lanes.waiting >= waitingMax) return undefined;
    const copy: Copy = {
      version,
      size: 0,
      hadNoRoom: false,
      bytes: this.#make(file, version, coding).then(
        bytes => this.#keep(name, copy, bytes),
        () => this.#keep(name, copy, undefined),
      ),
    };
    this.#copies.set(name, copy);
    return copy.bytes;
  }

  get #isFull(): boolean {
    return this.#copies.size >= copiesMax || this.#kept >= this.#keptBytesMax;
  }

  async #make(file: string, version: string, coding: Coding): Promise<Buffer | undefined> {
    return this.#lanes.run(async () => {
      const bytes = await readWhole(file, version);
      if (bytes === undefined) return undefined;
      const made = await compress(bytes, coding);
      return made.length < bytes.length ? made : undefined;
    });
  }

  /** It stays if there is room for it, or else the fact that there is none. */
  #keep(name: string, copy: Copy, bytes: Buffer | undefined): Buffer | undefined {
    if (bytes === undefined || this.#copies.get(name) !== copy) return bytes;
    copy.hadNoRoom = this.#kept + bytes.length > this.#keptBytesMax;
    if (copy.hadNoRoom) return undefined;
    copy.size = bytes.length;
    this.#kept += bytes.length;
    return bytes;
  }

  #forget(name: string): void {
    this.#kept -= this.#copies.get(name)?.size ?? 0;
    this.#copies.delete(name);
  }

  /** Lets go of copies whose files have changed or are gone, and of what there was no room for. */
  async #prune(): Promise<void> {
    const now = performance.now();
    if (now - this.#prunedAt < this.#pruneEveryMs) return;
    this.#prunedAt = now;
    let gone = 0;
    for (const [name, { version }] of [...this.#copies]) {
      const found = await stat(name.slice(name.indexOf(" ") + 1), { bigint: true }).catch(() => undefined);
      if ((found !== undefined && versionOf(found) === version) || this.#copies.get(name)?.version !== version)
        continue;
      this.#forget(name);
      gone++;
    }
    if (gone === 0) return;
    for (const [name, { hadNoRoom }] of [...this.#copies]) if (hadNoRoom) this.#forget(name);
  }
}

/** What the client takes and likes best of it: br before gzip. Undefined: the file as it is (RFC 9110, 12.5.3). */
export function codingOf(accepted: string | string[] | undefined): Coding | undefined {
  const weights = new Map(
    String(accepted ?? "")
      .toLowerCase()
      .split(",")
      .map(one => {
        const [name = "", ...parameters] = one.split(";").map(part => part.trim());
        const weight = parameters.find(parameter => parameter.startsWith("q="))?.slice(2);
        return [name, weight === undefined ? 1 : Number(weight)] as const;
      }),
  );
  const weightOf = (coding: Coding): number => weights.get(coding) ?? weights.get("*") ?? 0;
  return (["br", "gzip"] as const).filter(coding => weightOf(coding) > 0).sort((a, b) => weightOf(b) - weightOf(a))[0];
}

const [brotli, zip] = [promisify(brotliCompress), promisify(gzip)];

function compress(bytes: Buffer, coding: Coding): Promise<Buffer> {
  if (coding === "gzip") return zip(bytes, { level: constants.Z_BEST_COMPRESSION });
  const quality = bytes.length <= bestUntil ? constants.BROTLI_MAX_QUALITY : 9;
  return brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
}

/** The bytes of that version, all from one moment; undefined if it is another one by now. */
async function readWhole(file: string, version: string): Promise<Buffer | undefined> {
  const handle = await open(file, "r");
  try {
    const bytes = await handle.readFile();
    return versionOf(await handle.stat({ bigint: true })) === version ? bytes : undefined;
  } finally {
    await handle.close();
  }
}

function versionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
