// The Merkle tree of RFC 9162 (section 2.1) over any hash, without ever holding more than its peaks.
//
//     Peaks peaks;  peaks.append(leaf_hash);  Hash root = peaks.root();
//
// leaf = H(0x00 | batch), node = H(0x01 | left | right). Perdure uses BLAKE2b-256; the published vectors use SHA-256, so the
// hash is a parameter.
#pragma once

#include <perdure/types.hpp>

#include <optional>

namespace perdure::log {

struct TreeHash {
  Hash (*leaf)(ByteView data);
  Hash (*node)(const Hash& left, const Hash& right);
  Hash (*empty)();
};
extern const TreeHash blake2b_tree;
extern const TreeHash sha256_tree;  // for the published vectors

// The roots of the perfect subtrees that a tree of `size` leaves falls into, largest (leftmost) first.
struct Peaks {
  u64 size = 0;
  std::vector<Hash> hashes;  // popcount(size) of them
  // Calls on_node(level, index, hash) for the leaf and each interior node that this leaf completes (level 0 first).
  template <class F>
  void append(const Hash& leaf, const TreeHash& h, F on_node) {
    u64 index = size++;
    Hash hash = leaf;
    on_node(u32{0}, index, hash);
    for (u32 level = 1; index & 1; ++level) {
      hash = h.node(hashes.back(), hash);
      hashes.pop_back();
      index >>= 1;
      on_node(level, index, hash);
    }
    hashes.push_back(hash);
  }
  void append(const Hash& leaf, const TreeHash& h = blake2b_tree);
  Hash root(const TreeHash& h = blake2b_tree) const;
  bool operator==(const Peaks&) const = default;
};

// Some leaves of a tree.
struct Stretch {
  u64 first = 0;
  u64 count = 0;
  auto operator<=>(const Stretch&) const = default;
};

// Where perfect subtrees come from: level 0 are leaves; (level, index) covers leaves [index << level, (index + 1) << level).
class Nodes {
 public:
  virtual ~Nodes() = default;
  virtual std::optional<Hash> node(u32 level, u64 index) const = 0;
  // The root of the leaves [s.first, s.first + s.count), a subtree of the RFC's recursion: perfect, or the ragged right end of
  // the tree. Made of perfect ones here; a source that knows only the whole of a ragged end overrides it.
  virtual std::optional<Hash> subtree(const Stretch& s, const TreeHash& h) const;
};

using Proof = std::vector<Hash>;

// RFC 9162 2.1.3 and 2.1.4. Nothing if the nodes are not to be had, index >= size, or old_size is 0 or > size: that every
// tree extends the empty one needs no proof, and none is taken for it.
// Proofs ask for all their nodes even when one is not to be had, so that rows which miss are noted together.
std::optional<Proof> inclusion_proof(const Nodes&, u64 index, u64 size, const TreeHash& h = blake2b_tree);
bool verify_inclusion(const Hash& leaf, u64 index, u64 size, const Proof&, const Hash& root,
                      const TreeHash& h = blake2b_tree);
std::optional<Proof> consistency_proof(const Nodes&, u64 old_size, u64 size, const TreeHash& h = blake2b_tree);
bool verify_consistency(u64 old_size, const Hash& old_root, u64 size, const Hash& root, const Proof&,
                        const TreeHash& h = blake2b_tree);

// What completes the peaks of the first `from` leaves to the root of `size` leaves: the hashes of the maximal subtrees of
// [from, size) in the RFC's recursion, left to right. Empty if from == size.
std::optional<Proof> completion(const Nodes&, u64 from, u64 size, const TreeHash& h = blake2b_tree);
// The stretches of these hashes; their number depends on nothing but from and size, and is at most 64.
std::vector<Stretch> completion_stretches(u64 from, u64 size);
// The root they yield; nothing if the number of hashes is wrong or from > size.
std::optional<Hash> complete(const Peaks& peaks, u64 size, const Proof&, const TreeHash& h = blake2b_tree);

// The peaks of the first `size` leaves, from nodes.
std::optional<Peaks> peaks_of(const Nodes&, u64 size);

}  // namespace perdure::log
