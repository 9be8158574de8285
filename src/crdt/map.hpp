// The map's index: per key the winner, the versions in conflict with it, and the names of versions still to come.
//
//     map.apply(place, op);                       // an op comes to count, in whatever order
//     map.remove(key, removed);                   // ops of a key cease to count (void, fork)
//     auto record = map.record(key);  auto losers = map.losers(key, 16);
//
// A version is replaced if a counted, greater op of its key names it. The greatest version is never replaced: the winner.
// Most keys have nothing but a winner and touch one tree. The tree of versions holds, under 16 bytes of the key's hash,
//
//     0 | position                     a loser: unreplaced, but not the greatest
//     1 | log id | batch | op | namer  a ghost: an op named by a counted op of this key that is no lesser version of it that counts, or
//                                      not yet. One entry for each namer, so that a namer can cease to count
#pragma once

#include "crdt/counted.hpp"

namespace perdure::crdt {

class Map {
 public:
  Map(store::Rows& rows, store::TopicNo topic, Indexes& indexes, const Counted& standing);

  // Of several that come to count at once the lesser first.
  void apply(const Place& version, const log::Op& op);

  // What ceases to count, by position: its id, and the names that it made.
  struct Gone {
    OpId id;
    std::vector<OpId> names;
  };
  using Removed = std::map<Position, Gone>;
  // While `standing` still says that all of it counts.
  void remove(ByteView key, const Removed& removed);

  struct Record {
    Place winner;
    u64 losers = 0;
    u64 ghosts = 0;
  };
  std::optional<Record> record(ByteView key) const;
  Record decode(ByteView value) const;
  std::vector<Place> losers(ByteView key, u64 limit) const;  // greatest first

  const store::Index& keys() const { return keys_; }
  const store::Index& conflicts() const { return conflicts_; }
  void flush();
  bool corrupt() const { return keys_.corrupt() || versions_.corrupt() || conflicts_.corrupt(); }

 private:
  // A key in the course of one change.
  struct Edit {
    Bytes key;
    Bytes hash;
    std::optional<Record> record;
    u64 losers_before = 0;
    Record& now() { return *record; }
  };
  Edit begin(ByteView key) const;
  void end(Edit& edit);
  void replace_names(Edit& edit, const Position& namer, const std::vector<OpId>& names);
  std::optional<Place> unreplaced_loser(Edit& edit, const OpId& id) const;
  void add_loser(Edit& edit, const Place& place);
  void erase_loser(Edit& edit, const Position& at);
  void add_ghost(Edit& edit, const OpId& id, const Position& namer);
  // true if a greater op names it; the ghosts of lesser ones stay
  bool take_ghosts(Edit& edit, const OpId& id, const Position& at);
  // … and who names the removed ones: they are ghosts from then on.
  struct Left {
    std::map<Position, Place> back;
    std::vector<std::pair<OpId, Position>> ghosts;
  };
  Left left_after(const Edit& edit, const Removed& removed) const;
  std::optional<Position> least_concerned(const Edit& edit, const Removed& removed) const;
  Place loser(const store::Index::Cursor& at) const;

  const Counted& counted_;
  Indexes& indexes_;
  store::Index keys_, versions_, conflicts_;
};

// The counted versions of a key, greatest first, by what each one names. All of them are reached from the unreplaced ones,
// because a version's names are lesser.
class Descent {
 public:
  Descent(const Counted& standing, ByteView key) : counted_(standing), key_(key) {}
  void push(const Place& place) { pending_.emplace(place.at, place); }
  bool empty() const { return pending_.empty(); }
  const Place& top() const { return pending_.rbegin()->second; }
  // Takes the top and pushes those it names, which are returned; `names`: instead of reading the op.
  std::vector<Position> pop(const std::vector<OpId>* names = nullptr);

 private:
  const Counted& counted_;
  ByteView key_;
  std::map<Position, Place> pending_;
  u64 depth_ = 0;
};

}  // namespace perdure::crdt
