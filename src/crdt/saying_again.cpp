// Replica: for who says again what does not count where it stands, and for who comes upon it.
#include <algorithm>

#include "crdt/replica.hpp"
#include "log/tree.hpp"

namespace perdure::crdt {

namespace {
constexpr std::size_t sayings_max = 64;  // of one op that are looked at for others under its id, or that were told
constexpr std::size_t opened_max = 4;    // … of these, batches that are opened
}  // namespace

bool Replica::is_said_again(const DeviceId& device, const log::Origin& origin, store::LogNo but, u64 from) {
  return marks_.any_again(device, origin, [&](store::LogNo log, u64 batch) {
    if ((log == but && batch >= from) || batch >= counted_.held(log) || batch >= counted_.cut(log)) return false;
    const Batches::Ptr opened = batches_.get(log, batch);
    if (!opened) return false;
    if (counted_.held_back(counted_.position(log, opened->batch.time, batch))) return true;
    const auto& ops = opened->batch.ops;
    const auto op = std::ranges::find_if(ops, [&](const log::Op& o) { return o.origin == origin; });
    if (op == ops.end()) return false;
    const auto counted = counted_.find(counted_.named(log, opened->batch, batch, static_cast<u32>(op - ops.begin())).id,
                                       Counted::Except{but, from});
    return counted && first_said(*counted) == origin;
  });
}

log::Origin Replica::first_said(const Counted::Found& found) {
  if (found.op().origin) return *found.op().origin;
  const LogName* name = counted_.name(found.log);
  log::Origin here{name ? name->incarnation : 0, found.batch, found.position, {}};
  if (const auto sealed = rows_.get(store::key('B', topic_, found.log, found.batch)))
    std::copy_n(log::leaf_hash(*sealed).bytes.begin(), here.leaf.size(), here.leaf.begin());
  return here;
}

std::set<std::pair<store::LogNo, u64>> Replica::sayings_of(const OpId& id) const {
  std::set<std::pair<store::LogNo, u64>> out;
  sayings_.any(id, [&](const Said& said) {
    out.emplace(said.log, said.place.batch);
    return out.size() >= sayings_max;
  });
  return out;
}

bool Replica::is_taken(const OpId& id, const log::Origin& origin) {
  const auto differs = [&](store::LogNo log, u32 batch, u32 position) {
    const Batches::Ptr opened = batches_.get(log, batch);
    if (!opened || position >= opened->batch.ops.size()) return false;
    return opened->batch.ops[position].origin != origin;
  };
  return sayings_.any(id, [&](const Said& said) {
    const auto original = counted_.number(id.log);
    return !(original && *original == said.log && said.place.batch == id.batch) &&
           differs(said.log, said.place.batch, said.place.position);
  });
}

std::vector<OpId> Replica::places_of(const OpId& id) {
  std::vector<OpId> places;
  const auto found = counted_.find(id);
  if (!found) return places;
  places.push_back(counted_.place(found->log, found->batch, found->position));
  sayings_.any_that_counts(id, [&](const Said& said) {
    const OpId place = counted_.place(said.log, said.place.batch, said.place.position);
    if (place != places.front()) places.push_back(place);
    return places.size() >= 16;
  });
  return places;
}

bool Replica::has_news(store::LogNo log, u64 from, u64 to) {
  for (u64 index = from; index < std::min(to, counted_.held(log)); ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    if (opened && opened->batch.format > 1) return true;
    if (!opened && !marks_.is_unread(log, index)) look_at(log, index, nullptr);
  }
  return false;
}

// Whether those who follow what arrives were told of it elsewhere, where it is held back now because our clock was moved since.
bool Replica::told_elsewhere(const OpId& id, const log::Op& op, store::LogNo log, u64 index) {
  const LogName* name = counted_.name(log);
  if (indexes_.ahead.entries == 0 || !name) return false;
  std::size_t looked = 0, opened = 0;
  const auto told = [&](store::LogNo at, u64 batch) {
    if ((at == log && batch == index) || batch >= counted_.held(at) || batch >= counted_.cut(at)) return false;
    const Batches::Ptr there = ++opened > opened_max ? nullptr : batches_.get(at, batch);
    return there && counted_.held_back(counted_.position(at, there->batch.time, batch)) && !untold_.has(at, batch);
  };
  if (const auto home = counted_.number(id.log); home && told(*home, id.batch)) return true;
  bool any = false;
  if (op.origin)
    (void)marks_.any_again(name->device, *op.origin, [&](store::LogNo at, u64 batch) {
      return (any = told(at, batch)) || ++looked == sayings_max;
    });
  return any;
}

}  // namespace perdure::crdt
