// The command line: what it says, and how it refuses.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { check, same } from "../support/check.js";
import { cli, dist, scratch, spawnAnchor, until, withoutSqlite } from "./shipped.js";

/** The processes that it has started and that still run. */
function childrenOf(parent: number | undefined): string[] {
  return readdirSync("/proc").filter(pid => {
    try {
      // "pid (name) state ppid …"
      return Number(/^.*\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]) === parent;
    } catch {
      return false;
    }
  });
}

/** It ends with this code and says one line, which holds all these words. */
async function refuses(code: number, args: readonly string[], ...words: readonly string[]): Promise<void> {
  const { code: found, out, err } = await cli(args);
  same(found, code, `${args.join(" ")}: ${err}`);
  check(out === "" && err.startsWith("perdure: ") && err.trimEnd().split("\n").length === 1, `one line: ${out}${err}`);
  for (const word of words) check(err.includes(word), `"${word}" in: ${err}`);
}

describe("the command line", () => {
  test("shows its help when asked, and when asked for nothing", async () => {
    for (const args of [["--help"], ["anchor", "--help"], ["-h"], []]) {
      const { code, out, err } = await cli(args);
      same([code, err], [0, ""]);
      for (const option of [
        "--host",
        "--port",
        "--data",
        "--serve",
        "--cert",
        "--key",
        "--public-url",
        "--app",
        "--total-mb",
        "--invite",
        "--topic",
        "--token",
        "--address-mb",
        "--memory-mb",
      ])
        check(out.includes(option), `${option} in the help`);
    }
  });

  test("says its version", async () => {
    const { code, out } = await cli(["--version"]);
    same(code, 0);
    check(/^\d+\.\d+\.\d+/.test(out), out);
  });

  test("refuses what it does not know in one line", async () => {
    await refuses(2, ["anker"], "anker", "--help");
    await refuses(2, ["anchor", "more"], "anchor more", "--help");
    await refuses(2, ["--port", "1"], "command", "--help");
    await refuses(2, ["anchor", "--prot", "1"], "--prot", "--help");
    await refuses(2, ["anchor", "--port"], "--port", "--help");
    await refuses(2, ["anchor", "--port", "http"], "--port", "http");
    await refuses(2, ["anchor", "--cert", "a.pem"], "--key");
    await refuses(
      2,
      ["anchor", "--address-mb", "-1"],
      "--address-mb needs a value that does not begin with a dash, or is written --address-mb=VALUE. Try",
    );
    await refuses(2, ["anchor", "--address-mb=-1"], "--address-mb", "-1");
    await refuses(1, ["anchor", "--port", "70000"], "--port", "below 65536");
    await refuses(1, ["anchor", "--port", "1.5"], "--port", "whole number");
    await refuses(1, ["anchor", "--total-mb", "0", "--port", "0"], "--total-mb", "totalMB");
    await refuses(1, ["anchor", "--lease-days", "1.5", "--port", "0"], "--lease-days", "whole number");
    await refuses(1, ["anchor", "--public-url", "https://here", "--port", "0"], "wss://");
    await refuses(1, ["anchor", "--topic", "lunch", "--port", "0"], "--topic (topics[0])", "64 hex digits");
    await refuses(1, ["anchor", "--topic", "perdure-AAAA", "--port", "0"], "--invite");
    await refuses(1, ["anchor", "--invite", "perdure-AAAA", "--port", "0"], "invites[0]", "cut short");
    await refuses(1, ["anchor", "--token", "", "--port", "0"], "tokens[0]");
    await refuses(1, ["anchor", "--memory-mb", "20", "--port", "0"], "--memory-mb (memoryMB)", "128");
    await refuses(2, ["anchor", "--address-mb", "much", "--port", "0"], "--address-mb", "much");
  });

  test("says what is wrong with files in one line", async () => {
    using folder = scratch();
    writeFileSync(folder.file("text"), "something else ".repeat(100));
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", folder.file("no/such/folder/anchor.db")],
      "cannot be written",
      "anchor.db",
      "Make its folder",
    );
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", folder.file("text")],
      `The file ${folder.file("text")}`,
      "database",
    );
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", ":memory:", "--serve", folder.file("none")],
      "none",
      "Make it",
    );
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", ":memory:", "--cert", folder.file("c.pem"), "--key", folder.file("k.pem")],
      "c.pem",
      "cannot be read",
    );
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", ":memory:", "--cert", folder.file("text"), "--key", folder.file("text")],
      "certificate",
    );
    await refuses(1, ["anchor", "--port", "0", "--data", ":memory:", "--host", "203.0.113.77"], "203.0.113.77");
  });

  test("does not serve the folder that its own files lie in, and says where else they can be", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    const { code, out, err } = await cli(["anchor", "--port", "0", "--serve", "."], undefined, folder.file("site"));
    same(
      [code, out, err],
      [
        1,
        "",
        `perdure: ${folder.file("site/anchor.db")} lies in ${folder.file("site")}, which is served: whoever asked for it would have the anchor's private key. Keep it outside of that folder, as with --data ../anchor.db.\n`,
      ],
    );
    same(readdirSync(folder.file("site")), []);
    await refuses(
      1,
      ["anchor", "--port", "0", "--data", folder.file("site/sub/../a.db"), "--serve", folder.path],
      "site",
      "a.db",
      "private key",
    );
    await using anchor = await spawnAnchor(
      "--port",
      "0",
      "--data",
      folder.file("site/../anchor.db"),
      "--serve",
      folder.file("site"),
    );
    same(await anchor.kill("SIGTERM"), 0);
  });

  test("says that a port is taken", async () => {
    const taken = createServer();
    const port = await new Promise<number>(resolve =>
      taken.listen(0, "127.0.0.1", () => {
        const address = taken.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    await refuses(1, ["anchor", "--data", ":memory:", "--port", String(port)], String(port), "in use");
    taken.close();
  });

  test("without a SQLite says what is true and what helps, and needs none for what it keeps in memory", async () => {
    using folder = scratch();
    const { dist: bare, env } = withoutSqlite(folder.path);
    const script = join(bare, "cli.js");
    const { code, out, err } = await cli(
      ["anchor", "--port", "0", "--data", folder.file("anchor.db")],
      script,
      folder.path,
      env,
    );
    same(
      [code, out, err],
      [
        1,
        "",
        `perdure: This Node (${process.versions.node}) has no SQLite. Use Node 22.13 or newer, or run: npm install better-sqlite3\n`,
      ],
    );
    check(!existsSync(folder.file("anchor.db")), "nothing was made");
    await using anchor = await spawnAnchor("--port", "0", "--data", ":memory:", { script, env });
    same((await fetch(`${anchor.url.replace("ws", "http")}/healthz`)).status, 200);
    // One that is installed and does not run: of another Node, or never compiled.
    mkdirSync(folder.file("node_modules/better-sqlite3"));
    writeFileSync(
      folder.file("node_modules/better-sqlite3/index.js"),
      'module.exports = class { constructor() { throw new Error("Could not locate the bindings file. Tried:\\n here"); } };',
    );
    const broken = await cli(["anchor", "--port", "0", "--data", folder.file("anchor.db")], script, folder.path, env);
    same(
      [broken.code, broken.err],
      [
        1,
        "perdure: better-sqlite3 does not run in this Node (Could not locate the bindings file. Tried:). Run: npm rebuild better-sqlite3\n",
      ],
    );
  });

  test("says where it runs, who it is, whom it serves and what it may store", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    await using anchor = await spawnAnchor(
      "--port",
      "0",
      "--data",
      folder.file("anchor.db"),
      "--app",
      "talkbox",
      "--app",
      "board",
      "--total-mb",
      "12",
      "--serve",
      folder.file("site"),
    );
    await new Promise(resolve => setTimeout(resolve, 50));
    const said = anchor.lines.join("\n");
    for (const word of [
      anchor.url,
      "talkbox, board",
      "12 MB",
      "256 MB a topic",
      "30 days",
      folder.file("anchor.db"),
      `${anchor.url.replace("ws", "http")}/`,
    ])
      check(said.includes(word), `"${word}" in:\n${said}`);
    check(/\b[0-9a-f]{64}\b/.test(said), "its id");
  });

  test("says to whom it is open, and where those go who bring a token", async () => {
    await using open = await spawnAnchor("--port", "0", "--data", ":memory:");
    await until(() => open.lines.some(line => line.includes("  in  ")), "the greeting");
    check(
      open.lines.some(line => /to +anybody/.test(line)) && open.lines.some(line => line.includes("64 MB an address")),
      open.lines.join("\n"),
    );
    await using anchor = await spawnAnchor(
      "--port",
      "0",
      "--data",
      ":memory:",
      "--token",
      "open sesame",
      "--token",
      "other",
      "--topic",
      "ab".repeat(32),
    );
    check(anchor.url.endsWith("/?token=open%20sesame"), anchor.url);
    await until(() => anchor.lines.some(line => line.includes("  in  ")), "the greeting");
    check(
      anchor.lines.some(line => /to +1 topic and whoever brings a token/.test(line)) &&
        !anchor.lines.some(line => line.includes("MB an address")),
      anchor.lines.join("\n"),
    );
  });

  test("without a certificate goes on after SIGHUP, and says that there is nothing to read", async () => {
    await using anchor = await spawnAnchor("--port", "0", "--data", ":memory:");
    process.kill(anchor.pid, "SIGHUP");
    await until(() => anchor.complaints.length > 0, "a word");
    same(anchor.complaints, ["perdure: There is no certificate to read again (--cert, --key); the anchor goes on."]);
    same((await fetch(`${anchor.url.replace("ws", "http")}/healthz`)).status, 200);
  });

  for (const [how, take] of [
    ["another anchor takes over", (data: string) => spawnAnchor("--port", "0", "--data", data)],
    [
      "somebody deletes",
      (data: string) => {
        rmSync(data);
        return undefined;
      },
    ],
  ] as const) {
    test(`whose file ${how} notices it at once, says which file, ends with 1, and never calls itself healthy again`, async () => {
      using folder = scratch();
      const data = folder.file("anchor.db");
      await using first = await spawnAnchor("--port", "0", "--data", data);
      same((await fetch(`${first.url.replace("ws", "http")}/healthz`)).status, 200);
      await using second = await take(data);
      const begun = performance.now();
      const asked = await fetch(`${first.url.replace("ws", "http")}/healthz`).then(
        ({ status }) => status,
        () => 0,
      );
      check(asked !== 200, `it answered ${asked}`);
      same(await first.ended, 1);
      check(performance.now() - begun < 3_000, "within a second, or a little more on a busy machine");
      check(
        first.complaints.some(line => line.includes(data)),
        first.complaints.join("\n"),
      );
      if (second !== undefined) same((await fetch(`${second.url.replace("ws", "http")}/healthz`)).status, 200);
    });
  }

  test("of the demo ends with its terminal, and so does the demo's anchor", async () => {
    using folder = scratch();
    const demo = spawn(process.execPath, [join(dist, "cli.js"), "demo", "--data", folder.path, "--port", "0"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    await new Promise<void>(resolve =>
      demo.stdout.setEncoding("utf8").on("data", (text: string) => {
        if (/The anchor runs at/.test((said += text))) resolve();
      }),
    );
    const children = childrenOf(demo.pid);
    check(children.length > 0, "the demo's anchor is no process of its own");
    demo.kill("SIGHUP");
    same((await once(demo, "close"))[0], 0);
    same(children.filter(child => existsSync(`/proc/${child}`)).length, 0, "what it started runs on");
  });

  test("ends cleanly when told to, either way", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using anchor = await spawnAnchor("--port", "0", "--data", ":memory:");
      same(await anchor.kill(signal), 0, signal);
    }
  });
});
