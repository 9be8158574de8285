#include "crdt/replica.hpp"

#include <algorithm>

#include "clock/hybrid.hpp"

namespace perdure::crdt {

namespace {
constexpr std::size_t keys_noted_max = 256;
constexpr u32 released_max = 256;

u64 messages_in(const log::Batch& batch) {
  u64 n = 0;
  for (const log::Op& op : batch.ops) n += op.kind == log::Op::Kind::message ? 1 : 0;
  return n;
}

Bytes log_value(store::LogNo log, u64 sealed_bytes = 0) {
  codec::Writer w;
  w.varint(log);
  if (sealed_bytes > 0) w.varint(sealed_bytes);
  return std::move(w).take();
}
}  // namespace

Replica::Replica(store::Rows& rows, store::TopicNo topic, const Logs& logs, const identity::TopicKeys& keys, const NetworkId& network)
    : rows_(rows),
      topic_(topic),
      indexes_(load(rows, topic, corrupt_)),
      timeline_(rows, topic, static_cast<u8>(Tree::timeline), indexes_.timeline),
      held_(rows, topic, static_cast<u8>(Tree::held), indexes_.held),
      voids_tree_(rows, topic, static_cast<u8>(Tree::voids), indexes_.voids),
      batches_(rows, topic, logs, keys, network),
      standing_(logs, batches_, held_, indexes_.held),
      map_(rows, topic, indexes_, standing_),
      arrivals_(rows, topic, indexes_) {}

Indexes Replica::load(store::Rows& rows, store::TopicNo topic, bool& corrupt) {
  auto indexes = read_indexes(rows, topic);
  corrupt = !indexes;
  return indexes ? std::move(*indexes) : Indexes{};
}

const std::vector<std::pair<store::LogNo, log::Void>>& Replica::voids() const { return voids_; }
const Changes& Replica::changes() const { return changes_; }
Indexes& Replica::indexes() { return indexes_; }

bool Replica::corrupt() const {
  return corrupt_ || timeline_.corrupt() || held_.corrupt() || voids_tree_.corrupt() || map_.corrupt() || arrivals_.corrupt();
}

void Replica::finish() {
  timeline_.flush();
  held_.flush();
  voids_tree_.flush();
  map_.flush();
  arrivals_.flush();
  save_indexes(rows_, topic_, indexes_);
}

// ---- batches come

void Replica::add(store::LogNo log, u64 from, u64 to, u64 corrected_now_ms) {
  const LogName* name = standing_.name(log);
  from = std::max(from, standing_.held(log));
  if (!name || from >= to) return;
  if (standing_.held(log) == 0) recall_voids(log);
  Arrival run{0, log, from, 0, false, 0, {}};
  const auto arrive = [&] { if (!quiet_) arrivals_.append(log, name->id, run.from, run.count, {run.silent, run.messages}); };
  for (u64 index = from; index < to; ++index) {
    standing_.advance(log, index + 1);
    const Batches::Ptr opened = batches_.get(log, index);
    if (opened && index == 0) declare(log, opened->batch);
    const bool counts = opened && index < standing_.cut(log);
    const bool silent = counts && !due(opened->batch.time, corrected_now_ms);
    if (silent) hold_back(log, index, *opened);
    else if (counts) count(log, index, opened->batch);
    if (silent != run.silent) {
      arrive();
      run = {0, log, index, 0, silent, 0, {}};
    }
    ++run.count;
    run.messages += counts && !silent ? messages_in(opened->batch) : 0;
  }
  arrive();
}

bool Replica::due(HybridTime time, u64 corrected_now_ms) const { return time.ms() <= corrected_now_ms + clock::hold_back_ms; }

void Replica::count(store::LogNo log, u64 index, const log::Batch& batch) {
  Position at = standing_.position(log, batch.time, index);
  indexes_.greatest = std::max(indexes_.greatest, batch.time);
  if (const u64 messages = messages_in(batch); messages > 0) {
    timeline_.insert(batch_key(at), log_value(log), messages);
    changes_.timeline = true;
  }
  for (const log::Op& op : batch.ops) {
    if (op.kind != log::Op::Kind::message) {
      map_.apply({at, log, op.kind == log::Op::Kind::erase}, op);
      note_key(op.key);
    }
    ++at.position;
  }
}

u64 Replica::messages_read(const Position& batch, const log::Batch& ops) const {
  if (indexes_.read_mark.empty()) return 0;
  const Position mark = position_of(indexes_.read_mark);
  Position at = batch;
  u64 n = 0;
  for (at.position = 0; at.position < ops.ops.size() && at <= mark; ++at.position)
    n += ops.ops[at.position].kind == log::Op::Kind::message ? 1 : 0;
  return n;
}

void Replica::note_key(ByteView key) {
  if (changes_.all_keys || !keys_noted_.insert(own(key)).second) return;
  if (changes_.keys.size() == keys_noted_max) changes_.all_keys = true;
  else changes_.keys.emplace_back(text(key));
}

// ---- held back

void Replica::hold_back(store::LogNo log, u64 index, const Batches::Opened& opened) {
  const Position at = standing_.position(log, opened.batch.time, index);
  held_.insert(batch_key(at), log_value(log, opened.sealed_bytes), opened.batch.ops.size());
  indexes_.held_bytes += opened.sealed_bytes;
  changes_.held = true;
}

void Replica::let_go(const Bytes& held_key) {
  const auto entry = held_.find(held_key);
  if (!entry) return;
  codec::Reader r(entry->value);
  r.varint();
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
    // Out of the index first: what is held back is not known to the map.
    let_go(key);
    const Batches::Ptr opened = batches_.get(log, at.batch);
    const LogName* name = standing_.name(log);
    if (!opened || !name || at.batch >= standing_.cut(log)) continue;
    count(log, at.batch, opened->batch);
    arrivals_.append(log, name->id, at.batch, 1, {false, messages_in(opened->batch)});
  }
}

