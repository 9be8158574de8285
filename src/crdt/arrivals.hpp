// In which order batches came to be here (DESIGN 6, step 2), with a running hash that tells a restored backup. Needs no key:
// an anchor keeps this index alone.
//
//     Indexes indexes = load_indexes(rows, topic);
//     Arrivals arrivals(rows, topic, indexes);
//     arrivals.append(log, log_id, from, count);
//     arrivals.flush();  save_indexes(rows, topic, indexes);
//
// Numbers count batches, so that one can stop in the middle of an entry; the next number is Indexes::arrived.
#pragma once

#include "crdt/indexes.hpp"

namespace perdure::crdt {

using ArrivalHash = std::array<u8, 8>;

struct Arrival {
  u64 number = 0;  // of its first batch
  store::LogNo log = 0;
  u64 from = 0;
  u64 count = 0;             // batches
  bool silent = false;       // held back when they came; they come again, not silently, when they are released
  u64 messages = 0;          // that came to count with it; 0 where nobody can tell
  ArrivalHash hash_after{};  // running hash behind the whole entry
};

class Arrivals {
 public:
  Arrivals(store::Rows& rows, store::TopicNo topic, Indexes& indexes);

  struct Extra {
    bool silent = false;
    u64 messages = 0;
  };
  void append(store::LogNo log, const LogId& id, u64 from, u64 count, Extra extra);
  void append(store::LogNo log, const LogId& id, u64 from, u64 count) { append(log, id, from, count, Extra{}); }
  // Entries from this number on, at most `limit`. Of an entry that began before, what is left of it.
  std::vector<Arrival> read(u64 number, u32 limit) const;
  // The running hash where an entry ends, or at 0; nothing elsewhere: whoever asks there knows another order than ours.
  std::optional<ArrivalHash> hash_at(u64 number) const;
  u64 next() const { return indexes_.arrived; }
  void flush() { index_.flush(); }
  bool corrupt() const { return index_.corrupt(); }

 private:
  std::optional<Arrival> decode(const store::Index::Cursor& at) const;
  Indexes& indexes_;
  store::Index index_;
};

// The same for who has only the indexes row at hand. append_arrival writes the index's pages; the row is the caller's.
std::vector<Arrival> read_arrivals(store::Rows&, store::TopicNo, const Indexes&, u64 number, u32 limit);
std::optional<ArrivalHash> arrival_hash_at(store::Rows&, store::TopicNo, const Indexes&, u64 number);
void append_arrival(store::Rows&, store::TopicNo, Indexes&, store::LogNo, const LogId&, u64 from, u64 count);

}  // namespace perdure::crdt
