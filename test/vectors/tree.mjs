// Merkle trees and their proofs as RFC 9162 (section 2.1) words them, with SHA-256.
import { sha256 } from "@noble/hashes/sha2.js";
import { byte, concat, draw, hex } from "./bytes.mjs";

/** Where a tree of so many leaves parts: the largest power of two that is smaller. */
function parting(length) {
  let k = 1;
  while (2 * k < length) k *= 2;
  return k;
}

function rootOf(part) {
  if (part.length === 1) return part[0];
  const k = parting(part.length);
  return sha256(concat(byte(1), rootOf(part.slice(0, k)), rootOf(part.slice(k))));
}

function path(m, part) {
  if (part.length === 1) return [];
  const k = parting(part.length);
  return m < k
    ? [...path(m, part.slice(0, k)), rootOf(part.slice(k))]
    : [...path(m - k, part.slice(k)), rootOf(part.slice(0, k))];
}

function subproof(m, part, whole) {
  if (m === part.length) return whole ? [] : [rootOf(part)];
  const k = parting(part.length);
  return m <= k
    ? [...subproof(m, part.slice(0, k), whole), rootOf(part.slice(k))]
    : [...subproof(m - k, part.slice(k), false), rootOf(part.slice(0, k))];
}

/** One leaf in the tree of these: its proof, and what is wrong in one place. */
function inclusions(leaves, index) {
  const size = leaves.length;
  const good = {
    index,
    size,
    leaf: hex(leaves[index]),
    root: hex(rootOf(leaves)),
    proof: path(index, leaves).map(hex),
  };
  const cases = [];
  const say = (name, changes, result = "invalid") =>
    cases.push({ id: `${index}/${size}/${name}`, ...good, ...changes, result });
  say("good", {}, "valid");
  say("index_too_large", { index: index + size });
  say("other_leaf", { leaf: hex(draw(32)) });
  say("other_root", { root: hex(draw(32)) });
  say("root_cut", { root: good.root.slice(0, 62) });
  say("one_more", { proof: [...good.proof, hex(draw(32))] });
  say("empty_one", { proof: ["", ...good.proof] });
  if (good.proof.length > 0) say("one_less", { proof: good.proof.slice(1) });
  return cases;
}

/** The tree of these and the one of its first `old`: their proof, and what is wrong in one place. */
function consistencies(leaves, old) {
  const size = leaves.length;
  const good = {
    old_size: old,
    size,
    old_root: hex(rootOf(leaves.slice(0, old))),
    root: hex(rootOf(leaves)),
    proof: subproof(old, leaves, true).map(hex),
  };
  const cases = [];
  const say = (name, changes, result = "invalid") =>
    cases.push({ id: `${old}/${size}/${name}`, ...good, ...changes, result });
  say("good", {}, "valid");
  say("other_old_root", { old_root: hex(draw(32)) });
  say("other_root", { root: hex(draw(32)) });
  say("one_more", { proof: [...good.proof, hex(draw(32))] });
  say("shrunk", { old_size: size + 1 });
  if (good.proof.length > 0) say("one_less", { proof: good.proof.slice(0, -1) });
  if (good.proof.length > 0) say("one_cut", { proof: [good.proof[0].slice(2), ...good.proof.slice(1)] });
  return cases;
}

/** Of all trees of up to twelve leaves: { inclusion, consistency }. */
export function proofs() {
  const all = Array.from({ length: 12 }, (_, index) => sha256(concat(byte(0), draw(index))));
  const inclusion = [];
  const consistency = [];
  for (let size = 1; size <= all.length; ++size) {
    const leaves = all.slice(0, size);
    for (let index = 0; index < size; ++index) inclusion.push(...inclusions(leaves, index));
    for (let old = 1; old <= size; ++old) consistency.push(...consistencies(leaves, old));
  }
  return { inclusion, consistency };
}
