// The one row of a topic's indexes, and then reading through a replica that believes it.
#include "crdt/replica.hpp"
#include "fuzz/target.hpp"
#include "unit/support/memory_rows.hpp"

namespace perdure::fuzz {

namespace {
class NoLogs final : public crdt::Logs {
 public:
  const crdt::LogName* by_number(store::LogNo) const override { return nullptr; }
  std::optional<store::LogNo> by_id(const LogId&) const override { return std::nullopt; }
  LogId id_of(const DeviceId&, u64) const override { return {}; }
};
}  // namespace

void target(ByteView in) {
  std::optional<Result<crdt::Indexes>> indexes;
  {
    Meter meter;
    indexes = crdt::decode_indexes(in);
    CHECK(meter.bytes() <= 4096);
  }
  if (!*indexes) return;
  CHECK(std::ranges::equal(crdt::encode_indexes(**indexes), in));
  static const identity::TopicKeys keys = identity::topic_keys(Secret{});
  NoLogs logs;
  test::MemoryRows rows;
  rows.base[store::key('I', 1)] = own(in);
  crdt::Replica replica(rows, 1, logs, keys, NetworkId{});
  (void)replica.latest(10);
  (void)replica.messages({});
  (void)replica.arrived_since(0, 10);
  (void)replica.entries({});
  (void)replica.conflicts({});
  (void)replica.key("k");
  (void)replica.unread();
  (void)replica.next_due_ms();
  replica.mark_read(std::nullopt);
  replica.release(~u64{0});
  replica.finish();
}

std::vector<Bytes> seeds() {
  crdt::Indexes empty, used;
  used.timeline = {3, 2, 9, 400, 500};
  used.keys = {1, 1, 2, 5, 4};
  used.ahead = {1, 1, 2, 5, 4};
  used.arrivals = {2, 1, 4, 40, 40};
  used.arrived = 40;
  used.greatest = {u64{1} << 50};
  used.held_bytes = 100;
  crdt::Indexes second = used;
  second.sayings = {1, 1, 2, 3, 0};
  second.marks = {1, 1, 2, 3, 1};
  return {crdt::encode_indexes(empty), crdt::encode_indexes(used), crdt::encode_indexes(second)};
}

}  // namespace perdure::fuzz
