// The version of this package, as its manifest says.
import { readFile } from "node:fs/promises";

/** "unknown" where the manifest does not lie above this module. */
export async function ownVersion(): Promise<string> {
  try {
    const manifest: unknown = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
  } catch {
    return "unknown";
  }
}
