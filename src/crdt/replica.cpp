#include "crdt/replica.hpp"

#include <algorithm>

namespace perdure::crdt {

namespace {
constexpr std::size_t keys_noted_max = 256;
constexpr u32 looked_row = 2;
}  // namespace

Replica::Replica(store::Rows& rows, store::TopicNo topic, const Logs& logs, const identity::TopicKeys& keys,
                 const NetworkId& network)
    : rows_(rows),
      topic_(topic),
      indexes_(load(rows, topic, corrupt_)),
      timeline_(rows, topic, static_cast<u8>(Tree::timeline), indexes_.timeline),
      held_(rows, topic, static_cast<u8>(Tree::ahead), indexes_.ahead),
      voids_tree_(rows, topic, static_cast<u8>(Tree::voids), indexes_.voids),
      untold_(rows, topic, held_),
      sayings_(rows, topic, indexes_),
      marks_(rows, topic, indexes_),
      batches_(rows, topic, logs, keys, network),
      counted_(logs, batches_, held_, indexes_.ahead, sayings_),
      map_(rows, topic, indexes_, counted_),
      arrivals_(rows, topic, indexes_),
      arrived_before_(indexes_.arrived) {}

Indexes Replica::load(store::Rows& rows, store::TopicNo topic, bool& corrupt) {
  auto indexes = read_indexes(rows, topic);
  corrupt = !indexes;
  return indexes ? std::move(*indexes) : Indexes{};
}

const std::vector<std::pair<store::LogNo, log::Void>>& Replica::voids() const { return voids_; }
const Changes& Replica::changes() const { return changes_; }
Indexes& Replica::indexes() { return indexes_; }

bool Replica::corrupt() const {
  return corrupt_ || timeline_.corrupt() || held_.corrupt() || voids_tree_.corrupt() || sayings_.corrupt() ||
         marks_.corrupt() || map_.corrupt() || arrivals_.corrupt();
}

void Replica::finish() {
  timeline_.flush();
  held_.flush();
  untold_.flush();
  voids_tree_.flush();
  sayings_.flush();
  marks_.flush();
  map_.flush();
  arrivals_.flush();
  save_indexes(rows_, topic_, indexes_);
  if (looks_back_) return;
  if (look_ || arrived_before_ / looked_every != indexes_.arrived / looked_every)
    save_looked(rows_, topic_, indexes_, indexes_.arrived);
}

Looked read_looked(store::Rows& rows, store::TopicNo topic) {
  const auto row = rows.get(store::key('I', topic, looked_row));
  if (!row) return {};
  codec::Reader r(*row);
  Looked looked{r.varint(), r.u8() == 1};
  return r.done() ? looked : Looked{};
}

void save_looked(store::Rows& rows, store::TopicNo topic, const Indexes& indexes, u64 upto) {
  codec::Writer w;
  w.varint(upto).u8(needs_second(indexes) ? 1 : 0);
  rows.put(store::key('I', topic, looked_row), std::move(w).take());
}

// ---- batches come

void Replica::add(store::LogNo log, u64 from, u64 to, u64 corrected_now_ms) {
  const LogName* name = counted_.name(log);
  from = std::max(from, counted_.held(log));
  if (!name || from >= to) return;
  if (counted_.held(log) == 0) recall_voids(log);
  Arrival run{0, log, from, 0, false, 0, {}};
  const auto arrive = [&] {
    if (!quiet_) arrivals_.append(log, name->id, run.from, run.count, {run.silent, run.messages});
  };
  for (u64 index = from; index < to; ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    look_at(log, index, opened.get());
    if (opened) declare(log, index, opened->batch);
    const bool counts = opened && index < counted_.cut(log);
    const bool silent = counts && !due(opened->batch.time, corrected_now_ms);
    if (silent) hold_back(log, index, *opened);
    std::optional<Coming> coming;
    if (counts && !silent) coming = meet(log, index, opened->batch);
    counted_.advance(log, index + 1);
    const u64 news = coming ? come(*coming) : 0;
    // What was held back when it came, and is indexed anew now that it is due.
    if (quiet_ && counts && !silent && untold_.take(log, index))
      arrivals_.append(log, name->id, index, 1, {false, news});
    if (silent != run.silent) {
      arrive();
      run = {0, log, index, 0, silent, 0, {}};
    }
    ++run.count;
    run.messages += news;
  }
  arrive();
}

// What is to be remembered of a batch beside what it says.
void Replica::look_at(store::LogNo log, u64 index, const Batches::Opened* opened) {
  const LogName* name = counted_.name(log);
  if (!opened) {
    const auto why = batches_.unread(log, index);
    if (!why) return;
    marks_.unread(log, index, *why);
    if (*why == Unread::opaque) changes_.opaque.insert(log);
    look_ = true;
    return;
  }
  look_ = look_ || opened->batch.format > 1;
  bool known = true;
  for (const log::Op& op : opened->batch.ops) {
    known = known && op.known();
    if (op.origin && name) marks_.origin(name->device, *op.origin, log, index);
  }
  if (!known) marks_.unread(log, index, Unread::partly);
}

void Replica::note_key(ByteView key) {
  if (changes_.all_keys || !keys_noted_.insert(own(key)).second) return;
  if (changes_.keys.size() == keys_noted_max) changes_.all_keys = true;
  else changes_.keys.emplace_back(text(key));
}

}  // namespace perdure::crdt
