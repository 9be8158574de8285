// What startAnchor takes, checked before anything happens.
import { checkCount, checkObject, checkText } from "../src/arguments.js";
import { badArgument } from "../src/errors.js";
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
  /** In MB of 1,048,576 bytes. Default: 4096 in all, 256 a topic, 64 a device in a topic, 512 links, 30 days after the last visit. */
  quotas?: { totalMB?: number; topicMB?: number; deviceMB?: number; links?: number; leaseDays?: number };
}

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
  /** Used in place of `data`. */
  readonly disk?: MemoryDisk;
}
export interface Quotas {
  readonly totalMB: number;
  readonly topicMB: number;
  readonly deviceMB: number;
  readonly links: number;
  readonly leaseDays: number;
}

/** Throws bad-argument for options that mean nothing. */
export function settingsOf(options: AnchorOptions): Settings {
  if (typeof options !== "object" || options === null) throw badArgument('startAnchor needs options: startAnchor({ data: "anchor.db" }).');
  const { tls, publicUrl, apps = [], serve, quotas = {} } = options;
  if (tls !== undefined) checkObject("tls", tls);
  checkObject("quotas", quotas);
  const port = checkCount("port", options.port ?? 8787);
  if (port > 65535) throw badArgument("port must be below 65536.", "port");
  if (typeof apps === "string" || !Array.isArray(apps)) throw badArgument("apps must be a list of names.", "apps");
  return {
    data: checkText("data", options.data, 4096),
    port,
    host: checkText("host", options.host ?? "127.0.0.1"),
    ...(tls === undefined ? {} : { tls: { cert: checkText("tls.cert", tls.cert, 4096), key: checkText("tls.key", tls.key, 4096) } }),
    ...(publicUrl === undefined ? {} : { publicUrl: checkPublicUrl(publicUrl) }),
    apps: [...new Set(apps.map((app: unknown) => checkText("An app's name", app)))],
    ...(serve === undefined ? {} : { serve: checkText("serve", serve, 4096) }),
    quotas: {
      totalMB: positive(quotas, "totalMB", 4096),
      topicMB: positive(quotas, "topicMB", 256),
      deviceMB: positive(quotas, "deviceMB", 64),
      links: whole(quotas, "links", 512),
      leaseDays: whole(quotas, "leaseDays", 30),
    },
  };
}

function checkPublicUrl(url: unknown): string {
  const parsed = URL.canParse(String(url)) ? new URL(String(url)) : undefined;
  if (parsed === undefined || (parsed.protocol !== "wss:" && parsed.protocol !== "ws:")) throw badArgument("publicUrl must be a wss:// or ws:// address.", "publicUrl");
  return parsed.pathname === "/" && parsed.search === "" ? parsed.href.replace(/\/$/, "") : parsed.href;
}

function positive(quotas: Partial<Quotas>, name: keyof Quotas, otherwise: number): number {
  const value = quotas[name] ?? otherwise;
  if (typeof value !== "number" || !(value > 0) || value > 1e9) throw badArgument(`quotas.${name} must be a number above 0.`, `quotas.${name}`);
  return value;
}

function whole(quotas: Partial<Quotas>, name: keyof Quotas, otherwise: number): number {
  const value = positive(quotas, name, otherwise);
  if (!Number.isInteger(value) || value > 1e6) throw badArgument(`quotas.${name} must be a whole number.`, `quotas.${name}`);
  return value;
}
