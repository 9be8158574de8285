// The first steps of the ladder: fingerprint, cursor, whole frontier.
#include "codec/bytes.hpp"
#include "crdt/arrivals.hpp"
#include "crypto/hash.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

namespace {
constexpr u32 arrivals_max = 4096;  // more news than that, and the whole frontier is cheaper
}

// Half of its hash is that of our order of arrival, half a MAC over all that it says and whom it was given to: so a peer can show only what
// it was given, also to a store that was put back and knows no such place.
wire::Cursor Sync::cursor_at(const Topic& topic, const DeviceId& peer, u64 number,
                             const crdt::ArrivalHash& arrivals) const {
  wire::Cursor cursor{host_.epoch(topic), number, arrivals};
  codec::Writer about;
  about.be64(number).raw(ByteView(arrivals).first(4));
  std::array<u8, 4> mac;
  crypto::blake2b_into(mac, host_.cursor_key().view(),
                       {topic.network.view(), topic.id.view(), peer.view(), cursor.epoch, about.peek()});
  std::ranges::copy(mac, cursor.hash.begin() + 4);
  return cursor;
}

bool Sync::given(const Topic& topic, const DeviceId& peer, const wire::Cursor& shown) const {
  return cursor_at(topic, peer, shown.number, shown.hash).hash == shown.hash;
}

const wire::Fingerprint& Sync::fingerprint(TopicSync& t, Exchange& e) {
  const Topic::Frontier& frontier = t.topic->frontier();
  if (e.ours.version == frontier.version) return e.ours.print;
  host_.charge(e.link, frontier.count / 4);
  e.ours = {frontier.version, fingerprint_of(e.session, *t.topic)};
  return e.ours.print;
}

// Equal frontiers need no greeting, nor do those that were compared before and differ only by voids that one side does not know (an
// anchor cannot read them): what stands behind them is wanted by nobody, and nothing would come of greeting again.
void Sync::on_check(TopicSync& t, Exchange& e, const wire::Fingerprint& theirs) {
  if (host_.rested_at(e.link) > now_.steady_ms) return;  // it checks again
  const auto ours = fingerprint(t, e);
  if (theirs == ours) return;
  const Exchange::Compared compared{ours, theirs};
  bool news = e.compared != compared || !e.behind.empty() || !e.suspects.empty() || !e.fork_searches.empty() ||
              !e.branch_fetches.empty();
  if (!news && e.compared_at != e.ours.version) {
    host_.charge(e.link, t.topic->frontier().count * wire::work_per_log);
    news = std::ranges::any_of(
        e.tags, [&](const auto& known) { return bool(e.lack(known.first, t.topic->logs[known.second].durable)); });
    e.compared_at = e.ours.version;
  }
  e.compared = compared;
  if (news) hello(t, e, 0);
}

// Where we left off in the peer's order is kept in a row; so greeting takes a step.
void Sync::hello(TopicSync& t, Exchange& e, u8 again) {
  TopicPtr topic = t.topic;
  const bool asks = !std::exchange(e.unanswered, true);
  if (anchor_ && topic->logs.empty()) return send(e, hello_of(e.session, *topic, again));  // nor is there a row
  using Kept = std::optional<wire::Cursor>;
  transactions_.run<Kept>(
      topic->queue(),
      [row_key = store::key('C', topic->no, e.peer.view())](store::Rows& rows) -> Kept {
        auto row = rows.get(row_key);
        return row ? wire::decode_body<wire::Cursor>(*row) : std::nullopt;
      },
      [this, topic, again, asks, link = e.link, attachment = e.attachment](SaveOutcome saved, const Kept& cursor) {
        Exchange* ex = find(topic, link);
        if (saved != SaveOutcome::ok || !ex || ex->attachment != attachment) return;
        wire::Hello hello = hello_of(ex->session, *topic, again);
        if (cursor && same_store(cursor->epoch, ex->epoch)) hello.cursor = cursor;
        if (asks) ex->ask = topics_[topic->no].asked;
        send(*ex, hello);
      });
}

