// The tree nodes of a held log, in rows of 64: N topic log level group, for levels 0, 6, 12, …; a row holds consecutive hashes
// of its level from (group * 64) on. The levels between are computed. Leaves of the unfinished last group are in LogState::tail
// and move to a row when there are 64; rows of the levels above grow hash by hash.
//
//     StoredNodes nodes(rows, topic, log, state);
//     auto proof = inclusion_proof(nodes, index, state.head.length);
//
// Differs from DESIGN 3: level 0 is stored too (32 B a batch), so that no batch is read again to prove another.
#pragma once

#include <map>

#include "log/state.hpp"

namespace perdure::log {

// What is held comes from the rows and `tail`; beyond `held`, up to head.length, only what `beyond` gives.
// The state is borrowed. A missed or corrupt row gives nothing.
class StoredNodes : public Nodes {
 public:
  StoredNodes(store::Rows&, store::TopicNo, store::LogNo, const LogState&);
  std::optional<Hash> node(u32 level, u64 index) const override;
  std::optional<Hash> subtree(const Stretch&, const TreeHash&) const override;

 private:
  std::optional<Hash> stored(u32 level, u64 index) const;

  store::Rows& rows_;
  store::TopicNo topic_;
  store::LogNo log_;
  const LogState& state_;
  std::vector<Stretch> beyond_;  // of the hashes of state.beyond
};

inline constexpr u64 group_size = 64;  // hashes in a row

// Looks at the rows of batches [group * 64, …) of a log and their leaf hashes: writes the row of leaves anew if that is lost, from the
// batches. The first batch that is lost; nothing if all are there. Nothing is written if a row missed.
std::optional<u64> mend_leaves(store::Rows&, store::TopicNo, store::LogNo, const LogState&, u64 group);
// Writes a lost or patchy row of level 6, 12, … anew from the level below; false beyond the last row of that level.
bool mend_nodes(store::Rows&, store::TopicNo, store::LogNo, const LogState&, u32 level, u64 group);

// A log's tree with new leaves, gathered in memory; written once a head over it is verified.
class Growth {
 public:
  explicit Growth(const LogState&);
  void add(const Hash& leaf);
  const Peaks& peaks() const { return peaks_; }
  const std::vector<Hash>& tail() const { return tail_; }
  // Writes the rows that grew. False if one that grows has missed: then nothing is written.
  // Where such a row is lost or too short, zeros stand for the hashes that are gone: the log goes on, those are not served.
  bool write(store::Rows&, store::TopicNo, store::LogNo) const;

 private:
  struct Grown {
    u64 first = 0;  // place of the first new hash in its row
    std::vector<Hash> hashes;
  };
  Peaks peaks_;
  std::vector<Hash> tail_;
  std::map<std::pair<u32, u64>, Grown> grown_;  // by level and group
};

}  // namespace perdure::log
