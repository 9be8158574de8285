// What a turn costs: it looks at the topics in which something happened and at those that are due, not at all that there are. What all of
// them come to together is kept as sums, to which each adds what it has come to at the end of a turn.
#include "base/assert.hpp"
#include "node/impl.hpp"

namespace perdure {

TopicExtra* Node::Impl::known_extra(const TopicPtr& topic) {
  auto found = extras_.find(topic->no);
  if (found == extras_.end()) return nullptr;
  touched_.insert(topic->no);
  return &found->second;
}

// In their order; one that is touched by one before it is looked at, too.
template <class F>
void Node::Impl::each_touched(F use) {
  for (auto it = touched_.begin(); it != touched_.end();) {
    const TopicNo no = *it;
    auto topic = topics_.find(no);
    auto extra = extras_.find(no);
    if (topic != topics_.end() && extra != extras_.end()) use(TopicPtr(topic->second), extra->second);
    it = touched_.upper_bound(no);
  }
}

void Node::Impl::touch_due() {
  for (TopicNo no : topic_timers_.due(now_.steady_ms)) touched_.insert(no);
  // When that is due goes by the wall clock, as others correct it.
  touched_.insert(held_back_.begin(), held_back_.end());
  // How often a presence is said again depends on all that is said, where that is bounded.
  if (config_.idle_bytes_per_second != 0) touched_.insert(announcing_.begin(), announcing_.end());
  const u64 ahead_ms = corrected_now_ms() + clock::hold_back_ms;
  for (auto it = newest_.rbegin(); it != newest_.rend() && it->first > ahead_ms; ++it) touched_.insert(it->second);
}

void Node::Impl::topics_time() {
  touch_due();
  each_touched([&](const TopicPtr& topic, TopicExtra& e) {
    if (topic->open && topic->loaded) presence_time(topic, e);
  });
  const bool resting = storage_.rests(now_.steady_ms);
  each_touched([&](const TopicPtr& topic, TopicExtra& e) {
    const bool ahead = topic->open && topic->loaded && dated_ahead(*topic, topic->counters.greatest);
    if (ahead && !resting) reload_topic(topic);
    release_due(topic);
    if (!(e.waiting.empty() && e.uncounted.empty()) && !resting) append_waiting(topic);
  });
  each_touched([&](const TopicPtr& topic, TopicExtra& e) {
    if (e.rebuild_at != 0 && e.rebuild_at <= now_.steady_ms) rebuild(topic);
  });
}

void Node::Impl::tally() {
  for (TopicNo no : sync_.take_stirred()) touched_.insert(no);
  for (u64 queue : transactions_.take_ran())
    if (queue != 0) touched_.insert(static_cast<TopicNo>(queue - 1));
  for (TopicNo no : touched_) tally(no);
}

void Node::Impl::tally(TopicNo no) {
  auto found = topics_.find(no);
  Tally now;
  bool newer = false, announcing = false, held_back = false;
  if (found != topics_.end()) {
    const TopicPtr& topic = found->second;
    if (topic->open && topic->keys) now.pending = sync_.pending(topic) + uncounted(topic);
    now.bytes = topic->bytes;
    newer = topic->counters.newer > 0;
    held_back = topic->counters.next_due_ms.has_value();
    if (topic->open && topic->loaded && topic->keys) now.newest_ms = topic->counters.greatest.ms();
    auto e = extras_.find(no);
    announcing = e != extras_.end() && e->second.own_presence;
  }
  Tally& before = tallies_[no];
  pending_ += now.pending - before.pending;
  open_bytes_ += now.bytes - before.bytes;
  if (now.newest_ms != before.newest_ms) {
    if (before.newest_ms != 0) newest_.erase({before.newest_ms, no});
    if (now.newest_ms != 0) newest_.emplace(now.newest_ms, no);
  }
  auto mark = [&](std::set<TopicNo>& set, bool in) { in ? void(set.insert(no)) : void(set.erase(no)); };
  mark(newer_, newer);
  mark(announcing_, announcing);
  mark(held_back_, held_back);
  if (found == topics_.end()) tallies_.erase(no);
  else before = now;
}

// At the end of a turn: those with something that has no time of its own are looked at with the next one as well.
void Node::Impl::settle_touched() {
  tally();
  for (auto it = touched_.begin(); it != touched_.end();) {
    auto topic = topics_.find(*it);
    auto e = extras_.find(*it);
    const bool there = topic != topics_.end() && e != extras_.end();
    topic_timers_.set(*it, there ? deadline_of(*topic->second, e->second) : std::nullopt);
    it = there && unsettled(*topic->second, e->second) ? std::next(it) : touched_.erase(it);
  }
}

// Looks at all there is, as no turn does: whoever changes something without touching it is found by the first test that comes by.
void Node::Impl::audit() const {
  PERDURE_ASSERT(sync_.settled());
  u64 pending = 0, bytes = 0;
  for (const auto& [no, topic] : topics_) {
    if (topic->open && topic->keys) pending += sync_.pending(topic) + uncounted(topic);
    bytes += topic->bytes;
    PERDURE_ASSERT(newer_.contains(no) == (topic->counters.newer > 0));
    if (auto e = extras_.find(no); e != extras_.end() && !touched_.contains(no))
      PERDURE_ASSERT(topic_timers_.at(no) == deadline_of(*topic, e->second));
  }
  PERDURE_ASSERT(pending_ == pending && open_bytes_ == bytes);
  for (const auto& [id, link] : links_) PERDURE_ASSERT(link_timers_.at(id) == link_deadline(*link));
}

bool Node::Impl::unsettled(const Topic&, const TopicExtra& e) const {
  return !(e.waiting.empty() && e.uncounted.empty());
}

std::optional<u64> Node::Impl::deadline_of(const Topic& topic, const TopicExtra& e) const {
  std::optional<u64> at;
  auto take = [&](u64 ms) { at = std::min(at.value_or(ms), ms); };
  if (e.rebuild_at != 0) take(e.rebuild_at);
  if (!(e.waiting.empty() && e.uncounted.empty()) && storage_.rests(now_.steady_ms)) take(storage_.rests_until());
  if (!topic.loaded) return at;
  if (e.members_at && !config_.anchor) take(*e.members_at);
  if (e.own_presence)
    take(e.own_presence_at + (e.own_presence_due ? params::presence_interval_ms
                                                 : idle_ms(params::presence_again_ms, params::presence_again_ms_max)));
  else if (e.own_presence_due) take(e.own_presence_at + params::presence_interval_ms);
  for (const auto& [who, heard] : e.heard)
    if (who.second == 1 && heard.value) take(heard.heard_ms + params::presence_silence_ms);
  if (topic.counters.next_due_ms && topic.open) {
    const u64 corrected = corrected_now_ms(), due = *topic.counters.next_due_ms;
    take(std::max(storage_.rests_until(), now_.steady_ms + (due > corrected ? due - corrected : 1)));
  }
  return at;
}

}  // namespace perdure