// They may have read their store anew: nothing that was asked or owed before stands.
void Sync::forget_asked(TopicSync& t, Exchange& e) {
  e.generation = next_generation_++;
  e.refused = e.answering = e.serving = false;
  e.stuck.clear();
  free_turns(t, e);
  e.pulls.clear();
  e.pull_bytes = e.queued_bytes = 0;
  e.serves.clear();
  e.unpushed.clear();
  e.wants_owed = 0;
  e.fork_searches.clear();
  e.shown.clear();
  e.openings.clear();
  e.asked.clear();
  e.suspects.clear();
  e.looked.clear();
  e.parted.clear();
  e.branch_fetches.clear();
  forget_passed(e);
  e.offered.reset();
}

void Sync::on_hello(TopicSync& t, Exchange& e, const wire::Hello& hello) {
  if (hello.again != 0) forget_asked(t, e);
  e.greet_acks |= hello.again != 0;  // what they did not hear while they read their rows
  e.greet_back |= hello.again == 2 || (hello.again == 1 && e.hello_got);
  e.waiting = hello;
  // else at the end of the turn, by turns
  if (t.topic->frontier().count <= wire::hello_items_max) answer_waiting(t, e);
}

// One answer at a time; of those that came meanwhile the last counts. What it costs grows with the topic, and not with the question: who owes
// waits, and large topics are told no faster than leaves time for everything else.
void Sync::answer_waiting(TopicSync& t, Exchange& e) {
  if (!e.waiting || e.answering || host_.buffered(e.link) > unsent_answer_max) return;
  Topic& topic = *t.topic;
  const u64 logs = topic.frontier().count;
  const bool large = logs > wire::hello_items_max;
  if (u64 at = std::max(host_.rested_at(e.link), large ? answers_.left_at(now_.steady_ms, wire::answers_work) : 0);
      at > now_.steady_ms)
    return resume(e, at);
  host_.charge(e.link, logs * wire::work_per_log);
  if (large) {
    answers_.charge(now_.steady_ms, wire::answers_work, logs * wire::work_per_log);
    answered_ = {topic.no, e.link};
    if (u64* told = host_.told_ms(e.link)) *told = std::max<u64>(now_.steady_ms, 1);
  }
  answer(t, e, *std::exchange(e.waiting, std::nullopt));
}

void Sync::resume(Exchange& e, u64 at) {
  if (e.resume_at == 0 || at < e.resume_at) e.resume_at = at;
}

void Sync::answer(TopicSync& t, Exchange& e, const wire::Hello& hello) {
  Topic& topic = *t.topic;
  if (std::exchange(e.greet_acks, false)) ack_all_of(t.topic, e.peer);
  if (std::exchange(e.greet_back, false)) this->hello(t, e, 0);
  e.stuck.clear();
  e.refused = false;
  e.hello_got = true;
  e.push_left = push_bytes_max;
  const bool ours = hello.cursor && hello.cursor->epoch == host_.epoch(topic);
  // We gave it, and know no such place: a backup was put back. In a new epoch both sides greet anew.
  if (ours && hello.cursor->number > topic.counters.arrived && given(topic, e.peer, *hello.cursor) &&
      host_.rolled_back(t.topic))
    return;
  const auto own = fingerprint(t, e);
  e.compared = {own, hello.fingerprint};
  if (hello.fingerprint == own) {
    if (std::exchange(e.level_at, e.ours.version) != e.ours.version) {
      for (const auto& [tag, no] : e.tags) {
        const Durable& held = topic.logs[no].durable;
        if (held.spoken() > 0)
          e.theirs[tag] = {held.spoken(), held.ops,     held.time.ms() / 1000, log::root_tag(held.root),
                           held.cut,      held.spoken()};
      }
      e.behind.clear();
      e.withheld.clear();
      claim(e);
      for (const auto& [tag, no] : e.tags) probe_beyond_void(t, e, tag);
    }
    e.done_got = true;
    // they may have seen us differ, if their greeting crossed a page of theirs
    send(e, wire::Done{own_cursor(topic, e)});
    return host_.progressed(t.topic);
  }
  e.answering = true;
  bool all = hello.items.size() == hello.count;
  if (all) e.theirs.clear(), e.behind.clear();
  const LinkId link = e.link;
  on_items(t, e, hello.items);
  if (!find(t.topic, link)) return;  // it spoke of more logs than it may
  std::erase_if(e.withheld, [&](const auto& log) { return !e.theirs.contains(log); });
  if (!all && ours && hello.cursor->number <= topic.counters.arrived)
    return answer_since(t.topic, e.link, *hello.cursor);
  answer_all(t, e);
}

