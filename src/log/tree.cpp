// Source: RFC 9162, 2.1.1 (tree), 2.1.3 (inclusion), 2.1.4 (consistency).
// Differs from it: recursions are loops over (first, count), a proof that needs no hash for an empty old tree is
// refused, and `completion` is our own (it proves a prefix to whoever holds its peaks, where the RFC proves it by its
// root).
#include "log/tree.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace perdure::log {

namespace {

constexpr u8 leaf_prefix[] = {0x00};
constexpr u8 node_prefix[] = {0x01};

Hash blake2b_leaf(ByteView data) { return crypto::blake2b({leaf_prefix, data}); }
Hash blake2b_node(const Hash& left, const Hash& right) {
  return crypto::blake2b({node_prefix, left.view(), right.view()});
}
Hash blake2b_empty() { return crypto::blake2b({}); }

Hash sha256_leaf(ByteView data) {
  Bytes in(leaf_prefix, leaf_prefix + 1);
  in.insert(in.end(), data.begin(), data.end());
  return crypto::sha256(in);
}
Hash sha256_node(const Hash& left, const Hash& right) {
  std::array<u8, 65> in{};
  in[0] = node_prefix[0];
  std::copy(left.bytes.begin(), left.bytes.end(), in.begin() + 1);
  std::copy(right.bytes.begin(), right.bytes.end(), in.begin() + 33);
  return crypto::sha256(in);
}
Hash sha256_empty() { return crypto::sha256({}); }

// Where a tree of count > 1 leaves parts: the largest power of two below count.
u64 split(u64 count) { return std::bit_floor(count - 1); }

// The root over subtrees from left to right, of which each is larger than what follows.
Hash fold(const std::vector<Hash>& hashes, const TreeHash& h) {
  Hash root = hashes.back();
  for (std::size_t i = hashes.size() - 1; i-- > 0;) root = h.node(hashes[i], root);
  return root;
}

// The subtrees of all stretches; nothing if one is not to be had, but all are asked for.
std::optional<Proof> subtrees(const Nodes& nodes, const std::vector<Stretch>& stretches, const TreeHash& h) {
  Proof proof;
  proof.reserve(stretches.size());
  bool whole = true;
  for (const Stretch& s : stretches) {
    std::optional<Hash> hash = nodes.subtree(s, h);
    if (hash) proof.push_back(*hash);
    else whole = false;
  }
  if (!whole) return std::nullopt;
  return proof;
}

bool odd(u64 n) { return (n & 1) != 0; }

}  // namespace

const TreeHash blake2b_tree{blake2b_leaf, blake2b_node, blake2b_empty};
const TreeHash sha256_tree{sha256_leaf, sha256_node, sha256_empty};

void Peaks::append(const Hash& leaf, const TreeHash& h) {
  append(leaf, h, [](u32, u64, const Hash&) {});
}

Hash Peaks::root(const TreeHash& h) const { return hashes.empty() ? h.empty() : fold(hashes, h); }

std::optional<Hash> Nodes::subtree(const Stretch& s, const TreeHash& h) const {
  PERDURE_ASSERT(s.count > 0);
  std::vector<Hash> hashes;
  bool whole = true;
  u64 at = s.first;
  for (u64 left = s.count; left > 0;) {
    const u64 size = std::bit_floor(left);
    const u32 level = static_cast<u32>(std::countr_zero(size));
    std::optional<Hash> hash = node(level, at >> level);
    if (hash) hashes.push_back(*hash);
    else whole = false;
    at += size;
    left -= size;
  }
  if (!whole) return std::nullopt;
  return fold(hashes, h);
}

std::optional<Proof> inclusion_proof(const Nodes& nodes, u64 index, u64 size, const TreeHash& h) {
  if (index >= size) return std::nullopt;
  std::vector<Stretch> siblings;  // from the root down
  u64 first = 0;
  for (u64 count = size; count > 1;) {
    const u64 k = split(count);
    if (index - first < k) {
      siblings.push_back({first + k, count - k});
      count = k;
    } else {
      siblings.push_back({first, k});
      first += k;
      count -= k;
    }
  }
  std::reverse(siblings.begin(), siblings.end());
  return subtrees(nodes, siblings, h);
}

