// What is kept of compressed files, and how much of it.

import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { codingOf, Compressed } from "../../../web/anchor/compressed.js";
import { check, same } from "../support/check.js";
import { scratch } from "./shipped.js";

/** A text that compresses to about half. */
const hex = (bytes: number): string => randomBytes(bytes / 2).toString("hex");

describe("compressed files", { timeout: 60_000 }, () => {
  test("are made once, for all who ask at the same time or later, in each coding", async () => {
    using folder = scratch();
    const [file, text] = [folder.file("a.txt"), hex(50_000)];
    writeFileSync(file, text);
    const compressed = new Compressed();
    const [one, other, zip] = await Promise.all([
      compressed.of(file, "br"),
      compressed.of(file, "br"),
      compressed.of(file, "gzip"),
    ]);
    check(
      one !== undefined && zip !== undefined && one === other && one === (await compressed.of(file, "br")),
      "the same bytes",
    );
    same([brotliDecompressSync(one).toString() === text, gunzipSync(zip).toString() === text], [true, true]);
    same(compressed.kept, one.length + zip.length);
    writeFileSync(file, hex(20_000));
    const next = await compressed.of(file, "br");
    check(next !== undefined && next.length < one.length, "another version");
    same(compressed.kept, next.length + zip.length);
  });

  test("are not made of what is too large, no file, or gains nothing", async () => {
    using folder = scratch();
    mkdirSync(folder.file("folder"));
    for (const [name, content] of [
      ["small", "x"],
      ["empty", ""],
      ["large", Buffer.alloc((16 << 20) + 1)],
      ["noise", randomBytes(5_000)],
    ] as const)
      writeFileSync(folder.file(name), content);
    const compressed = new Compressed();
    for (const name of ["small", "empty", "large", "noise", "folder", "missing"])
      same(await compressed.of(folder.file(name), "br"), undefined, name);
    same(compressed.kept, 0);
  });

  test("have a bound, drive each other out in no case, and make room when their files are gone", async () => {
    using folder = scratch();
    for (const name of ["a", "b", "c", "d"]) writeFileSync(folder.file(name), hex(10_000));
    const compressed = new Compressed(12_000, 0);
    const of = (name: string): Promise<Buffer | undefined> => compressed.of(folder.file(name), "gzip");
    const [first, second] = [await of("a"), await of("b")];
    check(first !== undefined && second !== undefined, "two fit");
    for (let i = 0; i < 3; i++) for (const name of ["c", "d"]) same(await of(name), undefined, name);
    check(compressed.kept === first.length + second.length && first === (await of("a")), `${compressed.kept} B`);
    rmSync(folder.file("a"));
    const third = await of("c");
    check(third !== undefined, "in the place of the first");
    same(
      [compressed.kept, await of("d"), await of("a"), second === (await of("b"))],
      [second.length + third.length, undefined, undefined, true],
    );
  });

  test("wait behind few others: who asks for many at once gets the rest as they are", async () => {
    using folder = scratch();
    const names = Array.from({ length: 30 }, (_, at) => `${at}.txt`);
    for (const name of names) writeFileSync(folder.file(name), hex(30_000));
    const compressed = new Compressed();
    const ask = async (): Promise<number> =>
      (await Promise.all(names.map(name => compressed.of(folder.file(name), "br")))).filter(copy => copy !== undefined)
        .length;
    const made = await ask();
    check(made >= 2 && made <= 10, `${made} at once`);
    let last = made;
    while (last < names.length) {
      const now = await ask();
      check(now > last, `${now} after ${last}`);
      last = now;
    }
  });

  test("are those that the client likes best", () => {
    for (const [header, coding] of [
      [undefined, undefined],
      ["", undefined],
      ["br", "br"],
      ["gzip;q=0.1, br;q=0.2", "br"],
      ["br;q=0.1,gzip;q=0.2", "gzip"],
      ["identity", undefined],
      ["*;q=0.1, br;q=0", "gzip"],
    ] as const)
      same(codingOf(header), coding, header);
  });
});
