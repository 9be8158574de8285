// Our clock: put right by those whom we are linked to, and what is done by it. What it says alone is held against what can be taken back: a
// batch dated ahead of it is held back, and counts once it is due. Own batches get a new time, which nobody can take back, only where others
// confirm it, or where nobody else has said anything.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

void Node::Impl::update_clock() {
  std::vector<clock::Agreement::Sample> samples;
  for (auto& [id, link] : links_)
    if (link->greeted && link->offset_ms) samples.push_back({*link->offset_ms, link->anchor && is_anchor(link->peer)});
  const i64 before = agreement_.offset().value_or(0);
  status_dirty_ |= agreement_.update(samples, !config_.anchor);
  const i64 later = agreement_.offset().value_or(0) - before;
  status_dirty_ |= later != 0;
  if (later >= clock::offset_ignored_ms) announce_anew();
}

// The host's wall clock was moved. All are asked anew, and till then it goes by what they said before, where that still says anything.
void Node::Impl::clock_stepped(i64 by_ms) {
  agreement_.stepped(by_ms);
  for (auto& [id, link] : links_) {
    if (clock::Agreement::asked_anew(by_ms)) link->offset_ms.reset();
    else if (link->offset_ms) *link->offset_ms -= by_ms;
    if (link->greeted) ping(*link);
  }
  // By a clock that leaps nobody's lease is over.
  if (by_ms >= static_cast<i64>(params::lease_check_ms)) leases_end_at_ = now_.steady_ms + params::lease_grace_ms;
  update_clock();
}

// Something that counts is dated further ahead than our clock allows: it was taken in under a clock that has been put right since.
bool Node::Impl::dated_ahead(const Topic& topic, HybridTime greatest) const {
  return topic.keys && greatest.ms() > corrected_now_ms() + clock::hold_back_ms;
}

bool Node::Impl::redates(const Topic& topic) const {
  return agreement_.confirmed() || std::ranges::none_of(topic.logs, [&](const sync::LogEntry& entry) {
           return entry.pending.held > 0 && entry.pending.device != identity_->id();
         });
}

// Own logs that are dated ahead, and from where on.
std::map<LogNo, u64> Node::Impl::ahead_of_us(crdt::Replica& replica) const {
  return replica.held_back_of(identity_->id(), corrected_now_ms());
}

u64 Node::Impl::ahead_from(store::Rows& rows, const Topic& topic, LogNo no) const {
  if (!redates(topic)) return log::no_cut;
  crdt::Replica replica(rows, topic.no, topic, *topic.keys, topic.network);
  const auto ahead = ahead_of_us(replica);
  const auto found = ahead.find(no);
  return found == ahead.end() ? log::no_cut : found->second;
}

void Node::Impl::note_held(const TopicPtr& topic, const std::map<LogNo, u64>& held) {
  TopicExtra& e = extra(topic);
  if (held.empty()) return;
  if (!redates(*topic)) return void(e.held_waits = true);
  for (const auto& [no, from] : held) e.uncounted.push_back({author::Uncounted::Why::held, {no, from, 0, {}, {}}});
}

void Node::Impl::look_for_held(const TopicPtr& topic) {
  extra(topic).held_waits = false;
  using Held = std::map<LogNo, u64>;
  transactions_.run<Held>(
      topic->queue(),
      [this, topic](store::Rows& rows) {
        crdt::Replica replica(rows, topic->no, *topic, *topic->keys, topic->network);
        return ahead_of_us(replica);
      },
      [this, topic](SaveOutcome saved, const Held& held) {
        if (saved != SaveOutcome::ok || !known_extra(topic) || !topic->loaded) return;
        note_held(topic, held);
        append_waiting(topic);
      });
}

void Node::Impl::release_due(const TopicPtr& topic) {
  if (!topic->open || !topic->loaded || !topic->keys || !topic->counters.next_due_ms ||
      *topic->counters.next_due_ms > corrected_now_ms())
    return;
  TopicExtra* found = known_extra(topic);
  if (!found || found->releasing || storage_.rests(now_.steady_ms)) return;
  found->releasing = true;
  struct Result {
    std::vector<sync::LogUpdate> updates;
    crdt::Changes changes;
    sync::Counters counters;
    sync::Damage damage;
    std::map<LogNo, u64> own;  // our logs that were held back, and from where on
  };
  transactions_.run<Result>(
      topic->queue(),
      [this, topic](store::Rows& rows) {
        Result out;
        sync::Merge merge(rows, *topic, corrected_now_ms());
        if (topic->counters.said_again > 0) out.own = merge.replica().held_back_of(identity_->id(), std::nullopt);
        merge.release();
        merge.finish(out.updates, out.changes, out.counters);
        if (merge.gave_up(out.damage) || rows.missed()) return out;
        for (const sync::LogUpdate& update : out.updates) topic->build_on(update);
        return out;
      },
      [this, topic](SaveOutcome saved, const Result& out) {
        TopicExtra* e = known_extra(topic);
        if (e) e->releasing = false;
        if (saved == SaveOutcome::ok && out.damage) damaged(topic, out.damage);
        if (saved != SaveOutcome::ok || out.damage.indexes) return;
        apply(topic, out.updates);
        topic->counters = out.counters;
        // While they were held back nobody could tell that another life says something else under the same ids.
        for (const auto& [no, from] : out.own)
          if (e) e->uncounted.push_back({author::Uncounted::Why::clash, {no, from, 0, {}, {}}});
        stored(topic, out.changes);
        append_waiting(topic);
      });
}

}  // namespace perdure
