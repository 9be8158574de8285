// Own batches that were accepted and do not count where they stand: because our rows have lost them and somebody else has them, because
// they are dated ahead, or because a former life of this device has voided them without knowing them. What they say is appended again.
#include <algorithm>

#include "codec/bytes.hpp"
#include "log/nodes.hpp"
#include "node/impl.hpp"
#include "node/op_text.hpp"
#include "sync/reissued.hpp"

namespace perdure {

namespace {

constexpr std::size_t lost_max = 64;                 // waiting; more are found again at the next greeting or start

// What an op says, for comparing it with others.
Bytes said_by(const log::Op& op) {
  codec::Writer w;
  w.u8(static_cast<u8>(op.kind)).bytes(op.key).bytes(op.value);
  return std::move(w).take();
}

// Ops to be appended again, each with the id that it had.
class Gathering {
 public:
  Gathering(store::Rows& rows, const Topic& topic, LogNo no)
      : done(rows, topic.no, no), rows_(rows), topic_(topic), no_(no), name_(topic.logs[no].working) {}

  sync::Reissued done;
  std::vector<log::Op> ops;
  std::vector<OpId> ids;
  u64 opaque = 0;                                    // batches that cannot be read: what they say cannot be said again

  void take(u64 index, ByteView sealed) {
    auto batch = open(name_.id, index, sealed);
    if (done.add(sealed)) add(index, batch);
  }
  void take_rows(u64 from, u64 to) {
    for (u64 i = from; i < to; ++i)
      if (auto sealed = row(no_, i)) take(i, *sealed);
  }
  // Only what was said after the void was declared and is not said by the log that declared it: the rest was appended again there.
  void take_unknown_to(LogNo declarer, u64 from, u64 to) {
    std::map<Bytes, u64> known;
    HybridTime declared{};
    for (u64 i = 0; i < topic_.logs[declarer].working.held; ++i) {
      auto sealed = row(declarer, i);
      auto batch = sealed ? open(topic_.logs[declarer].working.id, i, *sealed) : std::nullopt;
      if (!batch) continue;
      if (i == 0) declared = batch->time;
      for (const log::Op& op : batch->ops) ++known[said_by(op)];
    }
    for (u64 i = from; i < to; ++i) {
      auto sealed = row(no_, i);
      if (!sealed || !done.add(*sealed)) continue;
      auto batch = open(name_.id, i, *sealed);
      if (batch && batch->time <= declared) continue;
      if (batch) std::erase_if(batch->ops, [&](const log::Op& op) { auto at = known.find(said_by(op)); return at != known.end() && at->second-- > 0; });
      add(i, batch);
    }
  }
  // Versions that do not count are named by nobody.
  void forget_names(u64 from) {
    for (log::Op& op : ops) std::erase_if(op.replaces, [&](const OpId& id) { return id.log == name_.id && id.batch >= from; });
  }

 private:
  std::optional<ByteView> row(LogNo no, u64 index) { return rows_.get(store::key('B', topic_.no, no, static_cast<u32>(index))); }
  std::optional<log::Batch> open(const LogId& log, u64 index, ByteView sealed) const {
    auto plain = log::unseal_batch(*topic_.keys, {topic_.network, topic_.id, log, index}, sealed);
    if (!plain) return std::nullopt;
    auto batch = log::decode_batch(*plain, log);
    if (!batch) return std::nullopt;
    return std::move(*batch);
  }
  void add(u64 index, std::optional<log::Batch>& batch) {
    if (!batch) return void(++opaque);
    for (std::size_t n = 0; n < batch->ops.size(); ++n) {
      ids.push_back({name_.id, static_cast<u32>(index), static_cast<u32>(n)});
      ops.push_back(std::move(batch->ops[n]));
    }
  }

