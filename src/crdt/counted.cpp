#include "crdt/counted.hpp"

#include <algorithm>

namespace perdure::crdt {

Counted::Local Counted::start(store::LogNo log) const {
  if (auto at = changed_.find(log); at != changed_.end()) return at->second;
  const LogName* known = name(log);
  return known ? Local{known->held, known->cut} : Local{};
}

u64 Counted::held(store::LogNo log) const { return start(log).held; }
u64 Counted::cut(store::LogNo log) const { return start(log).cut; }

void Counted::advance(store::LogNo log, u64 to) {
  Local local = start(log);
  local.held = std::max(local.held, to);
  changed_[log] = local;
}

void Counted::set_cut(store::LogNo log, u64 to) {
  Local local = start(log);
  local.cut = to;
  changed_[log] = local;
}

Position Counted::position(store::LogNo log, HybridTime time, u64 batch, u32 position) const {
  const LogName* known = name(log);
  if (!known) return {time, {}, 0, static_cast<u32>(batch), position};
  return {time, known->device, known->incarnation, static_cast<u32>(batch), position};
}

OpId Counted::place(store::LogNo log, u32 batch, u32 position) const {
  const LogName* known = name(log);
  return {known ? known->id : LogId{}, batch, position};
}

Counted::Named Counted::named(store::LogNo log, const log::Batch& batch, u64 index, u32 position) const {
  const Position own = this->position(log, batch.time, index, position);
  const std::optional<log::Saying>& says = batch.ops[position].says;
  if (!says) return {place(log, own.batch, position), own, false};
  const Position at{says->time, own.device, says->incarnation, says->batch, says->position};
  const bool again = at.incarnation != own.incarnation || at.batch != own.batch || at.position != own.position;
  return {id(log, at), at, again};
}

OpId Counted::id(store::LogNo log, const Position& at) const {
  const LogName* known = name(log);
  if (known && known->incarnation == at.incarnation) return {known->id, at.batch, at.position};
  return {known ? logs_.id_of(known->device, at.incarnation) : LogId{}, at.batch, at.position};
}

bool Counted::held_back(const Position& batch) const {
  return held_root_.entries > 0 && held_back_.find(batch_key(batch)).has_value();
}

// Nothing if that place does not count, or says something else.
std::optional<Counted::Found> Counted::at_place(store::LogNo log, u32 batch, u32 position, const OpId& id) const {
  const Local local = start(log);
  if (batch >= local.held || batch >= local.cut) return std::nullopt;
  Batches::Ptr opened = batches_.get(log, batch);
  if (!opened || position >= opened->batch.ops.size()) return std::nullopt;
  if (held_back(this->position(log, opened->batch.time, batch))) return std::nullopt;
  const Named said = named(log, opened->batch, batch, position);
  if (said.id != id) return std::nullopt;
  return Found{log, batch, position, said.at, said.again, std::move(opened)};
}

std::optional<Counted::Found> Counted::find(const OpId& given, std::optional<Except> except) const {
  const auto log = number(given.log);
  const OpId id = log ? given : sayings_.complete(given);
  const auto excepted = [&](store::LogNo of, u64 batch) {
    return except && of == except->log && batch >= except->from;
  };
  if (log && !excepted(*log, id.batch))
    if (auto original = at_place(*log, id.batch, id.position, id)) return original;
  std::optional<Found> found;
  sayings_.any_that_counts(id, [&](const Said& said) {
    const bool original = log && said.log == *log && said.place.batch == id.batch && said.place.position == id.position;
    if (!original && !excepted(said.log, said.place.batch))
      found = at_place(said.log, said.place.batch, said.place.position, id);
    return found.has_value();
  });
  return found;
}

std::optional<Place> Counted::version(const OpId& id, ByteView key) const {
  const auto found = find(id);
  if (!found) return std::nullopt;
  const log::Op& op = found->op();
  if (!log::has_key(op) || !store::equal(op.key, key)) return std::nullopt;
  return Place{found->at, found->log, op.kind == log::Op::Kind::erase};
}

void Counted::ask_before(const OpId& id, u64 count) const {
  const auto log = number(id.log);
  if (!log || id.batch >= held(*log)) return;
  for (u64 i = 1; i <= std::min<u64>(count, id.batch); ++i) batches_.ask(*log, id.batch - i);
}

}  // namespace perdure::crdt
