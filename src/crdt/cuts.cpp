// Replica: from where on a log counts no more, by its author's word or by a fork of it.
#include <algorithm>

#include "crdt/replica.hpp"

namespace perdure::crdt {

void Replica::declare(store::LogNo log, u64 index, const log::Batch& batch) {
  const LogName* name = counted_.name(log);
  if (batch.voids.empty() || !name || (index > 0 && batch.format == 1) || index >= name->forked) return;
  if (index > 0) marks_.declares(log, index);  // the first batch of a log always travels
  for (const log::Void& v : batch.voids) {
    if (v.log == name->id) continue;
    const auto other = counted_.number(v.log);
    const LogName* voided = other ? counted_.name(*other) : nullptr;
    if (voided && voided->device != name->device) continue;
    codec::Writer key, value;
    key.fixed(v.log).be32(log);
    if (index > 0) key.be32(static_cast<u32>(index));
    value.varint(v.from);
    voids_tree_.insert(key.peek(), value.peek(), 0);
    if (voided) voids_.emplace_back(*other, v);
  }
}

std::optional<u64> Replica::furthest_void(store::LogNo log) const {
  const LogName* name = counted_.name(log);
  std::optional<u64> furthest;
  if (!name) return furthest;
  for (auto c = voids_tree_.seek(name->id.view()); c.valid(); c.next()) {
    codec::Reader key(c.key()), value(c.value());
    if (key.fixed<LogId>() != name->id) break;
    const LogName* declarer = counted_.name(static_cast<store::LogNo>(key.be32()));
    const u64 index = key.left() > 0 ? key.be32() : 0;
    const u64 from = value.varint();
    if (declarer && declarer->device == name->device && index < declarer->forked && (!furthest || from < *furthest))
      furthest = from;
  }
  return furthest;
}

// Before anything of this log counts.
void Replica::recall_voids(store::LogNo log) {
  const auto furthest = furthest_void(log);
  if (!furthest || *furthest >= counted_.cut(log)) return;
  counted_.set_cut(log, *furthest);
  voids_.emplace_back(log, log::Void{counted_.name(log)->id, *furthest});
}

std::vector<std::pair<store::LogNo, u64>> Replica::forked(store::LogNo log, u64 from) {
  std::vector<std::pair<store::LogNo, u64>> left;
  const LogName* name = counted_.name(log);
  if (!name || indexes_.voids.entries == 0) return left;
  std::set<store::LogNo> about;
  std::vector<Bytes> gone;
  for (auto c = voids_tree_.first(store::Index::all); c.valid(); c.next()) {
    codec::Reader key(c.key());
    const auto id = key.fixed<LogId>();
    if (key.be32() != log || (key.left() > 0 ? key.be32() : 0) < from) continue;
    gone.push_back(own(c.key()));
    if (const auto other = counted_.number(id)) about.insert(*other);
  }
  for (const Bytes& key : gone) voids_tree_.erase(key);
  for (store::LogNo other : about) left.emplace_back(other, furthest_void(other).value_or(log::no_cut));
  return left;
}

void Replica::cut(store::LogNo log, u64 from, u64 corrected_now_ms) {
  const u64 before = counted_.cut(log), here = std::min(before, counted_.held(log));
  if (from > before) return take_back(log, from, corrected_now_ms);
  Leaving leaving;
  for (u64 index = from; index < here; ++index)
    if (const Batches::Ptr opened = batches_.get(log, index)) leave(log, index, opened, leaving);
  carry_out(leaving.ceasing);
  for (const Bytes& key : leaving.held_back) let_go(key);
  counted_.set_cut(log, from);
  for (const auto& [id, said] : leaving.places) sayings_.cut(id, said);
  if (sayings_.none()) return;
  Offers offers;  // where else it is said
  for (const auto& [id, read] : leaving.ceasing.ids)
    if (const auto found = counted_.find(id))
      offers.emplace(id, Offer{found->log, found->batch, found->position, found->at, found->again});
  count(offers, leaving.ceasing);
}

// A void: up to there the log counts again.
void Replica::take_back(store::LogNo log, u64 to, u64 corrected_now_ms) {
  const LogName* name = counted_.name(log);
  const u64 here = std::min(to, counted_.held(log));
  for (u64 index = counted_.cut(log); index < here; ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    const bool silent = opened && !due(opened->batch.time, corrected_now_ms);
    if (silent) hold_back(log, index, *opened);
    std::optional<Coming> coming;
    if (opened && !silent) coming = meet(log, index, opened->batch);
    counted_.set_cut(log, index + 1);
    const u64 news = coming ? come(*coming) : 0;
    if (opened && !quiet_ && name) arrivals_.append(log, name->id, index, 1, {silent, news});
  }
  counted_.set_cut(log, to);
}

// A batch ceases to count, while it still does.
void Replica::leave(store::LogNo log, u64 index, const Batches::Ptr& opened, Leaving& leaving) {
  const LogName* name = counted_.name(log);
  const Position at = counted_.position(log, opened->batch.time, index);
  const bool ahead = counted_.held_back(at);
  if (ahead) leaving.held_back.push_back(batch_key(at));
  if (ahead && untold_.has(log, index)) return;
  const bool met = name && sayings_.any_in(name->id, at.batch);
  for (u32 p = 0; p < opened->batch.ops.size(); ++p) {
    const log::Op& op = opened->batch.ops[p];
    if (!op.known()) continue;
    const Counted::Named said = counted_.named(log, opened->batch, index, p);
    if (said.again || met)
      leaving.places.emplace_back(
          said.id, Said{log, {said.at.time, at.device, at.incarnation, at.batch, p}, log::is_message(op)});
    if (ahead) continue;
    if (said.again) {
      const auto counted = counted_.find(said.id);
      if (!counted || counted->log != log || counted->batch != at.batch || counted->position != p) continue;
    }
    cease(said.id, {log, at.batch, p, said.at, said.again, opened}, leaving.ceasing);
  }
  if (!ahead && messages_at_home(opened->batch) > 0) timeline_.erase(batch_key(at));
}

}  // namespace perdure::crdt
