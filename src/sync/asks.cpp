// The app asks whether all is here that others hold now: they are greeted anew, and their answer is waited for. It is the `done` behind a
// greeting of ours that was sent when none before it was unanswered; a greeting that is under way is followed by another. Whoever asks while
// no more may be asked shares the next one.
#include "sync/sync.hpp"

namespace perdure::sync {

u64 Sync::ask(const TopicPtr& topic, Instant now) {
  now_ = now;
  TopicSync& t = of(topic);
  const u64 number = t.asked + 1;
  if (t.ask_at == 0) t.ask_at = std::max<u64>(now_.steady_ms, 1);
  send_ask(t);
  return number;
}

void Sync::send_ask(TopicSync& t) {
  if (t.ask_at == 0 || t.ask_at > now_.steady_ms || t.asks.size() >= asks_max) return;
  if (!t.ask_budget.take(now_.steady_ms, asks_rate))
    return void(t.ask_at = t.ask_budget.left_at(now_.steady_ms, asks_rate));
  t.ask_at = 0;
  t.asks.push_back({++t.asked, now_.steady_ms + ask_ms_max});
  for (auto& [link, e] : t.exchanges)
    if (!e.unanswered) hello(t, e, 0);
}

u64 Sync::asked(const TopicPtr& topic) const {
  auto t = topics_.find(topic->no);
  return t == topics_.end() ? 0 : t->second.asked;
}

void Sync::answered(TopicSync& t, Exchange& e) {
  e.unanswered = false;
  e.answered = e.ask;
  if (e.answered < t.asked) hello(t, e, 0);
}

// Who is gone need not answer, and who does not answer in time keeps nobody waiting.
void Sync::settle_asks(TopicSync& t) {
  while (!t.asks.empty()) {
    const auto [number, until_ms] = t.asks.front();
    const bool late = until_ms <= now_.steady_ms;
    if (!late && std::ranges::any_of(t.exchanges, [&](const auto& e) { return e.second.answered < number; })) break;
    t.asks.pop_front();
    if (!late) continue;
    t.believed = number;
    host_.progressed(t.topic);
  }
  send_ask(t);
}

}  // namespace perdure::sync