// Step 2: what has arrived here since the peer left off.
void Sync::answer_since(const TopicPtr& topic, LinkId link, wire::Cursor since) {
  struct Found {
    bool fits = false, corrupt = false;
    std::set<store::LogNo> logs;
  };
  const bool proved = given(*topic, find(topic, link)->peer, since);
  const u32 generation = find(topic, link)->generation;
  transactions_.run<Found>(
      topic->queue(),
      [topic, since, proved](store::Rows& rows) {
        Found found;
        auto indexes = crdt::load_indexes(rows, topic->no);
        crdt::Arrivals arrivals(rows, topic->no, indexes);
        auto hash = arrivals.hash_at(since.number);
        found.corrupt = arrivals.corrupt();
        // Before there were MACs all of the hash was that of the order.
        const bool fits = hash && (*hash == since.hash ||
                                   (proved && std::equal(hash->begin(), hash->begin() + 4, since.hash.begin())));
        if (!fits || indexes.arrived - since.number > arrivals_max) return found;
        found.fits = true;
        for (const auto& a : arrivals.read(since.number, arrivals_max)) found.logs.insert(a.log);
        found.corrupt = arrivals.corrupt();
        return found;
      },
      [this, topic, link, generation](SaveOutcome saved, const Found& found) {
        Exchange* e = find(topic, link);
        // else they greet, and are answered, anew
        if (!e || e->generation != generation || saved != SaveOutcome::ok) return;
        TopicSync& t = topics_[topic->no];
        if (found.corrupt) return host_.damaged(topic, {true, true, {}});  // both sides greet anew
        if (!found.fits) return answer_all(t, *e);
        wire::Items news;
        for (store::LogNo no : found.logs) {
          if (no >= topic->logs.size() || topic->logs[no].durable.spoken() == 0) continue;
          const LogEntry& entry = topic->logs[no];
          news.items.push_back(item_of(tag_of(e->session, entry.pending.id), entry.durable));
          if (news.items.size() == wire::items_max) send(*e, std::exchange(news, {}));
        }
        if (!news.items.empty()) send(*e, news);
        e->serves.push_back({.kind = Serve::Kind::done});
        serve(t, *e);
      });
}

// Steps 1 and 3: what the peer lacks, by what it said or else by all that we hold; small things are pushed at once.
void Sync::answer_all(TopicSync& t, Exchange& e) {
  Topic& topic = *t.topic;
  const bool told = topic.frontier().count <= wire::hello_items_max;  // our own hello holds them all
  wire::Items news;
  for (const auto& [id, no] : topic.numbers) {
    const Durable& held = topic.logs[no].durable;
    if (held.spoken() == 0) continue;
    const auto tag = tag_of(e.session, id);
    if (told) {
      const Lack lack = e.lack(tag, held);
      if (lack && !e.refused && e.serves.size() < logs_max)
        e.serves.push_back({Serve::Kind::push, 0, tag, lack.from, lack.to, 0});
      // They may have been told of it before it was cut off.
      if (auto their = e.theirs.find(tag); their == e.theirs.end() || their->second.cut <= held.cut) continue;
    }
    news.items.push_back(item_of(tag, held));
    if (news.items.size() == wire::items_max) send(e, std::exchange(news, {}));
  }
  if (!news.items.empty()) send(e, news);
  e.serves.push_back({.kind = Serve::Kind::done});
  serve(t, e);
}

