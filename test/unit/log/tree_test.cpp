#include "log/tree.hpp"

#include <algorithm>
#include <map>

#include "catch_amalgamated.hpp"

using namespace perdure;
using namespace perdure::log;

namespace {

constexpr u64 sizes_max = 300;

Hash leaf(u64 i, const TreeHash& h = blake2b_tree) {
  std::array<u8, 2> data{static_cast<u8>(i), static_cast<u8>(i >> 8)};
  return h.leaf(data);
}

// The definitions of RFC 9162, word for word, over leaves [first, first + count).
struct Naive {
  u64 parting(u64 count) const {
    u64 k = 1;
    while (k * 2 < count) k *= 2;
    return k;
  }
  Hash root(u64 first, u64 count) {
    if (count == 0) return blake2b_tree.empty();
    if (count == 1) return leaf(first);
    auto [it, fresh] = known.try_emplace({first, count});
    if (!fresh) return it->second;
    const u64 k = parting(count);
    const Hash hash = blake2b_tree.node(root(first, k), root(first + k, count - k));
    return known[{first, count}] = hash;
  }
  Proof path(u64 m, u64 first, u64 count) {
    if (count == 1) return {};
    const u64 k = parting(count);
    Proof proof = m < k ? path(m, first, k) : path(m - k, first + k, count - k);
    proof.push_back(m < k ? root(first + k, count - k) : root(first, k));
    return proof;
  }
  Proof subproof(u64 m, u64 first, u64 count, bool known_root) {
    if (m == count) return known_root ? Proof{} : Proof{root(first, count)};
    const u64 k = parting(count);
    Proof proof = m <= k ? subproof(m, first, k, known_root) : subproof(m - k, first + k, count - k, false);
    proof.push_back(m <= k ? root(first + k, count - k) : root(first, k));
    return proof;
  }
  void completion(u64 from, u64 first, u64 count, Proof& proof) {
    if (first + count <= from) return;
    if (first >= from) return proof.push_back(root(first, count));
    const u64 k = parting(count);
    completion(from, first, k, proof);
    completion(from, first + k, count - k, proof);
  }
  std::map<std::pair<u64, u64>, Hash> known;
};

// Every perfect subtree of a tree, and no other node.
struct AllNodes : Nodes {
  std::optional<Hash> node(u32 level, u64 index) const override {
    auto it = nodes.find({level, index});
    if (it == nodes.end()) return std::nullopt;
    return it->second;
  }
  std::map<std::pair<u32, u64>, Hash> nodes;
};

struct Forest {
  Naive naive;
  AllNodes nodes;
  std::vector<Peaks> peaks{Peaks{}};  // by size
  Forest() {
    Peaks p;
    for (u64 i = 0; i < sizes_max; ++i) {
      p.append(leaf(i), blake2b_tree,
               [&](u32 level, u64 index, const Hash& hash) { nodes.nodes[{level, index}] = hash; });
      peaks.push_back(p);
    }
  }
};

Hash changed(Hash hash) {
  hash.bytes[7] ^= 1;
  return hash;
}

}  // namespace

TEST_CASE("peaks yield the root that the RFC defines, for every size up to 300") {
  Forest f;
  for (u64 n = 0; n <= sizes_max; ++n) CHECK(f.peaks[n].root() == f.naive.root(0, n));
}

TEST_CASE("peaks are found again from the nodes") {
  Forest f;
  for (u64 n = 0; n <= sizes_max; ++n) CHECK(peaks_of(f.nodes, n) == f.peaks[n]);
  CHECK_FALSE(peaks_of(f.nodes, sizes_max + 1));
}

TEST_CASE("each leaf of each tree up to 300 has the RFC's inclusion proof, and it verifies") {
  Forest f;
  for (u64 n = 1; n <= sizes_max; ++n) {
    const Hash root = f.naive.root(0, n);
    bool equal = true, holds = true, binds = true;
    for (u64 m = 0; m < n; ++m) {
      auto proof = inclusion_proof(f.nodes, m, n);
      equal = equal && proof == f.naive.path(m, 0, n);
      holds = holds && verify_inclusion(leaf(m), m, n, *proof, root);
      binds = binds && !verify_inclusion(changed(leaf(m)), m, n, *proof, root) &&
              !verify_inclusion(leaf(m), m, n, *proof, changed(root)) &&
              (n == 1 || !verify_inclusion(leaf(m), m ^ 1, n, *proof, root));
    }
    INFO("size " << n);
    CHECK(equal);
    CHECK(holds);
    CHECK(binds);
  }
}

