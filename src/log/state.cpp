#include "log/state.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "codec/bytes.hpp"

namespace perdure::log {

namespace {

constexpr std::string_view head_label = "perdure/head/1";
constexpr u64 tail_leaves = 64;

// What a state row opens with.
constexpr u8 flag_own = 0x01;
constexpr u8 flag_voided = 0x02;
constexpr u8 flag_forked = 0x04;
constexpr u8 flag_hole = 0x08;

Bytes head_message(const NetworkId& network, const TopicId& topic, const DeviceId& device, u64 incarnation,
                   const Hash& root, u64 length, u64 ops, HybridTime time) {
  codec::Writer w;
  w.raw(view(head_label)).fixed(network).fixed(topic).fixed(device).be64(incarnation);
  w.be64(length).be64(ops).fixed(root).be64(time.value);
  return std::move(w).take();
}

// Peaks from level 6 up: those that the tail does not yield.
std::size_t high_peaks(u64 held) { return static_cast<std::size_t>(std::popcount(held / tail_leaves)); }

std::vector<Hash> read_hashes(codec::Reader& r, std::size_t count) {
  std::vector<Hash> hashes;
  if (count > r.left() / Hash::size) {
    r.fail();
    return hashes;
  }
  hashes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) hashes.push_back(r.fixed<Hash>());
  return hashes;
}

// A cut that is set; `no_cut` itself has no second form.
u64 read_cut(codec::Reader& r, bool present) { return present ? r.varint_max(no_cut - 1) : no_cut; }

void keep_state(store::Rows& rows, ByteView key, std::shared_ptr<const LogState> state) {
  const std::size_t hashes = state->peaks.hashes.size() + state->tail.size() + state->beyond.size();
  rows.keep(key, std::move(state), 512 + hashes * Hash::size);
}

}  // namespace

Head sign_head(const identity::Identity& identity, const TopicId& topic, u64 incarnation, u64 length, u64 ops,
               const Hash& root, HybridTime time) {
  Head head{.length = length, .ops = ops, .time = time, .signature = {}};
  Bytes message = head_message(identity.network(), topic, identity.id(), incarnation, root, length, ops, time);
  head.signature = crypto::sign(identity.key(), {message});
  return head;
}

bool verify_head(const NetworkId& network, const TopicId& topic, const DeviceId& device, u64 incarnation,
                 const Hash& root, const Head& head) {
  Bytes message = head_message(network, topic, device, incarnation, root, head.length, head.ops, head.time);
  return crypto::verify(device.view(), {message}, head.signature);
}

// flags | device | be64 incarnation | certificate | from | held | length - held | ops | be64 time | signature | bytes
// | voided_from | forked_from | hole | peaks from level 6 up | tail | beyond. Numbers are varints, hashes have no counts.
Bytes encode_state(const LogState& s) {
  const std::size_t high = high_peaks(s.held);
  PERDURE_ASSERT(s.peaks.size == s.held && s.peaks.hashes.size() >= high);
  PERDURE_ASSERT(s.tail.size() == s.held % tail_leaves && s.held <= s.head.length && s.from <= s.held);
  PERDURE_ASSERT(s.beyond.size() == completion_stretches(s.held, s.head.length).size());
  codec::Writer w;
  w.reserve(256 + (high + s.tail.size() + s.beyond.size()) * Hash::size);
  w.u8(static_cast<u8>((s.own ? flag_own : 0) | (s.voided_from != no_cut ? flag_voided : 0) |
                       (s.forked_from != no_cut ? flag_forked : 0) | (s.hole != no_cut ? flag_hole : 0)));
  w.fixed(s.opening.device).be64(s.opening.incarnation).fixed(s.opening.certificate);
  w.varint(s.from).varint(s.held).varint(s.head.length - s.held);
  w.varint(s.head.ops).be64(s.head.time.value).fixed(s.head.signature).varint(s.bytes);
  if (s.voided_from != no_cut) w.varint(s.voided_from);
  if (s.forked_from != no_cut) w.varint(s.forked_from);
  if (s.hole != no_cut) w.varint(s.hole);
  for (std::size_t i = 0; i < high; ++i) w.fixed(s.peaks.hashes[i]);
  for (const Hash& hash : s.tail) w.fixed(hash);
  for (const Hash& hash : s.beyond) w.fixed(hash);
  return std::move(w).take();
}

Result<LogState> decode_state(ByteView in) {
  const Error malformed{Code::malformed, "not the state of a log"};
  codec::Reader r(in);
  LogState s;
  const u8 flags = r.u8();
  if (flags > (flag_own | flag_voided | flag_forked | flag_hole)) return malformed;
  s.own = (flags & flag_own) != 0;
  s.opening.device = r.fixed<DeviceId>();
  s.opening.incarnation = r.be64();
  s.opening.certificate = r.fixed<Signature>();
  s.from = r.varint_max(batches_max);
  s.held = r.varint_max(batches_max);
  if (!r.ok() || s.from > s.held) return malformed;
  s.head.length = s.held + r.varint_max(batches_max - s.held);
  s.head.ops = r.varint();
  s.head.time = {r.be64()};
  s.head.signature = r.fixed<Signature>();
  s.bytes = r.varint();
  s.voided_from = read_cut(r, (flags & flag_voided) != 0);
  s.forked_from = read_cut(r, (flags & flag_forked) != 0);
  s.hole = read_cut(r, (flags & flag_hole) != 0);
  if (s.hole != no_cut && s.hole >= s.held) return malformed;
  s.peaks.hashes = read_hashes(r, high_peaks(s.held));
  s.tail = read_hashes(r, s.held % tail_leaves);
  s.beyond = read_hashes(r, completion_stretches(s.held, s.head.length).size());
  if (!r.done()) return malformed;

  s.peaks.size = s.held - s.held % tail_leaves;
  for (const Hash& leaf : s.tail) s.peaks.append(leaf);
  if (s.head.length > 0) s.root = *complete(s.peaks, s.head.length, s.beyond);
  return s;
}

std::shared_ptr<const LogState> load_state(store::Rows& rows, store::TopicNo topic, store::LogNo log) {
  const Bytes key = store::key('L', topic, log);
  if (auto kept = rows.kept(key)) return std::static_pointer_cast<const LogState>(kept);
  const auto row = rows.get(key);
  auto state = row ? decode_state(*row) : Result<LogState>(Error{});
  if (!state) return nullptr;
  auto shared = std::make_shared<const LogState>(std::move(*state));
  keep_state(rows, key, shared);
  return shared;
}

void save_state(store::Rows& rows, store::TopicNo topic, store::LogNo log, const LogState& state) {
  const Bytes key = store::key('L', topic, log);
  rows.put(key, encode_state(state));
  keep_state(rows, key, std::make_shared<const LogState>(state));
}

Hash leaf_hash(ByteView sealed) { return blake2b_tree.leaf(sealed); }

std::array<u8, 4> root_tag(const Hash& root) {
  std::array<u8, 4> tag{};
  std::copy_n(root.bytes.begin(), tag.size(), tag.begin());
  return tag;
}

}  // namespace perdure::log
