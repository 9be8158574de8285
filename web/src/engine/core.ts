// The only file that knows Emscripten: one WebAssembly instance, any number of cores in it.
//
//     const module = await loadCore(undefined, url);        // in Node: loadCoreInNode()
//     const core = module.create(config);
//     const { actions, deadlineMs } = core.turn({ steadyMs, wallMs }, events);
import createPerdure from "../../../build/wasm/perdure.mjs";
import { ownWasm, ownWasmFile } from "../beside/wasm.js";
import { encodeConfig, getTurn, putEvents } from "./boundary.js";
import type { CoreConfig, Event, Turn } from "./boundary.js";
import { Writer } from "../base/bytes.js";
import { PerdureError } from "../base/errors.js";
import { ShortIds } from "./shortids.js";
import { importInNode } from "../base/node-import.js";
import { baseUrl } from "../base/platform.js";
import { viteWords, wordsHere } from "../base/words.js";
import type { PeerOptions } from "../base/types.js";

/** What wasm/bindings.cpp exports, and what Emscripten adds. */
interface Glue {
  readonly HEAPU8: Uint8Array;
  readonly Core: new (config: Uint8Array) => RawCore;
  topicOf(invite: string): string;
  shortIdOf(id: string): string;
}
interface RawCore {
  inbox(size: number): number;
  turn(steadyMs: number, wallMs: number, length: number): number;
  outbox(): number;
  id(): string;
  delete(): void;
}
interface GlueOptions {
  wasmBinary?: ArrayBuffer;
  locateFile?(name: string): string;
  instantiateWasm?(
    imports: WebAssembly.Imports,
    receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
  print?(line: string): void;
  printErr?(line: string): void;
}

/** How a user says where perdure.wasm is. */
export type WasmSource = NonNullable<PeerOptions["wasm"]>;

/** What the core's clocks are told. Fractions are cut off. */
export interface Instant {
  readonly steadyMs: number;
  readonly wallMs: number;
}

/** One WebAssembly instance. */
export interface CoreModule {
  /** A new core. The seeds of its configuration are 32 bytes each. */
  create(config: CoreConfig): Core;
  /** The id of the topic that an invite leads to. Throws `bad-invite`. */
  topicOf(invite: string): string;
  /** How much memory it has taken; it never gives any back. */
  readonly memoryBytes: number;
}

/** Compiles and instantiates perdure.wasm: the one that is given, or else the package's own, which lies at `url` unless it is inside the bundle. For pages
 *  and workers. Rejects with `wasm-blocked` if the page's content security policy forbids it, else with `wasm-failed`; the message says what helps. */
export function loadCore(wasm?: WasmSource, url?: string): Promise<CoreModule> {
  const helps = `${viteWords(url)}Copy it from the package (perdure/perdure.wasm) to your static files and give its address in openPeer({ wasm }).`;
  return load(
    async () => {
      const source = wasm ?? (await ownWasm());
      return typeof source === "string" || source instanceof URL ? fetched(new URL(source, baseUrl())) : source;
    },
    url,
    helps,
  );
}

/** The same in Node, which never asks what a page would have. Rejects with `wasm-failed`. */
export function loadCoreInNode(wasm?: WasmSource): Promise<CoreModule> {
  return load(
    async () => {
      const source = wasm ?? (await ownWasm()) ?? ownWasmFile();
      return typeof source === "string" || source instanceof URL ? readInNode(String(source)) : source;
    },
    undefined,
    "Install the package anew.",
  );
}

async function load(
  find: () => Promise<BufferSource | WebAssembly.Module | undefined>,
  url: string | undefined,
  helps: string,
): Promise<CoreModule> {
  const last: LastWords = { words: "" };
  const quiet = {
    print: () => undefined,
    printErr: (line: string) => {
      last.words = line;
    },
  };
  let failed: (reason: unknown) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => (failed = reject));
  failure.catch(() => undefined);
  const options: GlueOptions = { ...quiet };
  try {
    const source = await find();
    if (source instanceof WebAssembly.Module) {
      options.instantiateWasm = (imports, receive) => {
        // Not the synchronous way: pages may not block for that long.
        WebAssembly.instantiate(source, imports)
          .then(instance => receive(instance, source))
          .catch(failed);
        return {};
      };
    } else if (source !== undefined) {
      options.wasmBinary = checked(bytesOf(source), "What openPeer({ wasm }) was given");
      // Nothing is to be located. The glue would ask for its own address, which some bundles do not have.
      options.locateFile = name => name;
    } else {
      options.locateFile = name => url ?? name;
    }
    const glue = await Promise.race([createPerdure(options) as Promise<unknown>, failure]);
    return new Module(glue as Glue, last);
  } catch (error) {
    throw error instanceof PerdureError ? error : explain(error, helps);
  }
}

/** What an instance printed last: where it stopped, if it has. */
interface LastWords {
  words: string;
}

class Module implements CoreModule {
  readonly #glue: Glue;
  readonly #last: LastWords;
  readonly #writer = new Writer();
  readonly #shortIds: ShortIds;

  constructor(glue: Glue, last: LastWords) {
    this.#glue = glue;
    this.#last = last;
    this.#shortIds = new ShortIds(id => glue.shortIdOf(id));
  }

