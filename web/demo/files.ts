// The files of a room that holds a git history: entries of its map, a page at a time.
import type { Topic } from "perdure";
import { byId, make, shown } from "./dom.js";
import { timeWords } from "./words.js";

const folder = "file/";
const pageSize = 40;

/** Shows them as soon as there are some, in place of the cards. Returns how to end that. */
export function showFiles(topic: Topic): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  const list = byId("file-list", "ul");
  const more = byId("more-files", "button");
  const prefix = byId("prefix", "input");
  let turn = new AbortController();
  let last: string | undefined;

  const page = async (after?: string): Promise<void> => {
    turn.abort();
    turn = new AbortController();
    const mine = turn.signal;
    const rows: HTMLLIElement[] = [];
    let end = after;
    for await (const [key, value] of topic.map.entries({
      prefix: folder + prefix.value,
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    })) {
      rows.push(rowOf(key.slice(folder.length), value));
      end = key;
    }
    if (mine.aborted || signal.aborted) return;
    last = end;
    if (after === undefined) list.replaceChildren();
    list.append(
      ...(rows.length === 0 && after === undefined ? [make("li", { class: "hint" }, "No file begins so.")] : rows),
    );
    more.hidden = rows.length < pageSize;
  };

  // Looked for again whenever the room has grown, at most once a second.
  let length = -1;
  let looking: ReturnType<typeof setTimeout> | undefined;
  const look = async (): Promise<void> => {
    for await (const _ of topic.map.entries({ prefix: folder, limit: 1 })) {
      if (signal.aborted) return;
      byId("board-title", "h2").textContent = "Files";
      byId("columns", "div").hidden = true;
      byId("files", "div").hidden = false;
      // Who has paged on or looks for something is not disturbed.
      if (list.childElementCount <= pageSize && list.scrollTop === 0) await page();
    }
  };
  const stop = topic.status.subscribe(status => {
    if (status.length === length) return;
    const first = length < 0;
    length = status.length;
    if (first) return shown(look());
    looking ??= setTimeout(() => {
      looking = undefined;
      shown(look());
    }, 1_000);
  });
  prefix.addEventListener("input", () => shown(page()), { signal });
  more.addEventListener("click", () => shown(page(last)), { signal });
  return () => {
    stop();
    clearTimeout(looking);
    ended.abort();
    byId("board-title", "h2").textContent = "Board";
    byId("columns", "div").hidden = false;
    byId("files", "div").hidden = true;
  };
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
