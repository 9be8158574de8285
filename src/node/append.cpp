// Own batches: what was appended in a turn, or while a save was under way, is sealed together, saved, and only then spoken of.
#include <algorithm>
#include <tuple>

#include "codec/bytes.hpp"
#include "codec/value.hpp"
#include "crypto/hash.hpp"
#include "log/batch.hpp"
#include "log/nodes.hpp"
#include "node/impl.hpp"
#include "node/op_text.hpp"

namespace perdure {

namespace {

// What an op adds to a batch at most: its bytes, lengths and kind, and the versions that it names with their logs' ids.
std::size_t room_of(const log::Op& op) {
  std::size_t again = op.says || op.origin || !op.known() || !op.fields.empty() ? 96 + op.body.size() : 0;
  for (const log::Field& field : op.fields) again += 20 + field.value.size();
  return op.key.size() + op.value.size() + 16 + again + op.replaces.size() * (LogId::size + 12);
}

bool alone(const log::Op& op) { return room_of(op) > log::plain_max - 1024; }

// Runs of ops that are better not seen in part: where each begins, and how many they are.
using Runs = std::map<std::size_t, std::size_t>;

// Cuts ops into batches within the limits; the ops keep their order, and runs stay together where one batch can hold them.
std::vector<std::vector<log::Op>> cut_into_batches(std::vector<log::Op> ops, const Runs& runs) {
  std::vector<std::vector<log::Op>> batches;
  std::size_t room = 0;
  for (std::size_t n = 0; n < ops.size(); ++n) {
    log::Op& op = ops[n];
    bool fits = !batches.empty() && batches.back().size() < log::ops_max &&
                room + room_of(op) <= log::plain_max - 1024 && !alone(op);
    if (auto run = runs.find(n); run != runs.end() && fits) {
      std::size_t whole = 0;
      for (std::size_t i = n; i < n + run->second; ++i) whole += room_of(ops[i]);
      bool possible = whole <= log::plain_max - 1024 && run->second <= log::ops_max;
      fits = !possible ||
             (room + whole <= log::plain_max - 1024 && batches.back().size() + run->second <= log::ops_max);
    }
    if (!fits) {
      batches.emplace_back();
      room = 0;
    }
    room += alone(op) ? log::plain_max : room_of(op);
    batches.back().push_back(std::move(op));
  }
  return batches;
}

// What one set or delete replaces in all: it names so many itself or by erasures before it. Who makes more versions of a key than that has
// spent as much on it, and the next op takes the rest.
constexpr u64 replaced_max = 16 * log::ops_max * (log::names_max - 1);

// The op, and before it what it needs to replace all those versions: an op names at most so many, so erasures of its key name the others, and
// each op the one before it, once their ids are known.
std::vector<log::Op> replacing(log::Op op, const std::vector<OpId>& versions) {
  std::vector<log::Op> run;
  auto from = versions.begin();
  auto take = [&] {
    const auto most = static_cast<std::ptrdiff_t>(run.empty() ? log::names_max : log::names_max - 1);
    auto to = from + std::min(most, versions.end() - from);
    return std::vector<OpId>(std::exchange(from, to), to);
  };
  for (;;) {
    std::vector<OpId> names = take();
    if (from == versions.end()) {
      op.replaces = std::move(names);
      run.push_back(std::move(op));
      return run;
    }
    run.push_back({log::Op::Kind::erase, op.key, {}, std::move(names)});
  }
}

}  // namespace

// One step of appending. Ids of ops are known before they are sealed, so that a later op can name an earlier one of the same turn.
// The id of an op whose own was given to another one as well: a function of where it was said, the same for all lives of its device.
OpId id_apart(const sync::Topic& topic, const DeviceId& device, const log::Origin& origin, log::Saying& says) {
  codec::Writer place;
  place.be64(origin.incarnation).be32(origin.batch).be32(origin.position).raw(origin.leaf);
  const Hash hash = crypto::blake2b({ByteView(reinterpret_cast<const u8*>("perdure/apart/1"), 15), place.peek()});
  says.incarnation = codec::Reader(hash.view()).be64();
  says.batch = origin.batch;
  says.position = origin.position;
  return {topic.log_id(device, says.incarnation), says.batch, says.position};
}

class Appender {
 public:
  Appender(store::Rows& rows, Topic& topic, const identity::Identity& self, crypto::Random& random, u64 now_ms)
      : rows_(rows), topic_(topic), self_(self), random_(random), now_ms_(now_ms), merge_(rows, topic, now_ms) {}

