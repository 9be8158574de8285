// What each address has brought to an anchor.
#include "node/addresses.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;

namespace {

constexpr u64 quota = 1'000;

u64 room_of(const Addresses& addresses, const Bytes& address) {
  u64 room = 0;
  while (addresses.room_for(room + 1, 2, address, {}, quota)) ++room;
  return room;
}

}  // namespace

TEST_CASE("where a topic holds less than was brought, each has brought as much less of it, whatever his address") {
  const Bytes first{1}, last{9};
  for (const auto& [few, many] : {std::pair(first, last), std::pair(last, first)}) {
    Addresses addresses;
    addresses.read(1, few, 200, false);
    addresses.read(1, many, 600, true);
    addresses.settle(1, 400);
    CHECK(room_of(addresses, few) == quota - 100);
    CHECK(room_of(addresses, many) == quota - 300);
    addresses.settle(1, 0);
    CHECK(room_of(addresses, few) == quota);
    CHECK(room_of(addresses, many) == quota);
  }
}

TEST_CASE("who was the only one has brought what no row speaks of, and what there is counts for nobody else") {
  const Bytes first{1}, last{9};
  Addresses addresses;
  addresses.read(1, last, 200, false);
  addresses.read_only_one(1, first);
  addresses.settle(1, 500);
  CHECK(room_of(addresses, first) == quota - 300);
  CHECK(room_of(addresses, last) == quota - 200);
}
