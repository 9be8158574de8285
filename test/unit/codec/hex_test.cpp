#include "codec/hex.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;

TEST_CASE("bytes are two lower-case digits each, and those are read back") {
  std::array<u8, 256> all{}, back{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<u8>(i);
  const std::string text = codec::to_hex(all);
  CHECK(text.substr(0, 6) == "000102");
  CHECK(text.substr(text.size() - 6) == "fdfeff");
  CHECK(codec::from_hex(text, back));
  CHECK(back == all);
  CHECK(codec::to_hex({}).empty());
  CHECK(codec::from_hex("", {}));
}

TEST_CASE("a text of another length, or with anything else in it, is no bytes") {
  std::array<u8, 2> into{};
  for (const char* text : {"", "012", "01234", "012345", "01AB", "01g0", " 123", "0x12", "12\n3"}) {
    CAPTURE(text);
    CHECK_FALSE(codec::from_hex(text, into));
  }
}
