// Taking pages in: checked against the log, stored, merged, and only then acknowledged and passed on.
#include "codec/bytes.hpp"
#include "crdt/arrivals.hpp"
#include "crdt/replica.hpp"
#include "sync/merge.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

namespace {

log::Page page_of(const wire::Page& frame, const log::Opening& opening) {
  log::Page page;
  page.opening = opening;
  page.from = frame.from;
  page.batches = frame.batches;
  page.completion = frame.completion;
  page.head = {frame.length, frame.ops, HybridTime{frame.time}, frame.signature};
  return page;
}

log::Opening opening_of(const wire::OpeningField& field) {
  codec::Reader r(field.incarnation);
  return {field.device, r.be64(), field.certificate};
}

}  // namespace

// A page that is not taken in shows what they hold.
void Sync::note_page(TopicSync& t, Exchange& e, const wire::LogTag& tag, const wire::Page& page) {
  if (e.theirs.size() >= theirs_max && !e.theirs.contains(tag)) return;
  e.level_at = 0;
  const Their& their = e.theirs[tag];
  const u64 end = page.from + page.batches.size();
  note_theirs(
      t, e, tag,
      {std::max(their.length, end), page.ops, page.time >> 16, their.root, their.cut, std::max(their.said, end)});
}

Sync::Incoming Sync::incoming(const Topic& topic, const Exchange& e, const wire::Frame& frame, wire::Page page) {
  Incoming in{std::move(page), {}, {}, frame.header.request, frame.body.size()};
  in.tag = in.page.log;
  if (in.page.opening) {
    in.opening = opening_of(*in.page.opening);
    in.tag = tag_of(e.session, topic.log_id(in.opening->device, in.opening->incarnation));
  }
  return in;
}

void Sync::on_page(TopicSync& t, Exchange& e, const wire::Frame& frame) {
  auto message = wire::decode<wire::Page>(frame);
  if (!message || message->batches.empty()) return host_.fault(e.link, Fault::malformed);
  Incoming in = incoming(*t.topic, e, frame, std::move(*message));
  auto asked = e.pulls.find(in.request);
  if (in.request != 0 && (in.request >= e.next_request || (asked != e.pulls.end() && asked->second.log != in.tag)))
    return host_.fault(e.link, Fault::unasked);
  if (on_branch_page(t, e, in.tag, in.request, in.page)) return;
  if (put_off(t, e, in)) return;
  if (e.queued_bytes + in.size > queued_bytes_max) return host_.fault(e.link, Fault::too_much);
  if (pass_over(t, e, in)) return;
  take_in(t, e, in);
}

// The disk has just failed: what is taken in now would fail again, and be sent again. After the pause it is fetched. So is what is
// pushed by who owes, and what waits for a slow disk beyond what may: later, and in bulk. True: this page is one of those.
bool Sync::put_off(TopicSync& t, Exchange& e, const Incoming& in) {
  const bool owes = in.request == 0 && host_.rested_at(e.link) > now_.steady_ms;
  // what is before it is on its way
  const bool gap = in.request == 0 && e.queued_bytes == 0 && e.behind.contains(in.tag) &&
                   in.page.from > ours(*t.topic, e, in.tag);
  if (t.paused_until == 0 && !owes && !gap && queued_ + in.size <= limits_.queued) return false;
  note_page(t, e, in.tag, in.page);
  if (!claim(e)) return host_.fault(e.link, Fault::too_much), true;
  if (in.request != 0 && in.page.last) end_pull(t, e, in.request);
  if (owes || gap) pull(t, e);
  else if (t.paused_until == 0) resume(e, now_.steady_ms + announce_delay_ms);
  return true;
}

// True if nothing can be done with this page, whatever room there is.
bool Sync::pass_over(TopicSync& t, Exchange& e, const Incoming& in) {
  // It extends what we do not have: its owner thinks too well of us.
  const bool unknown = !in.opening && !e.tags.contains(in.tag) && !e.openings.contains(in.tag);
  // A test that limits what is pulled cannot verify a part of a page.
  const bool beyond = !unknown && t.topic->pull_limited && in.end() > limit(*t.topic, e, in.tag);
  if (!unknown && !beyond) return false;
  if (beyond) note_page(t, e, in.tag, in.page);
  if (unknown && in.page.last && e.pulls.contains(in.request)) e.withhold(in.tag);
  if (in.page.last) end_pull(t, e, in.request);
  pull(t, e);
  return true;
}

