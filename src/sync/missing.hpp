// Which batches the indexes of a topic were made without, for they were lost: so that they are made anew once when one is missed, by no life
// after that, and again when one is back.
//
//     Missing missing(rows, topic);
//     if (missing.contains(log, hole)) …            // nothing in the indexes is of that batch
//     if (missing.any_before(log, hole)) …          // … of some that is here: they are to be made with it
#pragma once

#include <set>

#include "store/keys.hpp"
#include "store/rows.hpp"

namespace perdure::sync {

inline constexpr std::size_t
    missing_max = 4'096;  // of more it is not known: at worst the indexes are made anew once in each life

class Missing {
 public:
  Missing() = default;
  // From the row `I topic 5`, which 0.1.0 lets be; empty if there is none.
  Missing(store::Rows&, store::TopicNo);

  void add(store::LogNo log, u64 batch) {
    if (batches_.size() < missing_max) batches_.emplace(log, batch);
  }
  bool contains(store::LogNo log, u64 batch) const { return batches_.contains({log, batch}); }
  bool any_before(store::LogNo log, u64 batch) const {
    auto first = batches_.lower_bound({log, 0});
    return first != batches_.end() && first->first == log && first->second < batch;
  }

  void save(store::Rows&, store::TopicNo) const;

 private:
  std::set<std::pair<store::LogNo, u64>> batches_;
};

}  // namespace perdure::sync
