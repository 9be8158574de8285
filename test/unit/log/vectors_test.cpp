#include "crypto/hash.hpp"
#include "log/tree.hpp"
#include "vectors/vectors.hpp"

using namespace perdure;
using namespace perdure::log;

namespace {

// What is of another length goes in by its hash: what was equal stays equal, and it is still none of the tree's.
Hash hash_of(const Bytes& b) { return b.size() == Hash::size ? Hash::from(b) : crypto::sha256(b); }

Proof proof_of(const vectors::Case& c) {
  Proof proof;
  for (const Bytes& item : c.list("proof")) proof.push_back(hash_of(item));
  return proof;
}

}  // namespace

TEST_CASE("published inclusion proofs get their published verdicts") {
  for (const vectors::Case& c : vectors::read("inclusion")) {
    INFO("proof " << c.text("id"));
    Hash leaf = hash_of(c.bytes("leaf")), root = hash_of(c.bytes("root"));
    CHECK(verify_inclusion(leaf, c.number("index"), c.number("size"), proof_of(c), root, sha256_tree) == c.valid());
  }
}

TEST_CASE("published consistency proofs get their published verdicts") {
  for (const vectors::Case& c : vectors::read("consistency")) {
    INFO("proof " << c.text("id"));
    Hash old_root = hash_of(c.bytes("old_root")), root = hash_of(c.bytes("root"));
    // That every tree extends the empty one needs no proof, and we take none for it.
    bool expected = c.valid() && c.number("old_size") > 0;
    CHECK(verify_consistency(c.number("old_size"), old_root, c.number("size"), root, proof_of(c), sha256_tree) == expected);
  }
}
