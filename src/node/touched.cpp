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
  touched_.insert(tallies_.held_back().begin(), tallies_.held_back().end());
  // How often a presence is said again depends on all that is said, where that is bounded.
  if (config_.idle_bytes_per_second != 0) touched_.insert(tallies_.announcing().begin(), tallies_.announcing().end());
  const u64 ahead_ms = corrected_now_ms() + clock::hold_back_ms;
  const auto& newest = tallies_.newest();
  for (auto it = newest.rbegin(); it != newest.rend() && it->first > ahead_ms; ++it) touched_.insert(it->second);
}

void Node::Impl::topics_time() {
  touch_due();
  each_touched([&](const TopicPtr& topic, TopicExtra& e) {
    if (topic->open && topic->loaded) presence_time(topic, e);
  });
  const bool resting = storage_.rests(now_.steady_ms);
  each_touched([&](const TopicPtr& topic, TopicExtra& e) {
    const bool ahead = topic->open && topic->loaded && dated_ahead(*topic, topic->counters.greatest);
    const bool back = topic->open && topic->loaded && e.back_at != 0 && e.back_at <= now_.steady_ms;
    if ((ahead || back) && !resting) reload_topic(topic);
    else if (back) e.back_at = storage_.rests_until();
    release_due(topic);
    if (e.held_waits && !e.releasing && !resting && redates(*topic)) look_for_held(topic);
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
  Tally now;
  if (auto found = topics_.find(no); found != topics_.end()) {
    const TopicPtr& topic = found->second;
    if (topic->open && topic->keys) now.pending = pending(topic);
    if (topic->open && topic->loaded && topic->keys) now.newest_ms = topic->counters.greatest.ms();
    now.bytes = topic->bytes;
    now.newer = topic->counters.newer > 0;
    now.held_back = topic->counters.next_due_ms.has_value();
    auto e = extras_.find(no);
    now.announcing = e != extras_.end() && e->second.own_presence;
  }
  tallies_.set(no, now);
}

namespace {
bool unsettled(const TopicExtra& e) { return !(e.waiting.empty() && e.uncounted.empty()); }
}  // namespace

// At the end of a turn: those with something that has no time of its own are looked at with the next one as well.
void Node::Impl::settle_touched() {
  for (auto it = touched_.begin(); it != touched_.end();) {
    auto topic = topics_.find(*it);
    auto e = extras_.find(*it);
    const bool there = topic != topics_.end() && e != extras_.end();
    topic_timers_.set(*it, there ? deadline_of(*topic->second, e->second) : std::nullopt);
    it = there && unsettled(e->second) ? std::next(it) : touched_.erase(it);
  }
}

// Looks at all there is, as no turn does: whoever changes something without touching it is found by the first test that comes by.
void Node::Impl::audit() const {
  PERDURE_ASSERT(sync_.settled());
  u64 pending = 0, bytes = 0;
  for (const auto& [no, topic] : topics_) {
    if (topic->open && topic->keys) pending += this->pending(topic);
    bytes += topic->bytes;
    PERDURE_ASSERT(tallies_.newer().contains(no) == (topic->counters.newer > 0));
    if (auto e = extras_.find(no); e != extras_.end() && !touched_.contains(no))
      PERDURE_ASSERT(topic_timers_.at(no) == deadline_of(*topic, e->second));
  }
  PERDURE_ASSERT(tallies_.pending() == pending && tallies_.bytes() == bytes);
  if (topic_list_.told())
    for (const auto& [no, topic] : topics_) PERDURE_ASSERT(topic_list_.says(no, listed(no)));
  for (const auto& [id, link] : links_) PERDURE_ASSERT(link_timers_.at(id) == link_deadline(*link));
}

std::optional<u64> Node::Impl::deadline_of(const Topic& topic, const TopicExtra& e) const {
  std::optional<u64> at;
  auto take = [&](u64 ms) { at = std::min(at.value_or(ms), ms); };
  if (e.rebuild_at != 0) take(e.rebuild_at);
  if (!(e.waiting.empty() && e.uncounted.empty()) && storage_.rests(now_.steady_ms)) take(storage_.rests_until());
  if (!topic.loaded) return at;
  if (topic.open && e.back_at != 0) take(e.back_at);
  if (e.members_at && !config_.anchor) take(*e.members_at);
  if (e.names_at) take(*e.names_at);
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
