// Noise, revision 34: a handshake by the pattern XX with ChaChaPoly and BLAKE2b, and what is said after it.
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { byte, concat, draw, hex, little, none } from "./bytes.mjs";

const publicOf = secret => x25519.getPublicKey(secret);
const dh = (secret, other) => x25519.getSharedSecret(secret, publicOf(other));

function hkdf(key, input) {
  const temporary = hmac(blake2b, key, input);
  const first = hmac(blake2b, temporary, byte(1));
  return [first, hmac(blake2b, temporary, concat(first, byte(2)))];
}

/** The CipherState (section 5.1). */
function sealer(key) {
  let used = 0;
  return (ad, plain) =>
    chacha20poly1305(key.slice(0, 32), concat(new Uint8Array(4), little(BigInt(used++), 8)), ad).encrypt(plain);
}

/** The SymmetricState (section 5.2), of who seals. */
class Handshake {
  hash = concat(Buffer.from("Noise_XX_25519_ChaChaPoly_BLAKE2b"), new Uint8Array(31));
  #chain = this.hash;
  #seal = (_, plain) => plain;

  mixHash(data) {
    this.hash = blake2b(concat(this.hash, data));
    return data;
  }
  mixKey(shared) {
    const [next, key] = hkdf(this.#chain, shared);
    this.#chain = next;
    this.#seal = sealer(key);
  }
  sealAndMix(plain) {
    return this.mixHash(this.#seal(this.hash, plain));
  }
  /** What the initiator seals with from then on, and what the responder does. */
  split() {
    return hkdf(this.#chain, none).map(sealer);
  }
}

/** The three messages of the handshake, by the static and ephemeral secrets of both. */
function shakeHands(hands, { is, ie, rs, re }, payloads) {
  const first = concat(hands.mixHash(publicOf(ie)), hands.sealAndMix(payloads[0]));

  const ephemeral = hands.mixHash(publicOf(re));
  hands.mixKey(dh(re, ie));
  const responder = hands.sealAndMix(publicOf(rs));
  hands.mixKey(dh(rs, ie));
  const second = concat(ephemeral, responder, hands.sealAndMix(payloads[1]));

  const initiator = hands.sealAndMix(publicOf(is));
  hands.mixKey(dh(is, re));
  const third = concat(initiator, hands.sealAndMix(payloads[2]));
  return [first, second, third];
}

/** A handshake and what follows, with payloads of these lengths. */
export function conversation(payloadLengths) {
  const [is, ie, rs, re] = [draw(32), draw(32), draw(32), draw(32)];
  const prologue = draw(payloadLengths[0]);
  const payloads = payloadLengths.map(draw);
  const hands = new Handshake();
  hands.mixHash(prologue);
  const handshake = shakeHands(hands, { is, ie, rs, re }, payloads);
  const [forth, back] = hands.split();
  const after = payloads.slice(3).map((payload, index) => (index % 2 === 0 ? back : forth)(none, payload));
  return {
    prologue: hex(prologue),
    initiator_static: hex(is),
    initiator_ephemeral: hex(ie),
    responder_static: hex(rs),
    responder_ephemeral: hex(re),
    hash: hex(hands.hash),
    payloads: payloads.map(hex),
    messages: [...handshake, ...after].map(hex),
  };
}
