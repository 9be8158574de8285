// The chat: a window onto the timeline. At the end it follows what is said; scrolled up it pages through what was, back to the first
// message, and never holds more than some hundreds.
import type { Copies, Message, Page, Topic } from "perdure";
import { arrange, byId, make, toast } from "./dom.js";
import { copiesWords, timeWords } from "./words.js";

const step = 50;
const most = 300;

export interface ChatOptions {
  readonly nameOf: (author: string) => string;
  /** This device has written something. */
  readonly onWrote: () => void;
}

/** Shows the topic's messages. `names`: authors may be called otherwise now. */
export function showChat(topic: Topic, options: ChatOptions): { end: () => void; names: () => void } {
  const chat = new Chat(topic, options);
  return { end: () => chat.end(), names: () => chat.names() };
}

class Chat {
  readonly #topic: Topic;
  readonly #options: ChatOptions;
  readonly #list = byId("messages", "ol");
  readonly #scroll = byId("scroll", "div");
  readonly #items = new Map<string, Item>();
  readonly #byElement = new WeakMap<Element, Item>();
  readonly #events = new AbortController();
  /** Only of what is seen it is asked where it lives. */
  readonly #seen = new IntersectionObserver(
    entries => {
      for (const { target, isIntersecting } of entries) this.#byElement.get(target)?.watch(isIntersecting);
    },
    { root: this.#scroll },
  );
  #shown: readonly Message<unknown>[] = [];
  /** The newest so many are followed; none while older ones are paged through. */
  #limit: number | undefined = step;
  #unsubscribe = (): void => undefined;
  #above = false;
  #busy = false;

  constructor(topic: Topic, options: ChatOptions) {
    this.#topic = topic;
    this.#options = options;
    const { signal } = this.#events;
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
    this.#scroll.addEventListener(
      "keydown",
      event => {
        if (event.target !== this.#scroll || (event.key !== "Home" && event.key !== "End")) return;
        event.preventDefault();
        void (event.key === "Home" ? this.#toFirst() : this.#toNewest());
      },
      { signal },
    );
    byId("first", "button").addEventListener("click", () => void this.#toFirst(), { signal });
    byId("newest", "button").addEventListener("click", () => void this.#toNewest(), { signal });
    const stop = topic.status.subscribe(({ length, behind }) => {
      byId("count", "span").textContent =
        `${length.toLocaleString()} ${length === 1 ? "message" : "messages"}${behind > 0 ? `, ${behind.toLocaleString()} on their way` : ""}`;
    });
    signal.addEventListener("abort", stop);
    const resized = new ResizeObserver(() => {
      if (this.#wasAtEnd) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    });
    resized.observe(this.#scroll);
    signal.addEventListener("abort", () => resized.disconnect());
    this.#listenToForm();
    this.#follow();
  }

  end(): void {
    this.#unsubscribe();
    this.#events.abort();
    this.#seen.disconnect();
    for (const item of this.#items.values()) item.watch(false);
    this.#list.replaceChildren();
  }

  names(): void {
    for (const item of this.#items.values()) item.names();
  }

  // ---- what is shown -----------------------------------------------------------------------------------------------------
  #follow(): void {
    this.#unsubscribe();
    if (this.#limit === undefined) return;
    this.#unsubscribe = this.#topic.latest(this.#limit).subscribe((page: Page<unknown>) => {
      this.#scroll.setAttribute("aria-busy", String(page.loading));
      // A larger page begins empty; what is shown stays until it is there.
      if (page.loading && this.#shown.length > 0) return;
      byId("chat-empty", "p").hidden = page.loading || page.messages.length > 0;
      this.#draw(page.messages, page.more);
      this.#busy = false;
    });
  }

  /** Whoever reads at the end stays there; for others what they look at stays where it is. */
  #draw(messages: readonly Message<unknown>[], above: boolean): void {
    const stick = this.#limit !== undefined && this.#wasAtEnd;
    const held = stick ? undefined : this.#firstSeen();
    this.#shown = messages;
    this.#above = above;
    const kept = new Set(messages.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (kept.has(id)) continue;
      item.watch(false);
      this.#seen.unobserve(item.element);
      this.#items.delete(id);
    }
    arrange(
      this.#list,
      messages.map(message => this.#itemOf(message).element),
    );
    if (stick) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    else if (held?.item.element.isConnected === true) this.#scroll.scrollTop += held.item.top - held.top;
    this.#buttons();
  }

  #itemOf(message: Message<unknown>): Item {
    const known = this.#items.get(message.id);
    if (known !== undefined) return known;
    const item = new Item(this.#topic, message, this.#options.nameOf);
    this.#items.set(message.id, item);
    this.#byElement.set(item.element, item);
    this.#seen.observe(item.element);
    return item;
  }

  #wasAtEnd = true;

  #atEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < 40;
  }

  #firstSeen(): { item: Item; top: number } | undefined {
    const edge = this.#scroll.getBoundingClientRect().top;
    for (const { id } of this.#shown) {
      const item = this.#items.get(id);
      if (item !== undefined && item.bottom > edge) return { item, top: item.top };
    }
    return undefined;
  }

  #buttons(): void {
    byId("first", "button").dataset["idle"] = String(!this.#above);
    byId("newest", "button").dataset["idle"] = String(this.#limit !== undefined && this.#wasAtEnd);
  }

  // ---- paging ------------------------------------------------------------------------------------------------------------
  #scrolled(): void {
    this.#wasAtEnd = this.#atEnd();
    this.#buttons();
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop < 400 && this.#above) void this.#page(() => this.#older());
    else if (this.#limit === undefined && scrollHeight - scrollTop - clientHeight < 400)
      void this.#page(() => this.#newer());
  }

  /** One page at a time. */
  async #page(turn: () => Promise<void> | void): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await turn();
    } catch (error) {
      if (!this.#events.signal.aborted) toast(error instanceof Error ? error.message : String(error));
    } finally {
      if (this.#limit === undefined) this.#busy = false;
    }
  }

  async #older(): Promise<void> {
    if (this.#limit !== undefined && this.#limit < most) {
      this.#limit += step;
      return this.#follow();
    }
    const [first] = this.#shown;
    if (first === undefined) return;
    const page = await this.#read({ before: first.id, reverse: true });
    this.#browse([...page.reverse(), ...this.#shown].slice(0, most), page.length === step);
  }

  async #newer(): Promise<void> {
    const last = this.#shown.at(-1);
    if (last === undefined) return;
    const page = await this.#read({ after: last.id });
    this.#browse([...this.#shown, ...page].slice(-most), true);
    if (page.length === step) return;
    // That was the end: from here on it is followed again.
    this.#limit = most;
    this.#wasAtEnd = this.#atEnd();
    this.#follow();
  }

  #browse(messages: readonly Message<unknown>[], above: boolean): void {
    this.#unsubscribe();
    this.#limit = undefined;
    this.#draw(messages, above);
  }

  async #toFirst(): Promise<void> {
    this.#busy = false;
    await this.#page(async () => {
      const page = await this.#read({});
      this.#browse(page, false);
      this.#scroll.scrollTop = 0;
    });
  }

  #toNewest(): void {
    this.#limit = step;
    this.#wasAtEnd = true;
    this.#follow();
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  async #read(options: { before?: string; after?: string; reverse?: boolean }): Promise<Message<unknown>[]> {
    const page: Message<unknown>[] = [];
    for await (const message of this.#topic.messages({ ...options, limit: step, signal: this.#events.signal }))
      page.push(message);
    return page;
  }

  // ---- writing -----------------------------------------------------------------------------------------------------------
  #listenToForm(): void {
    const text = byId("text", "input");
    const form = byId("say", "form");
    for (const control of form.querySelectorAll<HTMLInputElement | HTMLButtonElement>("input, button"))
      control.disabled = false;
    form.addEventListener(
      "submit",
      event => {
        event.preventDefault();
        const said = text.value.trim();
        if (said === "") return;
        text.value = "";
        if (this.#limit === undefined || !this.#wasAtEnd) this.#toNewest();
        this.#topic.append({ text: said }).then(this.#options.onWrote, (error: unknown) => {
          text.value = said;
          toast(error instanceof Error ? error.message : String(error));
        });
      },
      { signal: this.#events.signal },
    );
  }
}

