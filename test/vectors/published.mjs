// The published vectors, in the fields that vectors.mjs names.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

/** All of them by name, from the files of that folder. */
export function readVectors(folder) {
  const json = name => readJson(join(folder, name));
  const wycheproof = name =>
    json(`wycheproof-${name}.json.gz`).testGroups.flatMap(group => group.tests.map(test => ({ ...test, group })));
  const proofs = json("rfc9162-proofs-sha256.json");
  return {
    blake2b: json("blake2b-kat.json.gz").map(({ in: input, key, out: digest }) => ({ in: input, key, out: digest })),
    ed25519: wycheproof("ed25519").map(signature),
    speccheck: json("ed25519-speccheck.json").map(({ message, pub_key, signature }, index) => ({
      case: index,
      public: pub_key,
      message,
      signature,
    })),
    x25519: wycheproof("x25519").map(exchange),
    chacha20_poly1305: wycheproof("chacha20_poly1305").map(sealing),
    xchacha20_poly1305: wycheproof("xchacha20_poly1305").map(sealing),
    noise_xx: json("noise-xx-blake2b.json")
      .vectors.filter(vector => vector.protocol_name === "Noise_XX_25519_ChaChaPoly_BLAKE2b")
      .map(conversation),
    inclusion: Object.entries(proofs.inclusion).map(inclusion),
    consistency: Object.entries(proofs.consistency).map(consistency),
  };
}

/** Whole numbers too large for a double stay as digits. */
function readJson(path) {
  const raw = path.endsWith(".gz") ? gunzipSync(readFileSync(path)) : readFileSync(path);
  return JSON.parse(raw.toString("utf8").replace(/:\s*(\d{15,})(?=\s*[,}])/g, ':"$1"'));
}

const signature = ({ tcId, msg, sig, result, group }) => ({
  id: tcId,
  public: group.publicKey.pk,
  message: msg,
  signature: sig,
  result,
});

const exchange = ({ tcId, private: secret, public: other, shared }) => ({
  id: tcId,
  private: secret,
  public: other,
  shared,
});

const sealing = ({ tcId, key, iv, aad, msg, ct, tag, result }) => ({
  id: tcId,
  key,
  nonce: iv,
  ad: aad,
  plain: msg,
  sealed: ct + tag,
  result,
});

const conversation = vector => ({
  prologue: vector.init_prologue,
  initiator_static: vector.init_static,
  initiator_ephemeral: vector.init_ephemeral,
  responder_static: vector.resp_static,
  responder_ephemeral: vector.resp_ephemeral,
  hash: vector.handshake_hash,
  payloads: vector.messages.map(({ payload }) => payload),
  messages: vector.messages.map(({ ciphertext }) => ciphertext),
});

// ---- RFC 9162: the collection has names where we have ids, and bytes in base64 ----------------------------------------
const idOf = name => name.replace(/[^\w/@+-]/g, "_");
const resultOf = ({ wantErr }) => (wantErr ? "invalid" : "valid");
const hexOf = base64 => Buffer.from(base64 ?? "", "base64").toString("hex");
const proofOf = ({ proof }) => (proof ?? []).map(hexOf);

const inclusion = ([name, vector]) => ({
  id: idOf(name),
  index: vector.leafIdx,
  size: vector.treeSize,
  leaf: hexOf(vector.leafHash),
  root: hexOf(vector.root),
  proof: proofOf(vector),
  result: resultOf(vector),
});

const consistency = ([name, vector]) => ({
  id: idOf(name),
  old_size: vector.size1,
  size: vector.size2,
  old_root: hexOf(vector.root1),
  root: hexOf(vector.root2),
  proof: proofOf(vector),
  result: resultOf(vector),
});
