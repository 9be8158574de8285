#include "log/page.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "log/batch.hpp"

namespace perdure::log {

namespace {

Bytes batch_key(store::TopicNo topic, store::LogNo log, u64 index) {
  return store::key('B', topic, log, static_cast<u32>(index));
}

bool fits(const std::vector<Bytes>& batches) {
  if (batches.empty() || batches.size() > page_batches_max) return false;
  std::size_t bytes = 0;
  for (const Bytes& b : batches) {
    if (b.size() <= sealing || b.size() > sealed_max) return false;
    bytes += b.size();
  }
  return bytes <= page_bytes_max || batches.size() == 1;
}

// Numbers that contradict each other, found before anything is hashed.
bool plausible(const Page& page) {
  if (!fits(page.batches)) return false;
  if (page.head.length > batches_max || page.from >= page.head.length) return false;
  if (page.batches.size() > page.head.length - page.from) return false;
  if (page.head.ops < page.head.length || page.head.ops > page.head.length * ops_max) return false;
  return page.completion.size() == completion_stretches(page.from + page.batches.size(), page.head.length).size();
}

// Writes batches and nodes and moves the held end; false, and nothing done, if a row missed. `growth` has their leaves.
bool extend(store::Rows& rows, store::TopicNo topic, store::LogNo log, LogState& state, const Growth& growth,
            std::span<const Bytes> batches) {
  if (!growth.write(rows, topic, log)) return false;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    rows.put(batch_key(topic, log, state.held + i), batches[i]);
    state.bytes += batches[i].size();
  }
  state.held += batches.size();
  state.peaks = growth.peaks();
  state.tail = growth.tail();
  return true;
}

// What counts of it, as far as the tree has it: a log that goes another way elsewhere is told by nothing else while it is as long as ours.
bool same_as_held(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state, const Page& page) {
  StoredNodes nodes(rows, topic, log, state);
  for (u64 i = page.from; i < std::min(page.from + page.batches.size(), state.cut()); ++i)
    if (const auto leaf = nodes.node(0, i); leaf && *leaf != leaf_hash(page.batches[i - page.from])) return false;
  return true;
}

// How many batches of this log make up `bytes`, by their average; to ask for so many rows at once.
u64 likely_batches(const LogState& state, std::size_t bytes) {
  const u64 average = std::max<u64>(state.bytes / (state.held - state.from), 1);
  return std::min<u64>(bytes / average + 1, page_batches_max);
}

}  // namespace

Verdict accept(store::Rows& rows, store::TopicNo topic, store::LogNo log, LogState& state, const NetworkId& network,
               const TopicId& topic_id, const Page& page) {
  if (!plausible(page)) return Verdict::malformed;
  const bool opened = state.head.length > 0;
  const Opening& opening = opened ? state.opening : page.opening;
  if (opening.device != page.opening.device || opening.incarnation != page.opening.incarnation)
    return Verdict::malformed;
  if (page.from > state.held) return Verdict::gap;
  const u64 end = page.from + page.batches.size();
  if (end <= state.held) return same_as_held(rows, topic, log, state, page) ? Verdict::known : Verdict::mismatch;
  // One verified certificate is enough for a log; whoever has the topic's secret can make others that are as good.
  if (!opened && !identity::may_open(network, topic_id, opening.device, opening.incarnation, opening.certificate))
    return Verdict::not_opened;

  const auto fresh = std::span(page.batches).subspan(state.held - page.from);
  Growth growth(state);
  for (const Bytes& b : fresh) growth.add(leaf_hash(b));
  const std::optional<Hash> root = complete(growth.peaks(), page.head.length, page.completion);
  if (!root) return Verdict::malformed;
  // The pages of one answer come under one head, which is verified with the first of them.
  const bool verified = opened && page.head == state.head && *root == state.root;
  if (!verified && !verify_head(network, topic_id, opening.device, opening.incarnation, *root, page.head))
    return Verdict::mismatch;

  // The verdict of a step that runs again is of no account, but `accepted` would promise a changed state.
  if (!extend(rows, topic, log, state, growth, fresh)) return Verdict::known;
  if (!opened) state.opening = page.opening;
  state.head = page.head;
  state.root = *root;
  state.beyond = page.completion;
  save_state(rows, topic, log, state);
  return Verdict::accepted;
}