/** One message on the page, and under it where it lives. */
class Item {
  readonly element: HTMLLIElement;
  readonly #topic: Topic;
  readonly #message: Message<unknown>;
  readonly #nameOf: (id: string) => string;
  readonly #author: HTMLElement;
  // Its line is there from the beginning, so that nothing moves when it is filled.
  readonly #where = make("span", { class: "where", title: "Who is known to hold this message" }, "\u00a0");
  #copies: Copies | undefined;
  #unwatch: (() => void) | undefined;

  constructor(topic: Topic, message: Message<unknown>, nameOf: (id: string) => string) {
    this.#topic = topic;
    this.#message = message;
    this.#nameOf = nameOf;
    const { text, by, at } = contentOf(message.value);
    const time = at ?? message.time;
    this.#author = make("span", { class: "author", title: message.author }, by ?? nameOf(message.author));
    if (by !== undefined) this.#author.dataset["told"] = "true";
    this.element = make(
      "li",
      { class: message.own && by === undefined ? "own" : "" },
      make("span", { class: "by" }, this.#author, make("time", { datetime: time.toISOString() }, timeWords(time))),
      make("p", {}, text),
      this.#where,
    );
  }

  get top(): number {
    return this.element.getBoundingClientRect().top;
  }
  get bottom(): number {
    return this.element.getBoundingClientRect().bottom;
  }

  watch(seen: boolean): void {
    if (!seen) {
      this.#unwatch?.();
      this.#unwatch = undefined;
      return;
    }
    this.#unwatch ??= this.#topic.copies(this.#message.id).subscribe(copies => {
      this.#copies = copies;
      this.#showWhere();
    });
  }

  names(): void {
    if (this.#author.dataset["told"] === undefined) this.#author.textContent = this.#nameOf(this.#message.author);
    this.#showWhere();
  }

  #showWhere(): void {
    if (this.#copies?.here !== true) return;
    const words = copiesWords(this.#copies, this.#nameOf);
    this.#where.classList.toggle("alone", words.length === 1);
    this.#where.textContent = words.join(" · ");
  }
}

/** Others may have written anything. `by` and `at`: of messages that somebody has brought from elsewhere. */
function contentOf(value: unknown): { text: string; by?: string; at?: Date } {
  const { text, by, at } =
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  return {
    text: typeof text === "string" ? text.slice(0, 4_000) : "(a message that this page cannot show)",
    ...(typeof by === "string" ? { by: by.slice(0, 100) } : {}),
    ...(typeof at === "number" && Math.abs(at) < 8e15 ? { at: new Date(at) } : {}),
  };
}