  // The log to append to: ours, or a new incarnation. False if rows were missing.
  void open(u64 fresh_incarnation, bool force_fresh) {
    if (topic_.own_log && !force_fresh) {
      auto state = sync::read_state(rows_, topic_, *topic_.own_log);
      // Behind a head that is dated ahead a batch would be dated ahead itself: nobody would see it, not even its author.
      bool due = state && state->head.time.ms() <= now_ms_ + clock::hold_back_ms;
      bool whole = state && state->held == state->head.length && state->cut() == log::no_cut &&
                   state->hole == log::no_cut;
      if (due && whole && can_grow(*state)) {
        no_ = *topic_.own_log;
        state_ = std::move(*state);
        return;
      }
      if (rows_.missed()) return;
    }
    if (topic_.own_log) {
      if (auto old = sync::read_state(rows_, topic_, *topic_.own_log)) {
        old->own = false;
        log::save_state(rows_, topic_.no, *topic_.own_log, *old);
      }
    }
    fresh_ = true;
    no_ = topic_.add_log(self_.id(), fresh_incarnation);
    state_ = {};
    state_.opening = {self_.id(), fresh_incarnation,
                      identity::open_log(topic_.network, *topic_.keys, self_.id(), fresh_incarnation)};
    state_.own = true;
  }

  // A row may hold anything: what is no log of ours, or has no room for another step, is left as it is.
  bool can_grow(const log::LogState& state) const {
    return state.opening.device == self_.id() && state.held + 4096 < log::batches_max &&
           state.head.ops < u64{log::batches_max} * log::ops_max;
  }

  void undo() {
    if (!fresh_) return;
    topic_.numbers.erase(topic_.logs.back().pending.id);
    topic_.logs.pop_back();
  }

  // Ops whose key is set name what is unreplaced, and what this very turn has set before.
  void add(std::vector<log::Op> given, const std::map<LogNo, u64>& seen) {
    // Names first: they change how much fits. Ids depend on the cut, so names of this turn's own ops are given later.
    Runs runs;
    std::vector<log::Op> ops = name_all(std::move(given), runs);
    for (log::Op& op : ops)
      if (op.kind != log::Op::Kind::message) op.replaces.push_back({});  // room for an op of this turn
    if (rows_.missed()) return;
    std::map<Bytes, OpId> set_here;
    write(cut_into_batches(std::move(ops), runs), {}, seen, [&](log::Op& op, const OpId& id, HybridTime&) {
      if (op.kind == log::Op::Kind::message) return;
      op.replaces.pop_back();
      if (auto earlier = set_here.find(op.key); earlier != set_here.end()) {
        if (op.replaces.size() >= log::names_max) op.replaces.resize(log::names_max - 1);
        op.replaces.push_back(earlier->second);
      }
      set_here[op.key] = id;
    });
  }

  // Each in the place of the op that it stands for. What becomes void stands in a batch behind them: no part of the log shows less than
  // there was before.
  void add_again(std::vector<Again> again, const std::vector<log::Void>& voids) {
    std::vector<log::Op> ops;
    for (const Again& one : again) ops.push_back(one.op);
    std::size_t n = 0;
    std::tuple<u64, u32, u32> before{};
    write(cut_into_batches(std::move(ops), {}), voids, {}, [&](log::Op& op, const OpId& id, HybridTime& time) {
      const Again& one = again[n++];
      if (one.held) {
        // What gets a new time keeps the order in which it was said, also where the ids would not.
        const std::tuple place{op.says->incarnation, op.says->batch, op.says->position};
        if (std::exchange(before, place) > place && id.position > 0) ++time.value;
        op.says->time = time;
      }
      op.says->time = std::min(op.says->time, time);
      if (!one.renamed) return;
      const OpId apart = id_apart(topic_, self_.id(), *op.origin, *op.says);
      if (one.ours) renamed_[one.id] = apart;
      for (OpId& name : op.replaces)
        if (auto now = renamed_.find(name); now != renamed_.end()) name = now->second;
    });
  }