TEST_CASE("each pair of trees up to 300 has the RFC's consistency proof, and it verifies") {
  Forest f;
  for (u64 n = 1; n <= sizes_max; ++n) {
    const Hash root = f.naive.root(0, n);
    bool equal = true, holds = true, binds = true;
    for (u64 m = 1; m <= n; ++m) {
      const Hash old_root = f.naive.root(0, m);
      auto proof = consistency_proof(f.nodes, m, n);
      equal = equal && proof == f.naive.subproof(m, 0, n, true);
      holds = holds && verify_consistency(m, old_root, n, root, *proof);
      binds = binds && !verify_consistency(m, changed(old_root), n, root, *proof) &&
              !verify_consistency(m, old_root, n, changed(root), *proof);
      proof->push_back(root);
      binds = binds && !verify_consistency(m, old_root, n, root, *proof);
    }
    INFO("size " << n);
    CHECK(equal);
    CHECK(holds);
    CHECK(binds);
  }
}

TEST_CASE("the peaks of each prefix and its completion give the root of each tree up to 300") {
  Forest f;
  for (u64 n = 0; n <= sizes_max; ++n) {
    const Hash root = f.naive.root(0, n);
    bool equal = true, holds = true, binds = true;
    for (u64 from = 0; from <= n; ++from) {
      Proof expected;
      if (from < n) f.naive.completion(from, 0, n, expected);
      auto proof = completion(f.nodes, from, n);
      equal = equal && proof == expected && completion_stretches(from, n).size() == expected.size();
      holds = holds && complete(f.peaks[from], n, *proof) == root;
      for (Hash& hash : *proof) {
        hash = changed(hash);
        binds = binds && complete(f.peaks[from], n, *proof) != root;
        hash = changed(hash);
      }
      proof->push_back(root);
      binds = binds && !complete(f.peaks[from], n, *proof);
      if (!expected.empty()) {
        proof->resize(expected.size() - 1);
        binds = binds && !complete(f.peaks[from], n, *proof);
      }
    }
    INFO("size " << n);
    CHECK(equal);
    CHECK(holds);
    CHECK(binds);
  }
}

TEST_CASE("a completion says which leaves its hashes stand for, left to right and without a hole") {
  for (u64 n = 0; n <= sizes_max; ++n)
    for (u64 from = 0; from <= n; ++from) {
      u64 at = from;
      for (const Stretch& s : completion_stretches(from, n)) {
        REQUIRE(s.first == at);
        at += s.count;
      }
      REQUIRE(at == n);
    }
}

TEST_CASE("sizes at the edge of 64 bits end, and end in no") {
  const u64 most = ~u64{0};
  CHECK(completion_stretches(most - 1, most).size() == 1);
  CHECK(completion_stretches(0, most).size() == 1);
  CHECK(completion_stretches(1, most).size() == 64);
  CHECK_FALSE(verify_inclusion(leaf(0), most, most, {}, leaf(0)));
  CHECK_FALSE(verify_inclusion(leaf(0), most - 1, most, Proof(70), leaf(0)));
  CHECK_FALSE(verify_consistency(most - 1, leaf(0), most, leaf(0), Proof(70)));
  AllNodes none;
  CHECK_FALSE(inclusion_proof(none, most - 1, most));
  CHECK_FALSE(consistency_proof(none, most - 1, most));
  CHECK_FALSE(completion(none, most, most - 1));
}

TEST_CASE("a proof over a node that is not to be had is none") {
  Forest f;
  f.nodes.nodes.erase({3, 2});
  CHECK_FALSE(inclusion_proof(f.nodes, 24, 100));
  CHECK_FALSE(consistency_proof(f.nodes, 16, 24));
  CHECK_FALSE(completion(f.nodes, 16, 24));
  CHECK(inclusion_proof(f.nodes, 99, 100));
}

TEST_CASE("the empty tree proves nothing and is proved by nothing") {
  Forest f;
  CHECK_FALSE(consistency_proof(f.nodes, 0, 5));
  CHECK_FALSE(verify_consistency(0, blake2b_tree.empty(), 5, f.naive.root(0, 5), {}));
  CHECK_FALSE(verify_consistency(0, blake2b_tree.empty(), 0, blake2b_tree.empty(), {}));
  CHECK_FALSE(inclusion_proof(f.nodes, 0, 0));
}