  get memoryBytes(): number {
    return this.#glue.HEAPU8.length;
  }

  topicOf(invite: string): string {
    const found = this.#glue.topicOf(invite);
    if (!/^[0-9a-f]{64}$/.test(found)) throw new PerdureError("bad-invite", found);
    return found;
  }

  create(config: CoreConfig): Core {
    const raw = new this.#glue.Core(encodeConfig(config));
    return new Core(this.#glue, this.#last, this.#writer, this.#shortIds, raw);
  }
}

/** One core. Whoever made it calls `free` in the end. */
export class Core {
  /** The device's public key, 64 hex digits. */
  readonly id: string;
  /** Its short form. */
  readonly shortId: string;
  readonly #glue: Glue;
  readonly #last: LastWords;
  readonly #writer: Writer;
  readonly #shortIds: ShortIds;
  #raw: RawCore | undefined;

  constructor(glue: Glue, last: LastWords, writer: Writer, shortIds: ShortIds, raw: RawCore) {
    this.#glue = glue;
    this.#last = last;
    this.#writer = writer;
    this.#shortIds = shortIds;
    this.#raw = raw;
    this.id = raw.id();
    this.shortId = shortIds.of(this.id);
  }

  /** Tells the core what happened; what it answers is to be carried out in order. Throws `closed` after free(), `wasm-failed` if the
   *  core has stopped: then this core is over. */
  turn(now: Instant, events: readonly Event[]): Turn {
    const raw = this.#raw;
    if (raw === undefined) throw new PerdureError("closed", "This core has ended.");
    const writer = this.#writer;
    try {
      writer.clear();
      putEvents(writer, events);
      const inbox = raw.inbox(writer.length);
      this.#glue.HEAPU8.set(writer.view(), inbox);
      const length = raw.turn(now.steadyMs, now.wallMs, writer.length);
      if (length === 0) throw new Error("the core did not understand its events");
      const outbox = raw.outbox();
      // The memory may have grown, and then older views of it are void.
      const bytes = this.#glue.HEAPU8.subarray(outbox, outbox + length);
      const said = getTurn(bytes);
      // Making a short id may move the memory that a Save borrows from: then it borrows from a copy.
      return this.#shortIds.added(this.#shortIds.hasAll(said) ? said : getTurn(bytes.slice()));
    } catch (error) {
      this.#raw = undefined;
      const why =
        this.#last.words !== ""
          ? this.#last.words
          : error instanceof Error
            ? `${error.name}: ${error.message}`
            : String(error);
      throw new PerdureError(
        "wasm-failed",
        wordsHere(
          `Perdure's core has stopped. What was accepted is on disk: reload the page, and please report this. (${why})`,
        ),
        { cause: error },
      );
    }
  }

  /** Gives its memory back. Twice is harmless. */
  free(): void {
    this.#raw?.delete();
    this.#raw = undefined;
  }
}

function bytesOf(source: BufferSource): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

async function fetched(url: URL): Promise<ArrayBuffer> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new PerdureError(
      "wasm-failed",
      `${url.href} cannot be fetched. Check openPeer({ wasm }) and that the server allows it.`,
      { cause },
    );
  }
  if (!response.ok)
    throw new PerdureError(
      "wasm-failed",
      `${url.href} is not there (HTTP ${response.status}). Check the address in openPeer({ wasm }).`,
    );
  return checked(new Uint8Array(await response.arrayBuffer()), url.href);
}

/** What a path or a file:// address names, or any other address. */
async function readInNode(place: string): Promise<ArrayBuffer> {
  if (/^(https?|data|blob):/i.test(place)) return fetched(new URL(place));
  const [{ readFile }, { fileURLToPath }] = (await Promise.all([
    importInNode("node:fs/promises"),
    importInNode("node:url"),
  ])) as [typeof import("node:fs/promises"), typeof import("node:url")];
  try {
    return checked(new Uint8Array(await readFile(/^file:/i.test(place) ? fileURLToPath(place) : place)), place);
  } catch (cause) {
    if (cause instanceof PerdureError) throw cause;
    throw new PerdureError(
      "wasm-failed",
      `${place} cannot be read. Where a bundler has put this package into another file, copy perdure/perdure.wasm beside that one. openPeer also takes its place: openPeer({ wasm }).`,
      { cause },
    );
  }
}

/** Exactly the bytes of a WebAssembly file. */
function checked(bytes: Uint8Array, what: string): ArrayBuffer {
  if (bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d) return bytes.slice().buffer;
  const html = bytes[0] === 0x3c ? ": the server sent a page in place of the file" : "";
  throw new PerdureError(
    "wasm-failed",
    `${what} is not perdure.wasm${html}. Put perdure.wasm where it can be fetched and give its address in openPeer({ wasm }).`,
  );
}

function explain(cause: unknown, helps: string): PerdureError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/content security policy|\bCSP\b|unsafe-eval/i.test(text)) {
    return new PerdureError(
      "wasm-blocked",
      "This page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src.",
      { cause },
    );
  }
  const why = /magic|doctype|3c 21|3c 68/i.test(text)
    ? "The server sent something else in place of perdure.wasm, as dev servers and fallback pages do."
    : "perdure.wasm could not be loaded.";
  return new PerdureError("wasm-failed", `${why} ${helps}`, { cause });
}
