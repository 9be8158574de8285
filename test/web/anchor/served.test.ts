// What an anchor with a folder hands out over its port, and what it never does.

import { linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { arriving, sizesOf } from "../../bench/sizes.mjs";
import { runDemo } from "../browser/demo.js";
import { projectRoot } from "../support/bundle.js";
import { check, same } from "../support/check.js";
import { selfSigned } from "./certificate.js";
import { dist, scratch, startAnchor } from "./shipped.js";

type Refusal = Error & { readonly code: string; readonly path: string };

/** Why it does not start. */
async function refused(options: Omit<Parameters<typeof startAnchor>[0], "port">): Promise<Refusal> {
  const anchor = await startAnchor({ ...options, port: 0 }).catch((error: unknown) => error as Refusal);
  if (!("close" in anchor)) return anchor;
  await anchor.close();
  throw new Error(`it has started: ${JSON.stringify(options)}`);
}

describe("an anchor's own files", { timeout: 60_000 }, () => {
  test("a data file in the served folder keeps it from starting, whatever the path looks like, and is not made", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site/deep/.hidden"), { recursive: true });
    symlinkSync("site", folder.file("alias"));
    symlinkSync("site/deep", folder.file("into"));
    symlinkSync("site/not-yet.db", folder.file("outside.db"));
    symlinkSync("outside.db", folder.file("twice.db"));
    for (const data of [
      "site/anchor.db",
      "site/deep/anchor.db",
      "site/deep/.hidden/anchor.db",
      "site/no/such/folder/anchor.db",
      "site/../site/anchor.db",
      "alias/anchor.db",
      "into/anchor.db",
      "into/../anchor.db",
      "outside.db",
      "twice.db",
    ]) {
      for (const serve of ["site", "alias", "site/deep/.."]) {
        const { code, path, message } = await refused({
          data: `${folder.path}/${data}`,
          serve: `${folder.path}/${serve}`,
        });
        same([code, path], ["bad-argument", "data"], data);
        check(
          message.includes(`lies in ${folder.file("site")}, which is served`) &&
            message.includes("the anchor's private key") &&
            message.includes("--data "),
          message,
        );
      }
    }
    same(readdirSync(folder.file("site")), ["deep"]);
    same(readdirSync(folder.file("site/deep")), [".hidden"]);
    // A way into the folder and out again is none.
    await using anchor = await startAnchor({
      data: `${folder.path}/alias/../anchor.db`,
      serve: folder.file("site"),
      port: 0,
    });
    check(anchor.url.startsWith("ws://"), anchor.url);
  });

  test("so does a key or a certificate there", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    const { cert, key } = selfSigned("127.0.0.1");
    for (const place of ["", "site/"]) {
      writeFileSync(folder.file(`${place}cert.pem`), cert);
      writeFileSync(folder.file(`${place}key.pem`), key);
    }
    symlinkSync("site/key.pem", folder.file("linked.pem"));
    for (const [certFile, keyFile, path, flag] of [
      ["cert.pem", "site/key.pem", "tls.key", "--key"],
      ["cert.pem", "linked.pem", "tls.key", "--key"],
      ["site/cert.pem", "key.pem", "tls.cert", "--cert"],
    ] as const) {
      const found = await refused({
        data: ":memory:",
        serve: folder.file("site"),
        tls: { cert: folder.file(certFile), key: folder.file(keyFile) },
      });
      same([found.code, found.path], ["bad-argument", path]);
      check(
        found.message.includes(`lies in ${folder.file("site")}, which is served`) && found.message.includes(flag),
        found.message,
      );
    }
  });

  test("they are not served under another name that they get later", async () => {
    using folder = scratch();
    mkdirSync(folder.file("site"));
    writeFileSync(folder.file("site/index.html"), "<p>home</p>");
    const { cert, key } = selfSigned("127.0.0.1");
    writeFileSync(folder.file("cert.pem"), cert);
    writeFileSync(folder.file("key.pem"), key);
    // The database lies where the link leads, and so does what SQLite puts beside it.
    mkdirSync(folder.file("kept"));
    symlinkSync("kept/anchor.db", folder.file("anchor.db"));
    await using anchor = await startAnchor({ data: folder.file("anchor.db"), serve: folder.file("site"), port: 0 });
    linkSync(folder.file("kept/anchor.db"), folder.file("site/linked.db"));
    linkSync(folder.file("kept/anchor.db-wal"), folder.file("site/linked-wal"));
    symlinkSync("../anchor.db", folder.file("site/symlinked.db"));
    symlinkSync("..", folder.file("site/up"));
    symlinkSync("linked.db", folder.file("site/around.txt"));
    const base = anchor.url.replace("ws", "http");
    for (const path of [
      "linked.db",
      "linked-wal",
      "symlinked.db",
      "up/anchor.db",
      "up/kept/anchor.db",
      "up/key.pem",
      "around.txt",
    ]) {
      const answer = await fetch(`${base}/${path}`);
      same([answer.status, await answer.text()], [404, "Not found.\n"], path);
    }
    same(await (await fetch(base)).text(), "<p>home</p>");
  });
});

/** As it comes over the wire: fetch() would unpack it. */
function received(
  url: string,
  accepted: string,
): Promise<{ readonly coding: string | undefined; readonly bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false, headers: { "accept-encoding": accepted } }, response => {
      const parts: Buffer[] = [];
      response
        .on("error", reject)
        .on("data", (part: Buffer) => parts.push(part))
        .on("end", () => {
          if (response.statusCode !== 200) return reject(new Error(`${url}: ${response.statusCode ?? 0}`));
          resolve({ coding: response.headers["content-encoding"], bytes: Buffer.concat(parts) });
        });
    }).on("error", reject);
  });
}

describe("the package over the wire", { timeout: 240_000 }, () => {
  test("arrives as small as npm run size and the README say, from an anchor", async () => {
    await using anchor = await startAnchor({ data: ":memory:", serve: dist, port: 0 });
    const base = anchor.url.replace("ws", "http");
    let sum = 0;
    for (const name of arriving()) {
      const [raw, gzip, brotli] = sizesOf(name);
      for (const [accepted, coding, size, unpack] of [
        ["gzip, deflate, br, zstd", "br", brotli, brotliDecompressSync],
        ["gzip", "gzip", gzip, gunzipSync],
        ["", undefined, raw, (bytes: Buffer) => bytes],
      ] as const) {
        const found = await received(`${base}/${name}`, accepted);
        same([found.coding, found.bytes.length], [coding, size], `${name}: ${accepted}`);
        check(unpack(found.bytes).equals(readFileSync(join(dist, name))), `${name} is whole`);
        if (coding === "br") sum += found.bytes.length;
      }
    }
    const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
    const stated = Number(/what a page loads, brotli \| (\d+) KB/.exec(readme)?.[1]);
    const core = Number(/the core alone is (\d+) KB/.exec(readme)?.[1]);
    const found = (await received(`${base}/perdure.wasm`, "br")).bytes.length;
    for (const [said, bytes] of [
      [stated, sum],
      [core, found],
    ] as const)
      check(Math.abs(bytes / 1000 - said) <= said / 100, `the README says ${said} KB; ${bytes} B arrive`);
  });

  test("so do the demo's pages, from the demo", async () => {
    using folder = scratch();
    await using demo = await runDemo(folder.path);
    for (const name of ["stage.js", "room.js", "worker.js", "perdure.wasm", "style.css"]) {
      const [, , brotli] = sizesOf(`demo/${name}`);
      const { coding, bytes } = await received(`${demo.url}${name}`, "br");
      same([coding, bytes.length], ["br", brotli], name);
    }
  });
});