  const std::map<OpId, OpId>& renamed() const { return renamed_; }

  // The id of the n-th op that was given.
  OpId id_of(std::size_t given) const {
    std::size_t n = given_[given];
    for (const auto& [batch, count] : places_) {
      if (n < count) return {last_.log, batch, static_cast<u32>(n)};
      n -= count;
    }
    return last_;
  }

  void finish(std::vector<sync::LogUpdate>& updates, crdt::Changes& changes, sync::Counters& counters,
              sync::Damage& damage) {
    merge_.finish(updates, changes, counters);
    if (merge_.gave_up(damage)) return undo();
    if (auto now = sync::read_state(rows_, topic_, no_)) state_ = std::move(*now);
    updates.push_back({no_, sync::durable_of(rows_, topic_, no_, state_)});
    if (rows_.missed()) return;
    for (const sync::LogUpdate& update : updates) topic_.build_on(update);
    sync::LogEntry& entry = topic_.logs[no_];
    if (fresh_) {
      if (topic_.own_log) topic_.logs[*topic_.own_log].own = false;
      topic_.own_log = no_;
      entry.own = true;
    }
    entry.pending.held = state_.held;
    const u64 charged = sync::charged(state_);
    topic_.bytes += charged - entry.bytes;
    topic_.device_bytes[entry.pending.device] += charged - entry.bytes;
    entry.bytes = charged;
  }

  sync::Merge& merge() { return merge_; }
  LogNo no() const { return no_; }

 private:
  // `finish(op, id, time)` for each op, in order, once its place is known; it may move the batch's time on.
  template <class F>
  void write(std::vector<std::vector<log::Op>> batches, const std::vector<log::Void>& voids,
             const std::map<LogNo, u64>& seen, F finish) {
    const LogId self = topic_.logs[no_].pending.id;
    std::vector<Bytes> sealed;
    u64 index = state_.held, first_op = state_.head.ops;
    // What was counted under a clock that has been put right since will not count once it is indexed anew.
    HybridTime applied = merge_.replica().indexes().greatest;
    if (applied.ms() > now_ms_ + clock::hold_back_ms) applied = {};
    HybridTime time = clock::next(applied, now_ms_);
    time.value = std::max(time.value, state_.head.time.value + 1);
    const auto seal = [&](log::Batch batch) {
      batch.time = time;
      batch.first_op = first_op;
      if (index == state_.held) batch.deps = deps(seen);
      sealed.push_back(log::seal_batch(*topic_.keys, {topic_.network, topic_.id, self, index},
                                       log::encode_batch(batch, self), random_));
      first_op += std::max<std::size_t>(batch.ops.size(), 1);
      merge_.replica().give(no_, index, std::move(batch), sealed.back().size());
      ++index;
      last_time_ = time;
      ++time.value;
    };
    for (auto& ops : batches) {
      log::Batch batch;
      for (std::size_t i = 0; i < ops.size(); ++i)
        finish(ops[i], OpId{self, static_cast<u32>(index), static_cast<u32>(i)}, time);
      last_ = OpId{self, static_cast<u32>(index), static_cast<u32>(ops.size() - 1)};
      places_.push_back({static_cast<u32>(index), static_cast<u32>(ops.size())});
      batch.ops = std::move(ops);
      seal(std::move(batch));
    }
    for (std::size_t i = 0; i < voids.size(); i += log::voids_max) {
      log::Batch batch;
      batch.format = log::newest_format;
      for (std::size_t n = i; n < std::min(voids.size(), i + log::voids_max); ++n) batch.voids.push_back(voids[n]);
      seal(std::move(batch));
    }
    if (rows_.missed() || sealed.empty()) return;
    const u64 unread = merge_.replica().unread(), before = state_.held;
    log::append(rows_, topic_.no, no_, state_, self_, topic_.id, sealed, first_op, last_time_);
    merge_.add(no_, before, state_.held);
    // Nobody has to read what he wrote himself.
    const u64 now_unread = merge_.replica().unread();
    if (unread == 0) merge_.replica().mark_read(std::nullopt);
    else if (now_unread > unread) merge_.replica().read_own(now_unread - unread);
  }

