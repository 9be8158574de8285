// What an app asks: answered from the indexes, in steps that write nothing.
#include "codec/hex.hpp"
#include "log/nodes.hpp"
#include "node/impl.hpp"
#include "node/op_text.hpp"

namespace perdure {

namespace {

constexpr char waiting_text[] = "4,096 calls are waiting already. Await or abort some of them first.";

template <class F>
void each(const std::vector<crdt::Message>& in, F use) {
  for (const crdt::Message& m : in) use(m);
}

VersionOut version_out(const crdt::Version& v) { return {op_text(v.id), v.author, v.time.ms(), v.value}; }

}  // namespace

// Runs `ask(replica)` in a step and replies with what it returns: a ReplyBody.
template <class F>
void Node::Impl::query(u32 id, TopicNo no, F ask) {
  TopicPtr topic = open_one(id, no);
  if (!topic) return;
  if (!topic->keys) return fail(id, Code::not_allowed, "An anchor cannot read.");
  struct Answer {
    ReplyBody body;
    sync::Damage damage;
  };
  transactions_.run<Answer>(
      topic->queue(),
      [this, topic, ask](store::Rows& rows) {
        Answer answer;
        sync::Merge merge(rows, *topic, corrected_now_ms());
        answer.body = ask(*topic, merge.replica());
        merge.gave_up(answer.damage);
        return answer;
      },
      [this, topic, id, no, ask](SaveOutcome saved, Answer answer) {
        if (saved == SaveOutcome::ok && answer.damage) damaged(topic, answer.damage);
        if (saved == SaveOutcome::ok && answer.damage.indexes)
          return once_mended(topic, id, [this, id, no, ask] { query(id, no, ask); });
        if (saved == SaveOutcome::ok) reply(id, std::move(answer.body));
        else read_failed(id);
      });
}

namespace {

std::vector<MessageOut> messages_out(const std::vector<crdt::Message>& in, const DeviceId& self) {
  std::vector<MessageOut> out;
  each(in, [&](const crdt::Message& m) {
    out.push_back({op_text(m.id), m.author, m.time.ms(), m.author == self, m.value});
  });
  return out;
}

}  // namespace

// What an id of the app's speaks of: a receipt whose id another branch of ours has as well still leads to what it was given for.
std::optional<OpId> Node::Impl::op_named(const Topic& topic, std::string_view text) const {
  auto op = parse_op(topic, text);
  if (const auto e = extras_.find(topic.no); op && e != extras_.end())
    if (const auto now = e->second.renamed.find(*op); now != e->second.renamed.end()) return now->second;
  return op;
}

void Node::Impl::call(u32 id, Messages& c) {
  query(id, c.topic, [this, c, self = identity_->id()](Topic& topic, crdt::Replica& replica) -> ReplyBody {
    crdt::Replica::PageOptions options;
    options.limit = c.limit;
    options.reverse = c.reverse;
    for (auto [given, parsed] : {std::pair{&c.before, &options.before}, std::pair{&c.after, &options.after}}) {
      if (!*given) continue;
      *parsed = op_named(topic, **given);
      if (!*parsed) return Error{Code::not_found, crdt::no_message_text};
    }
    auto page = replica.messages(options);
    if (!page) return page.error();
    return MessagePage{messages_out(page->messages, self), page->more};
  });
}

void Node::Impl::call(u32 id, Latest& c) {
  query(id, c.topic, [limit = c.limit, self = identity_->id()](Topic&, crdt::Replica& replica) -> ReplyBody {
    auto page = replica.latest(limit);
    if (!page) return page.error();
    return MessagePage{messages_out(page->messages, self), page->more};
  });
}

void Node::Impl::call(u32 id, GetMessage& c) {
  query(id, c.topic, [this, text = c.id, self = identity_->id()](Topic& topic, crdt::Replica& replica) -> ReplyBody {
    auto op = op_named(topic, text);
    auto message = op ? replica.message(*op) : std::nullopt;
    if (!message) return MessagePage{};
    return MessagePage{messages_out({*message}, self), false};
  });
}

void Node::Impl::call(u32 id, Live& c) {
  query(id, c.topic, [c, self = identity_->id()](Topic&, crdt::Replica& replica) -> ReplyBody {
    if (!c.after) return LivePage{{}, replica.indexes().arrived};
    auto live = replica.arrived_since(*c.after, c.limit);
    return LivePage{messages_out(live.messages, self), live.next};
  });
}

void Node::Impl::call(u32 id, MarkRead& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  std::optional<OpId> op;
  if (c.id) {
    op = op_named(*topic, *c.id);
    if (!op) return fail(id, Code::not_found, crdt::no_message_text);
  }
  struct Marked {
    sync::Counters counters;
    sync::Damage damage;
  };
  transactions_.run<Marked>(
      topic->queue(),
      [this, topic, op](store::Rows& rows) {
        Marked out;
        sync::Merge merge(rows, *topic, corrected_now_ms());
        merge.replica().mark_read(op);
        std::vector<sync::LogUpdate> none;
        crdt::Changes changes;
        merge.finish(none, changes, out.counters);
        merge.gave_up(out.damage);
        return out;
      },
      [this, topic, id, c](SaveOutcome saved, const Marked& out) {
        if (saved == SaveOutcome::ok && out.damage) damaged(topic, out.damage);
        if (saved == SaveOutcome::ok && out.damage.indexes)
          return once_mended(topic, id, [this, id, c]() mutable { call(id, c); });
        if (saved != SaveOutcome::ok) return save_failed(id, saved, "the mark was not stored.");
        reply(id, Nothing{});
        if (!topic->open) return;
        topic->counters = out.counters;
        extra(topic).dirty = true;
      });
}

void Node::Impl::call(u32 id, MapGet& c) {
  query(id, c.topic, [key = c.key](Topic&, crdt::Replica& replica) -> ReplyBody {
    auto state = replica.key(key);
    if (!state) return MapPage{};
    return MapPage{{{key, version_out(state->winner)}}, false};
  });
}

void Node::Impl::call(u32 id, MapEntries& c) {
  query(id, c.topic, [c](Topic&, crdt::Replica& replica) -> ReplyBody {
    auto found = replica.entries({c.prefix, c.after, c.limit});
    MapPage page{{}, found.more};
    for (auto& [key, version] : found.entries) page.entries.push_back({key, version_out(version)});
    return page;
  });
}

void Node::Impl::call(u32 id, MapConflicts& c) {
  query(id, c.topic, [c](Topic&, crdt::Replica& replica) -> ReplyBody {
    auto found = replica.conflicts({c.prefix, c.after, c.limit});
    ConflictPage page{{}, found.more};
    for (auto& [key, state] : found.conflicts) {
      ConflictOut out{key, version_out(state.winner), {}};
      for (const crdt::Version& loser : state.losers) out.losers.push_back(version_out(loser));
      page.conflicts.push_back(std::move(out));
    }
    return page;
  });
}

void Node::Impl::call(u32 id, MapHistory& c) {
  query(id, c.topic, [this, c](Topic& topic, crdt::Replica& replica) -> ReplyBody {
    std::optional<OpId> after;
    if (c.after) {
      after = op_named(topic, *c.after);
      if (!after) return Error{Code::not_found, crdt::no_message_text};
    }
    auto found = replica.history(c.key, after, c.limit);
    HistoryPage page{{}, found.more};
    for (const crdt::Version& v : found.versions) page.versions.push_back(version_out(v));
    return page;
  });
}

void Node::Impl::call(u32 id, GetDigest& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  if (!topic->keys) return fail(id, Code::not_allowed, "An anchor cannot read.");
  struct Digest {
    Hash hash;
    sync::Damage damage;
  };
  transactions_.run<Digest>(
      topic->queue(),
      [this, topic](store::Rows& rows) {
        Digest out;
        std::vector<std::pair<LogNo, log::LogState>> logs;
        bool lost = false;  // a log's own row, under a running core: what is left is read again
        for (const auto& [log_id, no] : topic->numbers) {
          auto state = sync::read_state(rows, *topic, no);
          lost |= !state;
          if (!state) continue;
          // Behind a cut replicas may hold different batches; none of them counts.
          const u64 end = std::min(state->cut(), state->hole);  // … nor behind what is lost here: it is said again
          if (end < state->held) {
            auto peaks = log::peaks_of(log::StoredNodes(rows, topic->no, no, *state), end);
            if (!peaks) continue;
            state->held = end;
            state->peaks = std::move(*peaks);
          }
          if (state->held > 0) logs.emplace_back(no, std::move(*state));
        }
        if (rows.missed()) return out;
        sync::Merge merge(rows, *topic, corrected_now_ms());
        out.hash = merge.replica().digest(logs);
        merge.gave_up(out.damage);
        out.damage.indexes |= lost && topic->loaded;
        return out;
      },
      [this, topic, id, c](SaveOutcome saved, const Digest& out) {
        if (saved == SaveOutcome::ok && out.damage) damaged(topic, out.damage);
        if (saved == SaveOutcome::ok && out.damage.indexes)
          return once_mended(topic, id, [this, id, c]() mutable { call(id, c); });
        if (saved != SaveOutcome::ok) return read_failed(id);
        reply(id, Text{codec::to_hex(out.hash.view())});
      });
}

// ---- copies --------------------------------------------------------------------------------------------------------------------------

// Who is known to hold an op: by signed acknowledgement of our own logs, else also its author, and by what linked peers say of
// their frontiers.
std::pair<std::vector<DeviceId>, std::vector<DeviceId>> Node::Impl::copies_of(const TopicPtr& topic,
                                                                              const std::vector<OpId>& places,
                                                                              bool acked_only) const {
  std::set<DeviceId> who;
  for (const OpId& op : places) {
    const auto no = topic->by_id(op.log);
    if (!no || op.batch >= topic->logs[*no].durable.cut) continue;
    for (const auto& [key, mark] : sync_.acks(topic))
      if (key.second == *no && mark.length > op.batch) who.insert(key.first);
    if (acked_only) continue;
    for (const DeviceId& id : sync_.holders(topic, op.log, op.batch)) who.insert(id);
    if (topic->logs[*no].pending.device != identity_->id()) who.insert(topic->logs[*no].pending.device);
  }
  std::pair<std::vector<DeviceId>, std::vector<DeviceId>> out;
  for (const DeviceId& id : who) (is_anchor(id) ? out.second : out.first).push_back(id);
  return out;
}

void Node::Impl::call(u32 id, GetCopies& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  CopyList list;
  if (c.id) {
    auto op = op_named(*topic, *c.id);
    if (!op) return reply(id, list);
    return find_places(topic, {*op}, [this, topic, id](std::vector<std::vector<OpId>> places) {
      CopyList of;
      for (const OpId& place : places[0])
        if (auto no = topic->by_id(place.log)) of.here = of.here || topic->logs[*no].durable.length > place.batch;
      std::tie(of.peers, of.anchors) = copies_of(topic, places[0], false);
      reply(id, std::move(of));
    });
  }
  // All of the topic: who holds the newest batch of every log.
  list.here = true;
  std::map<DeviceId, std::size_t> counts;
  std::size_t logs = 0;
  for (const auto& [log, no] : topic->numbers) {
    u64 counted = topic->logs[no].durable.spoken();
    if (counted == 0) continue;
    ++logs;
    auto [peers, anchors] = copies_of(topic, {OpId{log, static_cast<u32>(counted - 1), 0}}, false);
    for (auto* group : {&peers, &anchors})
      for (const DeviceId& who : *group) ++counts[who];
  }
  for (const auto& [who, n] : counts)
    if (n == logs) (is_anchor(who) ? list.anchors : list.peers).push_back(who);
  reply(id, list);
}

// Where ops stand that count, in a step only where some are said again.
void Node::Impl::find_places(const TopicPtr& topic, const std::vector<OpId>& ids,
                             Task<void(std::vector<std::vector<OpId>>)> use) {
  using Places = std::vector<std::vector<OpId>>;
  Places said;  // where they were said first
  for (const OpId& id : ids) said.push_back({id});
  if (topic->counters.said_again == 0 || !topic->keys) return use(std::move(said));
  transactions_.run<Places>(
      topic->queue(),
      [topic, ids](store::Rows& rows) {
        Places places;
        crdt::Replica replica(rows, topic->no, *topic, *topic->keys, topic->network);
        for (const OpId& id : ids) places.push_back(replica.places_of(id));
        return places;
      },
      [said = std::move(said), use = std::move(use)](SaveOutcome saved, Places places) {
        use(saved == SaveOutcome::ok ? std::move(places) : said);
      });
}

// What they wait for may stand elsewhere now.
void Node::Impl::move_waiters(const TopicPtr& topic) {
  std::vector<u32> calls;
  std::vector<OpId> ids;
  for (const Waiter& waiter : waiters_.for_copies(topic->no)) {
    calls.push_back(waiter.call);
    ids.push_back(waiter.id);
  }
  if (calls.empty()) return;
  find_places(topic, ids, [this, calls](std::vector<std::vector<OpId>> places) {
    for (std::size_t i = 0; i < calls.size(); ++i) waiters_.moved(calls[i], std::move(places[i]));
  });
}

void Node::Impl::call(u32 id, GetLogs& c) {
  LogList list;
  for (const auto& [no, topic] : topics_) {
    if (topic->id != c.id || !topic->open) continue;
    for (const auto& [log, number] : topic->numbers) {
      const sync::LogEntry& entry = topic->logs[number];
      // For a log that parts nobody signs.
      LogOut out{log,
                 entry.durable.spoken(),
                 entry.pending.device == identity_->id() && entry.durable.length <= entry.durable.cut,
                 {}};
      for (const auto& [key, mark] : sync_.acks(topic))
        if (key.second == number && mark.length >= out.length) out.acked.push_back(key.first);
      if (out.length > 0) list.logs.push_back(std::move(out));
    }
  }
  reply(id, std::move(list));
}

void Node::Impl::call(u32 id, WaitCopies& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  auto op = op_named(*topic, c.id);
  if (!op) return fail(id, Code::not_found, crdt::no_message_text);
  if (!waiters_.add({id, c.topic, *op, {*op}, c.copies, c.anchored})) return fail(id, Code::too_large, waiting_text);
  move_waiters(topic);
}

void Node::Impl::call(u32 id, WaitSynced& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  if (!waiters_.add({id, c.topic, {}, {}, 0, false, true, sync_.ask(topic, now_)}))
    fail(id, Code::too_large, waiting_text);
}

void Node::Impl::check_waiters() {
  auto open = [&](const Waiter& w) {
    auto found = topics_.find(w.topic);
    return found != topics_.end() && found->second->open ? found->second : nullptr;
  };
  auto ready = [&](const Waiter& w) {
    const TopicPtr topic = open(w);
    if (!topic) return true;
    if (w.synced) return sync_.synced(topic, w.ask);
    auto [peers, anchors] = copies_of(topic, w.places, true);
    return w.anchored ? !anchors.empty() : peers.size() + anchors.size() >= w.copies;
  };
  for (const Waiter& waiter : waiters_.take(ready)) {
    if (open(waiter)) reply(waiter.call, Nothing{});
    else fail(waiter.call, Code::closed, "The topic was closed. Open it again with topic() or join().");
  }
  if (!close_calls_.empty() && (storage_.gone() || all_saved())) {
    fail_waiting({Code::closed, "The peer was closed. Open it again with openPeer()."});
    std::vector<LinkId> all;
    for (auto& [id, link] : links_) all.push_back(id);
    for (LinkId id : all) link_closed(id, false);
    for (u32 call : std::exchange(close_calls_, {})) reply(call, Nothing{});
  }
}

}  // namespace perdure
