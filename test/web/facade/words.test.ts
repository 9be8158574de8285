// What helps is said in the words of where it is read.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorOf } from "../../../web/src/base/errors.js";
import { wordsHere } from "../../../web/src/base/words.js";
import { newerFormat } from "../../../web/src/store/refusals.js";

declare global {
  var testRoot: string;
}

/** All texts of the core that name a page, or tell to reload it. */
function textsOfPages(): string[] {
  const core = join(globalThis.testRoot, "../../src");
  return readdirSync(core, { recursive: true, encoding: "utf8" })
    .filter(name => /\.[ch]pp$/.test(name))
    .flatMap(name => readFileSync(join(core, name), "utf8").match(/(?<!#include )"(?:[^"\\\n]|\\.)*"/g) ?? [])
    .map(text => text.slice(1, -1))
    .filter(text => /\breload\b|\bthe page\b|\btab\b/i.test(text));
}

test("no text of the core tells a user of Node to reload a page, or of tabs", () => {
  const texts = textsOfPages();
  assert.ok(texts.length >= 8, `${texts.length} texts`);
  for (const text of texts) {
    const { message } = errorOf({ code: "storage-unavailable", text });
    assert.doesNotMatch(message, /reload|page|\btab\b/i, text);
    assert.equal(wordsHere(text, false), text, "a page reads it as it is");
  }
  assert.equal(
    errorOf({ code: "storage-unavailable", text: "It failed. Reload the page if it lasts." }).message,
    "It failed. Close the peer and open it again if it lasts.",
  );
});

test("who runs an older package in Node is told to update it", () => {
  assert.equal(
    newerFormat().message,
    "A newer version of this app has written this store. Update the package perdure to run it too.",
  );
});
