// Vectors made with the noble libraries, in the fields that vectors.mjs names.
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { byte, concat, draw, flipped, fromHex, hex, little, none, numberOf } from "./bytes.mjs";
import { conversation } from "./noise.mjs";
import { smallOrderSignatures } from "./speccheck.mjs";
import { proofs } from "./tree.mjs";

/** All of them by name. Each draws its bytes in turn: the order is a part of what they are. */
export const makeVectors = () => ({
  blake2b: hashes(),
  ed25519: signatures(),
  speccheck: smallOrderSignatures(),
  x25519: exchanges(),
  chacha20_poly1305: sealings(chacha20poly1305, 12),
  xchacha20_poly1305: sealings(xchacha20poly1305, 24),
  noise_xx: [
    [0, 0, 0, 0, 0, 0],
    [16, 15, 11, 10, 17, 21],
    [100, 200, 300, 1, 2, 3, 4, 5, 6],
  ].map(conversation),
  ...proofs(),
});

function hashes() {
  const count = new Uint8Array(256).map((_, index) => index);
  return [none, count.slice(0, 64)].flatMap(key =>
    Array.from({ length: 64 }, (_, index) => {
      const input = count.slice(0, 4 * index);
      return { in: hex(input), key: hex(key), out: hex(key.length > 0 ? blake2b(input, { key }) : blake2b(input)) };
    }),
  );
}

function signatures() {
  const cases = [];
  for (let length = 0; length < 64; ++length) {
    const secret = draw(32);
    const message = draw(length);
    const signature = ed25519.sign(message, secret);
    const say = (result, sig, msg = message) =>
      cases.push({
        id: cases.length + 1,
        public: hex(ed25519.getPublicKey(secret)),
        message: hex(msg),
        signature: hex(sig),
        result,
      });
    const beyondTheOrder = little(numberOf(signature.slice(32)) + ed25519.Point.Fn.ORDER);
    say("valid", signature);
    say("invalid", flipped(signature, (length * 37) % 512));
    say("invalid", concat(signature.slice(0, 32), beyondTheOrder));
    say("invalid", signature.slice(0, length));
    say("invalid", concat(signature, byte(0)));
    say("invalid", signature, concat(message, byte(0)));
  }
  return cases;
}

/** With the keys of others, and with points of small order, which give nothing that may be used. */
function exchanges() {
  const good = Array.from({ length: 128 }, () => [draw(32), x25519.getPublicKey(draw(32))]);
  const prime = 2n ** 255n - 19n;
  const smallOrder = [
    ...[0n, 1n, prime - 1n, prime, prime + 1n].map(value => little(value)),
    fromHex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    fromHex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
  ];
  return [
    ...good.map(([secret, other]) => [secret, other, hex(x25519.getSharedSecret(secret, other))]),
    ...smallOrder.map(other => [draw(32), other, "00".repeat(32)]),
  ].map(([secret, other, shared], index) => ({
    id: index + 1,
    private: hex(secret),
    public: hex(other),
    shared,
  }));
}

function sealings(cipher, nonceLength) {
  const cases = [];
  for (let length = 0; length < 130; ++length) {
    const [key, nonce, ad, plain] = [draw(32), draw(nonceLength), draw(length % 40), draw(length)];
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
    say("invalid", { ad: hex(concat(ad, byte(0))) });
    say("invalid", { nonce: hex(draw(length % 12)) });
  }
  return cases;
}