void Sync::on_items(TopicSync& t, Exchange& e, const std::vector<wire::Item>& items) {
  for (const wire::Item& item : items) {
    // Those that we know as well are few enough already.
    if (e.theirs.size() >= theirs_max + e.tags.size() && !e.theirs.contains(item.log))
      return host_.fault(e.link, Fault::too_much);
    e.level_at = 0;
    e.stuck.erase(item.log);
    note_theirs(
        t, e, item.log,
        {item.length, item.ops, item.time_s, item.root, item.cut == 0 ? log::no_cut : item.cut - 1, item.length});
    // Equal lengths and different roots, or a log cut off over there: two histories under one name.
    auto known = e.tags.find(item.log);
    if (known == e.tags.end()) continue;
    const Durable& held = t.topic->logs[known->second].durable;
    bool differs = item.length > 0 && item.length == held.spoken() && item.root != log::root_tag(held.root);
    if (!differs && item.length == held.spoken()) e.parted.erase(item.log);
    bool cut = item.cut != 0 && item.cut - 1 < held.cut && item.cut - 1 < held.length;
    if (cut && is_own(*t.topic, known->second)) e.suspects.insert(item.log);
    else if (differs || cut) begin_fork_search(t, e, item.log, false);
    probe_beyond_void(t, e, item.log);
  }
  if (!claim(e)) return host_.fault(e.link, Fault::too_much);
  if (e.done_got) pull(t, e);
  host_.progressed(t.topic);
}

void Sync::note_theirs(TopicSync& t, Exchange& e, const wire::LogTag& tag, const Their& their) {
  e.theirs[tag] = their;
  if (their.length > ours(*t.topic, e, tag) && limit(*t.topic, e, tag) > ours(*t.topic, e, tag)) e.behind.insert(tag);
  else e.level(tag);
  show_fork(t, e, tag);
}

// Counts what a link says that it holds and we do not know: it is kept as long as the link stands. False if that is more than one may.
bool Sync::claim(Exchange& e) {
  keep(e, e.tags.size() + e.theirs.size());
  const u64 now = e.theirs.size() > e.tags.size() ? e.theirs.size() - e.tags.size() : 0;
  u64& link = claims_[e.link];
  link += now - e.claimed;
  claims_all_ += now - e.claimed;
  e.claimed = now;
  const u64 of_link = link;
  if (of_link == 0) claims_.erase(e.link);
  if (of_link * claim_bytes > limits_.link_claims) return false;
  if (claims_all_ * claim_bytes <= limits_.claims) return true;
  // Whose claims are the most makes room.
  auto most = std::ranges::max_element(claims_, {}, [](const auto& c) { return c.second; });
  if (most->first == e.link) return false;
  overdrawn_.insert(most->first);  // … once nobody is at work on an exchange, which may be carried by that link
  return true;
}

// Of a topic with many logs each link that enters it takes as much as the topic itself.
void Sync::keep(Exchange& e, u64 logs) {
  u64& link = kept_[e.link];
  link += logs - e.kept;
  kept_all_ += logs - e.kept;
  e.kept = logs;
  if (link == 0) kept_.erase(e.link);
  if (kept_all_ * kept_bytes <= limits_.kept || kept_.empty()) return;
  overdrawn_.insert(std::ranges::max_element(kept_, {}, [](const auto& k) { return k.second; })->first);
}

void Sync::unclaim(Exchange& e) {
  keep(e, 0);
  if (e.claimed == 0) return;
  claims_all_ -= e.claimed;
  if (auto c = claims_.find(e.link); c != claims_.end() && (c->second -= e.claimed) == 0) claims_.erase(c);
  e.claimed = 0;
}

}  // namespace perdure::sync
