// The command line: what it says, and how it refuses.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { check, same } from "../support/check.js";
import { cli, scratch, spawnAnchor, withoutSqlite } from "./shipped.js";

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
      for (const option of ["--host", "--port", "--data", "--serve", "--cert", "--key", "--public-url", "--app", "--total-mb"]) check(out.includes(option), `${option} in the help`);
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
    await refuses(1, ["anchor", "--port", "70000"], "port");
    await refuses(1, ["anchor", "--total-mb", "0", "--port", "0"], "totalMB");
    await refuses(1, ["anchor", "--public-url", "https://here", "--port", "0"], "wss://");
  });

  test("says what is wrong with files in one line", async () => {
    using folder = scratch();
    writeFileSync(folder.file("text"), "something else ".repeat(100));
    await refuses(1, ["anchor", "--port", "0", "--data", folder.file("no/such/folder/anchor.db")], "cannot be written", "anchor.db");
    await refuses(1, ["anchor", "--port", "0", "--data", folder.file("text")], "database");
    await refuses(1, ["anchor", "--port", "0", "--data", ":memory:", "--serve", folder.file("none")], "none", "Make it");
    await refuses(1, ["anchor", "--port", "0", "--data", ":memory:", "--cert", folder.file("c.pem"), "--key", folder.file("k.pem")], "c.pem", "cannot be read");
    await refuses(1, ["anchor", "--port", "0", "--data", ":memory:", "--cert", folder.file("text"), "--key", folder.file("text")], "certificate");
    await refuses(1, ["anchor", "--port", "0", "--data", ":memory:", "--host", "203.0.113.77"], "203.0.113.77");
  });

  test("does not serve the folder that its own files lie in, and says where else they can be", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    const { code, out, err } = await cli(["anchor", "--port", "0", "--serve", "."], undefined, folder.file("site"));
    same([code, out, err], [1, "", `perdure: ${folder.file("site/anchor.db")} lies in ${folder.file("site")}, which is served: whoever asked for it would have the anchor's private key. Keep it outside of that folder, as with --data ../anchor.db.\n`]);
    same(readdirSync(folder.file("site")), []);
    await refuses(1, ["anchor", "--port", "0", "--data", folder.file("site/sub/../a.db"), "--serve", folder.path], "site", "a.db", "private key");
    await using anchor = await spawnAnchor("--port", "0", "--data", folder.file("site/../anchor.db"), "--serve", folder.file("site"));
    same(await anchor.kill("SIGTERM"), 0);
  });

  test("says that a port is taken", async () => {
    const taken = createServer();
    const port = await new Promise<number>(resolve => taken.listen(0, "127.0.0.1", () => {
      const address = taken.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    }));
    await refuses(1, ["anchor", "--data", ":memory:", "--port", String(port)], String(port), "in use");
    taken.close();
  });

  test("without a SQLite says what is true and what helps, and needs none for what it keeps in memory", async () => {
    using folder = scratch();
    const { dist: bare, env } = withoutSqlite(folder.path);
    const script = join(bare, "cli.js");
    const { code, out, err } = await cli(["anchor", "--port", "0", "--data", folder.file("anchor.db")], script, folder.path, env);
    same([code, out, err], [1, "", `perdure: This Node (${process.versions.node}) has no SQLite. Use Node 22.13 or newer, or run: npm install better-sqlite3\n`]);
    check(!existsSync(folder.file("anchor.db")), "nothing was made");
    await using anchor = await spawnAnchor("--port", "0", "--data", ":memory:", { script, env });
    same((await fetch(`${anchor.url.replace("ws", "http")}/healthz`)).status, 200);
    // One that is installed and does not run: of another Node, or never compiled.
    mkdirSync(folder.file("node_modules/better-sqlite3"));
    writeFileSync(folder.file("node_modules/better-sqlite3/index.js"), 'module.exports = class { constructor() { throw new Error("Could not locate the bindings file. Tried:\\n here"); } };');
    const broken = await cli(["anchor", "--port", "0", "--data", folder.file("anchor.db")], script, folder.path, env);
    same([broken.code, broken.err], [1, "perdure: better-sqlite3 does not run in this Node (Could not locate the bindings file. Tried:). Run: npm rebuild better-sqlite3\n"]);
  });

  test("says where it runs, who it is, whom it serves and what it may store", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    await using anchor = await spawnAnchor("--port", "0", "--data", folder.file("anchor.db"), "--app", "talkbox", "--app", "board", "--total-mb", "12", "--serve", folder.file("site"));
    await new Promise(resolve => setTimeout(resolve, 50));
    const said = anchor.lines.join("\n");
    for (const word of [anchor.url, "talkbox, board", "12 MB", "256 MB a topic", "30 days", folder.file("anchor.db"), `${anchor.url.replace("ws", "http")}/`]) check(said.includes(word), `"${word}" in:\n${said}`);
    check(/\b[0-9a-f]{64}\b/.test(said), "its id");
  });

  test("ends cleanly when told to, either way", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await using anchor = await spawnAnchor("--port", "0", "--data", ":memory:");
      same(await anchor.kill(signal), 0, signal);
    }
  });
});
