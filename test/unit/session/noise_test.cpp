#include "session/noise.hpp"

#include <sodium.h>

#include <algorithm>

#include "vectors/vectors.hpp"

using namespace perdure;
using namespace perdure::session::noise;

namespace {

KeyPair pair_of(const vectors::Case& c, const std::string& name) {
  Bytes secret = c.bytes(name);
  Key key;
  REQUIRE(secret.size() == key.size());
  std::copy(secret.begin(), secret.end(), key.begin());
  return key_pair(key);
}

Key key_of(u8 n) {
  Key key;
  key.fill(n);
  return key;
}

}  // namespace

TEST_CASE("a handshake gives the published messages, and so do the messages after it") {
  for (const vectors::Case& c : vectors::read("noise_xx")) {
    Bytes prologue = c.bytes("prologue");
    Handshake initiator(true, prologue, pair_of(c, "initiator_static"), pair_of(c, "initiator_ephemeral"));
    Handshake responder(false, prologue, pair_of(c, "responder_static"), pair_of(c, "responder_ephemeral"));
    auto payloads = c.list("payloads"), messages = c.list("messages");
    REQUIRE(payloads.size() == messages.size());
    REQUIRE(payloads.size() > 3);
    for (std::size_t i = 0; i < 3; ++i) {
      Handshake& from = i == 1 ? responder : initiator;
      Handshake& to = i == 1 ? initiator : responder;
      CHECK(from.our_turn());
      CHECK_FALSE(to.our_turn());
      CHECK(from.write(payloads[i]) == messages[i]);
      CHECK(to.read(messages[i]) == payloads[i]);
    }
    REQUIRE(initiator.done());
    REQUIRE(responder.done());
    CHECK(Bytes(initiator.hash().begin(), initiator.hash().end()) == c.bytes("hash"));
    CHECK(responder.hash() == initiator.hash());
    CHECK(initiator.remote_static() == pair_of(c, "responder_static").pub);
    CHECK(responder.remote_static() == pair_of(c, "initiator_static").pub);
    auto [initiator_sends, initiator_receives] = initiator.split();
    auto [responder_sends, responder_receives] = responder.split();
    for (std::size_t i = 3; i < payloads.size(); ++i) {
      bool forth = i % 2 == 0;
      CHECK((forth ? initiator_sends : responder_sends).encrypt({}, payloads[i]) == messages[i]);
      CHECK((forth ? responder_receives : initiator_receives).decrypt({}, messages[i]) == payloads[i]);
    }
  }
}

TEST_CASE("no message of the published handshake opens once a bit of it is bent, or the prologue is another") {
  const auto c = vectors::read("noise_xx").front();
  auto messages = c.list("messages");
  // Each message of the handshake, bit by bit, until somebody notices. What of message 1 is in the clear, message 2 shows.
  for (std::size_t bent = 0; bent < 3; ++bent)
    for (std::size_t bit = 0; bit < 8 * messages[bent].size(); bit += 3) {
      Handshake initiator(true, c.bytes("prologue"), pair_of(c, "initiator_static"), pair_of(c, "initiator_ephemeral"));
      Handshake responder(false, c.bytes("prologue"), pair_of(c, "responder_static"),
                          pair_of(c, "responder_ephemeral"));
      bool noticed = false;
      for (std::size_t i = 0; i < 3 && !noticed; ++i) {
        Handshake& from = i == 1 ? responder : initiator;
        Handshake& to = i == 1 ? initiator : responder;
        auto message = from.write({});
        if (message && i == bent) (*message)[bit / 8 % message->size()] ^= static_cast<u8>(1 << bit % 8);
        noticed = !message || !to.read(*message);
      }
      CHECK(noticed);
    }
  Handshake initiator(true, view("one"), pair_of(c, "initiator_static"), pair_of(c, "initiator_ephemeral"));
  Handshake responder(false, view("two"), pair_of(c, "responder_static"), pair_of(c, "responder_ephemeral"));
  REQUIRE(responder.read(*initiator.write({})));
  CHECK_FALSE(initiator.read(*responder.write({})));
}

