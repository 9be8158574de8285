#include "author/appender.hpp"

#include <algorithm>
#include <tuple>

#include "clock/hybrid.hpp"
#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "log/nodes.hpp"

namespace perdure::author {

namespace {

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

}  // namespace

Appender::~Appender() {
  if (fresh_) topic_.drop_log();
}

void Appender::open(u64 fresh_incarnation, bool force_fresh) {
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
bool Appender::can_grow(const log::LogState& state) const {
  return state.opening.device == self_.id() && state.held + 4096 < log::batches_max &&
         state.head.ops < u64{log::batches_max} * log::ops_max;
}

void Appender::add(std::vector<log::Op> given) {
  // Names first: they change how much fits. Ids depend on the cut, so names of this turn's own ops are given later.
  Runs runs;
  std::vector<log::Op> ops = name_all(std::move(given), runs);
  for (log::Op& op : ops)
    if (op.kind != log::Op::Kind::message) op.replaces.push_back({});  // room for an op of this turn
  if (rows_.missed()) return;
  std::map<Bytes, OpId> set_here;
  write(cut_into_batches(std::move(ops), runs), {}, [&](log::Op& op, const OpId& id, HybridTime&) {
    if (op.kind == log::Op::Kind::message) return;
    op.replaces.pop_back();
    if (auto earlier = set_here.find(op.key); earlier != set_here.end()) {
      if (op.replaces.size() >= log::names_max) op.replaces.resize(log::names_max - 1);
      op.replaces.push_back(earlier->second);
    }
    set_here[op.key] = id;
  });
}

void Appender::add_again(std::vector<Again> again, const std::vector<log::Void>& voids, bool keeps) {
  const auto near = [&](const Again& one) {
    return !keeps || one.held || one.op.says->time.ms() <= now_ms_ + clock::hold_back_ms;
  };
  const auto far = std::ranges::stable_partition(again, near).begin();
  std::vector<log::Op> ops, later;
  for (auto one = again.begin(); one != again.end(); ++one) (one < far ? ops : later).push_back(one->op);
  std::size_t n = 0;
  std::tuple<u64, u32, u32> before{};
  const auto finish = [&](log::Op& op, const OpId& id, HybridTime& time) {
    const Again& one = again[n++];
    if (keeps && !one.held && op.says->time.ms() < clock::wall_ms_max) time = std::max(time, op.says->time);
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
  };
  if (!later.empty() && !ops.empty()) write(cut_into_batches(std::exchange(ops, {}), {}), {}, finish);
  if (!later.empty()) ops = std::move(later);
  write(cut_into_batches(std::move(ops), {}), voids, finish);
}

OpId Appender::id_of(std::size_t given) const {
  std::size_t n = given_[given];
  for (const auto& [batch, count] : places_) {
    if (n < count) return {last_.log, batch, static_cast<u32>(n)};
    n -= count;
  }
  return last_;
}

std::optional<Written> Appender::finish() {
  if (rows_.missed()) return std::nullopt;
  Written written;
  merge_.finish(written.updates, written.changes, written.counters);
  if (merge_.gave_up(written.damage)) return written;
  if (auto now = sync::read_state(rows_, topic_, no_)) state_ = std::move(*now);
  written.updates.push_back({no_, sync::durable_of(rows_, topic_, no_, state_)});
  if (rows_.missed()) return std::nullopt;
  for (const sync::LogUpdate& update : written.updates) topic_.build_on(update);
  if (std::exchange(fresh_, false)) {
    if (topic_.own_log) topic_.logs[*topic_.own_log].own = false;
    topic_.own_log = no_;
    topic_.logs[no_].own = true;
  }
  topic_.grew(no_, state_);
  topic_.grown.erase(no_);
  written.no = no_;
  written.renamed = std::move(renamed_);
  return written;
}

template <class F>
void Appender::write(std::vector<std::vector<log::Op>> batches, const std::vector<log::Void>& voids, F finish) {
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
    if (index == state_.held && named_.empty()) batch.deps = deps();
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
std::vector<log::Op> Appender::name_all(std::vector<log::Op> ops, Runs& runs) {
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
std::vector<log::Dep> Appender::deps() {
  std::vector<std::pair<HybridTime, LogNo>> grown;
  for (LogNo n : topic_.grown) {
    const sync::LogEntry& entry = topic_.logs[n];
    named_.push_back({n, entry.pending.held});
    if (n != no_) grown.push_back({entry.durable.time, n});
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

}  // namespace perdure::author