  store::Rows& rows_;
  const Topic& topic_;
  LogNo no_;
  const crdt::LogName& name_;
};

// Of a branch that is our own log as it was: the rows that had been lost. True if there were any.
bool fill_hole(store::Rows& rows, const Topic& topic, const sync::Branch& branch) {
  auto state = sync::read_state(rows, topic, branch.no);
  if (!state || state->hole == log::no_cut) return false;
  log::StoredNodes nodes(rows, topic.no, branch.no, *state);
  bool filled = false;
  for (std::size_t i = 0; i < branch.sealed.size(); ++i) {
    const u64 index = branch.first + i;
    if (index < state->hole || index >= state->held || nodes.node(0, index) != log::leaf_hash(branch.sealed[i])) continue;
    rows.put(store::key('B', topic.no, branch.no, static_cast<u32>(index)), branch.sealed[i]);
    filled = true;
  }
  return filled;
}

}  // namespace

void Node::Impl::lost_own(const TopicPtr& topic, sync::Branch branch) {
  auto found = extras_.find(topic->no);
  if (found == extras_.end() || !topic->loaded || found->second.lost.size() >= lost_max) return;
  found->second.lost.push_back({Lost::Why::branch, std::move(branch)});
  append_waiting(topic);
}

void Node::Impl::voided_own(const TopicPtr& topic, LogNo no) {
  auto found = extras_.find(topic->no);
  if (found == extras_.end() || !topic->loaded || topic->logs[no].working.cut >= topic->logs[no].working.held) return;
  found->second.lost.push_back({Lost::Why::voided, {no, topic->logs[no].working.cut, 0, {}, {}}});
  append_waiting(topic);
}

void Node::Impl::taken_back(const TopicPtr& topic, LogNo no, u64 from) {
  auto found = extras_.find(topic->no);
  if (found == extras_.end() || !topic->loaded) return;
  found->second.lost.push_back({Lost::Why::restored, {no, from, 0, {}, {}}});
  append_waiting(topic);
}

// For others a log of ours ends where a batch of it is lost. If nobody who is here can give that batch, what stands behind it is appended
// again; should somebody show it later, it is taken back like any branch that we have lost.
void Node::Impl::pass_holes(const TopicPtr& topic) {
  if (!holes_reported_ || !topic->loaded || !topic->keys || resting_until_ > now_.steady_ms || !sync_.synced(topic)) return;
  TopicExtra& e = extra(topic);
  for (LogNo no = 0; no < topic->logs.size(); ++no) {
    const sync::LogEntry& entry = topic->logs[no];
    const u64 hole = entry.held.hole;
    if (entry.working.device != identity_->id() || hole >= std::min(entry.held.length, entry.held.cut)) continue;
    if (e.searching.contains(no) || sync_.offered(topic, no) || !e.passed.insert(no).second) continue;
    lost_own(topic, {no, hole, hole, {}, {}});
  }
}

void Node::Impl::note_held(TopicExtra& e, const std::map<LogNo, u64>& held) {
  for (const auto& [no, from] : held) e.lost.push_back({Lost::Why::held, {no, from, 0, {}, {}}});
}

// Own batches dated ahead, and what stands behind a void that a life before this one had no time to look through.
void Node::Impl::look_for_lost(const TopicPtr& topic) {
  if (!topic->keys) return settled(topic);
  std::vector<LogNo> voided;
  for (LogNo no = 0; no < topic->logs.size(); ++no) {
    const crdt::LogName& name = topic->logs[no].working;
    if (name.device == identity_->id() && name.cut < name.held) voided.push_back(no);
  }
  if (voided.empty() && topic->counters.held_back == 0) return settled(topic);
  auto held = std::make_shared<std::map<LogNo, u64>>();
  auto unsettled = std::make_shared<std::vector<LogNo>>();
  desk_.run(topic->queue(), [this, topic, voided, held, unsettled](store::Rows& rows) {
    unsettled->clear();
    for (LogNo no : voided) {
      sync::Reissued done(rows, topic->no, no);
      if (!done.settled || *done.settled > topic->logs[no].working.cut) unsettled->push_back(no);
    }
    *held = crdt::Replica(rows, topic->no, *topic, *topic->keys, topic->network).held_back_of(identity_->id());
  }, [this, topic, held, unsettled](SaveOutcome saved) {
    auto found = extras_.find(topic->no);
    if (saved != SaveOutcome::ok || found == extras_.end() || !topic->loaded) return;
    for (LogNo no : *unsettled) voided_own(topic, no);
    note_held(found->second, *held);
    append_waiting(topic);
    settled(topic);
  });
}

void Node::Impl::settled(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  if (e.settling && (e.rescuing || !e.lost.empty())) return;
  e.settling = false;
  for (const Resumed& retry : std::exchange(e.retries, {})) retry.go();
  for (Call& call : std::exchange(e.deferred, {})) on_call(call);
}

void Node::Impl::append_lost(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  auto lost = std::make_shared<Lost>(std::move(e.lost.front()));
  e.lost.pop_front();
  e.rescuing = true;
  struct Result : Written { std::map<OpId, OpId> moved; u64 opaque = 0; bool voided = false, filled = false, holed = false; };
  auto result = std::make_shared<Result>();
  u64 incarnation = random_.next();
  desk_.run(topic->queue(), [this, topic, lost, incarnation, result](store::Rows& rows) {
    *result = {};
    const sync::Branch& branch = lost->branch;
    const crdt::LogName name = topic->logs[branch.no].working;
    Gathering all(rows, *topic, branch.no);
    if (rows.missed()) return;
    for (std::size_t i = 0; i < branch.sealed.size(); ++i) all.take(branch.first + i, branch.sealed[i]);
    if (lost->why == Lost::Why::restored && all.done.declared) {
      all.take_rows(std::max(branch.from, name.cut), name.held);
    } else if (lost->why == Lost::Why::restored || lost->why == Lost::Why::voided) {
      auto declarer = crdt::Replica(rows, topic->no, *topic, *topic->keys, topic->network).declarer_of(branch.no);
      if (declarer) all.take_unknown_to(*declarer, name.cut, name.held);
    } else {
      all.take_rows(branch.from, std::min(name.held, name.cut));
    }
    if (rows.missed()) return;
    result->filled = fill_hole(rows, *topic, branch);
    result->holed = topic->logs[branch.no].held.hole != log::no_cut;
    if (rows.missed()) return;
    all.forget_names(std::min(branch.from, name.cut));
    result->opaque = all.opaque;
    result->voided = branch.from < name.cut && !all.ops.empty();
    if (result->voided) all.done.declared = true;
    if (result->voided || lost->why == Lost::Why::voided) all.done.settled = std::min(branch.from, name.cut);
    if (branch.root) all.done.add_branch(*branch.root);
    all.done.save(rows);
    if (all.ops.empty()) return;
    std::vector<log::Void> voids;
    if (result->voided) voids.push_back({name.id, branch.from});
    append_again(rows, *topic, incarnation, std::move(all.ops), std::move(voids), *result);
    for (std::size_t n = 0; n < result->ids.size(); ++n) result->moved.emplace(all.ids[n], result->ids[n]);
  }, [this, topic, lost, result](SaveOutcome saved) {
    auto found = extras_.find(topic->no);
    if (found == extras_.end()) return;
    found->second.rescuing = false;
    if (saved == SaveOutcome::ok && result->damage) damaged(topic, result->damage);
    // Once the store can be written again, or its indexes are whole.
    if (saved != SaveOutcome::ok || result->damage.indexes) return found->second.lost.push_front(std::move(*lost));
    if (result->opaque > 0) {
      metrics_["opaque_lost"] += result->opaque;
      trouble(Code::storage_lost, "Something that this device had said was lost here, and what others hold of it cannot be read. Say it again where it matters.");
    }
    if (!result->ids.empty()) {
      metrics_["rescues"] += 1;
      written(topic, *result);
      moved(result->moved);
    }
    if (result->voided) sync_.look_behind(topic, lost->branch.no);
    if (result->filled) restored(topic, lost->branch.no);
    if (result->voided && result->holed) {             // what was said by the batch that is lost cannot be taken from the indexes one by one
      found->second.rebuild_wanted = true;
      return reload_topic(topic);
    }
    append_waiting(topic);
    if (extras_.contains(topic->no)) settled(topic);
  });
}

// Receipts and those who wait for copies follow what they speak of to its new place.
void Node::Impl::moved(const std::map<OpId, OpId>& places) {
  waiters_dirty_ = true;
  for (auto& [call, waiter] : waiters_)
    if (auto at = places.find(waiter.id); at != places.end()) waiter.id = at->second;
  std::map<std::string, OpId> texts;
  for (const auto& [from, to] : places) texts.emplace(op_text(from), to);
  for (auto& [tag, id] : receipts_)
    if (auto at = texts.find(id); at != texts.end()) id = op_text(at->second);
}

}  // namespace perdure
