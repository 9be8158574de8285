#include "codec/checksum.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;
using codec::checksum;

TEST_CASE("XXH32 gives the published sums") {
  CHECK(checksum({}) == 0x02cc5d05);
  CHECK(checksum(view("a")) == 0x550d7456);
  CHECK(checksum(view("abc")) == 0x32d153ff);
  CHECK(checksum(view("Nobody inspects the spammish repetition")) == 0xe2293b2f);
}

TEST_CASE("every bit of a row counts, its length, and the seed") {
  for (std::size_t size : {1, 3, 15, 16, 17, 64, 100}) {
    Bytes row(size, 0x5a);
    const u32 whole = checksum(row);
    for (std::size_t i = 0; i < size * 8; ++i) {
      row[i / 8] ^= static_cast<u8>(1u << i % 8);
      CHECK(checksum(row) != whole);
      row[i / 8] ^= static_cast<u8>(1u << i % 8);
    }
    CHECK(checksum(ByteView(row).first(size - 1)) != whole);
    CHECK(checksum(row, 1) != whole);
  }
}
