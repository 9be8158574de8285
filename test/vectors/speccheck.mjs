// Signatures with points of order 8 and the like beside those of the large subgroup: what each case is about is told in sign_test.cpp.
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concat, draw, fromHex, hex, little, numberOf } from "./bytes.mjs";

const order = ed25519.Point.Fn.ORDER;
const zero = ed25519.Point.ZERO;
/** Of order 8. */
const torsion = ed25519.Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
const timesSmall = (point, n) => (n % 8n === 0n ? zero : point.multiplyUnsafe(n % 8n));
/** (0, -1), of order 2. */
const half = timesSmall(torsion, 4n);
/** The same point with its x written as -0. */
const minusZero = fromHex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");

const timesBase = scalar => (scalar === 0n ? zero : ed25519.Point.BASE.multiply(scalar));

/** The key's secret scalar `a` and that of the commitment, `r`; points of small order that are added to both; how both are written, if not as
 *  ever; how many orders too large s is. `holds`: whether the equation without cofactor is to hold. */
function signature({
  a = numberOf(draw(32)) % order,
  r = numberOf(draw(32)) % order,
  keyTorsion = zero,
  commitmentTorsion = zero,
  holds,
  keyAs,
  commitmentAs,
  extra = 0n,
}) {
  const key = keyAs ?? timesBase(a).add(keyTorsion).toBytes();
  const commitment = commitmentAs ?? timesBase(r).add(commitmentTorsion).toBytes();
  for (;;) {
    const message = draw(32);
    const k = numberOf(sha512(concat(commitment, key, message))) % order;
    if (holds !== undefined && commitmentTorsion.add(timesSmall(keyTorsion, k)).equals(zero) !== holds) continue;
    const s = ((r + k * a) % order) + extra * order;
    return { public: hex(key), message: hex(message), signature: hex(concat(commitment, little(s))) };
  }
}

export const smallOrderSignatures = () =>
  [
    { a: 0n, r: 0n, keyTorsion: torsion.negate(), commitmentTorsion: torsion },
    { a: 0n, keyTorsion: torsion, commitmentTorsion: torsion },
    { r: 0n, keyTorsion: torsion, commitmentTorsion: torsion },
    { keyTorsion: torsion, commitmentTorsion: torsion, holds: true },
    { keyTorsion: torsion, commitmentTorsion: torsion, holds: false },
    { keyTorsion: torsion, holds: false },
    { extra: 1n },
    { extra: 8n },
    { r: 0n, keyTorsion: torsion, commitmentTorsion: half, commitmentAs: minusZero },
    { r: 0n, keyTorsion: torsion, commitmentTorsion: half, commitmentAs: minusZero, holds: true },
    { a: 0n, keyTorsion: half, keyAs: minusZero, commitmentTorsion: torsion },
    { a: 0n, keyTorsion: half, keyAs: minusZero, commitmentTorsion: half, holds: true },
  ].map((parts, index) => ({ case: index, ...signature(parts) }));
