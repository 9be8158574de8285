// The first steps of the ladder: fingerprint, cursor, whole frontier.
#include "crdt/arrivals.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

namespace {
constexpr u32 arrivals_max = 4096;                    // more news than that, and the whole frontier is cheaper
}

wire::Cursor Sync::own_cursor(const Topic& topic) const { return {host_.epoch(), topic.counters.arrived, topic.counters.arrival_hash}; }

// Equal frontiers need no greeting, nor do those that were compared before and differ only by voids that one side does not know (an
// anchor cannot read them): what stands behind them is wanted by nobody, and nothing would come of greeting again.
void Sync::on_check(TopicSync& t, Exchange& e, const wire::Fingerprint& theirs) {
  const auto ours = fingerprint_of(e.session, *t.topic);
  if (theirs == ours) return;
  const Exchange::Compared compared{ours, theirs};
  bool news = e.compared != compared || !e.behind.empty() || !e.doubted.empty() || !e.inquests.empty() || !e.rescues.empty();
  for (const auto& [id, no] : t.topic->numbers) news = news || e.lack(tag_of(e.session, id), t.topic->logs[no].held);
  e.compared = compared;
  if (news) hello(t, e, 0);
}

// Where we left off in the peer's order is kept in a row; so greeting takes a step.
void Sync::hello(TopicSync& t, Exchange& e, u8 again) {
  TopicPtr topic = t.topic;
  auto cursor = std::make_shared<std::optional<wire::Cursor>>();
  Bytes row_key = store::key('C', topic->no, e.peer.view());
  desk_.run(topic->queue(), [=](store::Rows& rows) {
    auto row = rows.get(row_key);
    *cursor = row ? wire::decode_body<wire::Cursor>(*row) : std::nullopt;
  }, [this, topic, cursor, again, link = e.link, attachment = e.attachment](SaveOutcome saved) {
    Exchange* ex = find(topic, link);
    if (saved != SaveOutcome::ok || !ex || ex->attachment != attachment) return;
    wire::Hello hello = hello_of(ex->session, *topic, again);
    if (*cursor && (*cursor)->epoch == ex->epoch) hello.cursor = *cursor;
    send(*ex, hello);
  });
}

// They may have read their store anew: nothing that was asked or owed before stands.
void Sync::forget_asked(TopicSync& t, Exchange& e) {
  e.generation = next_generation_++;
  e.refused = e.answering = e.serving = false;
  e.stuck.clear();
  e.pulls.clear();
  e.pull_bytes = e.queued_bytes = 0;
  e.serves.clear();
  e.unpushed.clear();
  e.wants_owed = 0;
  e.inquests.clear();
  e.openings.clear();
  e.doubted.clear();
  e.looked.clear();
  e.rescues.clear();
  e.offered.reset();
  std::erase_if(t.pulling, [&](const auto& p) { return p.second == e.link; });
}

void Sync::on_hello(TopicSync& t, Exchange& e, const wire::Hello& hello) {
  Topic& topic = *t.topic;
  if (hello.again != 0) {
    forget_asked(t, e);
    ack_all_of(t.topic, e.peer);                      // what they did not hear while they read their rows
  }
  if (hello.again == 2 || (hello.again == 1 && e.hello_got)) this->hello(t, e, 0);
  e.stuck.clear();
  e.refused = false;
  e.hello_got = true;
  e.push_left = push_bytes_max;
  if (hello.cursor && hello.cursor->epoch == host_.epoch() && hello.cursor->number > topic.counters.arrived) {
    host_.rolled_back();
    return;                                           // a new epoch: both sides greet anew
  }
  const auto own = fingerprint_of(e.session, topic);
  e.compared = {own, hello.fingerprint};
  if (hello.fingerprint == own) {
    for (const auto& [id, no] : topic.numbers) {
      const Held& held = topic.logs[no].held;
      if (held.spoken() > 0) e.theirs[tag_of(e.session, id)] = {held.spoken(), held.ops, held.time.ms() / 1000, log::root_tag(held.root), held.cut, held.spoken()};
    }
    e.behind.clear();
    for (const auto& [id, no] : topic.numbers) look_behind(t, e, tag_of(e.session, id));
    e.done_got = true;
    send(e, wire::Done{own_cursor(topic)});           // they may have seen us differ, if their greeting crossed a page of theirs
    return host_.progressed(t.topic);
  }
  e.answering = true;
  bool all = hello.items.size() == hello.count;
  if (all) e.theirs.clear(), e.behind.clear();
  const LinkId link = e.link;
  on_items(t, e, hello.items);
  if (!find(t.topic, link)) return;                   // it spoke of more logs than it may
  if (!all && hello.cursor && hello.cursor->epoch == host_.epoch()) return answer_since(t.topic, e.link, *hello.cursor);
  answer_all(t, e);
}

