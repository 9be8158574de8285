// One step of appending to our own log of a topic: ops get their places, are sealed into batches, signed for, and merged.
//
//     Appender appender(rows, topic, self, random, now_ms);
//     appender.open(random.next(), false);               // the log to go on with, or a new incarnation
//     appender.add(std::move(ops));                      // or add_again(…)
//     if (auto written = appender.finish()) …            // none: rows were missing; without it nothing has changed
//
// Ids of ops are known before they are sealed, so that a later op can name an earlier one of the same turn.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "author/cut.hpp"
#include "crypto/random.hpp"
#include "identity/identity.hpp"
#include "sync/merge.hpp"

namespace perdure::author {

using store::LogNo;
using sync::Topic;

// An op to be appended again. renamed: another life's op has its id, so it gets one of its own; held: it gets a new time; ours: the id was
// given out here.
struct Again {
  log::Op op;
  OpId id;
  bool renamed = false, held = false, ours = false;
};

// What a step that appended has changed.
struct Written {
  std::vector<sync::LogUpdate> updates;
  crdt::Changes changes;
  sync::Counters counters;
  sync::Damage damage;  // if of indexes, it has changed nothing
  LogNo no = 0;
  std::map<OpId, OpId> renamed;  // ids that ops had which stand for themselves now
};

// Logs that a batch has named as grown, or has found no room to, and how long they were.
using Named = std::vector<std::pair<LogNo, u64>>;

class Appender {
 public:
  Appender(store::Rows& rows, Topic& topic, const identity::Identity& self, crypto::Random& random, u64 now_ms)
      : rows_(rows), topic_(topic), self_(self), random_(random), now_ms_(now_ms), merge_(rows, topic, now_ms) {}
  ~Appender();
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  // The log to append to: ours, or a new incarnation.
  void open(u64 fresh_incarnation, bool force_fresh);
  // Ops whose key is set name what is unreplaced, and what this very turn has set before.
  void add(std::vector<log::Op> given);
  // Each in the place of the op that it stands for. What becomes void stands in a batch behind them: no part of the log shows less than
  // there was before. keeps: our clock may be wrong, so that none is moved to an earlier time by it; what is dated ahead of it stands
  // behind the others then, and may be held back.
  void add_again(std::vector<Again> again, const std::vector<log::Void>& voids, bool keeps);
  // Nothing if rows were missing: the step runs again.
  std::optional<Written> finish();

  // The id of the n-th op that was given to add().
  OpId id_of(std::size_t given) const;
  const Named& named() const { return named_; }
  crdt::Replica& replica() { return merge_.replica(); }

 private:
  bool can_grow(const log::LogState&) const;
  template <class F>
  void write(std::vector<std::vector<log::Op>> batches, const std::vector<log::Void>& voids, F finish);
  std::vector<log::Op> name_all(std::vector<log::Op> ops, Runs& runs);
  std::vector<log::Dep> deps();

  store::Rows& rows_;
  Topic& topic_;
  const identity::Identity& self_;
  crypto::Random& random_;
  u64 now_ms_;
  sync::Merge merge_;
  LogNo no_ = 0;
  bool fresh_ = false;  // its log is one that this step has begun, and is not the topic's yet
  log::LogState state_;
  OpId last_;
  HybridTime last_time_;
  std::vector<std::pair<u32, u32>> places_;
  std::map<OpId, OpId> renamed_;
  Named named_;
  std::vector<std::size_t> given_;  // where the ops that were given stand among those that are written
};

}  // namespace perdure::author
