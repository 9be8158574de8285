// A topic's map as its user holds it.
import type { ConflictOut, EntryOut, NewOp, NoticeOf, VersionOut } from "../engine/boundary.js";
import { checkBeginning, checkKey, checkLimit, checkList, checkOptions } from "../base/arguments.js";
import { compareText } from "../base/bytes.js";
import { badArgument } from "../base/errors.js";
import { versionOf } from "./feed.js";
import type { Feed } from "./feed.js";
import type { Conflict, Receipt, TopicMap, Version, View } from "../base/types.js";
import { decodeValue, encodeValue, encodeValues } from "./values.js";
import { FetchedView, frozen } from "./view.js";
import { walk } from "./walk.js";

/** Entries asked for at once. */
const pageSize = 256;
const historySize = 64;
/** When more keys have changed than this, all are asked for again. */
const singlesMax = 128;

export function setOp(key: string, value: unknown): NewOp {
  checkKey(key);
  checkEntry(value);
  return { kind: "set", key, value: encodeValue(value) };
}

function checkEntry(value: unknown): void {
  if (value === undefined) throw badArgument("undefined cannot be stored; delete(key) takes the key away.", "");
}

export function eraseOp(key: string): NewOp {
  return { kind: "erase", key: checkKey(key), value: new Uint8Array() };
}

export class MapHandle<E> implements TopicMap<E> {
  readonly #feed: Feed;
  /** One view for each prefix, so that asking again while rendering gives the same. */
  readonly #views = new Map<string, View<ReadonlyMap<string, E>>>();
  readonly #conflicts = new Map<string, View<readonly Conflict<E>[]>>();

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  get size(): number {
    return this.#feed.latest?.mapSize ?? 0;
  }

