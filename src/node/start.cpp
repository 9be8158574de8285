// Reading the store at the start and after a failure; closing.
#include <algorithm>

#include "codec/bytes.hpp"
#include "crdt/indexes.hpp"
#include "node/impl.hpp"

namespace perdure {

namespace {
constexpr u32 format_version = 1;
constexpr const char*
    unusable_text = "This device's store refuses what has to be written before a topic can be read: it may be damaged. Reload the page; if it lasts, give the app a new store: what others hold is fetched again.";
constexpr const char*
    full_topic_text = "The disk is full: what has to be written before this topic can be read has no room. Free some space; it is tried again every minute.";
}  // namespace

void Node::Impl::start(const Start& event) {
  if (event.lost_store) {
    rows_lost_ = true;
    trouble(Code::storage_lost, holes_reported_ = gone_text);
  }
  for (const std::string& url : config_.anchors) add_anchor(url, false);
  start_reads_ = 5;
  auto read = [this](char kind, auto take) {
    Bytes from = store::key(kind);
    transactions_.read_range(from, store::prefix_end(from), 0, false,
                             [this, take](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                               if (!ok || storage_.gone()) return;
                               take(rows);
                               if (!storage_.gone() && --start_reads_ == 0) find_orphans();
                             });
  };
  // first: what a newer version means by the others is not known
  read('M', [this](const auto& rows) { take_meta(rows); });
  read('T', [this](const auto& rows) { take_topics(rows); });
  read('A', [this](const auto& rows) {
    for (const auto& [key, value] : rows) {
      std::string url(text(ByteView(key).subspan(1)));
      add_anchor(url, false);
      if (auto it = anchors_.find(url); it != anchors_.end() && value.size() == DeviceId::size)
        it->second.pinned = DeviceId::from(value);
    }
  });
  read('R', [this](const auto& rows) { receipts_.take(rows); });
  if (!config_.anchor) read('I', [this](const auto& rows) { take_indexes(rows); });
  else read('E', [this](const auto& rows) { take_addresses(rows); });
}

// What is told of topics that are not open.
void Node::Impl::take_indexes(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  for (const auto& [key, value] : rows) {
    codec::Reader k(ByteView(key).subspan(1));
    auto topic = topics_.find(k.be32());
    auto indexes = crdt::decode_indexes(value);
    if (!k.done() || topic == topics_.end() || !indexes) continue;
    const u64 messages = indexes->timeline.weight;
    topic->second->closed = {messages - std::min(messages, indexes->read_messages), indexes->greatest};
  }
}

// A row that is whole and of a newer version is one; a damaged one reads as empty, and is made anew like a lost one.
void Node::Impl::take_meta(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  if (!rows.empty()) {
    codec::Reader r(rows.front().second);
    u64 version = r.varint();
    if (r.ok() && version > format_version) {
      return carry_on(storage_.outdated());  // its rows are never touched
    }
    ByteView epoch = r.raw(8);
    auto next = static_cast<TopicNo>(r.varint_max(~u32{0}));
    if (r.done() && version == format_version) {
      std::copy(epoch.begin(), epoch.end(), epoch_.begin());
      next_topic_ = std::max(next_topic_, next);
      return;
    }
  }
  meta_lost_ = true;
  random_.fill(epoch_);
}

// Topics whose own row is lost, by the rows of their logs: whoever joins such a topic again finds all of it there.
void Node::Impl::find_orphans() {
  auto note = [this](const std::vector<std::pair<Bytes, Bytes>>& rows) {
    for (const auto& [key, value] : rows) {
      TopicNo no = codec::Reader(ByteView(key).subspan(1)).be32();
      next_topic_ = std::max(next_topic_, no + 1);
      if (topics_.contains(no)) continue;
      if (auto state = log::decode_state(value)) orphans_.emplace(no, state->opening);
      if (!config_.anchor) rows_lost_ = true;  // what an anchor held its members bring again
    }
  };
  if (meta_lost_ && !numbers_known_) {  // how many there were is known by the last
    numbers_known_ = true;
    Bytes logs = store::key('L');
    return transactions_.read_range(logs, store::prefix_end(logs), 1, true,
                                    [this, note](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                                      if (!ok) return;
                                      note(rows);
                                      find_orphans();
                                    });
  }
  std::vector<std::pair<Bytes, Bytes>> ranges;
  for (TopicNo no = 1; no < next_topic_ && ranges.size() < params::orphans_max; ++no)
    if (!topics_.contains(no)) ranges.emplace_back(store::key('L', no), store::key('L', no + 1));
  start_reads_ = static_cast<int>(ranges.size());
  if (ranges.empty()) return started();
  for (auto& [from, to] : ranges) {
    transactions_.read_range(std::move(from), std::move(to), 1, true,
                             [this, note](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                               if (!ok) return;
                               note(rows);
                               if (--start_reads_ == 0) started();
                             });
  }
}

void Node::Impl::save_meta() {
  codec::Writer w;
  w.varint(format_version).raw(epoch_).varint(next_topic_);
  transactions_.run(
      0, [row = std::move(w).take()](store::Rows& out) { out.put(store::key('M'), row); }, [](SaveOutcome) {});
}

void Node::Impl::take_topics(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  for (const auto& [key, value] : rows) {
    codec::Reader k(ByteView(key).subspan(1));
    TopicNo no = k.be32();
    codec::Reader r(value);
    auto network = r.fixed<NetworkId>();
    auto id = r.fixed<TopicId>();
    bool has_secret = r.u8() == 1;
    Secret secret;
    if (has_secret) secret = r.fixed<Secret>();
    std::string name(text(r.bytes(4096)));
    std::string shortcode(text(r.bytes(64)));
    u8 flags = r.u8();
    u64 used = r.varint();
    // a number whose row is corrupt stays taken: its other rows are there
    if (k.done()) next_topic_ = std::max(next_topic_, no + 1);
    if (!k.done() || !r.done()) continue;
    auto topic = std::make_shared<Topic>();
    topic->no = no;
    topic->network = network;
    topic->id = id;
    if (has_secret) topic->keys = identity::topic_keys(secret);
    if (flags & 1) topic->name = name;
    if (flags & 2) topic->shortcode = shortcode;
    topic->left = (flags & 4) != 0;
    topic->stored = topic->written = true;
    topic->row = Topic::Row{topic->name, topic->shortcode, topic->left};
    topic->last_used_ms = topic->kept_used_ms = used;
    next_topic_ = std::max(next_topic_, no + 1);
    topics_[no] = topic;
    topic_numbers_[{network, id}] = no;
  }
}

namespace {
Bytes row_of(const Topic& topic, bool left) {
  codec::Writer w;
  w.fixed(topic.network).fixed(topic.id).u8(topic.keys ? 1 : 0);
  if (topic.keys) w.fixed(topic.keys->secret);
  w.bytes(std::string_view(topic.name.value_or(""))).bytes(std::string_view(topic.shortcode.value_or("")));
  w.u8(static_cast<u8>((topic.name ? 1 : 0) | (topic.shortcode ? 2 : 0) | (left ? 4 : 0))).varint(topic.last_used_ms);
  return std::move(w).take();
}
}  // namespace

// In the step that stores what is first said in it, at an anchor: until then nothing is kept of it.
void Node::Impl::keep(store::Rows& rows, Topic& topic) {
  if (!config_.anchor || topic.stored) return;
  topic.written = true;
  topic.kept_used_ms = topic.last_used_ms;
  rows.put(store::key('T', topic.no), row_of(topic, topic.left));
  if (topic.epoch) rows.put(store::key('O', topic.no), own(*topic.epoch));
}

// left: as it will be once that is stored.
void Node::Impl::save_topic(const TopicPtr& topic, bool left, store::Transactions::Done done) {
  topic->stored = false;
  topic->written = true;
  topic->kept_used_ms = topic->last_used_ms;
  transactions_.run(
      topic->queue(),
      [key = store::key('T', topic->no), row = row_of(*topic, left)](store::Rows& out) { out.put(key, row); },
      [topic, says = Topic::Row{topic->name, topic->shortcode, left}, done = std::move(done)](SaveOutcome saved) {
        topic->stored = saved == SaveOutcome::ok;
        if (topic->stored) topic->row = says;
        done(saved);
      });
}

void Node::Impl::started() {
  if (meta_lost_) save_meta();
  report_holes();
  storage_.read();
  leases_end_at_ = now_.steady_ms + params::lease_grace_ms;
  if (config_.anchor)
    for (auto& [no, topic] : topics_) open_topic(topic, std::nullopt);  // its quotas count what is stored
  status_dirty_ = anchors_dirty_ = true;
  for (Call& call : std::exchange(early_calls_, {})) on_call(call);
  say_topics();
}

void Node::Impl::storage_failed(SaveOutcome outcome) {
  metrics_["save_failures"] += 1;
  const Storage::Next next = storage_.failed(now_.steady_ms, outcome);
  for (auto& [no, topic] : topics_) {
    if (topic->open && !topic->loaded) ++extra(topic).load_failures;
    topic->loaded = false;  // what is in memory is ahead of the rows: nothing builds on it
    sync_.stir(no);
    touched_.insert(no);
  }
  if (storage_.over()) return carry_on(next);
  if (outcome == SaveOutcome::full && config_.anchor) no_room();
  if (outcome == SaveOutcome::full)
    trouble(Code::storage_full,
            "The disk is full: nothing new is stored. What was accepted before is kept; free some space.");
  else
    trouble(Code::storage_unavailable,
            "The store could not be written to; it is being opened again. Reload the page if it lasts.");
  for (auto& [no, e] : extras_)
    if (e.load_failures >= params::load_failures_max) give_up_topic(no, outcome);
  // Whether a batch of ours is in there is not known: the next append begins a new incarnation.
  if (outcome == SaveOutcome::unknown)
    for (auto& [no, topic] : topics_) topic->own_unsure = true;
}

void Node::Impl::carry_on(Storage::Next next) {
  switch (next) {
    case Storage::Next::nothing: return;
    case Storage::Next::read: return read_again();
    case Storage::Next::reopen: return transactions_.reopen();
    case Storage::Next::tell: return give_up();
  }
}

void Node::Impl::read_again() {
  if (all_usable()) no_trouble(Code::storage_unavailable);
  if (!storage_.started()) return start(Start{});
  // A save that ended in doubt may have been written: who asks again with the same tag must hear what became of it.
  Bytes receipts = store::key('R');
  transactions_.read_range(receipts, store::prefix_end(receipts), 0, false, [this](bool read, const auto& rows) {
    if (read) receipts_.take(rows);
  });
  for (auto& [no, topic] : topics_) {
    if (!topic->open) continue;
    extra(topic).failed = true;
    reload_topic(topic);
  }
}

// The store is not to be had, for now or for good: whoever waits is told, and so is whoever calls.
void Node::Impl::give_up() {
  const Error why = *storage_.gone();
  if (why.code == Code::storage_lost) no_trouble(Code::storage_unavailable);
  trouble(why.code, why.text);
  fail_waiting(why);
}

// The store opens, and refuses what this topic has to write before it can be read: whoever waits for it is told, and so is whoever calls.
void Node::Impl::give_up_topic(TopicNo no, SaveOutcome outcome) {
  TopicExtra& e = extras_[no];
  e.unusable = outcome == SaveOutcome::full ? Error{Code::storage_full, full_topic_text}
                                            : Error{Code::storage_unavailable, unusable_text};
  if (outcome != SaveOutcome::full) trouble(Code::storage_unavailable, unusable_text);
  fail_waiting(no, e, *e.unusable);
}

void Node::Impl::usable(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  e.load_failures = 0;
  const auto was = std::exchange(e.unusable, std::nullopt);
  if (was && all_usable()) no_trouble(was->code);
}

bool Node::Impl::all_usable() const {
  return std::ranges::none_of(extras_, [](const auto& e) { return e.second.unusable.has_value(); });
}

// What failed because the store is gone fails for the reason for which that is so.
void Node::Impl::save_failed(u32 call, SaveOutcome outcome, const char* what) {
  if (storage_.gone()) return reply(call, *storage_.gone());
  if (outcome == SaveOutcome::full)
    fail(call, Code::storage_full, std::string("The disk is full: ") + what + " Free some space and try again.");
  else fail(call, Code::storage_unavailable, std::string("The store could not be written to: ") + what + " Try again.");
}

void Node::Impl::read_failed(u32 call) {
  if (storage_.gone()) reply(call, *storage_.gone());
  else fail(call, Code::storage_unavailable, "The store could not be read. Try again.");
}

// All calls that wait for rows, for saves or for others. What was accepted has been answered.
void Node::Impl::fail_waiting(const Error& why) {
  for (Call& call : std::exchange(early_calls_, {})) on_call(call);
  for (auto& [no, e] : extras_) fail_waiting(no, e, why);
  for (const Waiter& waiter : waiters_.take_all()) reply(waiter.call, why);
}

void Node::Impl::fail_waiting(TopicNo no, TopicExtra& e, const Error& why) {
  touched_.insert(no);
  auto tell = [&](u32 call) { reply(call, why); };
  for (u32 call : std::exchange(e.opening_calls, {})) tell(call);
  for (const WaitingAppend& append : std::exchange(e.waiting, {}))
    for (u32 call : append.calls) tell(call);
  e.waiting_bytes = 0;
  for (const Ending& ending : std::exchange(e.endings, {})) tell(ending.call);
  for (const Resumed& r : std::exchange(e.retries, {})) tell(r.call);
  for (const Call& call : std::exchange(e.deferred, {})) tell(call.call);
  for (const Waiter& waiter : waiters_.take_of(no)) tell(waiter.call);
}

bool Node::Impl::rolled_back(const TopicPtr& topic) {
  if (!extra(topic).epochs.take(now_.steady_ms, wire::epochs)) return false;
  topic->epoch = epoch_;                           // of the same store (sync::same_store), …
  random_.fill(std::span(*topic->epoch).last(4));  // … in another life of that topic
  if (topic->written)
    transactions_.run(
        topic->queue(),
        [key = store::key('O', topic->no), row = own(*topic->epoch)](store::Rows& rows) { rows.put(key, row); },
        [](SaveOutcome) {});
  metrics_["rollbacks"] += 1;
  sync_.reload(topic, now_, false);  // all greet anew; the end of our answer tells the new epoch
  return true;
}

void Node::Impl::trouble(Code code, std::string text) {
  trouble_[code] = std::move(text);
  status_dirty_ = true;
}

void Node::Impl::no_trouble(Code code) {
  if (trouble_.erase(code) > 0) status_dirty_ = true;
}

bool Node::Impl::all_saved() const {
  for (const auto& [no, e] : extras_)
    if (e.appending || e.reappending || !e.waiting.empty()) return false;
  return transactions_.idle();
}

void Node::Impl::close(u32 call) {
  if (!closing_) {
    closing_ = true;
    for (auto& [id, link] : links_)
      if (link->greeted) send_on(*link, wire::Bye{});
  }
  close_calls_.push_back(call);  // answered in check_waiters, once all is saved
}

}  // namespace perdure
