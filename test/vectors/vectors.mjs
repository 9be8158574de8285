// Writes the vectors that the unit tests read: published ones where they are at hand, else made here with the noble
// libraries, which share no code with what is tested.
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
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const root = fileURLToPath(new URL("../..", import.meta.url));
const published = join(process.env.PERDURE_SHARED_DATA ?? join(root, "../shared/data"), "vectors");
const out = join(root, "build/vectors");

function write(name, cases) {
  const source = existsSync(published) ? "published" : "made with the noble libraries";
  const lines = cases.map(fields =>
    Object.entries(fields)
      .map(([key, value]) => `${key}=${Array.isArray(value) ? value.map(item => `${item},`).join("") : value}`)
      .join(" "),
  );
  writeFileSync(join(out, `${name}.txt`), `# ${source}\n${lines.join("\n")}\n`);
}

/** Whole numbers too large for a double stay as digits. */
function json(name) {
  const path = join(published, name);
  const raw = name.endsWith(".gz") ? gunzipSync(readFileSync(path)) : readFileSync(path);
  return JSON.parse(raw.toString("utf8").replace(/:\s*(\d{15,})(?=\s*[,}])/g, ':"$1"'));
}

function convert() {
  const wycheproof = name =>
    json(`wycheproof-${name}.json.gz`).testGroups.flatMap(group => group.tests.map(test => ({ ...test, group })));
  const fromBase64 = text => Buffer.from(text ?? "", "base64").toString("hex");

  write(
    "blake2b",
    json("blake2b-kat.json.gz").map(({ in: input, key, out: digest }) => ({ in: input, key, out: digest })),
  );
  write(
    "ed25519",
    wycheproof("ed25519").map(({ tcId, msg, sig, result, group }) => ({
      id: tcId,
      public: group.publicKey.pk,
      message: msg,
      signature: sig,
      result,
    })),
  );
  write(
    "speccheck",
    json("ed25519-speccheck.json").map(({ message, pub_key, signature }, index) => ({
      case: index,
      public: pub_key,
      message,
      signature,
    })),
  );
  write(
    "x25519",
    wycheproof("x25519").map(({ tcId, private: secret, public: other, shared }) => ({
      id: tcId,
      private: secret,
      public: other,
      shared,
    })),
  );
  for (const name of ["chacha20_poly1305", "xchacha20_poly1305"]) {
    write(
      name,
      wycheproof(name).map(({ tcId, key, iv, aad, msg, ct, tag, result }) => ({
        id: tcId,
        key,
        nonce: iv,
        ad: aad,
        plain: msg,
        sealed: ct + tag,
        result,
      })),
    );
  }
  write(
    "noise_xx",
    json("noise-xx-blake2b.json")
      .vectors.filter(vector => vector.protocol_name === "Noise_XX_25519_ChaChaPoly_BLAKE2b")
      .map(vector => ({
        prologue: vector.init_prologue,
        initiator_static: vector.init_static,
        initiator_ephemeral: vector.init_ephemeral,
        responder_static: vector.resp_static,
        responder_ephemeral: vector.resp_ephemeral,
        hash: vector.handshake_hash,
        payloads: vector.messages.map(({ payload }) => payload),
        messages: vector.messages.map(({ ciphertext }) => ciphertext),
      })),
  );
  const proofs = json("rfc9162-proofs-sha256.json");
  const id = name => name.replace(/[^\w/@+-]/g, "_");
  const result = ({ wantErr }) => (wantErr ? "invalid" : "valid");
  const proof = vector => (vector.proof ?? []).map(fromBase64);
  write(
    "inclusion",
    Object.entries(proofs.inclusion).map(([name, v]) => ({
      id: id(name),
      index: v.leafIdx,
      size: v.treeSize,
      leaf: fromBase64(v.leafHash),
      root: fromBase64(v.root),
      proof: proof(v),
      result: result(v),
    })),
  );
  write(
    "consistency",
    Object.entries(proofs.consistency).map(([name, v]) => ({
      id: id(name),
      old_size: v.size1,
      size: v.size2,
      old_root: fromBase64(v.root1),
      root: fromBase64(v.root2),
      proof: proof(v),
      result: result(v),
    })),
  );
}

