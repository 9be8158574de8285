// The one row that holds the roots and counters of a topic's indexes.
#pragma once

#include <perdure/result.hpp>

#include "store/index.hpp"

namespace perdure::crdt {

enum class Tree : u8 {
  timeline = 1,
  keys = 2,
  versions = 3,
  conflicts = 4,
  ahead = 5,
  arrivals = 6,
  voids = 7,
  sayings = 8,
  marks = 9
};

struct Indexes {
  store::IndexRoot timeline;   // (time, device, incarnation, batch) -> log number, count of messages; weight: messages
  store::IndexRoot keys;       // map key -> winner, losers, ghosts; weight 1 if the winner is no deletion
  store::IndexRoot versions;   // losers and ghosts of the keys that have any
  store::IndexRoot conflicts;  // map keys that have losers
  store::IndexRoot ahead;      // like timeline: batches dated too far ahead, not counted yet
  // arrival number -> log number, from, count, silent, messages, running hash (see Arrivals)
  store::IndexRoot arrivals;
  // (voided log's id, declaring log's number, batch unless the first) -> from: also of logs that are not here yet
  store::IndexRoot voids;
  store::IndexRoot sayings;          // who says an op again, the least first (see Sayings)
  store::IndexRoot marks;            // batches that are not as others (see Marks)
  u64 arrived = 0;                   // next arrival number; counts batches
  std::array<u8, 8> arrival_hash{};  // running hash over all arrivals
  HybridTime greatest;               // of all batches that count
  u64 held_bytes = 0;                // sealed bytes of held-back batches
  Bytes read_mark;                   // timeline position up to which the user has read (see Timeline)
  u64 read_messages = 0;             // unread = timeline.weight - read_messages
};

// What the cores of 0.1.0 do not know is in them.
bool needs_second(const Indexes&);
Bytes encode_indexes(const Indexes&);
Result<Indexes> decode_indexes(ByteView);
Result<Indexes> read_indexes(store::Rows&, store::TopicNo);  // fresh ones if the row is absent
Indexes load_indexes(store::Rows&, store::TopicNo);          // … or corrupt
void save_indexes(store::Rows&, store::TopicNo, const Indexes&);

}  // namespace perdure::crdt
