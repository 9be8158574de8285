#include "sync/merge.hpp"

namespace perdure::sync {

Merge::Merge(store::Rows& rows, Topic& topic, const crdt::Logs& logs, u64 corrected_now_ms)
    : rows_(rows),
      topic_(topic),
      now_ms_(corrected_now_ms),
      replica_(rows, topic.no, logs, *topic.keys, topic.network) {}

void Merge::add(store::LogNo no, u64 from, u64 to) {
  replica_.add(no, from, to, now_ms_);
  carry_out_voids();
}

// Repeats are harmless: a cut never moves up.
void Merge::carry_out_voids() {
  for (; voids_done_ < replica_.voids().size(); ++voids_done_) {
    auto [voided, v] = replica_.voids()[voids_done_];
    cut(voided, v.from, false);
  }
}

void Merge::cut(store::LogNo no, u64 from, bool forked) {
  auto state = read_state(rows_, topic_, no);
  if (!state) return;
  u64& kind = forked ? state->forked_from : state->voided_from;
  kind = std::min(kind, from);
  set_cut(no, *state);
  if (!forked) return;
  for (const auto& [voided, left] : replica_.forked(no, from)) {
    auto other = read_state(rows_, topic_, voided);
    if (!other) continue;
    other->voided_from = left;
    set_cut(voided, *other);
  }
}

void Merge::set_cut(store::LogNo no, const log::LogState& state) {
  auto before = read_state(rows_, topic_, no);
  if (before && before->cut() != state.cut()) {
    replica_.cut(no, state.cut(), now_ms_);
    cuts_[no] = state.cut();
  }
  log::save_state(rows_, topic_.no, no, state);
}

bool Merge::gave_up(Damage& damage) {
  damage = {};
  if (rows_.missed()) return false;
  damage.logs = replica_.absent();
  damage.indexes = replica_.corrupt();
  damage.arrivals = replica_.arrivals_corrupt();
  if (damage.indexes) rows_.abandon();
  return damage.indexes;
}

void Merge::release() {
  replica_.release(now_ms_);
  carry_out_voids();
}

Counters Merge::counters() {
  Counters c;
  crdt::Indexes& indexes = replica_.indexes();
  c.length = replica_.length();
  c.unread = replica_.unread();
  c.map_size = replica_.map_size();
  c.held_back = indexes.ahead.weight;
  c.held_bytes = indexes.held_bytes;
  c.next_due_ms = replica_.next_due_ms();
  c.arrived = indexes.arrived;
  c.arrival_hash = indexes.arrival_hash;
  c.greatest = indexes.greatest;
  c.opaque = replica_.marks().opaque();
  c.newer = replica_.marks().newer();
  c.said_again = indexes.sayings.entries;
  return c;
}

void Merge::finish(std::vector<LogUpdate>& updates, crdt::Changes& changes, Counters& counters_out) {
  replica_.finish();
  changes = replica_.changes();
  counters_out = counters();
  for (const auto& [no, from] : cuts_)
    if (auto state = read_state(rows_, topic_, no)) updates.push_back({no, durable_of(rows_, topic_, no, *state)});
}

}  // namespace perdure::sync
