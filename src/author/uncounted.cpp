#include "author/uncounted.hpp"

#include <algorithm>
#include <set>

#include "log/nodes.hpp"
#include "sync/reappended.hpp"

namespace perdure::author {

namespace {

constexpr u64 apart_batches = 256;  // looked through in one step

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

  // All that is to be said again: `from` is where it begins not to count, and `to` where the log ends. What it came to, of a clash.
  u64 take(const Uncounted& lost, u64 from, u64 to) {
    // What others hold keeps its ids.
    for (std::size_t i = 0; i < lost.branch.sealed.size(); ++i) take(lost.branch.first + i, lost.branch.sealed[i]);
    switch (lost.why) {
      case Uncounted::Why::voided: take_rows(std::max(from, name(no_).cut), name(no_).held); break;
      case Uncounted::Why::hole: take_rows(from + 1, to); break;
      case Uncounted::Why::held: take_rows(from, to, true); break;
      case Uncounted::Why::branch: take_rows(from, to); break;
      case Uncounted::Why::clash:
        to = std::min(to, from + apart_batches);
        take_apart(from, to);
        done.told_apart = std::max(done.told_apart, to);
        break;
    }
    return to;
  }

 private:
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

Gathered gather(store::Rows& rows, const Topic& topic, const Uncounted& lost, u64 from) {
  Gathered out;
  if (rows.missed() || from == log::no_cut) return out;
  const sync::Branch& branch = lost.branch;
  const crdt::LogName& name = topic.logs[branch.no].pending;
  Gathering all(rows, topic, branch.no, lost.counts() ? log::no_cut : from);
  if (rows.missed()) return out;
  out.next = all.take(lost, from, std::min(name.held, name.cut));
  if (rows.missed()) return out;
  out.filled = fill_hole(rows, topic, branch);
  out.holed = topic.logs[branch.no].durable.hole != log::no_cut;
  if (rows.missed()) return out;
  out.opaque = all.opaque;
  using Why = Uncounted::Why;
  out.voided = (lost.why == Why::branch || lost.why == Why::held) && from < name.cut;
  if (out.voided || lost.why == Why::voided) all.done.settled = std::min(from, name.cut);
  if (branch.root) all.done.add_branch(*branch.root);
  all.done.save(rows);
  if (!lost.counts())
    for (const auto& [log, at] : all.voids)
      if (log != name.id) out.voids.push_back({log, at});
  if (out.voided) out.voids.push_back({name.id, from});
  out.ops = std::move(all.ops);
  return out;
}

}  // namespace perdure::author
