#include "crypto/seal.hpp"

#include <algorithm>

#include "vectors/vectors.hpp"

using namespace perdure;
using namespace perdure::crypto;

TEST_CASE("XChaCha20-Poly1305 gives Wycheproof's verdicts") {
  for (const vectors::Case& c : vectors::read("xchacha20_poly1305")) {
    INFO("test " << c.text("id"));
    Bytes nonce_bytes = c.bytes("nonce"), ad = c.bytes("ad"), plain = c.bytes("plain"), sealed = c.bytes("sealed");
    Nonce24 nonce;
    if (nonce_bytes.size() != nonce.size()) {  // our type holds no other
      CHECK_FALSE(c.valid());
      continue;
    }
    std::copy(nonce_bytes.begin(), nonce_bytes.end(), nonce.begin());
    auto key = c.fixed<Seed>("key");
    auto opened = unseal(key, nonce, ad, sealed);
    CHECK(opened.has_value() == c.valid());
    if (!c.valid()) continue;
    CHECK(opened == plain);
    CHECK(seal(key, nonce, ad, plain) == sealed);
  }
}

TEST_CASE("sealed bytes that were cut or bent do not open") {
  Seed key;
  Bytes ad = own(view("ad")), sealed = seal(key, {}, ad, view("hello"));
  CHECK(sealed.size() == 5 + seal_overhead);
  CHECK(unseal(key, {}, ad, sealed) == own(view("hello")));
  CHECK_FALSE(unseal(key, {}, view("da"), sealed));
  CHECK_FALSE(unseal(key, {1}, ad, sealed));
  for (std::size_t n = 0; n < sealed.size(); ++n) CHECK_FALSE(unseal(key, {}, ad, ByteView(sealed).first(n)));
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes bent = sealed;
    bent[bit / 8] ^= static_cast<u8>(1 << bit % 8);
    CHECK_FALSE(unseal(key, {}, ad, bent));
  }
  CHECK(unseal(key, {}, {}, seal(key, {}, {}, {})) == Bytes{});
}

TEST_CASE("a box opens for the one it is for") {
  Random random{Seed{}};
  SigningKey to = signing_key(random.fixed<Seed>()), other = signing_key(random.fixed<Seed>());
  auto box = seal_to(DeviceId::from(to.pub), view("share"), random);
  REQUIRE(box);
  CHECK(box->size() == 5 + 48);
  CHECK(unseal_from(to, *box) == own(view("share")));
  CHECK_FALSE(unseal_from(other, *box));
  CHECK(seal_to(DeviceId::from(to.pub), view("share"), random) != box);
  for (std::size_t n = 0; n < box->size(); ++n) CHECK_FALSE(unseal_from(to, ByteView(*box).first(n)));
  for (std::size_t i = 0; i < box->size(); ++i) {
    Bytes bent = *box;
    bent[i] ^= 1;
    CHECK_FALSE(unseal_from(to, bent));
  }
  // A box whose ephemeral key is of small order has a key that anybody knows.
  Bytes weak(32 + seal_overhead, 0);
  CHECK_FALSE(unseal_from(to, weak));
}

TEST_CASE("there is no box for what is no device") {
  Random random{Seed{}};
  CHECK_FALSE(seal_to(DeviceId{}, view("x"), random));
  DeviceId off;  // y = 2 is on no point of the curve
  off.bytes[0] = 2;
  CHECK_FALSE(seal_to(off, view("x"), random));
}
