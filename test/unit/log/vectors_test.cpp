#include "vectors/vectors.hpp"
#include "crypto/hash.hpp"
#include "log/tree.hpp"

using namespace perdure;
using namespace perdure::log;

namespace {

bool fits(const Bytes& b) { return b.size() == Hash::size; }

// What is of another length goes in by its hash: what was equal stays equal, and it is still none of the tree's.
Hash hash_of(const Bytes& b) { return fits(b) ? Hash::from(b) : crypto::sha256(b); }

Proof proof_of(const vectors::Case& c) {
  Proof proof;
  for (const Bytes& item : c.list("proof")) proof.push_back(hash_of(item));
  return proof;
}

}  // namespace

TEST_CASE("published inclusion proofs get their published verdicts") {
  for (const vectors::Case& c : vectors::read("inclusion")) {
    INFO("proof " << c.text("id"));
    Bytes leaf = c.bytes("leaf"), root = c.bytes("root");
    if (!fits(leaf) || !fits(root)) {  // our types hold no other
      CHECK_FALSE(c.valid());
      continue;
    }
    CHECK(verify_inclusion(hash_of(leaf), c.number("index"), c.number("size"), proof_of(c), hash_of(root),
                           sha256_tree) == c.valid());
  }
}

TEST_CASE("published consistency proofs get their published verdicts") {
  for (const vectors::Case& c : vectors::read("consistency")) {
    INFO("proof " << c.text("id"));
    Hash old_root = hash_of(c.bytes("old_root")), root = hash_of(c.bytes("root"));
    // That every tree extends the empty one needs no proof, and we take none for it.
    bool expected = c.valid() && c.number("old_size") > 0;
    CHECK(verify_consistency(c.number("old_size"), old_root, c.number("size"), root, proof_of(c), sha256_tree) ==
          expected);
  }
}