void Sync::take_in(TopicSync& t, Exchange& e, const Incoming& in) {
  TopicPtr topic = t.topic;
  e.queued_bytes += in.size;
  queued_ += in.size;
  host_.charge(e.link, wire::work_per_page_taken + in.page.batches.size() * wire::work_per_batch);
  host_.count("batches_in", in.page.batches.size());
  auto known = e.tags.find(in.tag);
  std::optional<log::Opening> given = in.opening;
  std::optional<store::LogNo> no;
  if (known != e.tags.end()) no = known->second;
  else if (!given) given = e.openings[in.tag];
  if (given && e.openings.size() < openings_max) e.openings[in.tag] = *given;
  transactions_.run<Taken>(
      topic->queue(),
      [this, topic, page = page_of(in.page, given.value_or(log::Opening{})), given, no,
       from = host_.origin(e.link)](store::Rows& rows) mutable {
        Taken result;
        take(rows, *topic, page, given ? &*given : nullptr, no.value_or(0), from, result);
        // At once: what comes to other topics before this is saved must find the room taken. If it is not saved, all is read again, and counted.
        if (result.bytes != 0 && topic->open) host_.grew(rows, topic, result.bytes, from);
        return result;
      },
      [this, topic, came = Came{e.link, e.generation, in.request, in.page.last, in.tag, in.size}](SaveOutcome saved,
                                                                                                  const Taken& result) {
        queued_ -= came.size;
        if (Exchange* ex = find(topic, came.link); ex && ex->generation == came.generation) {
          ex->queued_bytes -= came.size;
          ex->openings.erase(came.tag);  // whatever became of it
        }
        taken(topic, came, result, saved);
      });
}

bool Sync::is_linked(const Topic& topic, const DeviceId& device) const {
  auto t = topics_.find(topic.no);
  return device == self_.id() ||
         (t != topics_.end() &&
          std::ranges::any_of(t->second.exchanges, [&](const auto& other) { return other.second.peer == device; }));
}

// In a step. Runs again if rows were missing, so it leaves the topic as it found it until then.
void Sync::take(store::Rows& rows, Topic& topic, log::Page& page, const log::Opening* opening, store::LogNo no,
                const Bytes& from, Taken& out) {
  out.end = page.from + page.batches.size();
  if (opening) {
    auto found = topic.by_id(topic.log_id(opening->device, opening->incarnation));
    // not the sender's fault
    if (!found && topic.logs.size() >= (is_linked(topic, opening->device) ? logs_max : logs_max - logs_reserved)) {
      out.refused = true;
      out.verdict = log::Verdict::known;
      return;
    }
    out.fresh = !found;
    no = found ? *found : topic.add_log(opening->device, opening->incarnation);
  }
  auto drop = [&] {
    if (out.fresh) topic.drop_log();
  };
  out.no = no;
  LogEntry& entry = topic.logs[no];
  log::LogState state;
  if (!out.fresh) {
    auto stored = read_state(rows, topic, no);
    if (!stored) {
      out.verdict = log::Verdict::gap;
      out.damage.indexes = !rows.missed();  // the log's own row is lost under us: what is left is read again
      return;
    }
    state = std::move(*stored);
  }
  if (!opening) page.opening = state.opening;
  out.given = 0;
  for (const Bytes& b : page.batches) out.given += b.size();
  const u64 size = out.given + (out.fresh ? log_bytes : 0);
  if (const wire::Refusal* why = host_.quota(topic, entry.pending.device, size, from)) {
    out.refused = true;
    out.refusal = *why;
    out.verdict = log::Verdict::known;
    return drop();
  }
  const u64 before = out.before = state.held;
  out.restored = log::restore(rows, topic.no, no, state, topic.network, topic.id, page);
  out.verdict = log::accept(rows, topic.no, no, state, topic.network, topic.id, page);
  if (!rows.missed() && out.restored && out.verdict == log::Verdict::known)
    out.updates.push_back({no, durable_of(rows, topic, no, state)});
  if (rows.missed() || out.verdict != log::Verdict::accepted) return drop();
  if (topic.keys) {
    Merge merge(rows, topic, host_.corrected_now_ms());
    merge.add(no, before, state.held);
    merge.finish(out.updates, out.changes, out.counters);
    if (merge.gave_up(out.damage)) return drop();
  } else {
    crdt::Indexes indexes = crdt::load_indexes(rows, topic.no);
    crdt::Arrivals arrivals(rows, topic.no, indexes);
    arrivals.append(no, entry.pending.id, before, state.held - before);
    arrivals.flush();
    if (!rows.missed() && arrivals.corrupt()) {
      rows.abandon();
      out.damage.indexes = out.damage.arrivals = true;
      return drop();
    }
    crdt::save_indexes(rows, topic.no, indexes);
    out.counters.arrived = indexes.arrived;
    out.counters.arrival_hash = indexes.arrival_hash;
  }
  if (rows.missed()) return drop();
  // The void may have reached the very log that was taken in.
  if (auto now = read_state(rows, topic, no)) state = std::move(*now);
  out.updates.push_back({no, durable_of(rows, topic, no, state)});
  if (rows.missed()) return drop();
  host_.keep(rows, topic);
  for (LogUpdate& update : out.updates) topic.build_on(update);
  out.bytes = charged(state) - entry.bytes;
  topic.grew(no, state);
}

