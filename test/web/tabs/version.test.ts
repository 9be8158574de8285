import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { compareVersions, version } from "../../../web/src/base/version.js";
import { projectRoot } from "../support/bundle.js";

test("the version that tabs compare is the package's, and so is the lock file's", () => {
  const { version: packed } = JSON.parse(readFileSync(resolve(projectRoot, "package.json"), "utf8")) as {
    version: string;
  };
  const lock = JSON.parse(readFileSync(resolve(projectRoot, "package-lock.json"), "utf8")) as {
    version: string;
    packages: Record<string, { version: string }>;
  };
  assert.deepEqual([version, lock.version, lock.packages[""]?.version], [packed, packed, packed]);
});

test("versions are compared number by number", () => {
  const ascending = ["0.1.0", "0.1.2", "0.1.10", "0.2.0", "1.0.0", "10.0.0"];
  for (const [i, a] of ascending.entries())
    for (const [j, b] of ascending.entries())
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} ${b}`);
  assert.equal(compareVersions("1.0.0-beta.2", "1.0.0"), 0);
});
