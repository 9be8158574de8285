// Own batches that were accepted and do not count where they stand: because our rows have lost them and somebody else has them, because
// they are dated ahead, because a former life of this device has voided them without knowing them, or because others cannot get past a
// batch that nobody has any more. What they say is appended again, each op in the place of the one that it stands for.
#include <algorithm>

#include "node/impl.hpp"
#include "node/op_text.hpp"
#include "sync/reappended.hpp"

namespace perdure {

using author::Uncounted;

struct Node::Impl::ReappendStep {
  author::Gathered gathered;
  author::Written written;
  bool appended = false;
};

namespace {

constexpr std::size_t lost_max = 64;  // waiting; more are found again at the next greeting or start

}  // namespace

void Node::Impl::lost_own(const TopicPtr& topic, sync::Branch branch) {
  TopicExtra* found = known_extra(topic);
  if (!found || !topic->loaded || found->uncounted.size() >= lost_max) return;
  found->uncounted.push_back({Uncounted::Why::branch, std::move(branch)});
  append_waiting(topic);
}

void Node::Impl::voided_own(const TopicPtr& topic, LogNo no) {
  TopicExtra* found = known_extra(topic);
  if (!found || !topic->loaded || topic->logs[no].pending.cut >= topic->logs[no].pending.held) return;
  found->uncounted.push_back({Uncounted::Why::voided, {no, topic->logs[no].pending.cut, 0, {}, {}}});
  move_waiters(topic);
  append_waiting(topic);
}

void Node::Impl::own_came(const TopicPtr& topic, LogNo no, u64 from) {
  TopicExtra* found = known_extra(topic);
  if (!found || !topic->loaded) return;
  const bool voided = topic->logs[no].pending.cut < topic->logs[no].pending.held;
  if (voided) found->uncounted.push_back({Uncounted::Why::voided, {no, from, 0, {}, {}}});
  if (topic->counters.said_again > 0) found->uncounted.push_back({Uncounted::Why::clash, {no, from, 0, {}, {}}});
  found->held_waits |= topic->counters.held_back > 0 && !redates(*topic);
  append_waiting(topic);
}

// For others a log of ours ends where a batch of it is lost. Everybody who is here was asked for it; what stands behind is said again for
// those who cannot get past it, once. Nothing of the log is void: if the batch comes back, the log is whole again.
void Node::Impl::pass_holes(const TopicPtr& topic) {
  if (topic->holed.empty() || !topic->loaded || !topic->keys || storage_.rests(now_.steady_ms)) return;
  TopicExtra& e = extra(topic);
  for (LogNo no : std::set<LogNo>(topic->holed)) {
    const sync::LogEntry& entry = topic->logs[no];
    const u64 hole = entry.durable.hole;
    if (entry.pending.device != identity_->id() || hole >= std::min(entry.durable.length, entry.durable.cut)) continue;
    if (e.searching.contains(no) || !sync_.is_lost(topic, no)) continue;
    auto [given_up, fresh] = e.holes_given_up.emplace(no, hole);
    if (!fresh && given_up->second == hole) continue;
    given_up->second = hole;
    e.uncounted.push_back({Uncounted::Why::hole, {no, hole, hole, {}, {}}});
    append_waiting(topic);
  }
}

u64 Node::Impl::pending(const TopicPtr& topic) const {
  auto found = extras_.find(topic->no);
  if (found == extras_.end()) return sync_.pending(topic, {});
  u64 ops = sync_.pending(topic, found->second.holes_given_up);
  for (const Uncounted& lost : found->second.uncounted) {
    if (lost.branch.no >= topic->logs.size()) continue;  // just being read again
    const crdt::LogName& name = topic->logs[lost.branch.no].pending;
    ops += lost.branch.sealed.size() + name.held - std::min(name.held, lost.branch.from);
  }
  return ops;
}

// Own batches dated ahead, and what stands behind a void that a life before this one had no time to look through.
void Node::Impl::look_for_uncounted(const TopicPtr& topic) {
  if (!topic->keys) return settled(topic);
  std::vector<LogNo> voided, again;
  for (LogNo no = 0; no < topic->logs.size(); ++no) {
    const crdt::LogName& name = topic->logs[no].pending;
    if (name.device != identity_->id()) continue;
    if (name.cut < name.held) voided.push_back(no);
    if (topic->counters.said_again > 0) again.push_back(no);
  }
  if (voided.empty() && again.empty() && topic->counters.held_back == 0) return settled(topic);
  struct Found {
    std::map<LogNo, u64> held, together;
    std::vector<LogNo> unsettled;
  };
  transactions_.run<Found>(
      topic->queue(),
      [this, topic, voided, again](store::Rows& rows) {
        Found found;
        for (LogNo no : voided) {
          sync::Reappended done(rows, topic->no, no);
          if (!done.settled || *done.settled > topic->logs[no].pending.cut) found.unsettled.push_back(no);
        }
        for (LogNo no : again) {
          sync::Reappended done(rows, topic->no, no);
          if (done.told_apart < std::min(topic->logs[no].pending.held, topic->logs[no].pending.cut))
            found.together.emplace(no, done.told_apart);
        }
        crdt::Replica replica(rows, topic->no, *topic, *topic->keys, topic->network);
        found.held = ahead_of_us(replica);
        return found;
      },
      [this, topic](SaveOutcome saved, const Found& found) {
        TopicExtra* e = known_extra(topic);
        if (saved != SaveOutcome::ok || !e || !topic->loaded) return;
        for (LogNo no : found.unsettled) voided_own(topic, no);
        for (const auto& [no, from] : found.together)
          e->uncounted.push_back({Uncounted::Why::clash, {no, from, 0, {}, {}}});
        note_held(topic, found.held);
        append_waiting(topic);
        settled(topic);
      });
}

void Node::Impl::settled(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  if (e.settling && (e.reappending || !e.uncounted.empty())) return;
  e.settling = false;
  for (const Resumed& retry : std::exchange(e.retries, {})) retry.go();
  for (Call& call : std::exchange(e.deferred, {})) on_call(call);
}

void Node::Impl::reappend(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  auto lost = std::make_shared<Uncounted>(std::move(e.uncounted.front()));
  e.uncounted.pop_front();
  e.reappending = true;
  const u64 incarnation = random_.next();
  transactions_.run<ReappendStep>(
      topic->queue(),
      [this, topic, lost, incarnation](store::Rows& rows) {
        ReappendStep out;
        // It may be due by now, or nobody confirms our clock any more.
        const LogNo no = lost->branch.no;
        const u64 from = lost->why == Uncounted::Why::held ? ahead_from(rows, *topic, no) : lost->branch.from;
        out.gathered = author::gather(rows, *topic, *lost, from);
        if (rows.missed() || !out.gathered.any()) return out;
        out.appended = true;
        // In a new incarnation if the one at hand cannot go on.
        const bool ends_own = topic->own_log && std::ranges::any_of(out.gathered.voids, [&](const log::Void& v) {
                                return v.log == topic->logs[*topic->own_log].pending.id;
                              });
        author::Appender appender(rows, *topic, *identity_, random_, corrected_now_ms());
        appender.open(incarnation, ends_own);
        if (rows.missed()) return out;
        appender.add_again(std::move(out.gathered.ops), out.gathered.voids, !redates(*topic));
        if (auto written = appender.finish()) out.written = std::move(*written);
        return out;
      },
      [this, topic, lost](SaveOutcome saved, const ReappendStep& out) {
        TopicExtra* found = known_extra(topic);
        if (!found) return;
        found->reappending = false;
        if (saved == SaveOutcome::ok && out.written.damage) damaged(topic, out.written.damage);
        // Once the store can be written again, or its indexes are whole.
        if (saved != SaveOutcome::ok || out.written.damage.indexes)
          return found->uncounted.push_front(std::move(*lost));
        reappended(topic, *found, *lost, out);
      });
}

void Node::Impl::reappended(const TopicPtr& topic, TopicExtra& e, const Uncounted& lost, const ReappendStep& out) {
  const author::Gathered& gathered = out.gathered;
  const LogNo no = lost.branch.no;
  if (gathered.opaque > 0) {
    metrics_["opaque_lost"] += gathered.opaque;
    unreadable_lost_ = true;
    report_holes();
  }
  if (out.appended) {
    metrics_["rescues"] += 1;
    written(topic, out.written);
    renamed(topic, out.written.renamed);
    move_waiters(topic);
  }
  e.held_waits |= topic->counters.held_back > 0;
  const crdt::LogName& log = topic->logs[no].pending;
  if (lost.why == Uncounted::Why::clash && gathered.next < std::min(log.held, log.cut))
    e.uncounted.push_back({Uncounted::Why::clash, {no, gathered.next, 0, {}, {}}});
  if (gathered.voided) sync_.probe_beyond_void(topic, no);
  if (gathered.filled) restored(topic, no);
  // what was said by the batch that is lost cannot be taken from the indexes one by one
  const bool hole = lost.why == Uncounted::Why::hole && !e.missing.contains(no, topic->logs[no].durable.hole);
  if (gathered.holed && (out.appended || hole)) return e.rebuild_wanted = true, reload_topic(topic);
  append_waiting(topic);
  if (extras_.contains(topic->no)) settled(topic);
}

// Another branch's op has the id that was handed out in this life: receipts, and those who wait for copies, follow what they speak of.
void Node::Impl::renamed(const TopicPtr& topic, const std::map<OpId, OpId>& names) {
  if (names.empty()) return;
  TopicExtra& e = extra(topic);
  waiters_.renamed(topic->no, names);
  std::map<std::string, std::string> texts;
  for (const auto& [from, to] : names) texts.emplace(op_text(from), op_text(to));
  receipts_.rename(texts);
  for (const auto& [from, to] : names)
    if (e.renamed.size() < author::receipts_max) e.renamed[from] = to;
}

}  // namespace perdure
