// What arrives on a link: in each step of the handshake, in both roles, and after it; there also messages that are sealed well and
// say nonsense, which only somebody with a key of the network can send.
//
//     u8 how: role (1), kind of link (2, 4), how much is honest first (8, 16), sealed by the peer (32) | messages: be16 length, bytes
#include "fuzz/target.hpp"
#include "session/session.hpp"

namespace perdure::fuzz {

namespace {

using session::Session;

Seed seed_of(u8 n) { return Seed::from(Bytes(32, n)); }

struct End {
  const identity::Identity& identity;
  crypto::Random random;
  const session::StaticKey& key;
  Session session;
  End(const identity::Identity& i, const session::StaticKey& k, u8 n, Session::Options o)
      : identity(i), random(seed_of(n)), key(k), session(identity, key, random, std::move(o)) {}
};

const identity::Identity ada("fuzz", seed_of(1)), bob("fuzz", seed_of(2));

session::StaticKey key_of(const identity::Identity& identity, u8 n) {
  crypto::Random random(seed_of(n));
  return session::make_static_key(identity, random);
}
const session::StaticKey ada_key = key_of(ada, 3), bob_key = key_of(bob, 4);

}  // namespace

void target(ByteView in) {
  Draw draw(in);
  const u8 how = draw.byte();
  const bool dialler = how & 1;
  const LinkKind kind = static_cast<LinkKind>(1 + ((how >> 1) & 3));
  const Bytes binding = kind == LinkKind::datachannel ? Bytes(64, 1) : Bytes{};
  End us(ada, ada_key, 5, {dialler, kind, binding}), peer(bob, bob_key, 6, {!dialler, kind, binding});
  // Honest messages first: none, one, two, or the whole handshake.
  std::vector<Bytes> to_peer = us.session.start(), to_us = peer.session.start();
  for (int honest = (how >> 3) & 3, n = 0; n < (honest == 3 ? 4 : honest); ++n) {
    std::vector<Bytes> next;
    for (const Bytes& b : std::exchange(to_peer, {}))
      for (Bytes& answer : peer.session.on_bytes(b).to_send) next.push_back(std::move(answer));
    for (const Bytes& b : std::exchange(to_us, {}))
      for (Bytes& answer : us.session.on_bytes(b).to_send) to_peer.push_back(std::move(answer));
    for (Bytes& b : next) to_us.push_back(std::move(b));
  }
  std::size_t given = 0, got = 0;
  bool over = false;
  while (!draw.empty()) {
    ByteView message = draw.bytes(draw.be16() % 17'000);
    std::vector<Bytes> sent{own(message)};
    if ((how & 32) && peer.session.established() && message.size() <= session::frame_max)
      sent = peer.session.send(message);
    for (const Bytes& b : sent) {
      Meter meter;
      given += b.size();
      Session::Input out = us.session.on_bytes(b);
      CHECK(meter.bytes() <= 16 * given + 65'536);
      CHECK(!over || out.fault != session::Fault::none);  // what ended stays ended
      over = over || out.fault != session::Fault::none;
      CHECK(!over || (out.frames.empty() && out.to_send.empty() && !us.session.established()));
      for (const Bytes& frame : out.frames) {
        CHECK(us.session.established() && frame.size() <= session::frame_max);
        got += frame.size();
      }
    }
  }
  CHECK(got <= given);
  if (us.session.established()) CHECK(us.session.peer() == bob.id());
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  for (u8 how = 0; how < 64; how += 5) out.push_back({how, 0, 3, 0, 1, 2, 0, 2, 1, 7, 0, 4, 1, 1, 1, 1});
  Bytes whole(3 + 32, 9);
  whole[0] = 0;
  whole[1] = 0;
  whole[2] = 32;
  out.push_back(whole);
  return out;
}

}  // namespace perdure::fuzz
