// One step's worth of merging into a topic: batches in, voids carried out, what changed out.
#pragma once

#include "crdt/replica.hpp"
#include "sync/topic.hpp"

namespace perdure::sync {

class Merge {
 public:
  // The topic's pending state is as before the step; it must have keys. `logs`: where they are not as the topic says.
  Merge(store::Rows& rows, Topic& topic, u64 corrected_now_ms) : Merge(rows, topic, topic, corrected_now_ms) {}
  Merge(store::Rows& rows, Topic& topic, const crdt::Logs& logs, u64 corrected_now_ms);
  void add(store::LogNo, u64 from, u64 to);       // batches that are in rows
  void cut(store::LogNo, u64 from, bool forked);  // nothing of the log counts from there on
  void release();                                 // held-back batches that are due
  // Writes indexes and the cuts of logs. `updates` gets every log whose cut changed: to be applied once durable, and their pending
  // cut at once, if no row was missing.
  void finish(std::vector<LogUpdate>& updates, crdt::Changes& changes, Counters& counters);
  crdt::Replica& replica() { return replica_; }
  // Gives the step up if it met an index that cannot be read; true if so, and then the indexes are to be made anew.
  bool gave_up(Damage& damage);
  Counters counters();

 private:
  void carry_out_voids();
  void set_cut(store::LogNo, const log::LogState&);

  store::Rows& rows_;
  Topic& topic_;
  u64 now_ms_;
  crdt::Replica replica_;
  std::size_t voids_done_ = 0;
  std::map<store::LogNo, u64> cuts_;  // made in this step
};

}  // namespace perdure::sync
