// The board: cards in three columns, each an entry of the topic's map. Two people may change one card at once: then both versions
// are shown, and one of them can be kept.
import type { Conflict, Topic, Version } from "perdure";
import { arrange, button, byId, make, shown } from "./dom.js";

const columns = [
  { id: "todo", title: "To do" },
  { id: "doing", title: "Doing" },
  { id: "done", title: "Done" },
] as const;
type Column = (typeof columns)[number]["id"];

interface Card {
  readonly text: string;
  readonly column: Column;
  /** Cards of a column stand in this order. */
  readonly at: number;
}

const prefix = "card/";

/** Shows the topic's cards; returns how to end that. */
export function showBoard(topic: Topic, nameOf: (author: string) => string): { end: () => void; names: () => void } {
  const lists = new Map<Column, HTMLUListElement>();
  const tiles = new Map<string, Tile>();
  let cards: ReadonlyMap<string, unknown> = new Map();
  let conflicts: readonly Conflict<unknown>[] = [];

  const save = (key: string, card: Card): void => shown(topic.map.set(key, card));
  const keep = (key: string, value: unknown): void =>
    shown(value === undefined ? topic.map.delete(key) : topic.map.resolve(key, value));
  const add = (column: Column, text: string): void => save(prefix + freshId(), { text, column, at: Date.now() });
  const render = (): void => {
    const disputed = new Map(conflicts.map(conflict => [conflict.key, conflict]));
    // A card that was deleted in one place and changed in another may have the deletion as its winner.
    const keys = new Set([...cards.keys(), ...disputed.keys()]);
    const sorted = [...keys]
      .map(key => ({ key, card: cardOf(cards.get(key) ?? disputed.get(key)?.losers[0]?.value) }))
      .sort((a, b) => a.card.at - b.card.at || (a.key < b.key ? -1 : 1));
    for (const key of [...tiles.keys()]) if (!keys.has(key)) tiles.delete(key);
    for (const { key, card } of sorted) {
      const tile = tiles.get(key) ?? new Tile(key, save, () => shown(topic.map.delete(key)));
      tiles.set(key, tile);
      tile.show(card, disputed.get(key), nameOf, value => keep(key, value));
    }
    for (const [column, list] of lists)
      arrange(
        list,
        sorted.filter(({ card }) => card.column === column).flatMap(({ key }) => tiles.get(key)?.element ?? []),
      );
  };

  byId("columns", "div").replaceChildren(
    ...columns.map(({ id, title }) => {
      const list = make("ul", { class: "cards", "aria-labelledby": `column-${id}` });
      lists.set(id, list);
      const element = make(
        "div",
        { class: "column" },
        make("h3", { id: `column-${id}` }, title),
        list,
        adder(title, text => add(id, text)),
      );
      acceptDrops(element, key => {
        const card = cardOf(cards.get(key));
        if (cards.has(key) && card.column !== id) save(key, { ...card, column: id, at: Date.now() });
      });
      return element;
    }),
  );
  const ends = [
    topic.map.view({ prefix }).subscribe(entries => {
      cards = entries;
      render();
    }),
    topic.map.conflicts({ prefix }).subscribe(found => {
      conflicts = found;
      render();
    }),
  ];
  return {
    end: () => {
      for (const end of ends) end();
      byId("columns", "div").replaceChildren();
    },
    names: render,
  };
}

/** One card on the page. */
class Tile {
  readonly element = make("li", { class: "card", draggable: "true" });
  readonly #text = make("textarea", { rows: "1", maxlength: "1000", "aria-label": "Text of the card" });
  /** Holds the text once more, unseen, so that the field is as high as it. */
  readonly #field = make("div", { class: "field" }, this.#text);
  readonly #moves = make("div", { class: "row moves" });
  readonly #conflict = make("div", { class: "conflict", role: "group", "aria-label": "Two versions of this card" });
  readonly #key: string;
  readonly #save: (key: string, card: Card) => void;
  readonly #remove: () => void;
  #card: Card = cardOf(undefined);

