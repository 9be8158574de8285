// Small helpers for the page.

type Child = Node | string;

/** The element with this id, which is in index.html. */
export function byId<K extends keyof HTMLElementTagNameMap>(id: string, tag: K): HTMLElementTagNameMap[K] {
  const found = document.getElementById(id);
  if (found === null || found.localName !== tag) throw new Error(`index.html has no <${tag} id="${id}">`);
  return found as HTMLElementTagNameMap[K];
}

/** A new element. Texts are put in as texts: what others write is never read as HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function button(text: string, label: string, run: () => void, kind = "quiet"): HTMLButtonElement {
  const made = make(
    "button",
    { type: "button", class: kind, ...(label === text ? {} : { "aria-label": label, title: label }) },
    text,
  );
  made.addEventListener("click", run);
  return made;
}

/** Makes the children of `list` these, in this order, moving as few as it can: focus and selection stay where they are. */
export function arrange(list: Element, wanted: readonly Element[]): void {
  const kept = new Set(wanted);
  for (const child of [...list.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((element, at) => {
    const there = list.children[at];
    if (there === element) return;
    list.insertBefore(element, there ?? null);
  });
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** Says something for some seconds. */
export function toast(text: string): void {
  const element = byId("toast", "div");
  element.textContent = text;
  element.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.classList.remove("shown"), 3_000);
}

/** Copies, or where the page may not, shows the text to be copied by hand. */
export async function copy(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    prompt("Copy this:", text);
  }
}

/** For what fails in an event, with nobody to catch it. */
export function shown(promise: Promise<unknown>): void {
  promise.catch((error: unknown) => toast(error instanceof Error ? error.message : String(error)));
}