namespace {

// The peaks of the first `size` leaves, though the row of the last leaves may be lost: those are hashed again.
std::optional<Peaks> peaks_anew(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state,
                                u64 size) {
  auto peaks = peaks_of(StoredNodes(rows, topic, log, state), size - size % group_size);
  for (u64 i = size - size % group_size; peaks && i < size; ++i) {
    auto row = rows.get(batch_key(topic, log, i));
    if (!row) return std::nullopt;
    peaks->append(leaf_hash(*row));
  }
  return peaks;
}

}  // namespace

bool restore(store::Rows& rows, store::TopicNo topic, store::LogNo log, LogState& state, const NetworkId& network,
             const TopicId& topic_id, const Page& page) {
  const u64 end = page.from + page.batches.size();
  if (!plausible(page) || state.hole == no_cut || page.from > state.hole || end <= state.hole) return false;
  const u64 upto = std::min(end, state.held);
  StoredNodes nodes(rows, topic, log, state);
  bool known = true, equal = true;
  for (u64 i = state.hole; i < upto; ++i) {
    const auto leaf = nodes.node(0, i);
    known = known && leaf;
    equal = equal && (!leaf || *leaf == leaf_hash(page.batches[i - page.from]));
  }
  if (rows.missed() || !equal) return false;
  if (!known) {
    auto peaks = peaks_anew(rows, topic, log, state, page.from);
    if (!peaks) return false;
    for (const Bytes& b : page.batches) peaks->append(leaf_hash(b));
    const auto root = complete(*peaks, page.head.length, page.completion);
    if (!root || !verify_head(network, topic_id, state.opening.device, state.opening.incarnation, *root, page.head))
      return false;
  }
  for (u64 i = state.hole; i < upto; ++i) rows.put(batch_key(topic, log, i), page.batches[i - page.from]);
  state.hole = upto < state.held ? upto : no_cut;
  save_state(rows, topic, log, state);
  return true;
}

void append(store::Rows& rows, store::TopicNo topic, store::LogNo log, LogState& state,
            const identity::Identity& identity, const TopicId& topic_id, const std::vector<Bytes>& sealed, u64 ops,
            HybridTime time) {
  if (rows.missed()) return;  // the state may be that of a row which is not at hand
  PERDURE_ASSERT(!sealed.empty() && state.opening.device == identity.id());
  // Behind a longer head of our own this would be a fork.
  PERDURE_ASSERT(state.held == state.head.length && sealed.size() <= batches_max - state.held);
  PERDURE_ASSERT(ops >= state.head.ops + sealed.size());
  Growth growth(state);
  for (const Bytes& b : sealed) {
    PERDURE_ASSERT(b.size() > sealing && b.size() <= sealed_max);
    growth.add(leaf_hash(b));
  }
  if (!extend(rows, topic, log, state, growth, sealed)) return;
  state.root = state.peaks.root();
  state.head = sign_head(identity, topic_id, state.opening.incarnation, state.held, ops, state.root, time);
  state.beyond.clear();
  save_state(rows, topic, log, state);
}

std::optional<Page> read_page(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state,
                              u64 from, u64 to, std::size_t bytes_max) {
  to = std::min(to, state.held);
  if (from < state.from || from >= to) return std::nullopt;
  bytes_max = std::min(bytes_max, page_bytes_max);
  Page page{.opening = state.opening, .from = from, .batches = {}, .completion = {}, .head = state.head};
  std::size_t bytes = 0;
  bool whole = true;
  const u64 likely = likely_batches(state, bytes_max);
  for (u64 i = from; i < to && i - from < page_batches_max; ++i) {
    if (!whole && i - from >= likely) break;
    std::optional<ByteView> row = rows.get(batch_key(topic, log, i));
    if (!row || row->size() <= sealing || row->size() > sealed_max) {
      if (!rows.missed()) return std::nullopt;
      whole = false;
      continue;
    }
    if (i > from && bytes + row->size() > bytes_max) break;
    bytes += row->size();
    if (whole) page.batches.push_back(own(*row));
  }
  if (!whole || page.batches.empty()) return std::nullopt;
  StoredNodes nodes(rows, topic, log, state);
  std::optional<Proof> proof = completion(nodes, from + page.batches.size(), state.head.length);
  if (!proof) return std::nullopt;
  page.completion = std::move(*proof);
  return page;
}

}  // namespace perdure::log