bool verify_inclusion(const Hash& leaf, u64 index, u64 size, const Proof& proof, const Hash& root, const TreeHash& h) {
  if (index >= size) return false;
  u64 at = index;
  u64 last = size - 1;
  Hash hash = leaf;
  for (const Hash& p : proof) {
    if (last == 0) return false;
    if (odd(at) || at == last) {
      hash = h.node(p, hash);
      while (!odd(at) && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = h.node(hash, p);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

std::optional<Proof> consistency_proof(const Nodes& nodes, u64 old_size, u64 size, const TreeHash& h) {
  if (old_size == 0 || old_size > size) return std::nullopt;
  if (old_size == size) return Proof{};
  std::vector<Stretch> stretches;  // from the root down
  u64 first = 0;
  u64 count = size;
  while (first + count != old_size) {
    const u64 k = split(count);
    if (old_size - first <= k) {
      stretches.push_back({first + k, count - k});
      count = k;
    } else {
      stretches.push_back({first, k});
      first += k;
      count -= k;
    }
  }
  // The verifier has the old root: where the old tree is one perfect subtree, it needs no hash of it.
  if (first != 0) stretches.push_back({first, count});
  std::reverse(stretches.begin(), stretches.end());
  return subtrees(nodes, stretches, h);
}

bool verify_consistency(u64 old_size, const Hash& old_root, u64 size, const Hash& root, const Proof& proof,
                        const TreeHash& h) {
  if (old_size == 0 || old_size > size) return false;
  if (old_size == size) return proof.empty() && old_root == root;
  const bool perfect = std::has_single_bit(old_size);
  if (proof.empty()) return false;
  u64 at = old_size - 1;
  u64 last = size - 1;
  while (odd(at)) {
    at >>= 1;
    last >>= 1;
  }
  Hash old_hash = perfect ? old_root : proof.front();
  Hash hash = old_hash;
  for (std::size_t i = perfect ? 0 : 1; i < proof.size(); ++i) {
    if (last == 0) return false;
    if (odd(at) || at == last) {
      old_hash = h.node(proof[i], old_hash);
      hash = h.node(proof[i], hash);
      while (!odd(at) && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = h.node(hash, proof[i]);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_root && hash == root;
}

std::vector<Stretch> completion_stretches(u64 from, u64 size) {
  PERDURE_ASSERT(from <= size);
  std::vector<Stretch> stretches;
  if (from == size) return stretches;
  u64 first = 0;
  u64 count = size;
  while (first != from) {
    const u64 k = split(count);
    if (from - first < k) {
      stretches.push_back({first + k, count - k});
      count = k;
    } else {
      first += k;
      count -= k;
    }
  }
  stretches.push_back({first, count});
  std::reverse(stretches.begin(), stretches.end());
  return stretches;
}

std::optional<Proof> completion(const Nodes& nodes, u64 from, u64 size, const TreeHash& h) {
  if (from > size) return std::nullopt;
  return subtrees(nodes, completion_stretches(from, size), h);
}

std::optional<Hash> complete(const Peaks& peaks, u64 size, const Proof& proof, const TreeHash& h) {
  const u64 from = peaks.size;
  if (from > size || proof.size() != completion_stretches(from, size).size()) return std::nullopt;
  if (from == size) return peaks.root(h);
  // Down to where the prefix ends, noting on which side of each parting it lies; then up again.
  std::vector<bool> peak_on_left;
  u64 first = 0;
  for (u64 count = size; first != from;) {
    const u64 k = split(count);
    const bool peak = from - first >= k;
    peak_on_left.push_back(peak);
    first += peak ? k : 0;
    count = peak ? count - k : k;
  }
  std::size_t peak = peaks.hashes.size();
  std::size_t next = 0;
  Hash hash = proof[next++];
  for (std::size_t i = peak_on_left.size(); i-- > 0;)
    hash = peak_on_left[i] ? h.node(peaks.hashes[--peak], hash) : h.node(hash, proof[next++]);
  return hash;
}

std::optional<Peaks> peaks_of(const Nodes& nodes, u64 size) {
  Peaks peaks;
  bool whole = true;
  for (u64 left = size; left > 0; left -= std::bit_floor(left)) {
    const u32 level = static_cast<u32>(std::bit_width(left) - 1);
    std::optional<Hash> hash = nodes.node(level, (size - left) >> level);
    if (hash) peaks.hashes.push_back(*hash);
    else whole = false;
  }
  if (!whole) return std::nullopt;
  peaks.size = size;
  return peaks;
}

}  // namespace perdure::log
