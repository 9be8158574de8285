// A value is one MessagePack value, whoever it comes from.
#include "codec/value.hpp"
#include "fuzz/target.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  Meter meter;
  const bool value = codec::is_value(in);
  CHECK(meter.bytes() <= 32 * in.size() + 4096);
  if (!value) return;
  CHECK(!in.empty());
  // No value is the beginning of another.
  CHECK(!codec::is_value(in.first(in.size() - 1)));
  Bytes longer = own(in);
  longer.push_back(0);
  CHECK(!codec::is_value(longer));
}

std::vector<Bytes> seeds() {
  return {{0xa2, 'h', 'i'},      {0x93, 0x01, 0xc0, 0xc3}, {0x81, 0xa1, 'k', 0xcb, 0, 0, 0, 0, 0, 0, 0, 0},
          {0xdd, 0, 0, 0, 1, 0}, {0xc4, 2, 1, 2},          {0xd6, 0xff, 1, 2, 3, 4}};
}

}  // namespace perdure::fuzz
