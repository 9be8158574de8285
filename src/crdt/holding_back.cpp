// Replica: batches dated further ahead than the clock allows.
#include <algorithm>

#include "clock/hybrid.hpp"
#include "crdt/replica.hpp"

namespace perdure::crdt {

namespace {
constexpr u32 released_max = 256;
}

bool Replica::due(HybridTime time, u64 corrected_now_ms) const {
  return time.ms() <= corrected_now_ms + clock::hold_back_ms;
}

void Replica::hold_back(store::LogNo log, u64 index, const Batches::Opened& opened) {
  const Position at = counted_.position(log, opened.batch.time, index);
  codec::Writer value;
  value.varint(log);
  if (opened.sealed_bytes > 0) value.varint(opened.sealed_bytes);
  held_.insert(batch_key(at), value.peek(), opened.batch.ops.size());
  indexes_.held_bytes += opened.sealed_bytes;
  if (!quiet_) untold_.add(log, index);
  changes_.held = true;
}

void Replica::let_go(const Bytes& held_key) {
  const auto entry = held_.find(held_key);
  if (!entry) return;
  codec::Reader r(entry->value);
  untold_.take(static_cast<store::LogNo>(r.varint()), position_of(held_key).batch);
  indexes_.held_bytes -= std::min(indexes_.held_bytes, r.varint());
  held_.erase(held_key);
  changes_.held = true;
}

bool Replica::release(u64 corrected_now_ms) {
  for (u32 n = 0;; ++n) {
    const auto first = held_.first();
    if (!first.valid()) return false;
    const Bytes key = own(first.key());
    const Position at = position_of(key);
    if (!due(at.time, corrected_now_ms)) return false;
    if (n == released_max) return true;
    codec::Reader r(first.value());
    const auto log = static_cast<store::LogNo>(r.varint());
    const Batches::Ptr opened = batches_.get(log, at.batch);
    const LogName* name = counted_.name(log);
    if (!opened || !name || at.batch >= counted_.cut(log)) {
      let_go(key);
      continue;
    }
    const bool untold = untold_.has(log, at.batch);
    const Coming coming = meet(log, at.batch, opened->batch);
    let_go(key);
    const u64 news = come(coming);
    if (untold) arrivals_.append(log, name->id, at.batch, 1, {false, news});
    else read_again(at, opened->batch);
  }
}

// What counted before our clock was moved, and was read then, is read.
void Replica::read_again(Position at, const log::Batch& batch) {
  for (const log::Op& op : batch.ops) {
    if (log::is_message(op) && !op.says && is_read(at)) ++indexes_.read_messages;
    ++at.position;
  }
}

std::map<store::LogNo, u64> Replica::held_back_of(const DeviceId& device, std::optional<u64> but_due_at_ms) {
  std::map<store::LogNo, u64> out;
  if (indexes_.ahead.entries == 0) return out;
  for (auto c = held_.first(store::Index::all); c.valid(); c.next()) {
    const Position at = position_of(c.key());
    if (at.device != device || (but_due_at_ms && due(at.time, *but_due_at_ms))) continue;
    codec::Reader r(c.value());
    const auto [log, fresh] = out.emplace(static_cast<store::LogNo>(r.varint()), at.batch);
    if (!fresh) log->second = std::min<u64>(log->second, at.batch);
  }
  return out;
}

std::optional<u64> Replica::next_due_ms() const {
  const auto first = held_.first();
  if (!first.valid()) return std::nullopt;
  const u64 ms = position_of(first.key()).time.ms();
  return ms > clock::hold_back_ms ? ms - clock::hold_back_ms : 0;
}

}  // namespace perdure::crdt
