// The package 0.1.0 as it was packed, for tests in which it stands beside this one.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./bundle.js";

/** Unpacks it into that folder, which may be missing. Returns where its dist/ lies. */
export function unpackOlder(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync("tar", [
    "-xzf",
    join(projectRoot, "test/pack/fixtures/perdure-0.1.0.tgz"),
    "-C",
    folder,
  ]);
  if (status !== 0) throw new Error(`0.1.0 was not unpacked: ${String(stderr)}`);
  return join(folder, "package/dist");
}