async function make() {
  const { ed25519, x25519 } = await import("@noble/curves/ed25519.js");
  const { chacha20poly1305, xchacha20poly1305 } = await import("@noble/ciphers/chacha.js");
  const { blake2b } = await import("@noble/hashes/blake2.js");
  const { hmac } = await import("@noble/hashes/hmac.js");
  const { sha256, sha512 } = await import("@noble/hashes/sha2.js");

  const hex = bytes => Buffer.from(bytes).toString("hex");
  const concat = (...parts) => new Uint8Array(Buffer.concat(parts));
  const none = new Uint8Array();
  const at = index => new Uint8Array(Buffer.from([index]));
  let drawn = 0;
  const bytes = length => {
    let all = none;
    while (all.length < length) all = concat(all, sha256(Buffer.from(`vector ${drawn++}`)));
    return all.slice(0, length);
  };
  const flipped = (original, bit) =>
    original.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  const number = little => BigInt(`0x${hex(little.slice().reverse())}`);
  const little = (value, length = 32) =>
    new Uint8Array(Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex")).reverse();

  const count = new Uint8Array(256).map((_, index) => index);
  write(
    "blake2b",
    [none, count.slice(0, 64)].flatMap(key =>
      Array.from({ length: 64 }, (_, index) => {
        const input = count.slice(0, 4 * index);
        return { in: hex(input), key: hex(key), out: hex(key.length > 0 ? blake2b(input, { key }) : blake2b(input)) };
      }),
    ),
  );

  // ---- Ed25519 -------------------------------------------------------------------------------------------------------
  const order = ed25519.Point.Fn.ORDER;
  const base = ed25519.Point.BASE;
  const signatures = [];
  for (let length = 0; length < 64; ++length) {
    const secret = bytes(32);
    const message = bytes(length);
    const signature = ed25519.sign(message, secret);
    const say = (result, sig, msg = message) =>
      signatures.push({
        id: signatures.length + 1,
        public: hex(ed25519.getPublicKey(secret)),
        message: hex(msg),
        signature: hex(sig),
        result,
      });
    say("valid", signature);
    say("invalid", flipped(signature, (length * 37) % 512));
    say("invalid", concat(signature.slice(0, 32), little(number(signature.slice(32)) + order)));
    say("invalid", signature.slice(0, length));
    say("invalid", concat(signature, at(0)));
    say("invalid", signature, concat(message, at(0)));
  }
  write("ed25519", signatures);

  // Points of order 8 and the like beside those of the large subgroup: what each case is about is told in sign_test.cpp.
  const torsion = ed25519.Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
  const zero = ed25519.Point.ZERO;
  const times = (point, n) => (n % 8n === 0n ? zero : point.multiplyUnsafe(n % 8n));
  const minusZero = new Uint8Array(
    Buffer.from("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "hex"),
  );
  const speccheck = [];
  /** keyTorsion, commitmentTorsion: point of small order in it. until: whether the equation without cofactor is to hold. */
  function special({
    a = number(bytes(32)) % order,
    r = number(bytes(32)) % order,
    keyTorsion = zero,
    commitmentTorsion = zero,
    holds,
    keyAs,
    commitmentAs,
    extra = 0n,
  }) {
    const times0 = scalar => (scalar === 0n ? zero : base.multiply(scalar));
    const key = keyAs ?? times0(a).add(keyTorsion).toBytes();
    const commitment = commitmentAs ?? times0(r).add(commitmentTorsion).toBytes();
    for (;;) {
      const message = bytes(32);
      const k = number(sha512(concat(commitment, key, message))) % order;
      if (holds !== undefined && commitmentTorsion.add(times(keyTorsion, k)).equals(zero) !== holds) continue;
      const s = ((r + k * a) % order) + extra * order;
      speccheck.push({
        case: speccheck.length,
        public: hex(key),
        message: hex(message),
        signature: hex(concat(commitment, little(s))),
      });
      return;
    }
  }
  const half = times(torsion, 4n); // (0, -1), of order 2
  special({ a: 0n, r: 0n, keyTorsion: torsion.negate(), commitmentTorsion: torsion });
  special({ a: 0n, keyTorsion: torsion, commitmentTorsion: torsion });
  special({ r: 0n, keyTorsion: torsion, commitmentTorsion: torsion });
  special({ keyTorsion: torsion, commitmentTorsion: torsion, holds: true });
  special({ keyTorsion: torsion, commitmentTorsion: torsion, holds: false });
  special({ keyTorsion: torsion, holds: false });
  special({ extra: 1n });
  special({ extra: 8n });
  special({ r: 0n, keyTorsion: torsion, commitmentTorsion: half, commitmentAs: minusZero });
  special({ r: 0n, keyTorsion: torsion, commitmentTorsion: half, commitmentAs: minusZero, holds: true });
  special({ a: 0n, keyTorsion: half, keyAs: minusZero, commitmentTorsion: torsion });
  special({ a: 0n, keyTorsion: half, keyAs: minusZero, commitmentTorsion: half, holds: true });
  write("speccheck", speccheck);

  // ---- X25519 --------------------------------------------------------------------------------------------------------
  const prime = 2n ** 255n - 19n;
  const smallOrder = [0n, 1n, prime - 1n, prime, prime + 1n]
    .map(value => little(value))
    .concat(
      [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      ].map(text => new Uint8Array(Buffer.from(text, "hex"))),
    );
  write("x25519", [
    ...Array.from({ length: 128 }, () => ({ secret: bytes(32), other: x25519.getPublicKey(bytes(32)) })).map(
      ({ secret, other }, index) => ({
        id: index + 1,
        private: hex(secret),
        public: hex(other),
        shared: hex(x25519.getSharedSecret(secret, other)),
      }),
    ),
    ...smallOrder.map((other, index) => ({
      id: 129 + index,
      private: hex(bytes(32)),
      public: hex(other),
      shared: "00".repeat(32),
    })),
  ]);

  // ---- sealing -------------------------------------------------------------------------------------------------------
  for (const [name, cipher, nonceLength] of [
    ["chacha20_poly1305", chacha20poly1305, 12],
    ["xchacha20_poly1305", xchacha20poly1305, 24],
  ]) {
    const cases = [];
    for (let length = 0; length < 130; ++length) {
      const [key, nonce, ad, plain] = [bytes(32), bytes(nonceLength), bytes(length % 40), bytes(length)];
      const sealed = cipher(key, nonce, ad).encrypt(plain);
      const say = (result, changes) =>
        cases.push({
          id: cases.length + 1,
          key: hex(key),
          nonce: hex(nonce),
          ad: hex(ad),
          plain: hex(plain),
          sealed: hex(sealed),
          ...changes,
          result,
        });
      say("valid", {});
      say("invalid", { sealed: hex(flipped(sealed, (length * 53) % (8 * sealed.length))) });
      say("invalid", { ad: hex(concat(ad, at(0))) });
      say("invalid", { nonce: hex(bytes(length % 12)) });
    }
    write(name, cases);
  }

  // ---- Noise, revision 34, XX ----------------------------------------------------------------------------------------
  const hkdf = (key, input) => {
    const temporary = hmac(blake2b, key, input);
    const first = hmac(blake2b, temporary, at(1));
    return [first, hmac(blake2b, temporary, concat(first, at(2)))];
  };
  const sealer = key => {
    let used = 0;
    return (ad, plain) =>
      chacha20poly1305(key.slice(0, 32), concat(new Uint8Array(4), little(BigInt(used++), 8)), ad).encrypt(plain);
  };
  function noise(payloadLengths) {
    const [is, ie, rs, re] = [bytes(32), bytes(32), bytes(32), bytes(32)];
    const pub = secret => x25519.getPublicKey(secret);
    const dh = (secret, other) => x25519.getSharedSecret(secret, pub(other));
    const prologue = bytes(payloadLengths[0]);
    const payloads = payloadLengths.map(length => bytes(length));
    let hash = concat(Buffer.from("Noise_XX_25519_ChaChaPoly_BLAKE2b"), new Uint8Array(31));
    let chain = hash;
    let seal = (_, plain) => plain;
    const mixHash = data => {
      hash = blake2b(concat(hash, data));
      return data;
    };
    const mixKey = shared => {
      const [next, key] = hkdf(chain, shared);
      chain = next;
      seal = sealer(key);
    };
    const sealAndMix = plain => mixHash(seal(hash, plain));
    mixHash(prologue);
    const messages = [concat(mixHash(pub(ie)), sealAndMix(payloads[0]))];
    const parts = [mixHash(pub(re))];
    mixKey(dh(re, ie));
    parts.push(sealAndMix(pub(rs)));
    mixKey(dh(rs, ie));
    messages.push(concat(...parts, sealAndMix(payloads[1])));
    const key = sealAndMix(pub(is));
    mixKey(dh(is, re));
    messages.push(concat(key, sealAndMix(payloads[2])));
    const [forth, back] = hkdf(chain, none).map(sealer);
    for (const [index, payload] of payloads.slice(3).entries())
      messages.push((index % 2 === 0 ? back : forth)(none, payload));
    return {
      prologue: hex(prologue),
      initiator_static: hex(is),
      initiator_ephemeral: hex(ie),
      responder_static: hex(rs),
      responder_ephemeral: hex(re),
      hash: hex(hash),
      payloads: payloads.map(hex),
      messages: messages.map(hex),
    };
  }
  write("noise_xx", [
    noise([0, 0, 0, 0, 0, 0]),
    noise([16, 15, 11, 10, 17, 21]),
    noise([100, 200, 300, 1, 2, 3, 4, 5, 6]),
  ]);

  // ---- RFC 9162 ------------------------------------------------------------------------------------------------------
  const leaves = Array.from({ length: 12 }, (_, index) => sha256(concat(at(0), bytes(index))));
  const parting = length => {
    let k = 1;
    while (2 * k < length) k *= 2;
    return k;
  };
  const treeRoot = part =>
    part.length === 1
      ? part[0]
      : sha256(
          concat(at(1), treeRoot(part.slice(0, parting(part.length))), treeRoot(part.slice(parting(part.length)))),
        );
  function path(m, part) {
    if (part.length === 1) return [];
    const k = parting(part.length);
    return m < k
      ? [...path(m, part.slice(0, k)), treeRoot(part.slice(k))]
      : [...path(m - k, part.slice(k)), treeRoot(part.slice(0, k))];
  }
  function subproof(m, part, whole) {
    if (m === part.length) return whole ? [] : [treeRoot(part)];
    const k = parting(part.length);
    return m <= k
      ? [...subproof(m, part.slice(0, k), whole), treeRoot(part.slice(k))]
      : [...subproof(m - k, part.slice(k), false), treeRoot(part.slice(0, k))];
  }
  const inclusion = [];
  const consistency = [];
  for (let size = 1; size <= leaves.length; ++size) {
    const part = leaves.slice(0, size);
    for (let index = 0; index < size; ++index) {
      const good = {
        index,
        size,
        leaf: hex(part[index]),
        root: hex(treeRoot(part)),
        proof: path(index, part).map(hex),
      };
      const say = (name, changes, result = "invalid") =>
        inclusion.push({ id: `${index}/${size}/${name}`, ...good, ...changes, result });
      say("good", {}, "valid");
      say("index_too_large", { index: index + size });
      say("other_leaf", { leaf: hex(bytes(32)) });
      say("other_root", { root: hex(bytes(32)) });
      say("root_cut", { root: good.root.slice(0, 62) });
      say("one_more", { proof: [...good.proof, hex(bytes(32))] });
      say("empty_one", { proof: ["", ...good.proof] });
      if (good.proof.length > 0) say("one_less", { proof: good.proof.slice(1) });
    }
    for (let old = 1; old <= size; ++old) {
      const good = {
        old_size: old,
        size,
        old_root: hex(treeRoot(leaves.slice(0, old))),
        root: hex(treeRoot(part)),
        proof: subproof(old, part, true).map(hex),
      };
      const say = (name, changes, result = "invalid") =>
        consistency.push({ id: `${old}/${size}/${name}`, ...good, ...changes, result });
      say("good", {}, "valid");
      say("other_old_root", { old_root: hex(bytes(32)) });
      say("other_root", { root: hex(bytes(32)) });
      say("one_more", { proof: [...good.proof, hex(bytes(32))] });
      say("shrunk", { old_size: size + 1 });
      if (good.proof.length > 0) say("one_less", { proof: good.proof.slice(0, -1) });
      if (good.proof.length > 0) say("one_cut", { proof: [good.proof[0].slice(2), ...good.proof.slice(1)] });
    }
  }
  write("inclusion", inclusion);
  write("consistency", consistency);
}

mkdirSync(out, { recursive: true });
await (existsSync(published) ? convert() : make());
