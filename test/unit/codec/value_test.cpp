#include "codec/value.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;
using codec::is_value;

namespace {

bool value(std::initializer_list<int> in) {
  Bytes bytes;
  for (int b : in) bytes.push_back(static_cast<u8>(b));
  return is_value(bytes);
}

Bytes nested(std::size_t depth, u8 opener) {
  Bytes in(depth, opener);
  in.push_back(0xc0);
  return in;
}

}  // namespace

TEST_CASE("each kind of MessagePack is a value") {
  CHECK(value({0x00}));
  CHECK(value({0x7f}));
  CHECK(value({0xff}));
  CHECK(value({0xc0}));
  CHECK(value({0xc2}));
  CHECK(value({0xc3}));
  CHECK(value({0xc4, 2, 1, 2}));
  CHECK(value({0xc5, 0, 1, 1}));
  CHECK(value({0xc6, 0, 0, 0, 1, 1}));
  CHECK(value({0xc7, 1, 5, 9}));
  CHECK(value({0xca, 0, 0, 0, 0}));
  CHECK(value({0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}));
  CHECK(value({0xcc, 1}));
  CHECK(value({0xcd, 0, 1}));
  CHECK(value({0xce, 0, 0, 0, 1}));
  CHECK(value({0xcf, 0, 0, 0, 0, 0, 0, 0, 1}));
  CHECK(value({0xd0, 0x80}));
  CHECK(value({0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(value({0xd4, 1, 1}));
  CHECK(value({0xd6, 0xff, 0, 0, 0, 0}));
  CHECK(value({0xa0}));
  CHECK(value({0xa3, 'a', 'b', 'c'}));
  CHECK(value({0xd9, 1, 'a'}));
  CHECK(value({0xda, 0, 1, 'a'}));
  CHECK(value({0xdb, 0, 0, 0, 1, 'a'}));
  CHECK(value({0x90}));
  CHECK(value({0x92, 1, 0xa1, 'x'}));
  CHECK(value({0xdc, 0, 1, 1}));
  CHECK(value({0xdd, 0, 0, 0, 1, 1}));
  CHECK(value({0x80}));
  CHECK(value({0x81, 0xa1, 'k', 0x91, 0xc0}));
  CHECK(value({0xde, 0, 1, 1, 2}));
  CHECK(value({0xdf, 0, 0, 0, 1, 1, 2}));
}

TEST_CASE("nothing, two values and the byte that means nothing are no value") {
  CHECK_FALSE(value({}));
  CHECK_FALSE(value({1, 2}));
  CHECK_FALSE(value({0xc0, 0xc1}));
  CHECK_FALSE(value({0xc1}));
  CHECK_FALSE(value({0x91, 0xc1}));
}

TEST_CASE("a value cut anywhere is none") {
  Bytes in{0x83, 0xa1, 'a', 0x93, 1, 0xcd, 1,    0, 0xc4, 3,   1,    2, 3, 0xa1, 'b', 0x81, 0xa1, 'c', 0xcb, 0, 0,
           0,    0,    0,   0,    0, 0,    0xd9, 2, 'x',  'y', 0xd7, 1, 1, 2,    3,   4,    5,    6,   7,    8};
  REQUIRE(is_value(in));
  for (std::size_t n = 0; n < in.size(); ++n) CHECK_FALSE(is_value(ByteView(in).first(n)));
}

TEST_CASE("nesting ends at 64") {
  CHECK(is_value(nested(64, 0x91)));
  CHECK_FALSE(is_value(nested(65, 0x91)));
  CHECK_FALSE(is_value(nested(100'000, 0x91)));
  CHECK_FALSE(is_value(nested(100'000, 0x81)));
  Bytes maps;
  for (int i = 0; i < 64; ++i) {
    maps.push_back(0x81);
    maps.push_back(0x01);
  }
  maps.push_back(0xc0);
  CHECK(is_value(maps));
  maps.insert(maps.begin(), {0x81, 0x01});
  CHECK_FALSE(is_value(maps));
  // Beside each other they do not add up.
  Bytes wide{0xdc, 0x01, 0x00};
  for (int i = 0; i < 256; ++i) wide.insert(wide.end(), {0x91, 0x91, 0xc0});
  CHECK(is_value(wide));
}

TEST_CASE("a length that exceeds the input is no value and costs nothing") {
  for (int opener : {0xdd, 0xdf, 0xdb, 0xc6, 0xc9}) {
    CHECK_FALSE(value({opener, 0xff, 0xff, 0xff, 0xff}));
    CHECK_FALSE(value({opener, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}));
  }
}

TEST_CASE("the bytes of the greatest claim are harmless where they claim nothing") {
  // c9 ff ff ff ff opens an extension of 2^32 - 1 bytes; here it is payload, or numbers, or both.
  CHECK(value({0xc4, 0x05, 0xc9, 0xff, 0xff, 0xff, 0xff}));
  CHECK(value({0xd9, 0x06, 0xc9, 0xff, 0xff, 0xff, 0xff, 0xff}));
  CHECK(value({0x93, 0xcd, 0xff, 0xc9, 0xff, 0xff}));
  CHECK(value({0x92, 0xce, 0xc9, 0xff, 0xff, 0xff, 0xff}));
  CHECK(value({0x95, 0xcc, 0xc9, 0xff, 0xff, 0xff, 0xff}));
  // And where they do, they do so inside other values, too.
  CHECK_FALSE(value({0x92, 0xc0, 0xc9, 0xff, 0xff, 0xff, 0xff, 0x01}));
  CHECK_FALSE(value({0x92, 0xc4, 0x05, 0xc9, 0xff, 0xff, 0xff, 0xff, 0xc9, 0xff, 0xff, 0xff, 0xff}));
}
