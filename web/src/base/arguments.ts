// What callers may hand in, checked before anything happens.
import { isWellFormed, utf8 } from "./bytes.js";
import { badArgument, PerdureError } from "./errors.js";

/** The longest map key, in bytes of UTF-8. */
export const keyMax = 1024;
/** The longest name of an app, a peer or a topic, in bytes of UTF-8. */
export const nameMax = 256;

/** So many anchors a peer uses at most, as the core counts them. */
export const anchorsMax = 16;

/** Longer than any invite and any page's address. */
const inviteMax = 8_192;

/** A text that says something. `path`: of the option that holds it. Throws bad-argument, too-large. */
export function checkText(what: string, text: unknown, max = nameMax, path?: string): string {
  if (typeof text !== "string" || text === "") throw badArgument(`${what} must be a text that is not empty.`, path);
  return checkLength(what, text, max, path);
}

/** The option of that name, a text that says something. */
export function checkOption(option: string, text: unknown, max = nameMax): string {
  return checkText(option, text, max, option);
}

/** Refuses an option that nobody knows, and says which one was meant where it is one letter away. `path`: where they stand. `others`: there may be
 *  more than are known here. */
export function checkKnown(of: string, options: object, known: readonly string[], path = "", others = false): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    const meant = known.find(other => isAlike(name.toLowerCase(), other.toLowerCase()));
    if (meant === undefined && others) continue;
    const help = meant === undefined ? `It has ${known.join(", ")}.` : `Did you mean "${meant}"?`;
    throw badArgument(`${of} has no "${name}". ${help}`, path + name);
  }
}

/** At most one letter is more, less or another, or two neighbours have changed places. */
function isAlike(a: string, b: string): boolean {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const [left, right] = [a.slice(at), b.slice(at)];
  return (
    left.slice(1) === right.slice(1) ||
    left.slice(1) === right ||
    left === right.slice(1) ||
    (left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2))
  );
}

/** What holds other values, as options do. */
export function checkObject<T extends object>(what: string, value: T): T {
  if (typeof value !== "object" || value === null) throw badArgument(`${what} must be an object.`);
  return value;
}

/** Options as they are written, { name: value }: of a class, as a signal is, what is meant would be passed over. */
function checkNamed(call: string, options: object, known: readonly string[]): void {
  const kind: unknown = Object.getPrototypeOf(checkObject("options", options));
  const isPlain = kind === null || Object.getPrototypeOf(kind) === null;
  if (!isPlain && !known.some(name => name in options))
    throw badArgument(`${call} takes options by name: write { ${known.includes("signal") ? "signal" : known[0]} }.`);
  checkKnown(call, options, known);
}

/** The options of that call, which knows those names; `flags` are true or false. What else they hold is for the call to check. */
export function checkOptions<T extends object>(
  call: string,
  options: T,
  known: readonly (keyof T & string)[],
  flags: readonly (keyof T & string)[] = [],
): T {
  checkNamed(call, options, [...known, ...flags]);
  for (const flag of flags)
    if (options[flag] !== undefined && typeof options[flag] !== "boolean")
      throw badArgument(`${flag} must be true or false.`, flag);
  const { signal } = options as { readonly signal?: AbortSignal };
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function")
    throw badArgument("signal must be an AbortSignal.", "signal");
  return options;
}

/** A map key; `path`: where it stands in what the caller was given. Throws bad-argument, too-large. */
export function checkKey(key: unknown, path = "key"): string {
  return checkText("A key", key, keyMax, path);
}

/** The option of that name, which is a map key or its beginning; may be empty. */
export function checkBeginning(option: string, text: unknown = ""): string {
  if (typeof text !== "string") throw badArgument(`${option} must be a text.`, option);
  return checkLength(option, text, keyMax, option);
}

/** An id of a message or a version, as this package gave it out. */
export function checkId(what: string, id: unknown, path?: string): string {
  return checkText(what, id, nameMax, path);
}

export function checkOptionalId(what: string, id: unknown, path?: string): string | undefined {
  return id === undefined ? undefined : checkId(what, id, path);
}

/** How many; undefined and Infinity: all. */
export function checkLimit(limit: unknown): number {
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return checkCount("limit", limit);
}

export function checkCount(what: string, count: unknown): number {
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0 || count > 0xffffffff)
    throw badArgument(`${what} must be a whole number from 0 on.`, what);
  return count;
}

/** What can be gone through, as a list; not the letters of a text. */
export function checkList<T>(what: string, values: Iterable<T>): T[] {
  if (typeof values !== "object" || values === null || typeof values[Symbol.iterator] !== "function")
    throw badArgument(`${what} must be a list.`);
  return [...values];
}

/** An invite or a shortcode: any text may be tried, and the core says what is wrong with it. `help`: where one comes from. */
export function checkInvite(what: string, text: unknown, help: string): string {
  if (typeof text !== "string") throw badArgument(`${what} must be a text.`);
  if (text === "") throw new PerdureError("bad-invite", `${what} is empty. ${help}`);
  if (text.length > inviteMax) throw new PerdureError("bad-invite", `${what} is too long to be one.`);
  return text;
}

/** The address of an anchor, as text. `path`: of the option that holds it. */
export function checkAnchor(url: unknown, path?: string): string {
  const text = url instanceof URL ? url.href : url;
  if (typeof text !== "string") throw badArgument("An anchor's address must be a text or a URL.", path);
  let parsed: URL;
  try {
    parsed = new URL(text.trim());
  } catch {
    throw badArgument(`"${text}" is no address of an anchor: write it as wss://anchor.example.`, path);
  }
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")
    throw badArgument(`"${text}" is no address of an anchor: it must begin with wss:// or ws://.`, path);
  if (parsed.hash !== "") throw badArgument(`"${text}" is no address of an anchor: it holds a "#".`, path);
  return checkLength(
    "An anchor's address",
    parsed.pathname === "/" && parsed.search === "" ? parsed.href.replace(/\/$/, "") : parsed.href,
    200,
    path,
  );
}

/** The anchors of PeerOptions as texts. Throws bad-argument. */
export function anchorsOf(anchors: unknown): string[] {
  if (anchors === undefined) return [];
  if (typeof anchors === "string" || typeof anchors !== "object" || anchors === null || !(Symbol.iterator in anchors))
    throw badArgument("anchors must be a list of addresses.", "anchors");
  const all = new Set(Array.from(anchors as Iterable<unknown>, (url, at) => checkAnchor(url, `anchors[${at}]`)));
  if (all.size > anchorsMax)
    throw badArgument(`anchors may be ${anchorsMax} at most; these are ${all.size}.`, "anchors");
  return [...all];
}

export function checkPage(page: unknown): URL {
  // A URL, of whichever realm, or a Location.
  const text: unknown = typeof page === "object" && page !== null ? Reflect.get(page, "href") : page;
  if (typeof text !== "string")
    throw badArgument("link needs the address of a page, a text or a URL: topic.link(location.href).", "page");
  try {
    return new URL(text);
  } catch {
    throw badArgument(`"${text}" is no address of a page: give it whole, as location.href is.`, "page");
  }
}

function checkLength(what: string, text: string, max: number, path?: string): string {
  if (!isWellFormed(text))
    throw badArgument(`${what} holds half of a surrogate pair; text.toWellFormed() mends that.`, path);
  if (text.length > max || (3 * text.length > max && utf8(text).length > max))
    throw new PerdureError(
      "too-large",
      `${what} takes more than ${max} bytes.`,
      path === undefined ? undefined : { path },
    );
  return text;
}
