#!/usr/bin/env node
// npx perdure anchor: an anchor in a process of its own. npx perdure demo: the demo page with one.
import { homedir, networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startDemo, type DemoOptions } from "./demo.js";
import { startAnchor, type AnchorOptions } from "./index.js";
import { PerdureError } from "../src/base/errors.js";
import { version } from "../src/base/version.js";

const help = `Usage: perdure anchor [options]
       perdure demo [--data DIR] [--history DIR] [--port NUMBER]

perdure demo shows two browsers side by side on a page of this machine, with an anchor of their own, and prints the link.

  --data DIR         keep what the anchor stores in that folder (default: perdure-demo in the cache folder of this user)
  --history DIR      make a room of real messages besides: the history of that git clone
  --port NUMBER      serve the page there (default: as the last time, or any that is free)

perdure anchor runs an anchor: it stores what members of a topic bring, sealed, and hands it to those who come later.

  --host ADDRESS     listen there (default 127.0.0.1: this machine only; 0.0.0.0: everybody)
  --port NUMBER      listen there (default 8787; 0: any that is free)
  --data FILE        keep everything in this SQLite file (default anchor.db); ":memory:" forgets it when it stops
  --serve DIR        serve the files of this folder on the same port, but for those whose names start with a dot (/.well-known is
                     served); its own data, key and certificate must lie elsewhere
  --cert FILE        certificate and key, for wss:// and https://; read again on SIGHUP
  --key FILE
  --public-url URL   the wss:// address that others use, if it stands behind a proxy, which is to say X-Forwarded-For: what one address may
                     do is bounded
  --app NAME         serve this app only; may be given several times (default: any app)
  --invite TEXT      serve the topic of this invite; it keeps the topic's id alone    } each may be given several times; whoever one of
  --topic ID         serve the topic with this id                                     } them fits is served (default, where there are
  --token TEXT       serve whoever comes to wss://host/?token=TEXT, in any topic      } none: anybody)
  --total-mb N       store at most so much (default 4096)
  --topic-mb N       … of one topic (default 256)
  --device-mb N      … of one device in one topic (default 64)
  --address-mb N     … that one address brings (default 64; without a bound where --invite, --topic or --token say whom to serve); an
                     IPv6 network (/64) is one address
  --links N          let in at most so many at once (default 512), and of one address half as many, or 64; who shares nothing makes room,
                     then who came last from the address with most of them
  --lease-days N     keep a topic so long after the last visit (default 30), and a day after a start: who restarts
                     it daily keeps all
  --memory-mb N      use at most so much memory in all (default 512, which is what the defaults above need; at least 128)
  --help             show this
  --version          show the version

It is healthy while GET /healthz answers 200. Figures for Prometheus: GET /metrics. SIGTERM and Ctrl-C stop it cleanly.`;

const text = { type: "string" } as const;
const texts = { type: "string", multiple: true } as const;
const known = {
  host: text,
  port: text,
  data: text,
  serve: text,
  cert: text,
  key: text,
  "public-url": text,
  app: texts,
  invite: texts,
  topic: texts,
  token: texts,
  "address-mb": text,
  "memory-mb": text,
  "total-mb": text,
  "topic-mb": text,
  "device-mb": text,
  links: text,
  history: text,
  "lease-days": text,
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

/** Ends the process with one line. */
class Refusal extends Error {}

const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 20) {
  console.error(`perdure: Node 20 or newer is needed; this is ${process.versions.node}.`);
  process.exit(1);
}
// Its terminal may be gone.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
process.removeAllListeners("warning").on("warning", ({ name, message }) => {
  // That Node 22 calls its SQLite experimental helps nobody who runs an anchor.
  if (name === "ExperimentalWarning" && message.startsWith("SQLite ")) return;
  console.error(`${name === "PerdureWarning" ? "perdure" : name}: ${message}`);
});
main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(
    `perdure: ${inPlace(error instanceof PerdureError ? asTyped(error) : error instanceof Error ? error.message : String(error))}`,
  );
  process.exit(error instanceof Refusal ? 2 : 1);
});

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help === true || (positionals.length === 0 && args.length === 0)) return console.log(help);
  if (values.version === true) return console.log(version);
  if (positionals.length === 1 && positionals[0] === "demo") return demo(values);
  if (positionals.length !== 1 || positionals[0] !== "anchor") {
    throw new Refusal(
      `${positionals.length === 0 ? "A command is missing" : `There is no command "${positionals.join(" ")}"`}. Try: perdure anchor --help`,
    );
  }
  const options = optionsOf(values);
  const starting = startAnchor(options);
  stopOnSignals(async () => (await starting).close(), "SIGTERM", "SIGINT");
  if (options.tls === undefined)
    process.on("SIGHUP", () =>
      console.error("perdure: There is no certificate to read again (--cert, --key); the anchor goes on."),
    );
  const anchor = await starting;
  console.log(greeting(options, anchor.url, anchor.id));
  await anchor.ended;
}

async function demo({ data, history, port, ...others }: Values): Promise<void> {
  const [foreign] = Object.keys(others);
  if (foreign !== undefined) throw new Refusal(`--${foreign} is no option of the demo. Try: perdure demo --help`);
  // Empty, it counts as not set.
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const options: DemoOptions = {
    data: data ?? join(cache, "perdure-demo"),
    tell: line => console.log(`  ${inPlace(line)}`),
    ...given({ history, port: numberOf("port", port) }),
  };
  const starting = startDemo(options);
  // Its terminal was closed: nobody is there who could stop it later.
  stopOnSignals(async () => (await starting).close(), "SIGTERM", "SIGINT", "SIGHUP");
  const { url, anchorUrl, keeps, room } = await starting;
  console.log(`
  Two browsers, side by side:  ${url}
  A room of real messages:     ${room ?? "perdure demo --history path/to/a/clone"}

  The anchor runs at ${anchorUrl}; it stores in ${keeps}. Ctrl-C stops it all.
`);
}

