// Who says an op again (DESIGN 3, Sayings). An op's id is the one that it names, else its place; of several that say one op the original
// place counts if it counts, else the least by (time, incarnation, batch, position). The tree holds, for each place that names an id and
// has come to count,
//
//     log id | batch | position     the id that is named
//     rank                          0: it counts; 1: it is cut, and those who follow what arrives have been told there; 2: cut
//     time | incarnation | batch | position     the place, of the same device      -> log number of the place, flags
//
// and the original place likewise where a saying was here before it, which makes it no news, or when it is cut. However many places of
// an id are cut, what counts is found at once. What is held back, or came behind the cut of its log, is not in it.
//
//     sayings.add(id, said);  sayings.cut(id, said);
//     sayings.any_that_counts(id, [&](const Said& said) { … return enough; });      // the least first
#pragma once

#include <vector>

#include "crdt/indexes.hpp"
#include "crdt/position.hpp"

namespace perdure::crdt {

struct Said {
  store::LogNo log = 0;
  Position place;     // time: that of the op that is said, the first's; the rest is where it is said again
  bool news = false;  // a message that nobody said before, when this came
};

class Sayings {
 public:
  Sayings(store::Rows& rows, store::TopicNo topic, Indexes& indexes)
      : root_(indexes.sayings), index_(rows, topic, static_cast<u8>(Tree::sayings), indexes.sayings) {}

  bool none() const { return root_.entries == 0; }
  void add(const OpId& id, const Said& said);  // one that is cut counts again, and is news as it was
  void cut(const OpId& id, const Said& said);  // said: how it is if the tree does not hold it
  // `use(said)` for each, the least first, until it says true; of all those that count come before those that are cut.
  template <class F>
  bool any_that_counts(const OpId& id, F use) const {
    return none() ? false : walk(ranked(id, Rank::counts), use);
  }
  template <class F>
  bool any(const OpId& id, F use) const {
    return none() ? false : walk(prefix_of(id), use);
  }
  bool any_in(const LogId& log, u32 batch) const;  // something that stands for an op of that batch
  // The id whose log begins with these 16 bytes, the rest being zero.
  OpId complete(const OpId& id) const;
  // Whether what is said at that place was news when it came; nothing if the tree does not hold it.
  std::optional<bool> news(const OpId& id, const Position& place) const;
  bool told(const OpId& id) const;  // some place that is cut was news when it came
  void flush() { index_.flush(); }
  bool corrupt() const { return index_.corrupt(); }

 private:
  enum class Rank : u8 { counts = 0, told = 1, cut = 2 };
  static Bytes prefix_of(const OpId& id);
  static Bytes ranked(const OpId& id, Rank rank);
  static Bytes key_of(const OpId& id, Rank rank, const Position& place);
  static Said decode(ByteView key, ByteView value);
  // with its key
  std::optional<std::pair<Bytes, Said>> find(const OpId& id, const Position& place,
                                             std::initializer_list<Rank> ranks) const;
  void put(const OpId& id, Rank rank, const Said& said);
  template <class F>
  bool walk(const Bytes& prefix, F use) const;
  const store::IndexRoot& root_;
  store::Index index_;
};

template <class F>
bool Sayings::walk(const Bytes& prefix, F use) const {
  for (auto c = index_.seek(prefix);
       c.valid() && c.key().size() > prefix.size() && store::equal(c.key().subspan(0, prefix.size()), prefix); c.next())
    if (use(decode(c.key(), c.value()))) return true;
  return false;
}

}  // namespace perdure::crdt