  // Each first op of a key names all versions that are unreplaced; those after it need only name that one.
  std::vector<log::Op> name_all(std::vector<log::Op> ops, Runs& runs) {
    std::vector<log::Op> out;
    std::set<Bytes> named;
    for (log::Op& op : ops) {
      if (op.kind != log::Op::Kind::message && named.insert(op.key).second) {
        const auto versions = merge_.replica().unreplaced(text(op.key), replaced_max);
        std::vector<log::Op> run = replacing(std::move(op), versions);
        if (run.size() > 1) runs.emplace(out.size(), run.size());
        std::move(run.begin(), run.end(), std::back_inserter(out));
      } else {
        out.push_back(std::move(op));
      }
      given_.push_back(out.size() - 1);
    }
    return out;
  }

  // The logs that have grown since our last batch, newest first.
  std::vector<log::Dep> deps(const std::map<LogNo, u64>& seen) {
    std::vector<std::pair<HybridTime, LogNo>> grown;
    for (LogNo n = 0; n < topic_.logs.size(); ++n) {
      const sync::LogEntry& entry = topic_.logs[n];
      if (n == no_ || entry.pending.held == 0) continue;
      auto before = seen.find(n);
      if (before == seen.end() || before->second != entry.pending.held) grown.push_back({entry.durable.time, n});
    }
    std::sort(grown.rbegin(), grown.rend());
    if (grown.size() > log::deps_max) grown.resize(log::deps_max);
    std::vector<log::Dep> out;
    for (const auto& [time, n] : grown) {
      auto state = sync::read_state(rows_, topic_, n);
      if (!state || state->held == 0) continue;
      auto leaf = log::StoredNodes(rows_, topic_.no, n, *state).node(0, state->held - 1);
      if (!leaf) continue;
      log::Dep dep;
      std::copy_n(topic_.logs[n].pending.id.bytes.begin(), 8, dep.log.begin());
      dep.length = state->held;
      std::copy_n(leaf->bytes.begin(), 8, dep.last_leaf.begin());
      out.push_back(dep);
    }
    return out;
  }