void Sync::taken(const TopicPtr& topic, const Came& came, const Taken& result, SaveOutcome saved) {
  // everything is read again, and the peer asked again; or it is forgotten
  if (saved != SaveOutcome::ok) return;
  Exchange* e = find(topic, came.link);
  if (e && e->generation != came.generation) e = nullptr;
  const Answer answer = e ? answer_with(topics_[topic->no], *e, came, result) : Answer::none;
  if (!topic->open) return;
  if (result.damage) host_.damaged(topic, result.damage);
  if (result.damage.indexes) return;  // and so here, once they are mended
  e = find(topic, came.link);
  if (e && e->generation != came.generation) e = nullptr;
  const bool accepted = result.verdict == log::Verdict::accepted;
  if (accepted || result.restored)
    for (const LogUpdate& update : result.updates) topic->apply(update);
  if (result.restored) host_.restored(topic, result.no);
  if (accepted) topic->counters = result.counters;
  if (e && (accepted || result.verdict == log::Verdict::known) && !result.refused) {
    e->tags.emplace(came.tag, result.no);
    if (accepted) e->withheld.erase(came.tag);
    Their& their = e->theirs[came.tag];
    note_theirs(
        topics_[topic->no], *e, came.tag,
        {std::max(their.length, result.end), std::max(their.ops, accepted ? topic->logs[result.no].durable.ops : 0),
         their.time_s, their.root, their.cut, std::max(their.said, result.end)});
  }
  if (accepted) {
    if (TopicSync* t = known(topic); t && topic->logs[result.no].pending.device != self_.id()) {
      auto last = t->acked_at.find(result.no);
      u64 earliest = last == t->acked_at.end() ? 0 : last->second + ack_interval_ms;
      due(*t, result.no, std::max(now_.steady_ms, earliest));
    }
    host_.stored(topic, result.changes);
    spread(topic, result.no, came.link);
    for (const LogUpdate& update : result.updates)
      if (update.no != result.no && is_own(*topic, update.no)) host_.voided_own(topic, update.no);
    if (is_own(*topic, result.no)) host_.own_came(topic, result.no, result.before);
  }
  if (e) judge(topics_[topic->no], *e, came, result, answer);
}

// What this page makes of the answer that it is a part of.
Sync::Answer Sync::answer_with(TopicSync& t, Exchange& e, const Came& came, const Taken& result) {
  went_on(t, e, came, result);
  if (came.request == 0) return Answer::none;
  const bool fresh = result.verdict == log::Verdict::accepted || result.restored;
  auto asked = e.pulls.find(came.request);
  if (asked == e.pulls.end()) return fresh ? Answer::ended : Answer::none;  // late
  if (!came.last) return Answer::none;
  const bool in_vain = !asked->second.got && !result.refused && !result.damage;
  end_pull(t, e, came.request);
  return in_vain ? Answer::in_vain : Answer::ended;
}

// What follows for the peer that sent it.
void Sync::judge(TopicSync& t, Exchange& e, const Came& came, const Taken& result, Answer answer) {
  TopicPtr topic = t.topic;
  const bool accepted = result.verdict == log::Verdict::accepted;
  if (accepted && topic->logs[result.no].pending.device == self_.id()) hear_early_acks(t);
  if (result.refused) {
    e.stick(came.tag);
    host_.refused(result.refusal);
    send(e, wire::Refused{static_cast<u8>(result.refusal)});
  }
  switch (result.verdict) {
    case log::Verdict::not_opened: return host_.fault(came.link, Fault::not_opened);
    case log::Verdict::malformed: return host_.fault(came.link, Fault::malformed);
    case log::Verdict::mismatch:
      e.stick(came.tag);
      if (e.tags.contains(came.tag)) begin_fork_search(t, e, came.tag, true);
      else return host_.fault(came.link, Fault::forged);  // nothing of ours that it could contradict
      break;
    case log::Verdict::gap:
    case log::Verdict::known:
    case log::Verdict::accepted: break;
  }
  if (answer == Answer::in_vain) e.withhold(came.tag);
  if (answer == Answer::ended) e.stuck.erase(came.tag), t.freed = true;
  if (result.verdict == log::Verdict::mismatch || result.refused) e.stick(came.tag);
  if (came.request != 0 || e.queued_bytes == 0) pull(t, e);  // what was pushed comes in numbers
  host_.progressed(topic);
}

}  // namespace perdure::sync
