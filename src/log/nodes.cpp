#include "log/nodes.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/assert.hpp"

namespace perdure::log {

namespace {

constexpr u32 step = 6;  // levels from one kind of row to the next
static_assert(group_size == 1u << step);

Bytes row_key(store::TopicNo topic, store::LogNo log, u32 level, u64 group) {
  return store::key('N', topic, log, static_cast<u8>(level), static_cast<u32>(group));
}

// The root over a power of two of hashes.
Hash perfect(std::vector<Hash> hashes) {
  while (hashes.size() > 1) {
    for (std::size_t i = 0; i < hashes.size() / 2; ++i) hashes[i] = blake2b_tree.node(hashes[2 * i], hashes[2 * i + 1]);
    hashes.resize(hashes.size() / 2);
  }
  return hashes.front();
}

}  // namespace

StoredNodes::StoredNodes(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state)
    : rows_(rows),
      topic_(topic),
      log_(log),
      state_(state),
      beyond_(completion_stretches(state.held, state.head.length)) {
  PERDURE_ASSERT(beyond_.size() == state.beyond.size());
}

std::optional<Hash> StoredNodes::node(u32 level, u64 index) const {
  if (level >= 64 || index > (~u64{0} >> level)) return std::nullopt;
  return subtree({index << level, u64{1} << level}, blake2b_tree);
}

std::optional<Hash> StoredNodes::subtree(const Stretch& s, const TreeHash& h) const {
  if (s.count == 0 || s.first >= state_.head.length || s.count > state_.head.length - s.first) return std::nullopt;
  if (s.first + s.count <= state_.held) {
    if (!std::has_single_bit(s.count)) return Nodes::subtree(s, h);
    const u32 level = static_cast<u32>(std::countr_zero(s.count));
    return stored(level, s.first >> level);
  }
  if (s.first >= state_.held) {
    auto it = std::lower_bound(beyond_.begin(), beyond_.end(), s);
    if (it == beyond_.end() || *it != s) return std::nullopt;
    return state_.beyond[static_cast<std::size_t>(it - beyond_.begin())];
  }
  // Partly held: as the RFC parts it. Each parting halves it at least, so this goes at most 64 deep.
  const u64 k = std::bit_floor(s.count - 1);
  std::optional<Hash> left = subtree({s.first, k}, h);
  std::optional<Hash> right = subtree({s.first + k, s.count - k}, h);
  if (!left || !right) return std::nullopt;
  return h.node(*left, *right);
}

std::optional<Hash> StoredNodes::stored(u32 level, u64 index) const {
  const u32 up = level % step;
  const u32 base = level - up;
  const u64 first = index << up;  // of 2^up hashes of level `base`, all in one row
  const std::size_t count = std::size_t{1} << up;
  const std::size_t place = first % group_size;
  if (base == 0 && first / group_size == state_.held / group_size) {
    if (place + count > state_.tail.size()) return std::nullopt;
    auto begin = state_.tail.begin() + static_cast<std::ptrdiff_t>(place);
    return perfect({begin, begin + static_cast<std::ptrdiff_t>(count)});
  }
  std::optional<ByteView> row = rows_.get(row_key(topic_, log_, base, first / group_size));
  if (!row || row->size() < (place + count) * Hash::size) return std::nullopt;
  std::vector<Hash> hashes;
  hashes.reserve(count);
  for (std::size_t i = place; i < place + count; ++i) {
    hashes.push_back(Hash::from(row->subspan(i * Hash::size, Hash::size)));
    if (hashes.back().is_zero()) return std::nullopt;
  }
  return perfect(std::move(hashes));
}

std::optional<u64> mend_leaves(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state,
                               u64 group) {
  const u64 first = group * group_size, end = std::min(state.held, first + group_size);
  std::optional<u64> hole;
  Bytes leaves;
  for (u64 i = first; i < end; ++i) {
    const auto row = rows.get(store::key('B', topic, log, static_cast<u32>(i)));
    if (!row && !hole) hole = i;
    if (!row) continue;
    const Hash leaf = leaf_hash(*row);
    leaves.insert(leaves.end(), leaf.bytes.begin(), leaf.bytes.end());
  }
  const bool whole = !hole && end == first + group_size;  // what is unfinished stands in the state
  const Bytes key = row_key(topic, log, 0, group);
  const bool lost = whole && !rows.get(key);
  if (!rows.missed() && lost) rows.put(key, std::move(leaves));
  return hole;
}

bool mend_nodes(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state, u32 level,
                u64 group) {
  const u64 all = state.held >> level, first = group * group_size;
  if (first >= all) return false;
  const u64 count = std::min(all - first, group_size);
  const Bytes key = row_key(topic, log, level, group);
  StoredNodes nodes(rows, topic, log, state);
  Bytes row;
  bool patchy = false;
  for (u64 i = first; i < first + count; ++i) {
    std::optional<Hash> hash = nodes.node(level, i);
    patchy = patchy || !hash;
    const auto left = hash ? hash : nodes.node(level - 1, 2 * i),
               right = hash ? hash : nodes.node(level - 1, 2 * i + 1);
    if (!hash) hash = left && right ? blake2b_tree.node(*left, *right) : Hash{};
    row.insert(row.end(), hash->bytes.begin(), hash->bytes.end());
  }
  if (!rows.missed() && patchy) rows.put(key, std::move(row));
  return true;
}

Growth::Growth(const LogState& state) : peaks_(state.peaks), tail_(state.tail) {}

void Growth::add(const Hash& leaf) {
  peaks_.append(leaf, blake2b_tree, [&](u32 level, u64 index, const Hash& hash) {
    if (level == 0) {
      tail_.push_back(hash);
      if (tail_.size() == group_size) grown_[{0, index / group_size}].hashes = std::exchange(tail_, {});
    } else if (level % step == 0) {
      Grown& grown = grown_[{level, index / group_size}];
      if (grown.hashes.empty()) grown.first = index % group_size;
      grown.hashes.push_back(hash);
    }
  });
}

bool Growth::write(store::Rows& rows, store::TopicNo topic, store::LogNo log) const {
  std::vector<std::pair<Bytes, Bytes>> out;
  for (const auto& [at, grown] : grown_) {
    Bytes key = row_key(topic, log, at.first, at.second);
    Bytes value;
    if (grown.first > 0)
      if (std::optional<ByteView> old = rows.get(key)) value = own(*old);
    value.resize(grown.first * Hash::size);
    for (const Hash& hash : grown.hashes) value.insert(value.end(), hash.bytes.begin(), hash.bytes.end());
    out.emplace_back(std::move(key), std::move(value));
  }
  if (rows.missed()) return false;
  for (auto& [key, value] : out) rows.put(std::move(key), std::move(value));
  return true;
}

}  // namespace perdure::log
