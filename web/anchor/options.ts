// What startAnchor takes, checked before anything happens.
import { checkCount, checkObject, checkOption, checkKnown, checkText, nameMax } from "../src/base/arguments.js";
import { isWellFormed } from "../src/base/bytes.js";
import { badArgument } from "../src/base/errors.js";
import type { MemoryDisk } from "../src/store/memory.js";

export interface AnchorOptions {
  /** SQLite file; ":memory:" for tests. */
  data: string;
  /** Default 8787; 0 takes a free one. */
  port?: number;
  /** Default 127.0.0.1; 0.0.0.0 to be reached from elsewhere. */
  host?: string;
  /** Files; reread on SIGHUP. Or stand behind a proxy: set publicUrl. */
  tls?: { cert: string; key: string };
  /** The wss:// address that others should use. */
  publicUrl?: string;
  /** Apps served; default: any. */
  apps?: readonly string[];
  /** A folder of static files on the same port. */
  serve?: string;
  /** In MB of 1,048,576 bytes. Default: 4096 in all, 256 a topic, 64 a device in a topic, 512 links, 30 days after the last visit.
   *  addressMB, default 64: what one address (of IPv6: a /64) brings; to topics that others have entered half of theirs more. It does
   *  not bind where invites, topics or tokens are set. */
  quotas?: {
    totalMB?: number;
    topicMB?: number;
    deviceMB?: number;
    links?: number;
    leaseDays?: number;
    addressMB?: number;
  };
  /** Whom it serves, any one suffices; none of the three: anybody. The topics that these invites lead to; of them it keeps the topics' ids alone. */
  invites?: readonly string[];
  /** Topics by their id. */
  topics?: readonly string[];
  /** Whoever comes to wss://host/?token=TEXT with one of these texts. `url` of the anchor holds the first; an invite
   *  holds the one by which its maker comes. */
  tokens?: readonly string[];
  /** What the process may use in all, in MB. Default 512. */
  memoryMB?: number;
}

/** More than any command line holds; who has so many topics serves by token. */
const servedMax = 4_096;
/** What invites hold of an address. */
const addressMax = 200;
const tokenMax = 100;
/** Node and the module alone take more than half of it. */
const memoryMBMin = 128;

/** AnchorOptions with nothing left open. */
export interface Settings {
  readonly data: string;
  readonly port: number;
  readonly host: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly publicUrl?: string;
  readonly apps: readonly string[];
  readonly serve?: string;
  readonly quotas: Quotas;
  /** @internal Used in place of `data`. */
  readonly disk?: MemoryDisk;
  readonly invites: readonly string[];
  readonly topics: readonly string[];
  readonly tokens: readonly string[];
  readonly memoryBytes: number;
}
export interface Quotas {
  readonly totalMB: number;
  readonly topicMB: number;
  readonly deviceMB: number;
  readonly links: number;
  readonly leaseDays: number;
  readonly addressMB: number;
}

/** Throws bad-argument for options that mean nothing. */
export function settingsOf(options: AnchorOptions): Settings {
  if (typeof options !== "object" || options === null)
    throw badArgument('startAnchor needs options: startAnchor({ data: "anchor.db" }).');
  const { tls, publicUrl, apps = [], serve, quotas = {} } = options;
  if (tls !== undefined) checkKnown("tls", checkObject("tls", tls), ["cert", "key"], "tls.");
  checkKnown("startAnchor", options, [
    "data",
    "port",
    "host",
    "tls",
    "publicUrl",
    "apps",
    "serve",
    "quotas",
    "invites",
    "topics",
    "tokens",
    "memoryMB",
  ] satisfies (keyof AnchorOptions)[]);
  checkKnown(
    "quotas",
    checkObject("quotas", quotas),
    ["totalMB", "topicMB", "deviceMB", "links", "leaseDays", "addressMB"] satisfies (keyof Quotas)[],
    "quotas.",
  );
  const port = checkCount("port", options.port ?? 8787);
  if (port > 65535) throw badArgument("port must be below 65536.", "port");
  if (typeof apps === "string" || !Array.isArray(apps)) throw badArgument("apps must be a list of names.", "apps");
  const tokens = textsOf("tokens", options.tokens, checkToken);
  const address = publicUrl === undefined ? "" : checkPublicUrl(publicUrl);
  if (address.length + encodeURIComponent(tokens[0] ?? "").length + 8 > addressMax)
    throw badArgument(
      `publicUrl, with the token, is longer than the ${addressMax} characters that an address may have in an invite.`,
      "publicUrl",
    );
  return {
    data: checkOption("data", options.data, 4096),
    port,
    host: checkOption("host", options.host ?? "127.0.0.1"),
    ...(tls === undefined
      ? {}
      : { tls: { cert: checkOption("tls.cert", tls.cert, 4096), key: checkOption("tls.key", tls.key, 4096) } }),
    ...(publicUrl === undefined ? {} : { publicUrl: address }),
    apps: [...new Set(apps.map((app: unknown, at) => checkText("An app's name", app, nameMax, `apps[${at}]`)))],
    ...(serve === undefined ? {} : { serve: checkOption("serve", serve, 4096) }),
    quotas: {
      totalMB: positive(quotas, "totalMB", 4096),
      topicMB: positive(quotas, "topicMB", 256),
      deviceMB: positive(quotas, "deviceMB", 64),
      links: whole(quotas, "links", 512),
      leaseDays: whole(quotas, "leaseDays", 30),
      addressMB: positive(quotas, "addressMB", 64),
    },
    invites: textsOf("invites", options.invites, checkInviteText),
    topics: textsOf("topics", options.topics, checkTopicId),
    tokens,
    memoryBytes: checkMemory(options.memoryMB ?? 512),
  };
}

