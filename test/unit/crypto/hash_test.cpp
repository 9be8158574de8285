#include "crypto/hash.hpp"

#include <algorithm>

#include "crypto/random.hpp"
#include "crypto/stretch.hpp"
#include "vectors/vectors.hpp"

using namespace perdure;
using namespace perdure::crypto;

TEST_CASE("BLAKE2b gives the known answers, in one part or two") {
  for (const vectors::Case& c : vectors::read("blake2b")) {
    Bytes in = c.bytes("in"), key = c.bytes("key"), out(64), parted(64);
    blake2b_into(out, key, {in});
    CHECK(out == c.bytes("out"));
    ByteView all = in;
    blake2b_into(parted, key, {all.first(in.size() / 3), {}, all.subspan(in.size() / 3)});
    CHECK(parted == out);
  }
}

TEST_CASE("a shorter digest is not the start of a longer one") {
  Hash half = blake2b({view("abc")});
  Bytes whole(64);
  blake2b_into(whole, {}, {view("abc")});
  CHECK_FALSE(std::equal(half.bytes.begin(), half.bytes.end(), whole.begin()));
  CHECK(half.view()[0] == 0xbd);  // b2sum -l 256: bddd813c…
  CHECK(half.view()[1] == 0xdd);
}

TEST_CASE("SHA-256 of abc is what FIPS 180 says") {
  CHECK(own(sha256(view("abc")).view()) ==
        vectors::from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST_CASE("label and context of a derived key do not run into each other") {
  Bytes secret(32, 7);
  CHECK(derive(secret, "ab", view("c")) != derive(secret, "a", view("bc")));
  CHECK(derive(secret, "ab") != derive(secret, "ac"));
  CHECK(derive(secret, "ab") != derive(Bytes(32, 8), "ab"));
  CHECK(derive(secret, "ab") == derive(secret, "ab", {}));
}

TEST_CASE("bytes of different length are not equal") {
  Bytes a(5, 1), b(6, 1), c(5, 2);
  CHECK(equal_constant_time(a, a));
  CHECK(equal_constant_time({}, {}));
  CHECK_FALSE(equal_constant_time(a, b));
  CHECK_FALSE(equal_constant_time(a, c));
  CHECK_FALSE(equal_constant_time(a, {}));
}

TEST_CASE("equal seeds give equal numbers, however they are drawn") {
  Seed seed;
  seed.bytes[0] = 1;
  Random one(seed), two(seed), other(Seed{});
  Bytes a(1000), b(1000), c(1000);
  one.fill(a);
  for (std::size_t i = 0; i < b.size(); i += 8) two.fill(std::span(b).subspan(i, 8));
  other.fill(c);
  CHECK(a == b);
  CHECK(a != c);
  // ChaCha20, key and nonce of zeros (RFC 8439 A.1, vector 1).
  CHECK(Bytes(c.begin(), c.begin() + 8) == vectors::from_hex("76b8e0ada0f13d90"));
  // Block 4, the first of the second pool, is no repetition of block 0.
  CHECK_FALSE(std::equal(c.begin(), c.begin() + 64, c.begin() + 256));
}

TEST_CASE("numbers below n are below n and reach all of it") {
  Random random{Seed{}};
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) {
    u64 v = random.below(7);
    REQUIRE(v < 7);
    ++seen[v];
  }
  for (int n : seen) CHECK((n > 800 && n < 1200));
  CHECK(random.below(1) == 0);
  for (int i = 0; i < 10; ++i) CHECK(random.below((u64{1} << 63) + 1) <= u64{1} << 63);
}

TEST_CASE("a stretched code depends on code and salt") {
  Bytes salt(32, 1), other(32, 2);
  auto secret = stretch(view("7K3M9QXR2ABC"), salt);
  REQUIRE(secret);
  CHECK(secret == stretch(view("7K3M9QXR2ABC"), salt));
  CHECK(secret != stretch(view("7K3M9QXR2ABD"), salt));
  CHECK(secret != stretch(view("7K3M9QXR2ABC"), other));
}
