// Fetching what the peer holds and we do not: wants under a byte window, one link a log.
#include "sync/sync.hpp"

#include "clock/hybrid.hpp"

namespace perdure::sync {

namespace {
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

void Sync::pull(TopicSync& t, Exchange& e) {
  Topic& topic = *t.topic;
  if (!e.done_got || t.paused_until != 0 || transactions_.failed()) return;
  if (u64 at = host_.rested_at(e.link); at > now_.steady_ms && !e.behind.empty()) return resume(e, at);
  u64 looked = 0;
  for (auto it = e.behind.begin(); it != e.behind.end() && e.pulls.size() < pulls_max && e.pull_bytes < window_bytes;) {
    ++looked;
    wire::LogTag tag = *it;
    const Their& their = e.theirs[tag];
    u64 from = ours(topic, e, tag);
    u64 to = std::min(their.length, limit(topic, e, tag));
    if (from >= to) {
      it = e.behind.erase(it);
      continue;
    }
    ++it;
    if (e.stuck.contains(tag)) continue;
    bool asked = std::any_of(e.pulls.begin(), e.pulls.end(), [&](const auto& p) { return p.second.log == tag; });
    if (asked) continue;
    bool ahead = their.time_s * 1000 > host_.corrected_now_ms() + clock::hold_back_ms;
    if (ahead && topic.counters.held_bytes > held_back_pull_max) continue;
    if (auto known = e.tags.find(tag); known != e.tags.end()) {
      if (!t.pulling.emplace(known->second, e.link).second) continue;  // another link brings it
    }
    u32 request = e.next_request++;
    e.pulls.emplace(request, Pull{tag, from, want_bytes_max, now_.steady_ms});
    e.pull_bytes += want_bytes_max;
    send(e, wire::Want{tag, from, to, want_bytes_max}, request);
  }
  host_.charge(e.link, looked / 8);
  drained(t, e);
}

void Sync::end_pull(TopicSync& t, Exchange& e, u32 request) {
  auto it = e.pulls.find(request);
  if (it == e.pulls.end()) return;
  e.pull_bytes -= it->second.bytes;
  if (auto known = e.tags.find(it->second.log); known != e.tags.end()) {
    auto p = t.pulling.find(known->second);
    if (p != t.pulling.end() && p->second == e.link) t.pulling.erase(p);
  }
  e.pulls.erase(it);
  host_.progressed(t.topic);
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
    e.pulls.emplace(request, Pull{tag, entry.durable.hole, 0, now_.steady_ms, hole_ms_max});
    send(e, wire::Want{tag, entry.durable.hole, entry.durable.length, want_bytes_max}, request);
  }
}

bool Sync::is_lost(const TopicPtr& topic, store::LogNo no) const {
  auto t = topics_.find(topic->no);
  if (t == topics_.end() || t->second.exchanges.empty() || t->second.paused_until != 0) return false;
  const u64 hole = topic->logs[no].durable.hole;
  return std::ranges::all_of(t->second.exchanges, [&](const auto& other) {
    const auto asked = other.second.asked.find(no);
    return asked != other.second.asked.end() && asked->second.hole == hole &&
           !other.second.pulls.contains(asked->second.request) && other.second.queued_bytes == 0;
  });
}

// Who does not answer keeps nobody else from being asked.
void Sync::give_up_late(TopicSync& t, Exchange& e) {
  std::vector<u32> late;
  for (const auto& [request, p] : e.pulls)
    if (p.heard_ms + p.ms_max <= now_.steady_ms) late.push_back(request);
  if (late.empty()) return;
  for (u32 request : late) {
    e.stuck.insert(e.pulls[request].log);
    end_branch_fetch(e, e.pulls[request].log);
    end_pull(t, e, request);
  }
  for (auto& [link, other] : t.exchanges) pull(t, other);
}

// Once nothing is behind we know all that the peer had when it said `done`: next time it can begin from there. Who had more before has
// put a backup back, and is told so.
void Sync::drained(TopicSync& t, Exchange& e) {
  if (!e.offered || !e.behind.empty() || !e.pulls.empty() || e.queued_bytes > 0 || t.topic->pull_limited) return;
  if (anchor_ && t.topic->logs.empty()) return;  // nothing is kept where nothing was said
  const wire::Cursor now = *std::exchange(e.offered, std::nullopt);
  auto before = std::make_shared<std::optional<wire::Cursor>>();
  transactions_.run(
      t.topic->queue(),
      [key = store::key('C', t.topic->no, e.peer.view()), now, before](store::Rows& rows) {
        auto row = rows.get(key);
        *before = row ? wire::decode_body<wire::Cursor>(*row) : std::nullopt;
        const bool same = *before && wire::encode_body(**before) == wire::encode_body(now);
        if (!same && !went_back(*before, now)) rows.put(key, wire::encode_body(now));
      },
      [this, topic = t.topic, link = e.link, now, before](SaveOutcome saved) {
        Exchange* ex = find(topic, link);
        if (saved != SaveOutcome::ok || !ex || ex->epoch != now.epoch || !went_back(*before, now)) return;
        if (!std::exchange(ex->told_back, true)) hello(topics_[topic->no], *ex, 0);
      });
}

}  // namespace perdure::sync
