// Writes the vectors that the unit tests read: published ones where they are at hand (published.mjs), else made here with the
// noble libraries, which share no code with what is tested (made.mjs).
//
//   node test/vectors/vectors.mjs      PERDURE_SHARED_DATA: where the published ones are, ../shared/data if unset
//
// build/vectors/*.txt, a case a line: `name=value name=value …`, bytes in hex. Lines with # in front are remarks. In lists
// a comma follows each item. `result` is valid or invalid.
//
//   blake2b             in, key, out
//   ed25519             id, public, message, signature, result
//   speccheck           case (0 to 11, as in the collection of that name), public, message, signature
//   x25519              id, private, public, shared (all zeros: to be refused)
//   chacha20_poly1305   id, key, nonce, ad, plain, sealed (with its tag), result; xchacha20_poly1305 likewise
//   noise_xx            prologue, initiator_static, initiator_ephemeral, responder_static, responder_ephemeral, hash,
//                       payloads, messages (three of the handshake, then by turns, the responder first)
//   inclusion           id, index, size, leaf, root, proof, result
//   consistency         id, old_size, size, old_root, root, proof, result
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const published = join(process.env.PERDURE_SHARED_DATA ?? join(root, "../shared/data"), "vectors");
const out = join(root, "build/vectors");

/** One case. */
const line = fields =>
  Object.entries(fields)
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.map(item => `${item},`).join("") : value}`)
    .join(" ");

const [source, vectors] = existsSync(published)
  ? ["published", (await import("./published.mjs")).readVectors(published)]
  : ["made with the noble libraries", (await import("./made.mjs")).makeVectors()];
mkdirSync(out, { recursive: true });
for (const [name, cases] of Object.entries(vectors))
  writeFileSync(join(out, `${name}.txt`), `# ${source}\n${cases.map(line).join("\n")}\n`);
