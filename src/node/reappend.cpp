// Own batches that were accepted and do not count where they stand: because our rows have lost them and somebody else has them, because
// they are dated ahead, because a former life of this device has voided them without knowing them, or because others cannot get past a
// batch that nobody has any more. What they say is appended again, each op in the place of the one that it stands for.
#include <algorithm>

#include "codec/bytes.hpp"
#include "log/nodes.hpp"
#include "node/impl.hpp"
#include "node/op_text.hpp"
#include "sync/reappended.hpp"

namespace perdure {

namespace {

constexpr std::size_t lost_max = 64;  // waiting; more are found again at the next greeting or start
constexpr u64 apart_batches = 256;    // looked through in one step

// Ops to be appended again. Each is known by where it was said first and by the batch that said it there, never by what it says: two lives
// of a device may have given one id to two ops.
class Gathering {
 public:
  // from: what stands there will not count.
  Gathering(store::Rows& rows, const Topic& topic, LogNo no, u64 from)
      : done(rows, topic.no, no),
        rows_(rows),
        topic_(topic),
        no_(no),
        from_(from),
        replica_(rows, topic.no, topic, *topic.keys, topic.network) {}

  using Leaf = std::array<u8, 8>;
  sync::Reappended done;
  std::vector<Again> ops;
  std::set<std::pair<LogId, u64>> voids;  // that stand there, too
  u64 opaque = 0;                         // batches that cannot be read: what they say cannot be said again

  void take(u64 index, ByteView sealed, bool held = false) {
    auto batch = read(no_, index, sealed);
    if (!batch) return void(++opaque);
    for (const log::Void& v : batch->voids)
      if (index == 0 || batch->format > 1) voids.insert({v.log, v.from});
    const Leaf leaf = leaf_of(sealed);
    for (u32 p = 0; p < batch->ops.size(); ++p) add(no_, *batch, index, p, leaf, held);
  }
  void take_rows(u64 from, u64 to, bool held = false) {
    for (u64 i = from; i < to; ++i)
      if (auto sealed = row(no_, i)) take(i, *sealed, held);
  }
  // What those batches say again under ids that count for something else, and what counts no more since they say something under its id.
  void take_apart(u64 from, u64 to) {
    std::set<std::pair<LogNo, u64>> places;
    for (u64 i = from; i < to; ++i) {
      const auto sealed = row(no_, i);
      auto batch = sealed ? read(no_, i, *sealed) : Result<log::Batch>(Error{});
      if (!batch) continue;
      for (const log::Op& op : batch->ops)
        if (op.says && op.origin)
          places.merge(replica_.sayings_of(
              {topic_.log_id(name(no_).device, op.says->incarnation), op.says->batch, op.says->position}));
    }
    for (const auto& [no, index] : places) {
      const auto sealed = row(no, index);
      auto batch = sealed && index < name(no).cut ? read(no, index, *sealed) : Result<log::Batch>(Error{});
      for (u32 p = 0; batch && p < batch->ops.size(); ++p)
        if (batch->ops[p].says && batch->ops[p].origin) add(no, *batch, index, p, {}, false);
    }
    for (Again& one : ops) one.renamed = true;
  }

 private:
  static Leaf leaf_of(ByteView sealed) {
    Leaf leaf{};
    std::copy_n(log::leaf_hash(sealed).bytes.begin(), leaf.size(), leaf.begin());
    return leaf;
  }
  const crdt::LogName& name(LogNo no) const { return topic_.logs[no].pending; }
  std::optional<ByteView> row(LogNo no, u64 index) {
    return rows_.get(store::key('B', topic_.no, no, static_cast<u32>(index)));
  }
  Result<log::Batch> read(LogNo no, u64 index, ByteView sealed) const {
    auto plain = log::unseal_batch(*topic_.keys, {topic_.network, topic_.id, name(no).id, index}, sealed);
    return plain ? log::decode_batch(*plain, name(no).id) : Result<log::Batch>(Error{});
  }

