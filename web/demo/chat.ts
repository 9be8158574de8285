// The chat: the newest messages of the topic, older ones on request.
import type { Message, Page, Topic } from "perdure";
import { arrange, byId, make, toast } from "./dom.js";
import { timeWords } from "./words.js";

const pageSize = 50;

/** Shows the topic's messages; returns how to end that. `nameOf` says what to call an author. */
export function showChat(topic: Topic, nameOf: (author: string) => string): { end: () => void; names: () => void } {
  const list = byId("messages", "ol");
  const scroll = byId("scroll", "div");
  const older = byId("older", "button");
  const empty = byId("chat-empty", "p");
  const items = new Map<string, HTMLLIElement>();
  const waiting = new Set<string>();
  const events = new AbortController();
  let limit = pageSize;
  let unsubscribe = (): void => undefined;
  let first: string | undefined;

  const render = ({ messages, loading, more }: Page<unknown>): void => {
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    const height = scroll.scrollHeight;
    const top = scroll.scrollTop;
    const grewAbove = first !== undefined && messages[0]?.id !== first && messages.some(({ id }) => id === first);
    arrange(list, messages.map(message => {
      const item = items.get(message.id) ?? itemOf(message, nameOf);
      item.classList.toggle("waiting", waiting.has(message.id));
      items.set(message.id, item);
      return item;
    }));
    first = messages[0]?.id;
    older.hidden = !more;
    empty.hidden = loading || messages.length > 0;
    list.setAttribute("aria-busy", String(loading));
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
    else if (grewAbove) scroll.scrollTop = top + scroll.scrollHeight - height;
  };
  const subscribe = (): void => {
    unsubscribe();
    unsubscribe = topic.latest(limit).subscribe(page => {
      // A larger page begins empty; what is shown stays until it is there.
      if (page.loading && items.size > 0) return;
      render(page);
    });
  };

  older.addEventListener("click", () => {
    limit += pageSize;
    subscribe();
  }, { signal: events.signal });

  const text = byId("text", "input");
  const form = byId("say", "form");
  for (const control of form.querySelectorAll<HTMLInputElement | HTMLButtonElement>("input, button")) control.disabled = false;
  form.addEventListener("submit", event => {
    event.preventDefault();
    const said = text.value.trim();
    if (said === "") return;
    text.value = "";
    say(topic, said, waiting, items).catch((error: unknown) => {
      text.value = said;
      toast(error instanceof Error ? error.message : String(error));
    });
  }, { signal: events.signal });

  subscribe();
  return {
    end: () => {
      unsubscribe();
      events.abort();
      list.replaceChildren();
    },
    names: () => {
      for (const item of items.values()) {
        const author = item.querySelector<HTMLElement>(".author");
        if (author !== null && author.dataset["id"] !== undefined) author.textContent = nameOf(author.dataset["id"]);
      }
    },
  };
}

/** Marks it as waiting until somebody else has it. */
async function say(topic: Topic, text: string, waiting: Set<string>, items: ReadonlyMap<string, HTMLLIElement>): Promise<void> {
  const receipt = await topic.append({ text });
  waiting.add(receipt.id);
  items.get(receipt.id)?.classList.add("waiting");
  receipt.replicated(1).then(() => {
    waiting.delete(receipt.id);
    items.get(receipt.id)?.classList.remove("waiting");
  }, () => undefined);
}

function itemOf(message: Message<unknown>, nameOf: (author: string) => string): HTMLLIElement {
  return make("li", { class: message.own ? "own" : "" },
    make("span", { class: "author", "data-id": message.author, title: message.author }, nameOf(message.author)),
    make("span", { class: "when" },
      make("time", { datetime: message.time.toISOString() }, timeWords(message.time)),
      make("span", { class: "mark", title: "Nobody else has it yet. It is safe on this device." }, " waiting")),
    make("p", {}, textOf(message.value)));
}

/** Others may have written anything. */
function textOf(value: unknown): string {
  const text = typeof value === "object" && value !== null && "text" in value ? value.text : undefined;
  return typeof text === "string" ? text.slice(0, 4_000) : "(a message that this page cannot show)";
}
