#include "sync/sync.hpp"

namespace perdure::sync {

void Sync::attach(const TopicPtr& topic, const Attachment& a, Instant now, const std::optional<peers::Greeted>& said,
                  bool hello_lost) {
  now_ = now;
  TopicSync& t = of(topic);
  Exchange e;
  e.link = a.link;
  e.peer = a.peer;
  e.anchor = a.anchor;
  e.session = a.session;
  e.epoch = a.epoch;
  e.alias = a.alias;
  e.attached_ms = now.steady_ms;
  e.attachment = e.generation = next_generation_++;
  e.check_at = now.steady_ms + check_interval_ms;
  host_.charge(e.link, topic->numbers.size());
  for (const auto& [id, no] : topic->numbers) e.tags.emplace(tag_of(e.session, id), no);
  for (const auto& [id, n] : topic->pull_limits) e.limits.emplace(tag_of(e.session, id), n);
  // Late answers to what was asked before are no breach of the rules.
  if (auto before = t.exchanges.find(a.link); before != t.exchanges.end()) {
    e.next_request = before->second.next_request;
    e.unsure = before->second.unanswered;
    unclaim(before->second);
    forget_passed(before->second);
    free_turns(t, before->second);
  }
  voided_epoch(topic, a.peer, a.epoch, false);
  auto [it, fresh] = t.exchanges.insert_or_assign(a.link, std::move(e));
  shared_ += fresh;
  keep(it->second, it->second.tags.size());
  it->second.unanswered = said.has_value();
  if (said) it->second.ask = said->asked;
  if (topic->loaded && (!said || said->frontier != fingerprint(t, it->second)))
    hello(t, it->second, hello_lost ? 2 : 1);
  ack_all_of(topic, a.peer);
  host_.progressed(topic);
}

void Sync::detach(const TopicPtr& topic, LinkId link) {
  TopicSync* found = known(topic);
  if (!found) return;
  TopicSync& t = *found;
  auto gone = t.exchanges.extract(link);
  if (gone.empty()) return;
  unclaim(gone.mapped());
  forget_passed(gone.mapped());
  --shared_;
  t.early_acks.erase(link);
  if (auto acker = t.ackers.find(gone.mapped().peer); acker != t.ackers.end()) acker->second = {now_.wall_ms, true};
  free_turns(t, gone.mapped());
  if (t.exchanges.empty()) t.sought.clear();
  host_.progressed(topic);
}

void Sync::detach_all(const TopicPtr& topic) {
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return;
  for (auto& [link, e] : t->second.exchanges) unclaim(e), forget_passed(e);
  shared_ -= t->second.exchanges.size();
  topics_.erase(t);
  stir(topic->no);
}

Sync::TopicSync& Sync::of(const TopicPtr& topic) {
  TopicSync& t = topics_[topic->no];
  if (!t.topic) t.topic = topic;
  stir(topic->no);
  return t;
}

Sync::TopicSync* Sync::known(const TopicPtr& topic) {
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return nullptr;
  stir(topic->no);
  return &t->second;
}

void Sync::stir(store::TopicNo no) {
  stirred_.insert(no);
  untimed_.insert(no);
  changed_.insert(no);
}

Exchange* Sync::find(const TopicPtr& topic, LinkId link) {
  TopicSync* t = known(topic);
  if (!t) return nullptr;
  auto e = t->exchanges.find(link);
  return e == t->exchanges.end() ? nullptr : &e->second;
}

void Sync::on_frame(Instant now, const TopicPtr& topic, LinkId link, const wire::Frame& frame) {
  now_ = now;
  Exchange* e = find(topic, link);
  if (!e) return;  // said before we learnt that we share the topic
  TopicSync& t = of(topic);
  if (!topic->loaded) {  // both sides greet anew once it is
    if (frame.tag == wire::Tag::hello) e->hello_lost = true;
    return;
  }
  auto handle = [&]<class M>(auto&& use) {
    if (auto m = wire::decode<M>(frame)) use(*m);
    else host_.fault(link, Fault::malformed);
  };
  switch (frame.tag) {
    case wire::Tag::hello: return handle.template operator()<wire::Hello>([&](auto& m) { on_hello(t, *e, m); });
    case wire::Tag::items: return handle.template operator()<wire::Items>([&](auto& m) { on_items(t, *e, m.items); });
    case wire::Tag::done:
      return handle.template operator()<wire::Done>([&](auto& m) {
        if (!std::exchange(e->epoch_told, true) || m.cursor.epoch != e->epoch) {
          e->epoch = m.cursor.epoch;
          voided_epoch(topic, e->peer, e->epoch, true);
        }
        if (std::exchange(e->unsure, false)) return hello(t, *e, 0);
        answered(t, *e);
        e->done_got = true;
        e->offered = m.cursor;
        // else once the pages that came with it are taken in: they are not to be asked for again
        if (e->queued_bytes == 0) pull(t, *e);
        host_.progressed(topic);
      });
    case wire::Tag::want:
      return handle.template operator()<wire::Want>([&](auto& m) {
        if (e->wants_owed >= serves_max || frame.header.request == 0) return host_.fault(link, Fault::too_much);
        ++e->wants_owed;
        e->serves.push_back(
            {Serve::Kind::want, frame.header.request, m.log, m.from, m.to, std::min(m.bytes, want_bytes_max)});
        serve(t, *e);
      });
    case wire::Tag::page: return on_page(t, *e, frame);
    case wire::Tag::no_page:
      return handle.template operator()<wire::NoPage>([&](auto& m) { on_no_page(t, *e, frame.header.request, m.log); });
    case wire::Tag::check:
      return handle.template operator()<wire::Check>([&](auto& m) { on_check(t, *e, m.fingerprint); });
    case wire::Tag::ack: return handle.template operator()<wire::Ack>([&](auto& m) { on_ack(t, *e, m); });
    case wire::Tag::ask_proof:
      return handle.template operator()<wire::AskProof>([&](auto& m) { on_ask_proof(t, *e, m); });
    case wire::Tag::proof: return handle.template operator()<wire::Proof>([&](auto& m) { on_proof(t, *e, m); });
    case wire::Tag::ask_nodes:
      return handle.template operator()<wire::AskNodes>([&](auto& m) { on_ask_nodes(t, *e, m); });
    case wire::Tag::nodes: return handle.template operator()<wire::Nodes>([&](auto& m) { on_nodes(t, *e, m); });
    case wire::Tag::fork_proof:
      return handle.template operator()<wire::ForkProof>([&](auto& m) { on_fork_proof(t, *e, m); });
    default: return host_.fault(link, Fault::malformed);
  }
}

void Sync::on_hello(Instant now, const TopicPtr& topic, LinkId link, const wire::Hello& hello) {
  now_ = now;
  Exchange* e = find(topic, link);
  if (!e) return;
  if (!topic->loaded) e->hello_lost = true;  // both sides greet anew once it is
  else on_hello(of(topic), *e, hello);
}

void Sync::refused(const TopicPtr& topic, LinkId link) {
  if (Exchange* e = find(topic, link)) {
    e->refused = true;
    std::erase_if(e->serves, [](const Serve& s) { return s.kind == Serve::Kind::push; });
  }
}

void Sync::reload(const TopicPtr& topic, Instant now, bool failed) {
  now_ = now;
  TopicSync& t = of(topic);
  t.turns.clear();
  t.paused_until = failed ? now.steady_ms + failed_pause_ms : 0;
  std::vector<std::pair<Attachment, bool>> again;
  for (auto& [link, e] : t.exchanges)
    again.push_back({{link, e.peer, e.anchor, e.session, e.epoch, e.alias}, e.hello_lost});
  for (const auto& [a, lost] : again) attach(topic, a, now, {}, lost);
}

void Sync::flush(Instant now) {
  now_ = now;
  for (LinkId link : std::exchange(overdrawn_, {})) host_.fault(link, Fault::too_much);
  for (store::TopicNo no : timers_.due(now.steady_ms)) stir(no);
  std::vector<Key> waiting;
  std::vector<store::TopicNo> again;
  // In their order; one that is stirred by another before it is looked at next time.
  for (auto it = stirred_.begin(); it != stirred_.end();) {
    const store::TopicNo no = *it;
    stirred_.erase(it);
    if (auto t = topics_.find(no); t != topics_.end() && t->second.topic->loaded) {  // else all greet anew once it is
      flush_topic(t->second);
      for (const auto& [link, e] : t->second.exchanges)
        if (e.waiting) waiting.emplace_back(no, link);
      if (unsettled(t->second)) again.push_back(no);
    }
    it = stirred_.upper_bound(no);
  }
  for (store::TopicNo no : again) stir(no);
  if (!waiting.empty()) answer_those(std::move(waiting));
}

void Sync::flush_topic(TopicSync& t) {
  for (auto& [link, e] : t.exchanges) {
    if (e.announce_at && *e.announce_at <= now_.steady_ms) announce(t, e);
    if (e.check_at <= now_.steady_ms) {
      e.check_at = now_.steady_ms + host_.idle_ms(check_interval_ms, check_interval_ms_max);
      if (e.hello_got && e.serves.empty() && e.pulls.empty()) send(e, wire::Check{fingerprint(t, e)});
    }
    if (e.resume_at != 0 && e.resume_at <= now_.steady_ms) {
      e.resume_at = 0;
      pull(t, e);
    }
    if (!e.serves.empty()) serve(t, e);
    if (!e.suspects.empty()) search_suspects(t, e);
    if (!t.topic->holed.empty()) ask_for_lost(t, e);
    give_up_late(t, e);
  }
  if (t.paused_until != 0 && t.paused_until <= now_.steady_ms) {
    t.paused_until = 0;
    for (auto& [link, e] : t.exchanges) pull(t, e);
    hear_early_acks(t);
  }
  std::erase_if(t.sought, [&](const auto& s) { return !t.topic->holed.contains(s.first); });
  ask_next(t);
  settle_asks(t);
  std::vector<store::LogNo> due;
  for (const auto& [log, at] : t.ack_due)
    if (at <= now_.steady_ms) due.push_back(log);
  std::ranges::rotate(due, std::ranges::upper_bound(due, t.acked_last));
  for (store::LogNo log : due) {
    t.ack_due.erase(log);
    acknowledge(t.topic, log);
  }
}

// Something in it waits for what has no time of its own: room on a link, or an answer.
bool Sync::unsettled(const TopicSync& t) const {
  return !t.topic->holed.empty() || std::ranges::any_of(t.exchanges, [](const auto& other) {
    const Exchange& e = other.second;
    return e.waiting || !e.serves.empty() || !e.suspects.empty();
  });
}

// By turns, so that nobody is told again before all that wait were told: whose address was told least lately comes first, however many links
// another has. And not from within the tables, from which an answer may take a link.
void Sync::answer_those(std::vector<Key> waiting) {
  std::ranges::rotate(waiting, std::ranges::upper_bound(waiting, answered_));
  std::map<LinkId, u64> told;
  for (const auto& [no, link] : waiting)
    if (const u64* at = host_.told_ms(link)) told[link] = *at;
  std::ranges::stable_sort(waiting, {}, [&](const Key& one) { return told[one.second]; });
  for (const auto& [no, link] : waiting) {
    auto t = topics_.find(no);
    if (t == topics_.end()) continue;
    if (auto e = t->second.exchanges.find(link); e != t->second.exchanges.end()) answer_waiting(t->second, e->second);
  }
}

std::optional<u64> Sync::deadline() {
  for (store::TopicNo no : std::exchange(untimed_, {})) {
    auto t = topics_.find(no);
    timers_.set(no, t == topics_.end() ? std::nullopt : deadline_of(t->second));
  }
  return timers_.next();
}

bool Sync::settled() const {
  return std::ranges::all_of(topics_, [&](const auto& t) {
    return untimed_.contains(t.first) || timers_.at(t.first) == deadline_of(t.second);
  });
}

std::optional<u64> Sync::deadline_of(const TopicSync& t) const {
  std::optional<u64> at;
  if (!t.topic->loaded) return at;
  auto take = [&](u64 ms) { at = std::min(at.value_or(ms), ms); };
  for (const auto& [link, e] : t.exchanges) {
    take(e.check_at);
    if (e.announce_at) take(*e.announce_at);
    if (e.resume_at != 0) take(e.resume_at);
    for (const auto& [request, pull] : e.pulls) {
      take(pull.heard_ms + pull.ms_max);
      if (const TopicSync::Turn* turn = turn_of(t, e, request); turn && !turn->over) take(turn->ends_ms());
    }
  }
  for (const auto& [log, sought] : t.sought)
    if (sought.since_ms + turn_ms_max > now_.steady_ms) take(sought.since_ms + turn_ms_max);
  if (t.paused_until != 0) take(t.paused_until);
  if (!t.asks.empty()) take(t.asks.front().until_ms);
  if (t.ask_at != 0 && t.asks.size() < asks_max) take(t.ask_at);
  for (const auto& [log, due] : t.ack_due) take(due);
  return at;
}

// ---- what the façade asks ------------------------------------------------------------------------------------------------

const Exchange* Sync::exchange(const TopicPtr& topic, LinkId link) const {
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return nullptr;
  auto e = t->second.exchanges.find(link);
  return e == t->second.exchanges.end() ? nullptr : &e->second;
}

std::vector<LinkId> Sync::links(const TopicPtr& topic) const {
  std::vector<LinkId> out;
  if (auto t = topics_.find(topic->no); t != topics_.end())
    for (const auto& [link, e] : t->second.exchanges) out.push_back(link);
  return out;
}

u64 Sync::behind(const TopicPtr& topic) const {
  u64 most = 0;
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return 0;
  for (const auto& [link, e] : t->second.exchanges) {
    u64 ops = 0;
    for (const auto& tag : e.behind) {
      if (e.withheld.contains(tag)) continue;
      auto their = e.theirs.find(tag);
      if (their == e.theirs.end()) continue;
      ops += their->second.ops_beyond(ours(*topic, e, tag));
    }
    most = std::max(most, ops);
  }
  return most;
}

bool Sync::synced(const TopicPtr& topic, u64 ask) const {
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return false;
  if (ask <= t->second.believed) ask = 0;
  for (const auto& [link, e] : t->second.exchanges)
    if (e.done_got && e.answered >= ask && e.have_all() && e.pulls.empty() && e.queued_bytes == 0) return true;
  return false;
}

TopicState Sync::state(const TopicPtr& topic) const {
  auto t = topics_.find(topic->no);
  if (t == topics_.end() || t->second.exchanges.empty()) return TopicState::alone;
  return synced(topic) && behind(topic) == 0 ? TopicState::live : TopicState::syncing;
}

bool Sync::holds_all(const TopicPtr& topic, LinkId link) const {
  const Exchange* e = exchange(topic, link);
  if (!e || !topic->loaded) return false;
  for (const LogEntry& entry : topic->logs) {
    const u64 spoken = entry.durable.spoken();
    if (spoken == 0) continue;
    auto their = e->theirs.find(tag_of(e->session, entry.pending.id));
    if (their != e->theirs.end() && their->second.said >= spoken) continue;
    const auto no = topic->by_id(entry.pending.id);
    const auto ack = no ? acks(topic).find({e->peer, *no}) : acks(topic).end();
    if (ack == acks(topic).end() || ack->second.length < spoken) return false;
  }
  return true;
}

std::vector<DeviceId> Sync::holders(const TopicPtr& topic, const LogId& log, u64 batch) const {
  std::vector<DeviceId> out;
  auto t = topics_.find(topic->no);
  if (t == topics_.end()) return out;
  // The author is told by whoever stores it. Of a log of others nobody says so to us: what was sent and not refused is taken for stored.
  auto no = topic->by_id(log);
  const bool by_word = no && topic->logs[*no].pending.device == self_.id();
  for (const auto& [link, e] : t->second.exchanges) {
    const auto tag = tag_of(e.session, log);
    const auto their = e.theirs.find(tag);
    const auto parted = e.parted.find(tag);
    // Of a log that is void from somewhere on only what is behind that is in question.
    const bool sought = e.fork_searches.contains(tag) && no &&
                        topic->logs[*no].durable.cut >= topic->logs[*no].durable.length;
    if (sought || (parted != e.parted.end() && batch >= parted->second)) continue;
    if (their != e.theirs.end() && (by_word || e.refused ? their->second.said : their->second.length) > batch)
      out.push_back(e.peer);
  }
  return out;
}

}  // namespace perdure::sync