function textsOf(name: string, texts: unknown = [], check: (text: unknown, path: string) => string): readonly string[] {
  if (!Array.isArray(texts)) throw badArgument(`${name} must be a list of texts.`, name);
  if (texts.length > servedMax)
    throw badArgument(`${name} may hold at most ${servedMax}. Say tokens to let more in.`, name);
  return [...new Set(texts.map((text: unknown, at) => check(text, `${name}[${at}]`)))];
}

/** The core says what is wrong with one. */
function checkInviteText(text: unknown, path: string): string {
  if (typeof text !== "string" || text === "" || text.length > 8_192)
    throw badArgument(
      `${path} is no invite. Copy the whole invite or link that topic.invite() or topic.link() gives.`,
      path,
    );
  return text;
}

function checkTopicId(text: unknown, path: string): string {
  if (typeof text === "string" && /^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  const invite = typeof text === "string" && text.includes("perdure-");
  throw badArgument(
    `${path} is no topic's id, which has 64 hex digits as topic.id gives them.${invite ? " It looks like an invite: give it as one (invites, --invite)." : ""}`,
    path,
  );
}

function checkToken(text: unknown, path: string): string {
  if (typeof text !== "string" || text === "" || !isWellFormed(text) || /[\p{Cc}]/u.test(text))
    throw badArgument(`${path} must be a text that can be written in one line.`, path);
  if (encodeURIComponent(text).length > tokenMax)
    throw badArgument(
      `${path} is too long: it stands in the anchor's address, where it may take ${tokenMax} characters.`,
      path,
    );
  return text;
}

function checkMemory(memoryMB: unknown): number {
  if (typeof memoryMB !== "number" || !(memoryMB >= memoryMBMin) || memoryMB > 1e6)
    throw badArgument(`memoryMB must be a number from ${memoryMBMin} on: an anchor does not run in less.`, "memoryMB");
  return Math.floor(memoryMB * 1024 * 1024);
}

function checkPublicUrl(url: unknown): string {
  const parsed = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  if (parsed === undefined || (parsed.protocol !== "wss:" && parsed.protocol !== "ws:"))
    throw badArgument("publicUrl must be a wss:// or ws:// address.", "publicUrl");
  return parsed.pathname === "/" && parsed.search === "" ? parsed.href.replace(/\/$/, "") : parsed.href;
}

function positive(quotas: Partial<Quotas>, name: keyof Quotas, otherwise: number): number {
  const value = quotas[name] ?? otherwise;
  if (typeof value !== "number" || !(value > 0) || value > 1e9)
    throw badArgument(`quotas.${name} must be a number above 0.`, `quotas.${name}`);
  return value;
}

function whole(quotas: Partial<Quotas>, name: keyof Quotas, otherwise: number): number {
  const value = positive(quotas, name, otherwise);
  if (!Number.isInteger(value) || value > 1e6)
    throw badArgument(`quotas.${name} must be a whole number.`, `quotas.${name}`);
  return value;
}
