// The README's first command, and the anchor's, by npx in an empty folder: under every Node that the package is for, and without SQLite.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { nothing, others, run } from "./support.mjs";

const { nodes } = others();
const names = await Promise.all(nodes.map(async node => (await run(".", node, "--version")).trim()));
let empty;

before(async () => {
  empty = await nothing();
});
after(() => empty?.remove());

/** Whether that Node brings a SQLite of its own. */
const hasSqlite = name => Number(name.slice(1).split(".")[0]) >= 22;
const helps =
  /This Node \([\d.]+\) has no SQLite\. Use Node 22\.13 or newer, or run: npm install perdure better-sqlite3$/m;

for (const [index, node] of nodes.entries()) {
  const name = names[index];
  test(`npx perdure demo shows the demo in an empty folder: Node ${name}`, { timeout: 120_000 }, async () => {
    const demo = empty.npx(`demo ${name}`, node, ["demo"]);
    const url = (await demo.line(/side by side: +http:\S+/)).split(/ +/).pop();
    const page = await (await fetch(url)).text();
    assert.match(page, /<meta name="perdure-demo"/);
    for (const file of ["stage.js", "worker.js", "perdure.wasm"])
      assert.equal(
        (await fetch(new URL(file, url), { headers: { "accept-encoding": "br" } })).headers.get("content-encoding"),
        "br",
        file,
      );
    const anchor = (await demo.line(/runs at ws:[\w./:]+/)).replace("runs at ws", "http");
    assert.equal((await (await fetch(`${anchor}/healthz`)).json()).status, "ok");
    assert.equal(helps.test(demo.said()), !hasSqlite(name), demo.said());
    assert.equal(
      demo
        .said()
        .split("\n")
        .filter(line => /keeps everything in memory/.test(line)).length,
      hasSqlite(name) ? 0 : 1,
      demo.said(),
    );
    await demo.stop();
    await assert.rejects(fetch(url));
    assert.deepEqual(readdirSync(demo.cwd), [], "it leaves nothing in the folder");
  });

  test(`npx perdure anchor runs, or says what helps: Node ${name}`, { timeout: 120_000 }, async () => {
    const anchor = empty.npx(`anchor ${name}`, node, ["anchor", "--port", "0"]);
    if (hasSqlite(name)) {
      await anchor.line(/runs at ws:\S+/);
      await anchor.stop();
    } else {
      const { code, said } = await anchor.gone;
      assert.equal(code, 1);
      assert.match(said, helps);
    }
    const forgetful = empty.npx(`forgetful ${name}`, node, ["anchor", "--port", "0", "--data", ":memory:"]);
    const url = (await forgetful.line(/runs at ws:\S+/)).replace("runs at ws", "http");
    assert.equal((await (await fetch(`${url}/healthz`)).json()).status, "ok");
    await forgetful.stop();
  });
}
