#include "crypto/sign.hpp"

#include <algorithm>

#include "vectors/vectors.hpp"

using namespace perdure;
using namespace perdure::crypto;

TEST_CASE("what a key signs verifies, and nothing else") {
  SigningKey key = signing_key(Seed::from(Bytes(32, 9)));
  SigningKey other = signing_key(Seed::from(Bytes(32, 8)));
  Signature s = sign(key, {view("he"), view("llo")});
  CHECK(verify(key.pub, {view("hello")}, s));
  CHECK(verify(key.pub, {view("hell"), {}, view("o")}, s));
  CHECK_FALSE(verify(key.pub, {view("hello ")}, s));
  CHECK_FALSE(verify(key.pub, {}, s));
  CHECK_FALSE(verify(other.pub, {view("hello")}, s));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature bent = s;
    bent.bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    CHECK_FALSE(verify(key.pub, {view("hello")}, bent));
  }
  CHECK(verify(key.pub, {}, sign(key, {})));
}

TEST_CASE("Ed25519 gives Wycheproof's verdicts") {
  for (const vectors::Case& c : vectors::read("ed25519")) {
    INFO("test " << c.text("id"));
    Bytes signature = c.bytes("signature"), key = c.bytes("public"), message = c.bytes("message");
    REQUIRE(key.size() == 32);
    // Our type holds no signature of another length.
    bool accepted = signature.size() == Signature::size && verify(key, {message}, Signature::from(signature));
    CHECK(accepted == c.valid());
  }
}

// "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), table 5: where verifiers part. All that is not the one
// canonical encoding, and all that a key without an owner could sign, is refused; for the rest the equation without the
// cofactor decides, which is libsodium's: it is the strictest, and every verifier that we might meet takes what it takes.
TEST_CASE("Ed25519 has one verdict for each case on which verifiers disagree") {
  struct Verdict {
    bool accepted;
    const char* why;
  };
  const Verdict verdicts[] = {
      {false, "key and commitment of small order: holds for messages that nobody signed"},
      {false, "key of small order: binds to no message"},
      {false, "commitment of small order: no signer makes one"},
      {true, "mixed orders, and the equation holds with and without the cofactor"},
      {false, "mixed orders: the equation holds only with the cofactor"},
      {false, "mixed key: the equation holds only with the cofactor, and depends on when the 8 is multiplied in"},
      {false, "S is not below the group's order: a second signature for the same message"},
      {false, "S is far above the group's order: libraries that check only its top bits take it"},
      {false, "commitment not canonical (minus zero), hashed as it came"},
      {false, "commitment not canonical (minus zero), hashed reduced"},
      {false, "key not canonical and of small order, hashed as it came"},
      {false, "key not canonical and of small order, hashed reduced"},
  };
  auto cases = vectors::read("speccheck");
  REQUIRE(cases.size() == std::size(verdicts));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const vectors::Case& c = cases[i];
    REQUIRE(c.number("case") == i);
    INFO("case " << i << ": " << verdicts[i].why);
    Bytes message = c.bytes("message");
    CHECK(verify(c.bytes("public"), {message}, c.fixed<Signature>("signature")) == verdicts[i].accepted);
  }
}

TEST_CASE("no point of small order is a key or a commitment, however it is written") {
  // All 14 encodings of the 8 points: the last six are not canonical.
  const char* encodings[] = {
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "0000000000000000000000000000000000000000000000000000000000000080",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "0100000000000000000000000000000000000000000000000000000000000080",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  for (const char* a : encodings)
    for (const char* r : encodings) {
      Signature s;
      Bytes commitment = vectors::from_hex(r), key = vectors::from_hex(a);
      std::copy(commitment.begin(), commitment.end(), s.bytes.begin());
      // With S = 0 one in eight messages would pass.
      for (u8 m = 0; m < 32; ++m) CHECK_FALSE(verify(key, {{&m, 1}}, s));
    }
}

TEST_CASE("y coordinates of the prime and more are no keys") {
  SigningKey key = signing_key(Seed{});
  Signature s = sign(key, {view("x")});
  Bytes y(32, 0xff);
  for (int low = 0xed; low <= 0xff; ++low)
    for (u8 high : {u8{0x7f}, u8{0xff}}) {
      y[0] = static_cast<u8>(low);
      y[31] = high;
      CHECK_FALSE(verify(y, {view("x")}, s));
      Signature bent = s;
      std::copy(y.begin(), y.end(), bent.bytes.begin());
      CHECK_FALSE(verify(key.pub, {view("x")}, bent));
    }
}