// Step 2: what has arrived here since the peer left off.
void Sync::answer_since(const TopicPtr& topic, LinkId link, wire::Cursor since) {
  struct Found { bool fits = false, corrupt = false; std::set<store::LogNo> logs; };
  auto found = std::make_shared<Found>();
  const u32 generation = find(topic, link)->generation;
  desk_.run(topic->queue(), [=](store::Rows& rows) {
    *found = {};
    auto indexes = crdt::load_indexes(rows, topic->no);
    crdt::Arrivals arrivals(rows, topic->no, indexes);
    auto hash = arrivals.hash_at(since.number);
    found->corrupt = arrivals.corrupt();
    if (!hash || *hash != since.hash || indexes.arrived - since.number > arrivals_max) return;
    found->fits = true;
    for (const auto& a : arrivals.read(since.number, arrivals_max)) found->logs.insert(a.log);
    found->corrupt = arrivals.corrupt();
  }, [this, topic, link, generation, found](SaveOutcome saved) {
    Exchange* e = find(topic, link);
    if (!e || e->generation != generation || saved != SaveOutcome::ok) return;      // else they greet, and are answered, anew
    TopicSync& t = topics_[topic->no];
    if (found->corrupt) return host_.damaged(topic, {true, true, {}});        // both sides greet anew
    if (!found->fits) return answer_all(t, *e);
    wire::Items news;
    for (store::LogNo no : found->logs) {
      if (no >= topic->logs.size() || topic->logs[no].held.spoken() == 0) continue;
      news.items.push_back(item_of(e->session, topic->logs[no]));
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
  std::size_t count = 0;
  for (const auto& [id, no] : topic.numbers) count += topic.logs[no].held.spoken() > 0;
  bool told = count <= wire::hello_items_max;         // our own hello holds them all
  wire::Items news;
  for (const auto& [id, no] : topic.numbers) {
    const LogEntry& entry = topic.logs[no];
    if (entry.held.spoken() == 0) continue;
    auto tag = tag_of(e.session, id);
    if (told) {
      const Lack lack = e.lack(tag, entry.held);
      if (lack && !e.refused && e.serves.size() < logs_max) e.serves.push_back({Serve::Kind::push, 0, tag, lack.from, lack.to, 0});
      // They may have been told of it before it was cut off.
      if (auto their = e.theirs.find(tag); their == e.theirs.end() || their->second.cut <= entry.held.cut) continue;
    }
    news.items.push_back(item_of(e.session, entry));
    if (news.items.size() == wire::items_max) send(e, std::exchange(news, {}));
  }
  if (!news.items.empty()) send(e, news);
  e.serves.push_back({.kind = Serve::Kind::done});
  serve(t, e);
}

void Sync::on_items(TopicSync& t, Exchange& e, const std::vector<wire::Item>& items) {
  for (const wire::Item& item : items) {
    // Those that we know as well are few enough already.
    if (e.theirs.size() >= theirs_max + e.tags.size() && !e.theirs.contains(item.log)) return host_.fault(e.link, Fault::too_much);
    e.stuck.erase(item.log);
    note_theirs(t, e, item.log, {item.length, item.ops, item.time_s, item.root, item.cut == 0 ? log::no_cut : item.cut - 1, item.length});
    // Equal lengths and different roots, or a log cut off over there: two histories under one name.
    auto known = e.tags.find(item.log);
    if (known == e.tags.end()) continue;
    const Held& held = t.topic->logs[known->second].held;
    bool differs = item.length > 0 && item.length == held.spoken() && item.root != log::root_tag(held.root);
    bool cut = item.cut != 0 && item.cut - 1 < held.cut && item.cut - 1 < held.length;
    if (cut && is_own(*t.topic, known->second)) e.doubted.insert(item.log);
    else if (differs || cut) open_inquest(t, e, item.log, false);
    look_behind(t, e, item.log);
  }
  if (e.done_got) pull(t, e);
  host_.progressed(t.topic);
}

void Sync::note_theirs(TopicSync& t, Exchange& e, const wire::LogTag& tag, const Their& their) {
  e.theirs[tag] = their;
  if (their.length > ours(*t.topic, e, tag) && limit(*t.topic, e, tag) > ours(*t.topic, e, tag)) e.behind.insert(tag);
  else e.behind.erase(tag);
}

}  // namespace perdure::sync