  void add(LogNo no, log::Batch& batch, u64 index, u32 position, const Leaf& leaf, bool held) {
    const crdt::LogName& said_in = name(no);
    log::Op& op = batch.ops[position];
    if (!op.origin) op.origin = log::Origin{said_in.incarnation, static_cast<u32>(index), position, leaf};
    if (!seen_.insert(*op.origin).second || replica_.is_said_again(said_in.device, *op.origin, no_, from_)) return;
    // What a newer core of this device added goes where it has no room beside these two.
    std::size_t bytes = 64, kept = 0;
    while (kept < op.fields.size() && kept + 2 < log::fields_max &&
           (bytes += op.fields[kept].value.size()) <= log::field_bytes_max)
      ++kept;
    op.fields.resize(kept);
    if (!op.says) op.says = log::Saying{said_in.incarnation, static_cast<u32>(index), position, batch.time};
    const OpId id{topic_.log_id(said_in.device, op.says->incarnation), op.says->batch, op.says->position};
    const bool taken = !ids_.insert(id).second || replica_.is_taken(id, *op.origin);
    const auto at = topic_.by_id(topic_.log_id(said_in.device, op.origin->incarnation));
    const auto here = at ? row(*at, op.origin->batch) : std::nullopt;
    const bool ours = here && leaf_of(*here) == op.origin->leaf;
    ops.push_back({std::move(op), id, taken, held, ours});
  }

