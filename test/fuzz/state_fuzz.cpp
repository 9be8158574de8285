// The row of a log: a disk may hold anything.
#include "fuzz/target.hpp"
#include "log/state.hpp"
#include "unit/support/memory_rows.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  Meter meter;
  auto state = log::decode_state(in);
  CHECK(meter.bytes() <= 64 * in.size() + 16'384);
  if (!state) return;
  CHECK(state->tail.size() * Hash::size <= in.size() && state->beyond.size() * Hash::size <= in.size());
  CHECK(std::ranges::equal(log::encode_state(*state), in));
  test::MemoryRows rows;
  (void)log::read_page(rows, 1, 1, *state, 0, 10, 1000);
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  identity::Identity device("fuzz", Seed::from(Bytes(32, 1)));
  identity::TopicKeys keys = identity::topic_keys(Secret{});
  test::MemoryRows rows;
  log::LogState state;
  state.own = true;
  state.opening = {device.id(), 5, identity::open_log(device.network(), keys, device.id(), 5)};
  for (int i = 0; i < 70; ++i) {
    log::append(rows, 1, 1, state, device, keys.id, {Bytes(40, 1)}, static_cast<u64>(i + 1), {static_cast<u64>(i + 1)});
    if (i == 0 || i == 2 || i == 69) out.push_back(log::encode_state(state));
  }
  state.voided_from = 3;
  state.forked_from = 5;
  state.own = false;
  out.push_back(log::encode_state(state));
  return out;
}

}  // namespace perdure::fuzz