/** Where npx keeps a package that nobody has installed, nothing can be put beside it: both have to be installed here. */
function inPlace(text: string): string {
  return import.meta.url.includes("/_npx/")
    ? text.replace("npm install better-sqlite3", "npm install perdure better-sqlite3")
    : text;
}

/** What begins with the name of an option of startAnchor, "quotas.totalMB must be …", begins with how it is typed here. */
function asTyped({ message, path = "" }: PerdureError): string {
  const name = path
    .replace(/^(quotas|tls)\./, "")
    .replace(/\[\d+\]$/, "")
    .replace(/[A-Z]+/g, letters => `-${letters.toLowerCase()}`);
  const typed = [name, name.replace(/s$/, "")].find(option => Object.hasOwn(known, option));
  return typed !== undefined && message.startsWith(`${path} `)
    ? `--${typed} (${path})${message.slice(path.length)}`
    : message;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: known });
  } catch (error) {
    const said = error instanceof Error ? (error.message.split(/\. |\.?\n/)[0] ?? "") : String(error);
    const option = /^Option '(--[\w-]+)' argument is ambiguous/.exec(said)?.[1];
    throw new Refusal(
      `${option === undefined ? said : `${option} needs a value that does not begin with a dash, or is written ${option}=VALUE`}. Try: perdure anchor --help`,
    );
  }
}

type Values = ReturnType<typeof parse>["values"];

function optionsOf(values: Values): AnchorOptions {
  if ((values.cert === undefined) !== (values.key === undefined))
    throw new Refusal("--cert and --key belong together.");
  if (values.history !== undefined) throw new Refusal("--history is for the demo. Try: perdure demo --help");
  const number = (
    name: "port" | "total-mb" | "topic-mb" | "device-mb" | "address-mb" | "links" | "lease-days" | "memory-mb",
  ): number | undefined => numberOf(name, values[name]);
  return given({
    data: values.data ?? "anchor.db",
    port: number("port"),
    host: values.host,
    tls: values.cert === undefined || values.key === undefined ? undefined : { cert: values.cert, key: values.key },
    publicUrl: values["public-url"],
    apps: values.app,
    invites: values.invite,
    topics: values.topic,
    tokens: values.token,
    memoryMB: number("memory-mb"),
    serve: values.serve,
    quotas: given({
      totalMB: number("total-mb"),
      topicMB: number("topic-mb"),
      deviceMB: number("device-mb"),
      addressMB: number("address-mb"),
      links: number("links"),
      leaseDays: number("lease-days"),
    }),
  });
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Refusal(`--${name} needs a number, not "${text}".`);
  return Number(text);
}

/** Without what is undefined. */
function given<T extends object>(all: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function greeting(
  { data, host, apps, serve, quotas = {}, invites = [], topics = [], tokens = [] }: AnchorOptions,
  url: string,
  id: string,
): string {
  const everywhere = host === "0.0.0.0" || host === "::";
  const others = everywhere
    ? Object.values(networkInterfaces())
        .flatMap(list => list ?? [])
        .filter(({ internal, family }) => !internal && family === "IPv4")
    : [];
  const { port, search } = new URL(url);
  const listed = new Set([...invites, ...topics]).size;
  const guests = [
    ...(listed === 0 ? [] : [`${listed} topic${listed === 1 ? "" : "s"}`]),
    ...(tokens.length === 0 ? [] : ["whoever brings a token"]),
  ];
  const open = guests.length === 0;
  const where = data === ":memory:" ? "memory, gone when it stops" : resolve(data);
  return [
    `A Perdure anchor runs at ${url}`,
    ...others.map(
      ({ address }) =>
        `  also at   ${url.startsWith("wss") ? "wss" : "ws"}://${address}${port === "" ? "" : `:${port}`}${search === "" ? "" : `/${search}`}`,
    ),
    `  id        ${id}`,
    `  serves    ${apps === undefined ? "every app" : `the app${apps.length === 1 ? "" : "s"} ${apps.join(", ")}`}, at most ${quotas.links ?? 512} links at once`,
    `  to        ${open ? "anybody who can reach it (--invite, --topic, --token: see --help)" : guests.join(" and ")}`,
    `  stores    at most ${quotas.totalMB ?? 4096} MB in all, ${quotas.topicMB ?? 256} MB a topic, ${quotas.deviceMB ?? 64} MB a device in a topic,`,
    ...(open ? [`            ${quotas.addressMB ?? 64} MB an address that brings it,`] : []),
    `            each topic until ${quotas.leaseDays ?? 30} days after its last visit; all of it sealed, it cannot read it`,
    `  in        ${where}`,
    ...(serve === undefined
      ? []
      : [`  files     ${resolve(serve)} at ${url.replace(/^ws/, "http").replace(/\/?(\?.*)?$/, "/")}`]),
  ].join("\n");
}

function stopOnSignals(stop: () => Promise<void>, ...signals: readonly NodeJS.Signals[]): void {
  let asked = false;
  for (const signal of signals) {
    process.on(signal, () => {
      // Who asks twice is in a hurry; what was acknowledged is on disk anyway.
      if (asked) process.exit(1);
      asked = true;
      stop().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(`perdure: ${error instanceof Error ? error.message : String(error)}`);
          process.exit(1);
        },
      );
    });
  }
}
