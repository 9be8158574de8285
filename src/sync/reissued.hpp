// What of an own log that was voided has been appended again, batch by batch: so that no branch of it is taken back twice, and none
// is forgotten, however many peers hold however much of it, and wherever a crash falls between.
//
//     Reissued done(rows, topic, log);
//     if (done.add(sealed)) again(sealed);                  // not yet appended again; it is now
//     done.save(rows);                                      // in the same step
#pragma once

#include <set>

#include "store/keys.hpp"
#include "store/rows.hpp"

namespace perdure::sync {

class Reissued {
 public:
  // From the row `V topic log`; empty if there is none.
  Reissued(store::Rows&, store::TopicNo, store::LogNo);

  bool add(ByteView sealed);                 // false: it was there already
  void add_branch(const Hash& root) { roots_.insert(tag_of(root)); }
  bool knows_branch(const Hash& root) const { return roots_.contains(tag_of(root)); }

  // We declared the void ourselves, in the life that these rows remember: what others hold behind it was lost by us and is to be
  // taken back. Not so if the void came from others: then a life before this store did that.
  bool declared = false;
  std::optional<u64> settled;                // from there on our own batches have been looked through

  void save(store::Rows&) const;

 private:
  using Tag = std::array<u8, 8>;
  static Tag tag_of(const Hash& hash);

  Bytes key_;
  std::set<Tag> roots_, leaves_;             // first bytes of whole branches' roots and of leaf hashes
};

}  // namespace perdure::sync