std::map<store::LogNo, u64> Replica::held_back_of(const DeviceId& device) {
  std::map<store::LogNo, u64> out;
  if (indexes_.held.entries == 0) return out;
  for (auto c = held_.first(store::Index::all); c.valid(); c.next()) {
    const Position at = position_of(c.key());
    if (at.device != device) continue;
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

// ---- voids and cuts

void Replica::declare(store::LogNo log, const log::Batch& batch) {
  const LogName* name = standing_.name(log);
  for (const log::Void& v : batch.voids) {
    if (!name || v.log == name->id) continue;
    const auto other = standing_.number(v.log);
    const LogName* voided = other ? standing_.name(*other) : nullptr;
    if (voided && voided->device != name->device) continue;
    codec::Writer key, value;
    key.fixed(v.log).be32(log);
    value.varint(v.from);
    voids_tree_.insert(key.peek(), value.peek(), 0);
    if (voided) voids_.emplace_back(*other, v);
  }
}

std::optional<std::pair<store::LogNo, u64>> Replica::furthest_void(store::LogNo log) const {
  const LogName* name = standing_.name(log);
  std::optional<std::pair<store::LogNo, u64>> furthest;
  if (!name) return furthest;
  for (auto c = voids_tree_.seek(name->id.view()); c.valid(); c.next()) {
    codec::Reader key(c.key()), value(c.value());
    if (key.fixed<LogId>() != name->id) break;
    const auto no = static_cast<store::LogNo>(key.be32());
    const LogName* declarer = standing_.name(no);
    const u64 from = value.varint();
    if (declarer && declarer->device == name->device && (!furthest || from < furthest->second)) furthest = {no, from};
  }
  return furthest;
}

std::optional<store::LogNo> Replica::declarer_of(store::LogNo log) {
  const auto furthest = furthest_void(log);
  if (!furthest) return std::nullopt;
  return furthest->first;
}

// Before anything of this log counts.
void Replica::recall_voids(store::LogNo log) {
  const auto furthest = furthest_void(log);
  if (!furthest || furthest->second >= standing_.cut(log)) return;
  standing_.lower(log, furthest->second);
  voids_.emplace_back(log, log::Void{standing_.name(log)->id, furthest->second});
}

void Replica::cut(store::LogNo log, u64 from) {
  const u64 behind = std::min(standing_.cut(log), standing_.held(log));
  std::map<Bytes, Map::Removed> removed;
  std::vector<Bytes> held;
  for (u64 index = from; index < behind; ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    if (!opened) continue;
    const Position at = standing_.position(log, opened->batch.time, index);
    if (standing_.held_back(at)) held.push_back(batch_key(at));
    else uncount(log, index, opened->batch, removed);
  }
  for (const auto& [key, ops] : removed) {
    map_.remove(key, ops);
    note_key(key);
  }
  for (const Bytes& key : held) let_go(key);
  standing_.lower(log, from);
}

void Replica::uncount(store::LogNo log, u64 index, const log::Batch& batch, std::map<Bytes, Map::Removed>& removed) {
  Position at = standing_.position(log, batch.time, index);
  if (timeline_.erase(batch_key(at))) {
    indexes_.read_messages -= std::min(indexes_.read_messages, messages_read(at, batch));
    changes_.timeline = true;
  }
  for (const log::Op& op : batch.ops) {
    if (op.kind != log::Op::Kind::message) removed[op.key][at] = op.replaces;
    ++at.position;
  }
}

}  // namespace perdure::crdt
