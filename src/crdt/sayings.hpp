// Who says an op again (DESIGN 3, Sayings). An op's id is the one that it names, else its place; of several that say one op the original
// place counts if it counts, else the least by (time, incarnation, batch, position). The tree holds, for each place that names an id,
//
//     log id | batch | position     the id that is named
//     time | incarnation | batch | position     the place, of the same device      -> log number of the place, flags
//
// and the original place likewise where a saying was here before it: then it is no news to those who follow what arrives.
//
//     sayings.add(id, place, news);
//     for (const Said& said : sayings.of(id)) if (counts(said)) …      // the least first
#pragma once

#include <vector>

#include "crdt/indexes.hpp"
#include "crdt/position.hpp"

namespace perdure::crdt {

struct Said {
  store::LogNo log = 0;
  Position place;                 // time: that of the op that is said, the first's; the rest is where it is said again
  bool news = false;              // nobody said it before, when this came
};

class Sayings {
 public:
  Sayings(store::Rows& rows, store::TopicNo topic, Indexes& indexes)
      : root_(indexes.sayings), index_(rows, topic, static_cast<u8>(Tree::sayings), indexes.sayings) {}

  bool none() const { return root_.entries == 0; }
  void add(const OpId& id, const Said& said);
  // `use(said)` for each, the least first, until it says true.
  template <class F>
  bool any(const OpId& id, const DeviceId& device, F use) const;
  bool any_in(const LogId& log, u32 batch) const;               // something that stands for an op of that batch
  // The id whose log begins with these 16 bytes, the rest being zero.
  OpId complete(const OpId& id) const;
  // Whether what is said at that place was news when it came; nothing if the tree does not hold it.
  std::optional<bool> news(const OpId& id, const Position& place) const;
  void flush() { index_.flush(); }
  bool corrupt() const { return index_.corrupt(); }

 private:
  static Bytes prefix_of(const OpId& id);
  static Bytes key_of(const OpId& id, const Position& place);
  static Said decode(const store::Index::Cursor& at, const DeviceId& device);
  const store::IndexRoot& root_;
  store::Index index_;
};

template <class F>
bool Sayings::any(const OpId& id, const DeviceId& device, F use) const {
  if (none()) return false;
  const Bytes prefix = prefix_of(id);
  for (auto c = index_.seek(prefix); c.valid() && c.key().size() > prefix.size() && store::equal(c.key().subspan(0, prefix.size()), prefix); c.next())
    if (use(decode(c, device))) return true;
  return false;
}

}  // namespace perdure::crdt