  store::Rows& rows_;
  const Topic& topic_;
  LogNo no_;
  u64 from_;
  crdt::Replica replica_;
  std::set<log::Origin> seen_;
  std::set<OpId> ids_;
};

// Of a branch that is our own log as it was: the rows that had been lost. True if there were any.
bool fill_hole(store::Rows& rows, const Topic& topic, const sync::Branch& branch) {
  auto state = sync::read_state(rows, topic, branch.no);
  if (!state || state->hole == log::no_cut) return false;
  log::StoredNodes nodes(rows, topic.no, branch.no, *state);
  bool filled = false;
  for (std::size_t i = 0; i < branch.sealed.size(); ++i) {
    const u64 index = branch.first + i;
    if (index < state->hole || index >= state->held || nodes.node(0, index) != log::leaf_hash(branch.sealed[i]))
      continue;
    rows.put(store::key('B', topic.no, branch.no, static_cast<u32>(index)), branch.sealed[i]);
    filled = true;
  }
  return filled;
}

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

u64 Node::Impl::uncounted(const TopicPtr& topic) const {
  auto found = extras_.find(topic->no);
  u64 ops = 0;
  if (found == extras_.end()) return ops;
  for (const Uncounted& lost : found->second.uncounted) {
    const crdt::LogName& name = topic->logs[lost.branch.no].pending;
    ops += lost.branch.sealed.size() + name.held - std::min(name.held, lost.branch.from);
  }
  return ops;
}

void Node::Impl::note_held(TopicExtra& e, const std::map<LogNo, u64>& held) {
  for (const auto& [no, from] : held) e.uncounted.push_back({Uncounted::Why::held, {no, from, 0, {}, {}}});
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
  auto held = std::make_shared<std::map<LogNo, u64>>();
  auto unsettled = std::make_shared<std::vector<LogNo>>();
  auto together = std::make_shared<std::map<LogNo, u64>>();
  transactions_.run(
      topic->queue(),
      [this, topic, voided, again, held, unsettled, together](store::Rows& rows) {
        unsettled->clear();
        together->clear();
        for (LogNo no : voided) {
          sync::Reappended done(rows, topic->no, no);
          if (!done.settled || *done.settled > topic->logs[no].pending.cut) unsettled->push_back(no);
        }
        for (LogNo no : again) {
          sync::Reappended done(rows, topic->no, no);
          if (done.told_apart < std::min(topic->logs[no].pending.held, topic->logs[no].pending.cut))
            together->emplace(no, done.told_apart);
        }
        *held = crdt::Replica(rows, topic->no, *topic, *topic->keys, topic->network).held_back_of(identity_->id());
      },
      [this, topic, held, unsettled, together](SaveOutcome saved) {
        TopicExtra* found = known_extra(topic);
        if (saved != SaveOutcome::ok || !found || !topic->loaded) return;
        for (LogNo no : *unsettled) voided_own(topic, no);
        for (const auto& [no, from] : *together)
          found->uncounted.push_back({Uncounted::Why::clash, {no, from, 0, {}, {}}});
        note_held(*found, *held);
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
  struct Result : Written {
    u64 opaque = 0, next = 0;
    bool appended = false, voided = false, filled = false, holed = false;
  };
  auto result = std::make_shared<Result>();
  u64 incarnation = random_.next();
  transactions_.run(
      topic->queue(),
      [this, topic, lost, incarnation, result](store::Rows& rows) {
        *result = {};
        const sync::Branch& branch = lost->branch;
        const crdt::LogName name = topic->logs[branch.no].pending;
        const bool counts = lost->why == Uncounted::Why::hole ||
                            lost->why == Uncounted::Why::clash;  // where it stands, too
        Gathering all(rows, *topic, branch.no, counts ? log::no_cut : branch.from);
        if (rows.missed()) return;
        // What others hold keeps its ids.
        for (std::size_t i = 0; i < branch.sealed.size(); ++i) all.take(branch.first + i, branch.sealed[i]);
        const bool voids = (lost->why == Uncounted::Why::branch || lost->why == Uncounted::Why::held) &&
                           branch.from < name.cut;
        switch (lost->why) {
          case Uncounted::Why::voided: all.take_rows(std::max(branch.from, name.cut), name.held); break;
          case Uncounted::Why::hole: all.take_rows(branch.from + 1, std::min(name.held, name.cut)); break;
          case Uncounted::Why::held: all.take_rows(branch.from, std::min(name.held, name.cut), true); break;
          case Uncounted::Why::branch: all.take_rows(branch.from, std::min(name.held, name.cut)); break;
          case Uncounted::Why::clash:
            result->next = std::min({name.held, name.cut, branch.from + apart_batches});
            all.take_apart(branch.from, result->next);
            all.done.told_apart = std::max(all.done.told_apart, result->next);
            break;
        }
        if (rows.missed()) return;
        result->filled = fill_hole(rows, *topic, branch);
        result->holed = topic->logs[branch.no].durable.hole != log::no_cut;
        if (rows.missed()) return;
        result->opaque = all.opaque;
        result->voided = voids;
        if (voids || lost->why == Uncounted::Why::voided) all.done.settled = std::min(branch.from, name.cut);
        if (branch.root) all.done.add_branch(*branch.root);
        all.done.save(rows);
        std::vector<log::Void> declared;
        if (!counts)
          for (const auto& [log, from] : all.voids)
            if (log != name.id) declared.push_back({log, from});
        if (voids) declared.push_back({name.id, branch.from});
        if (all.ops.empty() && !voids) return;
        result->appended = true;
        append_again(rows, *topic, incarnation, std::move(all.ops), std::move(declared), *result);
      },
      [this, topic, lost, result](SaveOutcome saved) {
        TopicExtra* found = known_extra(topic);
        if (!found) return;
        found->reappending = false;
        if (saved == SaveOutcome::ok && result->damage) damaged(topic, result->damage);
        // Once the store can be written again, or its indexes are whole.
        if (saved != SaveOutcome::ok || result->damage.indexes) return found->uncounted.push_front(std::move(*lost));
        if (result->opaque > 0) {
          metrics_["opaque_lost"] += result->opaque;
          unreadable_lost_ = true;
          report_holes();
        }
        if (result->appended) {
          metrics_["rescues"] += 1;
          written(topic, *result);
          renamed(topic, result->renamed);
          move_waiters(topic);
        }
        const crdt::LogName& log = topic->logs[lost->branch.no].pending;
        if (lost->why == Uncounted::Why::clash && result->next < std::min(log.held, log.cut))
          found->uncounted.push_back({Uncounted::Why::clash, {lost->branch.no, result->next, 0, {}, {}}});
        if (result->voided) sync_.probe_beyond_void(topic, lost->branch.no);
        if (result->filled) restored(topic, lost->branch.no);
        // what was said by the batch that is lost cannot be taken from the indexes one by one
        if (result->holed && (result->appended || lost->why == Uncounted::Why::hole)) {
          found->rebuild_wanted = true;
          return reload_topic(topic);
        }
        append_waiting(topic);
        if (extras_.contains(topic->no)) settled(topic);
      });
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