  async get(key: string): Promise<E | undefined> {
    const value = (await getEntry(this.#feed, checkKey(key)))?.version.value;
    return value === undefined ? undefined : (decodeValue(value) as E);
  }

  async set(key: string, value: E): Promise<Receipt> {
    return this.#feed.append([setOp(key, value)]);
  }

  async setAll(entries: Iterable<readonly [string, E]>): Promise<Receipt> {
    const all = checkList("What setAll is given", entries);
    for (const [at, entry] of all.entries() as Iterable<[number, unknown]>) {
      if (!Array.isArray(entry) || entry.length !== 2)
        throw badArgument(`At [${at}]: setAll takes pairs of a key and a value.`, `[${at}]`);
    }
    for (const [at, [key, value]] of all.entries()) {
      checkKey(key, `[${at}][0]`);
      checkEntry(value);
    }
    const keys = all.map(([key]) => key);
    const values = encodeValues(
      all.map(([, value]) => value),
      at => keys[at] ?? "",
    );
    return this.#feed.append(
      values.map((value, at) => ({ kind: "set", key: keys[at] ?? "", value })),
      "setAll needs at least one entry; this list is empty.",
    );
  }

  async delete(key: string): Promise<Receipt> {
    return this.#feed.append([eraseOp(key)]);
  }

  entries(
    options: { prefix?: string; after?: string; limit?: number; signal?: AbortSignal } = {},
  ): AsyncIterableIterator<[string, E]> {
    const { signal: outer } = checkOptions("entries", options, ["prefix", "after", "limit", "signal"]);
    return walk(outer, signal => readEntries<E>(this.#feed, options, signal));
  }

  view(options: { prefix?: string } = {}): View<ReadonlyMap<string, E>> {
    const prefix = checkBeginning("prefix", checkOptions("view", options, ["prefix"]).prefix);
    const view =
      this.#views.get(prefix) ??
      new FetchedView<ReadonlyMap<string, E>>(new Entries<E>(this.#feed, prefix), this.#feed.surroundings.frame);
    this.#views.set(prefix, view);
    return view;
  }

  conflicts(options: { prefix?: string } = {}): View<readonly Conflict<E>[]> {
    const prefix = checkBeginning("prefix", checkOptions("conflicts", options, ["prefix"]).prefix);
    const view = this.#conflicts.get(prefix) ?? conflictsOf<E>(this.#feed, prefix);
    this.#conflicts.set(prefix, view);
    return view;
  }

  resolve(key: string, value: E): Promise<Receipt> {
    // A set names every version of its key that is known here.
    return this.set(key, value);
  }

  history(key: string): AsyncIterableIterator<Version<E>> {
    return walk(undefined, signal => readHistory<E>(this.#feed, key, signal));
  }
}

async function getEntry(feed: Feed, key: string, signal?: AbortSignal): Promise<EntryOut | undefined> {
  return (await feed.ask("MapPage", { kind: "MapGet", topic: feed.topic, key }, signal)).entries[0];
}

async function* readPages(
  feed: Feed,
  prefix: string,
  after: string | undefined,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<EntryOut, void, void> {
  let left = limit;
  let last = after;
  while (left > 0) {
    const page = await feed.ask(
      "MapPage",
      {
        kind: "MapEntries",
        topic: feed.topic,
        prefix,
        ...(last === undefined ? {} : { after: last }),
        limit: Math.min(left, pageSize),
      },
      signal,
    );
    yield* page.entries;
    left -= page.entries.length;
    last = page.entries.at(-1)?.key;
    if (!page.more || last === undefined) return;
  }
}

async function* readEntries<E>(
  feed: Feed,
  options: { prefix?: string; after?: string; limit?: number },
  signal: AbortSignal,
): AsyncGenerator<[string, E], void, void> {
  const after = options.after === undefined ? undefined : checkBeginning("after", options.after);
  for await (const { key, version } of readPages(
    feed,
    checkBeginning("prefix", options.prefix),
    after,
    checkLimit(options.limit),
    signal,
  )) {
    if (version.value !== undefined) yield [key, decodeValue(version.value) as E];
  }
}

async function* readConflicts(
  feed: Feed,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ConflictOut, void, void> {
  let last: string | undefined;
  for (;;) {
    const page = await feed.ask(
      "ConflictPage",
      {
        kind: "MapConflicts",
        topic: feed.topic,
        prefix,
        ...(last === undefined ? {} : { after: last }),
        limit: pageSize,
      },
      signal,
    );
    yield* page.conflicts;
    last = page.conflicts.at(-1)?.key;
    if (!page.more || last === undefined) return;
  }
}

async function* readHistory<E>(feed: Feed, key: string, signal: AbortSignal): AsyncGenerator<Version<E>, void, void> {
  checkKey(key);
  let last: string | undefined;
  for (;;) {
    const page = await feed.ask(
      "HistoryPage",
      {
        kind: "MapHistory",
        topic: feed.topic,
        key,
        ...(last === undefined ? {} : { after: last }),
        limit: historySize,
      },
      signal,
    );
    for (const version of page.versions) yield versionOf<E>(version);
    last = page.versions.at(-1)?.id;
    if (!page.more || last === undefined) return;
  }
}

function conflictsOf<E>(feed: Feed, prefix: string): View<readonly Conflict<E>[]> {
  return new FetchedView<readonly Conflict<E>[]>(
    {
      first: [],
      watch: changed => feed.listen(notice => touches(notice, prefix) && changed()),
      fetch: async (previous, signal) => {
        const known = new Map(previous.map(conflict => [conflict.key, conflict]));
        const found: Conflict<E>[] = [];
        for await (const out of readConflicts(feed, prefix, signal)) found.push(conflictOf(out, known.get(out.key)));
        return found.length === previous.length && found.every((conflict, at) => conflict === previous[at])
          ? previous
          : found;
      },
    },
    feed.surroundings.frame,
  );
}

function touches(notice: NoticeOf<"TopicNotice">, prefix: string): boolean {
  return notice.allKeys || notice.keys.some(key => key.startsWith(prefix));
}

/** `known`, if it is the same conflict; else a new one in which versions that are the same keep their identity. */
function conflictOf<E>(out: ConflictOut, known: Conflict<E> | undefined): Conflict<E> {
  const versions = new Map(
    (known === undefined ? [] : [known.winner, ...known.losers]).map(version => [version.id, version]),
  );
  const make = (version: VersionOut): Version<E> => versionOf<E>(version, versions.get(version.id));
  const winner = make(out.winner);
  const losers = out.losers.map(make);
  const same =
    known !== undefined &&
    winner === known.winner &&
    losers.length === known.losers.length &&
    losers.every((loser, at) => loser === known.losers[at]);
  return same ? known : { key: out.key, winner, losers };
}

/** The entries under a prefix: all are fetched once, afterwards those whose keys changed. */
class Entries<E> {
  readonly first: ReadonlyMap<string, E> = new Map();
  readonly #feed: Feed;
  readonly #prefix: string;
  /** The version of each value, to know when it is the same. */
  #versions = new Map<string, string>();
  #changed = new Set<string>();
  #all = true;

  constructor(feed: Feed, prefix: string) {
    this.#feed = feed;
    this.#prefix = prefix;
  }

  watch(changed: () => void): () => void {
    // What happened while nobody watched is unknown.
    this.#all = true;
    return this.#feed.listen(notice => {
      if (!touches(notice, this.#prefix)) return;
      if (notice.allKeys || this.#changed.size > singlesMax) this.#all = true;
      else for (const key of notice.keys) if (key.startsWith(this.#prefix)) this.#changed.add(key);
      changed();
    });
  }

  async fetch(previous: ReadonlyMap<string, E>, signal: AbortSignal): Promise<ReadonlyMap<string, E>> {
    const all = this.#all;
    const keys = [...this.#changed];
    this.#all = false;
    this.#changed = new Set();
    try {
      return all ? await this.#fetchAll(previous, signal) : await this.#fetchKeys(previous, keys, signal);
    } catch (error) {
      this.#all = true;
      throw error;
    }
  }

  async #fetchAll(previous: ReadonlyMap<string, E>, signal: AbortSignal): Promise<ReadonlyMap<string, E>> {
    const next = new Map<string, E>();
    const versions = new Map<string, string>();
    for await (const { key, version } of readPages(
      this.#feed,
      this.#prefix,
      undefined,
      Number.POSITIVE_INFINITY,
      signal,
    )) {
      if (version.value === undefined) continue;
      next.set(key, this.#value(previous, key, version.id, version.value));
      versions.set(key, version.id);
    }
    const same = next.size === previous.size && [...versions].every(([key, id]) => this.#versions.get(key) === id);
    this.#versions = versions;
    return same ? previous : next;
  }

  async #fetchKeys(
    previous: ReadonlyMap<string, E>,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, E>> {
    const entries = await Promise.all(keys.map(key => getEntry(this.#feed, key, signal)));
    const next = new Map(previous);
    let different = false;
    let grown = false;
    for (const [at, key] of keys.entries()) {
      const version = entries[at]?.version;
      if (version?.value === undefined) {
        different = next.delete(key) || different;
        this.#versions.delete(key);
      } else if (this.#versions.get(key) !== version.id) {
        grown ||= !next.has(key);
        different = true;
        next.set(key, frozen(decodeValue(version.value) as E));
        this.#versions.set(key, version.id);
      }
    }
    if (!different) return previous;
    return grown ? new Map([...next].sort(([a], [b]) => compareText(a, b))) : next;
  }

  #value(previous: ReadonlyMap<string, E>, key: string, id: string, bytes: Uint8Array): E {
    const old = previous.get(key);
    return old !== undefined && this.#versions.get(key) === id ? old : frozen(decodeValue(bytes) as E);
  }
}