  store::Rows& rows_;
  Topic& topic_;
  const identity::Identity& self_;
  crypto::Random& random_;
  u64 now_ms_;
  sync::Merge merge_;
  LogNo no_ = 0;
  bool fresh_ = false;
  log::LogState state_;
  OpId last_;
  HybridTime last_time_;
  std::vector<std::pair<u32, u32>> places_;
  std::map<OpId, OpId> renamed_;
  std::vector<std::size_t> given_;  // where the ops that were given stand among those that are written
};

void Node::Impl::call(u32 id, Append& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  if (auto known = receipts_.of(c.tag)) return reply(id, Appended{*known});
  std::size_t bytes = 0;
  if (c.ops.empty())
    return fail(id, Code::bad_argument, "There is nothing to append. Give at least one value or change.");
  for (const NewOp& op : c.ops) {
    bytes += op.key.size() + op.value.size();
    if (op.kind < 1 || op.kind > 3)
      return fail(id, Code::bad_argument, "What is appended is a message, a set or a delete.");
    if (op.kind != 1 && op.key.empty()) return fail(id, Code::bad_argument, "A key has at least one character.");
    if (op.key.size() > log::key_max) return fail(id, Code::too_large, "A key has at most 1,024 bytes of UTF-8.");
    if (op.kind != 1 && !log::is_key(view(op.key)))
      return fail(id, Code::bad_argument, "A key is text in valid UTF-8.");
    if (op.value.size() > log::value_max)
      return fail(id, Code::too_large, "A value has at most 256 KiB; keep files elsewhere and store where they are.");
    if (op.kind != 3 && !codec::is_value(op.value))
      return fail(id, Code::bad_argument, "The value is not one MessagePack value, or nested more than 64 deep.");
  }
  if (bytes > params::append_bytes_max) return fail(id, Code::too_large, "One call appends at most 16 MiB; split it.");
  TopicExtra& e = extra(topic);
  if (!e.endings.empty())
    return fail(id, Code::closed, "The topic is being closed; open it again with topic() or join().");
  if (e.waiting_bytes + bytes > params::waiting_bytes_max)
    return fail(id, Code::too_large,
                "64 MiB are waiting for the disk already; await earlier appends before making more.");
  for (const WaitingAppend& w : e.waiting)
    if (w.tag == c.tag && w.call != id && !c.tag.is_zero())
      return fail(id, Code::bad_argument, "That append is under way already. Await it.");
  if (quota(*topic, identity_->id(), e.waiting_bytes + bytes))
    return fail(id, Code::storage_full,
                "The storage that this app allows is used up: this was not stored. Raise limits.storageMB.");
  e.waiting_bytes += bytes;
  e.waiting.push_back({id, c.tag, std::move(c.ops), bytes});
  append_waiting(topic);
}

void Node::Impl::append_waiting(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  if (e.appending || e.releasing || e.reappending || !topic->loaded) return;
  bool resting = storage_.rests(now_.steady_ms);
  if (!e.uncounted.empty() && !resting) return reappend(topic);
  if (e.waiting.empty()) return end_if_idle(topic);
  // A clock that was put back in this very turn: what it no longer allows is held back first, and what of it is ours appended again.
  if (!resting && dated_ahead(*topic, topic->counters.greatest)) return reload_topic(topic);
  e.appending = true;
  auto calls = std::make_shared<std::deque<WaitingAppend>>();
  std::size_t bytes = 0;
  while (!e.waiting.empty() && (calls->empty() || bytes + e.waiting.front().bytes <= params::append_bytes_max)) {
    bytes += e.waiting.front().bytes;
    calls->push_back(std::move(e.waiting.front()));
    e.waiting.pop_front();
  }
  e.waiting_bytes -= bytes;

  struct Result : Written {
    std::vector<std::string> receipts;
    std::map<LogNo, u64> held;  // own batches dated ahead: they are appended again first
  };
  auto result = std::make_shared<Result>();
  u64 incarnation = random_.next();
  bool unsure = std::exchange(topic->own_unsure, false);
  bool look = !std::exchange(e.looked_for_held, true) && !resting;
  u32 receipt_row = receipts_.next_row();
  auto seen = std::make_shared<std::map<LogNo, u64>>(e.dep_lengths);
  transactions_.run(
      topic->queue(),
      [this, topic, calls, result, incarnation, unsure, look, receipt_row, seen](store::Rows& rows) {
        *result = {};
        Appender appender(rows, *topic, *identity_, random_, corrected_now_ms());
        if (look) result->held = appender.merge().replica().held_back_of(identity_->id());
        if (rows.missed() || !result->held.empty()) return;
        appender.open(incarnation, unsure);
        if (rows.missed()) return appender.undo();
        std::vector<log::Op> ops;
        for (const WaitingAppend& call : *calls)
          for (const NewOp& op : call.ops)
            ops.push_back({static_cast<log::Op::Kind>(op.kind), own(view(op.key)), op.value, {}});
        appender.add(std::move(ops), *seen);
        if (rows.missed()) return appender.undo();
        codec::Writer receipts;
        std::size_t n = 0;
        for (const WaitingAppend& call : *calls) {
          n += call.ops.size();
          result->receipts.push_back(op_text(appender.id_of(n - 1)));
          author::Receipts::write(receipts, call.tag, result->receipts.back());
        }
        if (receipts.size() > 0) rows.put(store::key('R', receipt_row), std::move(receipts).take());
        appender.finish(result->updates, result->changes, result->counters, result->damage);
        if (rows.missed()) return appender.undo();
        result->no = appender.no();
      },
      [this, topic, calls, result, unsure](SaveOutcome saved) {
        TopicExtra* found = known_extra(topic);
        if (found) found->appending = false;
        if (saved != SaveOutcome::ok) {
          for (const WaitingAppend& call : *calls) save_failed(call.call, saved, "this was not stored.");
          topic->own_unsure |= unsure;
          if (found) found->looked_for_held = false;
          return;
        }
        if (!found) return;  // a topic is not forgotten while appends are under way
        TopicExtra& now = *found;
        if (result->damage) damaged(topic, result->damage);
        if (!result->held.empty() || result->damage.indexes) {
          topic->own_unsure |= unsure;
          for (; !calls->empty(); calls->pop_back()) {
            now.waiting_bytes += calls->back().bytes;
            now.waiting.push_front(std::move(calls->back()));
          }
          note_held(now, result->held);
          if (result->damage.indexes) now.looked_for_held = false;
          return append_waiting(topic);  // not before damaged indexes are made anew
        }
        for (std::size_t i = 0; i < calls->size(); ++i) {
          receipts_.remember((*calls)[i].tag, result->receipts[i]);
          reply((*calls)[i].call, Appended{result->receipts[i]});
        }
        written(topic, *result);
        now.looked_for_held = false;
        now.dep_lengths.clear();
        for (LogNo n = 0; n < topic->logs.size(); ++n) now.dep_lengths[n] = topic->logs[n].pending.held;
        append_waiting(topic);
      });
}

// Ops of ours that do not count where they were said, once more; in a new incarnation if the one at hand cannot go on.
void Node::Impl::append_again(store::Rows& rows, Topic& topic, u64 incarnation, std::vector<Again> again,
                              std::vector<log::Void> voids, Written& out) {
  Appender appender(rows, topic, *identity_, random_, corrected_now_ms());
  const bool own = topic.own_log && std::ranges::any_of(voids, [&](const log::Void& v) {
                     return v.log == topic.logs[*topic.own_log].pending.id;
                   });
  appender.open(incarnation, own);
  if (rows.missed()) return appender.undo();
  appender.add_again(std::move(again), voids);
  if (rows.missed()) return appender.undo();
  appender.finish(out.updates, out.changes, out.counters, out.damage);
  if (out.damage.indexes) return;
  if (rows.missed()) return appender.undo();
  out.no = appender.no();
  out.renamed = appender.renamed();
}

void Node::Impl::written(const TopicPtr& topic, const Written& w) {
  apply(topic, w.updates);
  topic->counters = w.counters;
  stored(topic, w.changes);
  status_dirty_ = true;
  sync_.spread(topic, w.no, std::nullopt);
}

void Node::Impl::release_due(const TopicPtr& topic) {
  if (!topic->open || !topic->loaded || !topic->keys || !topic->counters.next_due_ms ||
      *topic->counters.next_due_ms > corrected_now_ms())
    return;
  TopicExtra* found = known_extra(topic);
  if (!found || found->releasing || storage_.rests(now_.steady_ms)) return;
  found->releasing = true;
  struct Result {
    std::vector<sync::LogUpdate> updates;
    crdt::Changes changes;
    sync::Counters counters;
    sync::Damage damage;
  };
  auto result = std::make_shared<Result>();
  transactions_.run(
      topic->queue(),
      [this, topic, result](store::Rows& rows) {
        *result = {};
        sync::Merge merge(rows, *topic, corrected_now_ms());
        merge.release();
        merge.finish(result->updates, result->changes, result->counters);
        if (merge.gave_up(result->damage) || rows.missed()) return;
        for (const sync::LogUpdate& update : result->updates) topic->build_on(update);
      },
      [this, topic, result](SaveOutcome saved) {
        if (TopicExtra* e = known_extra(topic)) e->releasing = false;
        if (saved == SaveOutcome::ok && result->damage) damaged(topic, result->damage);
        if (saved != SaveOutcome::ok || result->damage.indexes) return;
        apply(topic, result->updates);
        topic->counters = result->counters;
        stored(topic, result->changes);
        append_waiting(topic);
      });
}

}  // namespace perdure