TEST_CASE("X25519 gives Wycheproof's secrets, and refuses those of zeros") {
  for (const vectors::Case& c : vectors::read("x25519")) {
    INFO("test " << c.text("id"));
    Key secret = c.fixed<Seed>("private").bytes, pub = c.fixed<Seed>("public").bytes,
        expected = c.fixed<Seed>("shared").bytes;
    auto shared = shared_secret(secret, pub);
    if (expected == Key{}) CHECK_FALSE(shared);
    else CHECK(shared == expected);
  }
}

TEST_CASE("a key of small order ends the handshake on either side") {
  for (Key weak : {Key{}, Key{1}}) {
    Bytes message(weak.begin(), weak.end());
    Handshake responder(false, {}, key_pair(key_of(1)), key_pair(key_of(2)));
    REQUIRE(responder.read(message));
    CHECK_FALSE(responder.write({}));
    Handshake initiator(true, {}, key_pair(key_of(3)), key_pair(key_of(4)));
    REQUIRE(initiator.write({}));
    message.resize(200);
    CHECK_FALSE(initiator.read(message));
  }
}

TEST_CASE("handshake messages that are cut do not open") {
  for (std::size_t n = 0; n < 32; ++n) {
    Handshake responder(false, {}, key_pair(key_of(1)), key_pair(key_of(2)));
    CHECK_FALSE(responder.read(Bytes(n, 9)));
  }
  Handshake initiator(true, {}, key_pair(key_of(3)), key_pair(key_of(4)));
  Handshake responder(false, {}, key_pair(key_of(1)), key_pair(key_of(2)));
  REQUIRE(responder.read(*initiator.write({})));
  Bytes second = *responder.write(view("payload"));
  for (std::size_t n = 0; n < second.size(); ++n) {
    Handshake copy = initiator;
    CHECK_FALSE(copy.read(ByteView(second).first(n)));
  }
  REQUIRE(initiator.read(second) == own(view("payload")));
  Bytes third = *initiator.write(view("payload"));
  for (std::size_t n = 0; n < third.size(); ++n) {
    Handshake copy = responder;
    CHECK_FALSE(copy.read(ByteView(third).first(n)));
  }
  CHECK(responder.read(third) == own(view("payload")));
}

TEST_CASE("ChaCha20-Poly1305 gives Wycheproof's verdicts") {
  for (const vectors::Case& c : vectors::read("chacha20_poly1305")) {
    INFO("test " << c.text("id"));
    auto key = c.fixed<Seed>("key").bytes;
    Bytes ad = c.bytes("ad"), plain = c.bytes("plain"), nonce = c.bytes("nonce"), sealed = c.bytes("sealed");
    if (nonce.size() != 12) {  // Noise has no other
      CHECK_FALSE(c.valid());
      continue;
    }
    // Noise's nonces begin with four zero bytes, so most of these can be put to the library only.
    Bytes opened(sealed.size() - tag_size);
    bool accepted = crypto_aead_chacha20poly1305_ietf_decrypt(opened.data(), nullptr, nullptr, sealed.data(),
                                                              sealed.size(), ad.data(), ad.size(), nonce.data(),
                                                              key.data()) == 0;
    CHECK(accepted == c.valid());
    if (accepted) CHECK(opened == plain);
    CipherState seals(key), opens(key);
    if (nonce == Bytes(12, 0)) CHECK((opens.decrypt(ad, sealed) == plain) == c.valid());
    CHECK(CipherState(key).decrypt(ad, seals.encrypt(ad, plain)) == plain);
  }
}

TEST_CASE("what fails to open does not move the counter, and a rekey parts old from new") {
  CipherState a(key_of(1)), b(key_of(1));
  Bytes first = a.encrypt({}, view("one")), second = a.encrypt({}, view("two"));
  CHECK_FALSE(b.decrypt({}, second));
  CHECK(b.count() == 0);
  CHECK(b.decrypt({}, first) == own(view("one")));
  CHECK_FALSE(b.decrypt({}, first));
  CHECK(b.decrypt({}, second) == own(view("two")));
  CipherState late = b;
  a.rekey();
  Bytes third = a.encrypt({}, view("three"));
  CHECK(a.count() == 3);
  CHECK_FALSE(late.decrypt({}, third));
  b.rekey();
  CHECK(b.decrypt({}, third) == own(view("three")));
  CipherState open;
  CHECK(open.encrypt({}, view("x")) == own(view("x")));
  CHECK(open.count() == 0);
}
