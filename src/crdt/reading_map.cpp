// Replica: reading the map, and the digest.
#include <algorithm>

#include "crdt/page.hpp"
#include "crdt/replica.hpp"
#include "crypto/hash.hpp"

namespace perdure::crdt {

namespace {
constexpr u64 losers_max = 256;

std::size_t bytes_of(const Version& version) { return version.value ? version.value->size() : 0; }

// The first place where a scan by key begins.
Bytes start_of(const Replica::EntriesOptions& options) {
  Bytes from = own(view(options.prefix));
  if (!options.after) return from;
  Bytes behind = own(view(*options.after));
  behind.push_back(0);
  return std::max(from, behind);
}

// Hashes what is fed, in pieces whose borders depend on what is fed alone.
class Feed {
 public:
  codec::Writer writer;
  void end_item() {
    if (writer.size() >= 32 * 1024) fold();
  }
  Hash finish() {
    fold();
    return hash_;
  }

 private:
  void fold() {
    hash_ = crypto::blake2b({hash_.view(), writer.peek()});
    writer = {};
  }
  Hash hash_;
};

void feed(Feed& to, const OpId& id) { to.writer.fixed(id.log).be32(id.batch).be32(id.position); }
}  // namespace

Version Replica::version(const Place& place, const log::Op& op) const {
  Version out{counted_.id(place), place.at.device, place.at.time, std::nullopt};
  if (op.kind == log::Op::Kind::set) out.value = op.value;
  return out;
}

std::optional<Version> Replica::version(const Place& place) {
  const auto found = counted_.find(counted_.id(place));
  if (!found) return std::nullopt;
  return version(place, found->op());
}

bool Replica::made_way(const Place& place, ByteView key) {
  const auto found = counted_.find(counted_.id(place));
  if (!found || found->position + std::size_t{1} >= found->opened->batch.ops.size()) return false;
  const log::Op& op = found->op();
  const log::Op& then = found->opened->batch.ops[found->position + 1];
  return op.kind == log::Op::Kind::erase && op.replaces.size() == log::names_max && store::equal(then.key, key) &&
         std::ranges::count(then.replaces, counted_.id(place)) > 0;
}

u64 Replica::map_size() { return indexes_.keys.weight; }

std::optional<KeyState> Replica::state_of(ByteView key, const Map::Record& record) {
  const auto winner = version(record.winner);
  std::vector<Place> losers;
  if (record.losers > 0) losers = map_.losers(key, losers_max);
  KeyState state;
  if (winner) state.winner = *winner;
  std::size_t bytes = bytes_of(state.winner);
  for (const Place& place : losers) {
    auto loser = version(place);
    if (!loser) continue;
    bytes += bytes_of(*loser);
    if (bytes > page_bytes_max) break;
    state.losers.push_back(std::move(*loser));
  }
  if (!winner) return std::nullopt;
  return state;
}

std::optional<KeyState> Replica::key(std::string_view key) {
  const auto record = map_.record(view(key));
  if (!record) return std::nullopt;
  return state_of(view(key), *record);
}

Replica::EntriesResult Replica::entries(const EntriesOptions& options) {
  EntriesResult result;
  const u32 limit = std::min(options.limit, page_max);
  std::size_t bytes = 0;
  u32 seen = 0;
  for (auto c = map_.keys().seek(start_of(options), limit);
       c.valid() && store::starts_with(c.key(), view(options.prefix)); c.next()) {
    if (c.weight() == 0) continue;
    if (seen++ == limit) {
      result.more = true;
      break;
    }
    auto winner = version(map_.decode(c.value()).winner);
    if (!winner) continue;
    bytes += bytes_of(*winner);
    if (bytes > page_bytes_max && !result.entries.empty()) {
      result.more = true;
      break;
    }
    result.entries.emplace_back(text(c.key()), std::move(*winner));
  }
  return result;
}

Replica::ConflictsResult Replica::conflicts(const EntriesOptions& options) {
  ConflictsResult result;
  const u32 limit = std::min(options.limit, page_max);
  std::size_t bytes = 0;
  u32 seen = 0;
  for (auto c = map_.conflicts().seek(start_of(options), limit);
       c.valid() && store::starts_with(c.key(), view(options.prefix)); c.next()) {
    if (seen++ == limit) {
      result.more = true;
      break;
    }
    const auto record = map_.record(c.key());
    auto state = record ? state_of(c.key(), *record) : std::nullopt;
    if (!state) continue;
    bytes += bytes_of(state->winner);
    for (const Version& loser : state->losers) bytes += bytes_of(loser);
    if (bytes > page_bytes_max && !result.conflicts.empty()) {
      result.more = true;
      break;
    }
    result.conflicts.emplace_back(text(c.key()), std::move(*state));
  }
  return result;
}

Replica::HistoryResult Replica::history(std::string_view key, std::optional<OpId> after, u32 limit) {
  HistoryResult result;
  const auto record = map_.record(view(key));
  std::optional<Place> behind;
  if (after) behind = counted_.version(*after, view(key));
  if (!record || (after && !behind)) return result;
  Descent descent(counted_, view(key));
  descent.push(record->winner);
  if (record->losers > 0)
    for (const Place& place : map_.losers(view(key), ~u64{0})) descent.push(place);
  std::size_t bytes = 0;
  for (; !descent.empty(); descent.pop()) {
    const Place place = descent.top();
    if (behind && place.at >= behind->at) continue;
    const auto found = version(place);
    if (!found || made_way(place, view(key))) continue;
    bytes += bytes_of(*found);
    if (result.versions.size() >= std::min(limit, page_max) || (bytes > page_bytes_max && !result.versions.empty())) {
      result.more = true;
      break;
    }
    result.versions.push_back(*found);
  }
  return result;
}

std::vector<OpId> Replica::unreplaced(std::string_view key, u64 most) {
  std::vector<OpId> ids;
  const auto record = map_.record(view(key));
  if (!record) return ids;
  ids.push_back(counted_.id(record->winner));
  if (record->losers > 0)
    for (const Place& place : map_.losers(view(key), most - 1)) ids.push_back(counted_.id(place));
  return ids;
}

Hash Replica::digest(const std::vector<std::pair<store::LogNo, log::LogState>>& logs) {
  Feed to;
  std::map<LogId, const log::LogState*> by_id;
  for (const auto& [log, state] : logs)
    if (const LogName* name = counted_.name(log)) by_id[name->id] = &state;
  for (const auto& [id, state] : by_id) {
    to.writer.fixed(id).varint(state->held).fixed(state->peaks.root()).be64(state->voided_from);
    to.end_item();
  }
  // By what is shown, not by who says it: one may hold a log as it was, another what was said again of it.
  to.writer.be64(indexes_.timeline.weight);
  for (auto c = timeline_.first(store::Index::all); c.valid(); c.next()) {
    const Position at = position_of(c.key());
    if (c.key().size() == position_key_size) {
      to.writer.raw(c.key());
      to.end_item();
      continue;
    }
    codec::Reader value(c.value());
    const auto log = static_cast<store::LogNo>(value.varint());
    const Batches::Ptr opened = batches_.get(log, at.batch);
    for (u32 p = 0; opened && p < opened->batch.ops.size(); ++p) {
      if (!log::is_message(opened->batch.ops[p]) || opened->batch.ops[p].says) continue;
      to.writer.raw(position_key({at.time, at.device, at.incarnation, at.batch, p}));
      to.end_item();
    }
  }
  to.writer.be64(indexes_.keys.entries);
  for (auto c = map_.keys().first(store::Index::all); c.valid(); c.next()) {
    const Map::Record record = map_.decode(c.value());
    to.writer.bytes(c.key()).u8(record.winner.erased ? 1 : 0).varint(record.losers);
    feed(to, counted_.id(record.winner));
    if (record.losers > 0)
      for (const Place& loser : map_.losers(c.key(), ~u64{0})) feed(to, counted_.id(loser));
    to.end_item();
  }
  return to.finish();
}

}  // namespace perdure::crdt
