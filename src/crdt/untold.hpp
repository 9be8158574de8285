// What is held back for its time, and those who follow what arrives have not been told of. They are told when it comes to count; what else
// comes to count again, because our clock was moved back and forth, they know. In a row of its own, so that it outlives indexes that are made
// anew; 0.1.0 skips it:
//
//     u8 1 | for each run of batches of one log: varint log number | varint first | varint how many
//
// Without that row all that is held back is untold, as it was to 0.1.0.
//
//     untold.add(log, batch);
//     if (untold.take(log, batch)) …;
//     untold.flush();
#pragma once

#include <map>

#include "store/index.hpp"

namespace perdure::crdt {

class Untold {
 public:
  Untold(store::Rows& rows, store::TopicNo topic, const store::Index& held) : rows_(rows), topic_(topic), held_(held) {}

  bool has(store::LogNo log, u64 batch);
  void add(store::LogNo log, u64 batch);
  bool take(store::LogNo log, u64 batch);  // it is told now, or never; false: it was before
  void flush();
  void keep() { read(), flush_wanted_ = true; }  // writes the row, also if it is as it was

 private:
  using Runs = std::map<std::pair<store::LogNo, u64>, u64>;  // (log, first) -> one past the last
  void read();
  Runs::iterator run_of(store::LogNo log, u64 batch);

  store::Rows& rows_;
  store::TopicNo topic_;
  const store::Index& held_;
  bool was_read_ = false, flush_wanted_ = false;
  Runs runs_;
};

// Before indexes are made anew: what they alone know of it.
void keep_untold(store::Rows&, store::TopicNo);

}  // namespace perdure::crdt
