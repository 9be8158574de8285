// The files of a room that holds a git history: entries of its map, a page at a time.
import type { Topic } from "perdure";
import { byId, make, shown } from "./dom.js";
import { timeWords } from "./words.js";

const folder = "file/";
const pageSize = 40;

/** Shows them as soon as there are some, in place of the cards. Returns how to end that. */
export function showFiles(topic: Topic): () => void {
  const ended = new AbortController();
  const pages = new Pages(topic, ended.signal);
  const look = async (): Promise<void> => {
    for await (const _ of topic.map.entries({ prefix: folder, limit: 1 })) {
      if (ended.signal.aborted) return;
      putInPlaceOfCards(true);
      // Who has paged on or looks for something is not disturbed.
      if (pages.atTop) await pages.show();
    }
  };
  const stop = onGrowth(topic, () => shown(look()));
  return () => {
    stop();
    ended.abort();
    putInPlaceOfCards(false);
  };
}

function putInPlaceOfCards(there: boolean): void {
  byId("board-title", "h2").textContent = there ? "Files" : "Board";
  byId("columns", "div").hidden = there;
  byId("files", "div").hidden = !there;
}

/** Calls it at once, and again whenever the room has grown, at most once a second. Returns how to end that. */
function onGrowth(topic: Topic, look: () => void): () => void {
  let length = -1;
  let looking: ReturnType<typeof setTimeout> | undefined;
  const stop = topic.status.subscribe(status => {
    if (status.length === length) return;
    const first = length < 0;
    length = status.length;
    if (first) return look();
    looking ??= setTimeout(() => {
      looking = undefined;
      look();
    }, 1_000);
  });
  return () => {
    stop();
    clearTimeout(looking);
  };
}

/** Those whose names begin as is asked, a page and then more. */
class Pages {
  readonly #list = byId("file-list", "ul");
  readonly #more = byId("more-files", "button");
  readonly #prefix = byId("prefix", "input");
  #turn = new AbortController();
  #last: string | undefined;

  /** Until the signal. */
  constructor(
    readonly topic: Topic,
    readonly signal: AbortSignal,
  ) {
    this.#prefix.addEventListener("input", () => shown(this.show()), { signal });
    this.#more.addEventListener("click", () => shown(this.show(this.#last)), { signal });
  }

  /** Whether nobody has gone on from the first page. */
  get atTop(): boolean {
    return this.#list.childElementCount <= pageSize && this.#list.scrollTop === 0;
  }

  /** The first page in place of what is there, or the one after that key below it. */
  async show(after?: string): Promise<void> {
    this.#turn.abort();
    this.#turn = new AbortController();
    const mine = this.#turn.signal;
    const rows: HTMLLIElement[] = [];
    let end = after;
    for await (const [key, value] of this.topic.map.entries({
      prefix: folder + this.#prefix.value,
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    })) {
      rows.push(rowOf(key.slice(folder.length), value));
      end = key;
    }
    if (mine.aborted || this.signal.aborted) return;
    this.#last = end;
    if (after === undefined) this.#list.replaceChildren();
    this.#list.append(
      ...(rows.length === 0 && after === undefined ? [make("li", { class: "hint" }, "No file begins so.")] : rows),
    );
    this.#more.hidden = rows.length < pageSize;
  }
}

/** Others may have written anything. */
function rowOf(path: string, value: unknown): HTMLLIElement {
  const { by, at, changes } =
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const said = [
    ...(typeof changes === "number" ? [`${changes} ${changes === 1 ? "change" : "changes"}`] : []),
    ...(typeof by === "string" ? [`last by ${by.slice(0, 100)}`] : []),
    ...(typeof at === "number" && Math.abs(at) < 8e15 ? [timeWords(new Date(at))] : []),
  ];
  return make("li", { class: "file" }, make("code", {}, path), make("small", {}, said.join(", ")));
}
