// Which ops count, as seen from within a step: what is here, not cut, and not held back.
//
//     if (auto found = standing.find(id)) use(found->op(), found->at);
//     if (standing.awaited(id)) …            // may still come to count: not here yet, or held back
#pragma once

#include <map>

#include "crdt/batches.hpp"
#include "crdt/indexes.hpp"
#include "crdt/position.hpp"

namespace perdure::crdt {

// A version of a map key, by where it stands.
struct Place {
  Position at;
  store::LogNo log = 0;
  bool erased = false;            // a deletion
};

class Standing {
 public:
  // held: the index of held-back batches.
  Standing(const Logs& logs, Batches& batches, const store::Index& held, const store::IndexRoot& held_root)
      : logs_(logs), batches_(batches), held_back_(held), held_root_(held_root) {}

  const LogName* name(store::LogNo log) const { return logs_.by_number(log); }
  std::optional<store::LogNo> number(const LogId& id) const { return logs_.by_id(id); }
  u64 held(store::LogNo log) const;              // batches [0, held) are here, those that this step added included
  u64 cut(store::LogNo log) const;
  void advance(store::LogNo log, u64 to);
  void lower(store::LogNo log, u64 to);

  Position position(store::LogNo log, HybridTime time, u64 batch, u32 position = 0) const;
  OpId id(store::LogNo log, u32 batch, u32 position) const;
  OpId id(const Place& place) const { return id(place.log, place.at.batch, place.at.position); }

  struct Found {
    store::LogNo log = 0;
    Position at;
    Batches::Ptr opened;
    const log::Op& op() const { return opened->batch.ops[at.position]; }
  };
  std::optional<Found> find(const OpId& id) const;             // nothing: does not count, or not at hand
  std::optional<Place> version(const OpId& id, ByteView key) const;   // … or is no version of this key
  bool awaited(const OpId& id) const;
  bool held_back(const Position& batch) const;
  bool missed() const { return batches_.missed(); }
  // For a walk that could not go on at `id`: asks for that many batches before it, so that the next run gets further.
  void ask_before(const OpId& id, u64 count) const;

 private:
  struct Local { u64 held = 0; u64 cut = log::no_cut; };
  Local start(store::LogNo log) const;

  const Logs& logs_;
  Batches& batches_;
  const store::Index& held_back_;
  const store::IndexRoot& held_root_;
  std::map<store::LogNo, Local> changed_;        // by this step
};

}  // namespace perdure::crdt
