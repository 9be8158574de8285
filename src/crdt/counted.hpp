// Which ops count, as seen from within a step: an op counts if any place that counts says it. A place counts if it is here, not cut, and
// not held back.
//
//     if (auto found = standing.find(id)) use(found->op(), found->at);
#pragma once

#include <map>

#include "crdt/batches.hpp"
#include "crdt/indexes.hpp"
#include "crdt/position.hpp"
#include "crdt/sayings.hpp"

namespace perdure::crdt {

// A version of a map key, by where it stands.
struct Place {
  Position at;
  store::LogNo log = 0;  // of its device; where it was said when it came to count
  bool erased = false;   // a deletion
};

class Counted {
 public:
  // held: the index of held-back batches.
  Counted(const Logs& logs, Batches& batches, const store::Index& held, const store::IndexRoot& held_root,
          const Sayings& sayings)
      : logs_(logs), batches_(batches), held_back_(held), held_root_(held_root), sayings_(sayings) {}

  const LogName* name(store::LogNo log) const { return logs_.by_number(log); }
  std::optional<store::LogNo> number(const LogId& id) const { return logs_.by_id(id); }
  u64 held(store::LogNo log) const;  // batches [0, held) are here, those that this step added included
  u64 cut(store::LogNo log) const;
  void advance(store::LogNo log, u64 to);
  void set_cut(store::LogNo log, u64 to);

  // ---- places
  Position position(store::LogNo log, HybridTime time, u64 batch, u32 position = 0) const;
  OpId place(store::LogNo log, u32 batch, u32 position) const;
  bool held_back(const Position& batch) const;

  // ---- ops
  struct Named {
    OpId id;
    Position at;         // where it stands in timeline and map
    bool again = false;  // the place says an op of another place
  };
  Named named(store::LogNo log, const log::Batch& batch, u64 index, u32 position) const;
  OpId id(const Place& place) const { return id(place.log, place.at); }
  OpId id(store::LogNo log, const Position& at) const;  // log: one of that device

  struct Found {
    store::LogNo log = 0;  // the place
    u32 batch = 0, position = 0;
    Position at;  // where it stands in timeline and map
    bool again = false;
    Batches::Ptr opened;
    const log::Op& op() const { return opened->batch.ops[position]; }
  };
  struct Except {
    store::LogNo log;
    u64 from;
  };
  // Nothing: does not count, or not at hand. except: as if that log were cut there.
  std::optional<Found> find(const OpId&, std::optional<Except> except = std::nullopt) const;
  std::optional<Place> version(const OpId& id, ByteView key) const;  // … or is no version of this key
  bool missed() const { return batches_.missed(); }
  // For a walk that could not go on at `id`: asks for that many batches before it, so that the next run gets further.
  void ask_before(const OpId& id, u64 count) const;

 private:
  struct Local {
    u64 held = 0;
    u64 cut = log::no_cut;
  };
  Local start(store::LogNo log) const;
  std::optional<Found> at_place(store::LogNo log, u32 batch, u32 position, const OpId& id) const;

  const Logs& logs_;
  Batches& batches_;
  const store::Index& held_back_;
  const store::IndexRoot& held_root_;
  const Sayings& sayings_;
  std::map<store::LogNo, Local> changed_;  // by this step
};

}  // namespace perdure::crdt
