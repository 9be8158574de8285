// Which branches of an own log that was voided have been looked through for what is to be appended again: none is fetched twice.
//
//     Reappended done(rows, topic, log);
//     if (done.knows_branch(root)) return;
//     done.add_branch(root);  done.save(rows);              // in the step that appends what it says
#pragma once

#include <set>

#include "store/keys.hpp"
#include "store/rows.hpp"

namespace perdure::sync {

class Reappended {
 public:
  // From the row `V topic log`; empty if there is none.
  Reappended(store::Rows&, store::TopicNo, store::LogNo);

  void add_branch(const Hash& root) { roots_.insert(tag_of(root)); }
  bool knows_branch(const Hash& root) const { return roots_.contains(tag_of(root)); }

  std::optional<u64> settled;  // from there on our own batches have been looked through
  u64 told_apart = 0;          // up to there it was seen that no other life of ours says other ops under the same ids

  void save(store::Rows&) const;

 private:
  using Tag = std::array<u8, 8>;
  static Tag tag_of(const Hash& hash);

  Bytes key_;
  std::set<Tag> roots_;  // first bytes of whole branches' roots
};

}  // namespace perdure::sync
