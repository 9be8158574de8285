// Fetching what the peer holds and we do not: wants under a byte window, one link a log (turns.cpp).
#include "sync/sync.hpp"

#include "clock/hybrid.hpp"

namespace perdure::sync {

namespace {
constexpr std::size_t cursors_max = 256;  // of one topic at an anchor, to which anybody can come as anybody

// Whose cursors are kept there, in the order in which they came; a row beside theirs. Where there is no room, one who has written in the
// topic takes the place of one who has not: his own disk may be set back, and this is how he learns of it. Without one all is compared.
bool keep_cursor(store::Rows& rows, const Topic& topic, const DeviceId& peer) {
  const Bytes key = store::key('C', topic.no);
  const auto row = rows.get(key);
  Bytes all = row ? own(*row) : Bytes{};
  all.resize(all.size() - all.size() % DeviceId::size);
  auto has_written = [&](const DeviceId& device) { return topic.device_bytes.contains(device); };
  std::optional<std::size_t> gives_way;
  for (std::size_t at = 0; at < all.size(); at += DeviceId::size) {
    const auto listed = DeviceId::from(ByteView(all).subspan(at, DeviceId::size));
    if (listed == peer) return true;
    if (!gives_way && !has_written(listed)) gives_way = at;
  }
  if (all.size() >= cursors_max * DeviceId::size) {
    if (!gives_way || !has_written(peer)) return false;
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(*gives_way);
    rows.erase(store::key('C', topic.no, ByteView(&*at, DeviceId::size)));
    all.erase(at, at + static_cast<std::ptrdiff_t>(DeviceId::size));
  }
  all.insert(all.end(), peer.bytes.begin(), peer.bytes.end());
  rows.put(key, std::move(all));
  return true;
}

bool went_back(const std::optional<wire::Cursor>& before, const wire::Cursor& now) {
  return before && before->epoch == now.epoch && before->number > now.number;
}
}  // namespace

// Batches that we hold or are about to: what a want starts from.
u64 Sync::ours(const Topic& topic, const Exchange& e, const wire::LogTag& tag) const {
  auto it = e.tags.find(tag);
  if (it == e.tags.end()) return 0;
  const LogEntry& entry = topic.logs[it->second];
  return std::min(entry.pending.held, entry.durable.hole);
}

// How far it makes sense to fetch: to the cut, or as far as a test allows.
u64 Sync::limit(const Topic& topic, const Exchange& e, const wire::LogTag& tag) const {
  auto it = e.tags.find(tag);
  u64 most = it == e.tags.end() ? log::no_cut : std::max<u64>(topic.logs[it->second].pending.cut, 1);
  if (!topic.pull_limited) return most;
  auto l = e.limits.find(tag);
  u64 allowed = l == e.limits.end() ? 0 : l->second;
  return std::min(most, allowed);
}

Lack Sync::lacking(const Topic& topic, const Exchange& e, const wire::LogTag& tag) const {
  auto their = e.theirs.find(tag);
  if (their == e.theirs.end()) return {};
  // There is no end to what they may call a log.
  if (!topic.pull_limited && !e.tags.contains(tag)) return {0, their->second.length};
  return {ours(topic, e, tag), std::min(their->second.length, limit(topic, e, tag))};
}

// Not for what they could not give, nor twice, nor for too much that is dated ahead.
bool Sync::to_be_asked(const Topic& topic, const Exchange& e, const wire::LogTag& tag) const {
  if (e.stuck.contains(tag) || std::ranges::any_of(e.pulls, [&](const auto& p) { return p.second.log == tag; }))
    return false;
  auto their = e.theirs.find(tag);
  bool ahead = their != e.theirs.end() && their->second.time_s * 1000 > host_.corrected_now_ms() + clock::hold_back_ms;
  return !ahead || topic.counters.held_bytes <= held_back_pull_max;
}

void Sync::pull(TopicSync& t, Exchange& e) {
  Topic& topic = *t.topic;
  // Its logs may just be read anew, and the tags are of those before.
  if (!topic.loaded || !e.done_got || t.paused_until != 0 || transactions_.failed()) return;
  if (u64 at = host_.rested_at(e.link); at > now_.steady_ms && !e.behind.empty()) return resume(e, at);
  u64 looked = 0;
  for (auto it = e.behind.begin(); it != e.behind.end() && e.pulls.size() < pulls_max && e.pull_bytes < window_bytes;) {
    ++looked;
    wire::LogTag tag = *it;
    const Lack lack = lacking(topic, e, tag);
    ++it;
    const auto known = e.tags.find(tag);
    if (!lack) {
      e.level(tag);
      if (known != e.tags.end()) all_given(t, e, known->second);
      continue;
    }
    if (!to_be_asked(topic, e, tag)) continue;
    Pull pull{tag, lack.from, lack.to, want_bytes_max, now_.steady_ms};
    if (known != e.tags.end()) {
      if (!take_turn(t, e, known->second, e.next_request)) continue;  // another link brings it
      pull.turn = known->second;
    }
    u32 request = e.next_request++;
    e.pulls.emplace(request, pull);
    e.pull_bytes += want_bytes_max;
    send(e, wire::Want{tag, lack.from, lack.to, want_bytes_max}, request);
  }
  host_.charge(e.link, looked / 2);
  drained(t, e);
}

void Sync::end_pull(TopicSync& t, Exchange& e, u32 request) {
  auto it = e.pulls.find(request);
  if (it == e.pulls.end()) return;
  e.pull_bytes -= it->second.bytes;
  free_turn(t, e, request);
  e.pulls.erase(it);
  host_.progressed(t.topic);
}

void Sync::on_no_page(TopicSync& t, Exchange& e, u32 request, const wire::LogTag& tag) {
  if (request == 0 || request >= e.next_request) return host_.fault(e.link, Fault::unasked);
  auto asked = e.pulls.find(request);
  if (asked == e.pulls.end()) return;  // asked before they greeted anew
  if (asked->second.log != tag) return host_.fault(e.link, Fault::unasked);
  end_pull(t, e, request);
  e.withhold(tag);
  end_branch_fetch(e, tag);
  pull(t, e);
}

// Nobody may speak of the log of which we have lost a batch: whoever greets from a cursor does not. So all are asked by name, once each; who
// does not greet at all as well, after a while.
void Sync::ask_for_lost(TopicSync& t, Exchange& e) {
  if ((!e.hello_got && e.attached_ms + hole_ms_max > now_.steady_ms) || t.paused_until != 0 || transactions_.failed())
    return;
  for (store::LogNo no : t.topic->holed) {
    const LogEntry& entry = t.topic->logs[no];
    auto asked = e.asked.find(no);
    if (entry.durable.hole >= entry.durable.length ||
        (asked != e.asked.end() && asked->second.hole == entry.durable.hole))
      continue;
    if (e.pulls.size() >= 2 * pulls_max) return;  // once some of them are answered
    const u32 request = e.next_request++;
    e.asked[no] = {entry.durable.hole, request};
    const auto tag = tag_of(e.session, entry.pending.id);
    t.sought.try_emplace(no, TopicSync::Sought{now_.steady_ms});
    e.pulls.emplace(request, Pull{tag, entry.durable.hole, entry.durable.length, 0, now_.steady_ms, hole_ms_max});
    send(e, wire::Want{tag, entry.durable.hole, entry.durable.length, want_bytes_max}, request);
  }
}

bool Sync::is_lost(const TopicPtr& topic, store::LogNo no) const {
  auto t = topics_.find(topic->no);
  if (t == topics_.end() || t->second.exchanges.empty() || t->second.paused_until != 0) return false;
  // However often somebody begins to give it, or comes anew: that has an end.
  if (auto sought = t->second.sought.find(no);
      sought != t->second.sought.end() && sought->second.since_ms + turn_ms_max <= now_.steady_ms)
    return true;
  const u64 hole = topic->logs[no].durable.hole;
  return std::ranges::all_of(t->second.exchanges, [&](const auto& other) {
    const auto asked = other.second.asked.find(no);
    return asked != other.second.asked.end() && asked->second.hole == hole &&
           !other.second.pulls.contains(asked->second.request) && other.second.queued_bytes == 0;
  });
}

// Once nothing is behind we know all that the peer had when it said `done`: next time it can begin from there. Who had more before has
// put a backup back, and is told so.
void Sync::drained(TopicSync& t, Exchange& e) {
  if (!e.offered || !e.behind.empty() || !e.pulls.empty() || e.queued_bytes > 0 || t.topic->pull_limited) return;
  if (anchor_ && t.topic->logs.empty()) return;  // nothing is kept where nothing was said
  const wire::Cursor now = *std::exchange(e.offered, std::nullopt);
  using Kept = std::optional<wire::Cursor>;
  transactions_.run<Kept>(
      t.topic->queue(),
      [this, topic = t.topic, peer = e.peer, key = store::key('C', t.topic->no, e.peer.view()),
       now](store::Rows& rows) -> Kept {
        auto row = rows.get(key);
        const Kept before = row ? wire::decode_body<wire::Cursor>(*row) : std::nullopt;
        const bool same = before && wire::encode_body(*before) == wire::encode_body(now);
        if (same || went_back(before, now) || rows.missed()) return before;
        if (!anchor_ || before || keep_cursor(rows, *topic, peer)) rows.put(key, wire::encode_body(now));
        return before;
      },
      [this, topic = t.topic, link = e.link, now](SaveOutcome saved, const Kept& before) {
        Exchange* ex = find(topic, link);
        if (saved != SaveOutcome::ok || !ex || ex->epoch != now.epoch || !went_back(before, now)) return;
        if (!std::exchange(ex->told_back, true)) hello(topics_[topic->no], *ex, 0);
      });
}

}  // namespace perdure::sync