  constructor(key: string, save: (key: string, card: Card) => void, remove: () => void) {
    this.#key = key;
    this.#save = save;
    this.#remove = remove;
    this.element.append(this.#field, this.#moves, this.#conflict);
    this.element.addEventListener("dragstart", event => event.dataTransfer?.setData("text/plain", key));
    this.#text.addEventListener("input", () => this.#grow());
    this.#text.addEventListener("blur", () => this.#saveText());
    this.#text.addEventListener("keydown", event => {
      if (event.key === "Escape") this.#put(this.#card.text);
      if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) this.#text.blur();
    });
  }

  show(
    card: Card,
    conflict: Conflict<unknown> | undefined,
    nameOf: (author: string) => string,
    keep: (value: unknown) => void,
  ): void {
    const moved = card.column !== this.#card.column || this.#moves.childElementCount === 0;
    this.#card = card;
    // Who is writing finishes first.
    if (document.activeElement !== this.#text && this.#text.value !== card.text) this.#put(card.text);
    if (moved) this.#showMoves();
    this.#conflict.hidden = conflict === undefined;
    this.#conflict.replaceChildren(
      ...(conflict === undefined
        ? []
        : [
            make("p", {}, "Changed in two places at once. Which one is right?"),
            ...[conflict.winner, ...conflict.losers].map(version =>
              versionOf(version, nameOf, () => keep(version.value)),
            ),
          ]),
    );
  }

  #saveText(): void {
    const text = this.#text.value.trim();
    if (text !== "" && text !== this.#card.text) this.#save(this.#key, { ...this.#card, text });
    else this.#put(this.#card.text);
  }

  #put(text: string): void {
    this.#text.value = text;
    this.#grow();
  }

  #grow(): void {
    this.#field.dataset["text"] = this.#text.value;
  }

  #showMoves(): void {
    const at = columns.findIndex(({ id }) => id === this.#card.column);
    const move = (to: number, arrow: string): HTMLButtonElement => {
      const column = columns[to];
      const made = button(arrow, `Move to ${column?.title ?? "nowhere"}`, () => {
        if (column !== undefined) this.#save(this.#key, { ...this.#card, column: column.id, at: Date.now() });
      });
      made.disabled = column === undefined;
      return made;
    };
    this.#moves.replaceChildren(
      move(at - 1, "←"),
      move(at + 1, "→"),
      button("Delete", "Delete this card", this.#remove),
    );
  }
}

function versionOf(
  { value, author, time }: Version<unknown>,
  nameOf: (author: string) => string,
  keep: () => void,
): HTMLElement {
  const card = cardOf(value);
  const where = columns.find(({ id }) => id === card.column)?.title ?? "";
  const kept = button("Keep this", `Keep this, by ${nameOf(author)}`, keep);
  return make(
    "div",
    { class: "version" },
    make("p", {}, value === undefined ? "deleted" : card.text),
    make("small", { title: time.toLocaleString() }, `${nameOf(author)}${value === undefined ? "" : `, in ${where}`}`),
    kept,
  );
}

function adder(title: string, add: (text: string) => void): HTMLFormElement {
  const input = make("input", {
    "aria-label": `New card in ${title}`,
    placeholder: "New card",
    maxlength: "1000",
    autocomplete: "off",
  });
  const form = make(
    "form",
    { class: "row" },
    input,
    make("button", { type: "submit", "aria-label": `Add a card to ${title}` }, "Add"),
  );
  form.addEventListener("submit", event => {
    event.preventDefault();
    if (input.value.trim() !== "") add(input.value.trim());
    input.value = "";
  });
  return form;
}

function acceptDrops(column: HTMLElement, drop: (key: string) => void): void {
  column.addEventListener("dragover", event => event.preventDefault());
  column.addEventListener("drop", event => {
    event.preventDefault();
    drop(event.dataTransfer?.getData("text/plain") ?? "");
  });
}

function freshId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), byte => byte.toString(36).padStart(2, "0")).join("");
}

/** Others may have written anything. */
function cardOf(value: unknown): Card {
  const fields = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const { text, column, at } = fields;
  return {
    text: typeof text === "string" ? text.slice(0, 1_000) : "(a card that this page cannot show)",
    column: columns.find(({ id }) => id === column)?.id ?? "todo",
    at: typeof at === "number" ? at : 0,
  };
}
