#include "session/session.hpp"

#include <algorithm>
#include <memory>

#include "catch_amalgamated.hpp"

using namespace perdure;
using namespace perdure::session;

namespace {

Seed seed(u8 n) { return Seed::from(Bytes(32, n)); }

// One device at one end of a link.
struct End {
  crypto::Random random;
  identity::Identity identity;
  StaticKey key;
  Session session;
  End(u8 device, std::string_view app, Session::Options options)
      : random(seed(static_cast<u8>(100 + device + (options.dialler ? 50 : 0)))),
        identity(app, seed(device)),
        key(make_static_key(identity, random)),
        session(identity, key, random, std::move(options)) {}
};

struct Setup {
  LinkKind kind = LinkKind::websocket;
  Bytes binding = {};
  u8 dialler = 1, acceptor = 2;
  std::string_view dialler_app = "chat", acceptor_app = "chat";
};

struct Pair {
  End dialler, acceptor;
  explicit Pair(const Setup& s = {})
      : dialler(s.dialler, s.dialler_app, {.dialler = true, .kind = s.kind, .binding = s.binding}),
        acceptor(s.acceptor, s.acceptor_app, {.dialler = false, .kind = s.kind, .binding = s.binding}) {}

  // Carries the handshake; `bend` may change message 0, 1 or 2 on its way. The first fault ends it.
  template <class Bend>
  Fault shake(Bend bend) {
    std::vector<Bytes> messages = dialler.session.start();
    CHECK(messages.size() == 1);
    CHECK(acceptor.session.start().empty());
    for (std::size_t i = 0; i < 3; ++i) {
      REQUIRE(messages.size() == 1);
      bend(i, messages[0]);
      Session::Input in = (i == 1 ? dialler : acceptor).session.on_bytes(messages[0]);
      CHECK(in.frames.empty());
      if (in.fault != Fault::none) return in.fault;
      messages = std::move(in.to_send);
    }
    CHECK(messages.empty());
    return Fault::none;
  }
  Fault shake() {
    return shake([](std::size_t, Bytes&) {});
  }
};

// A pair that has shaken hands.
std::unique_ptr<Pair> connected(const Setup& s = {}) {
  auto pair = std::make_unique<Pair>(s);
  REQUIRE(pair->shake() == Fault::none);
  REQUIRE(pair->dialler.session.established());
  REQUIRE(pair->acceptor.session.established());
  return pair;
}

Bytes frame_of(std::size_t size, u8 from = 0) {
  Bytes frame(size);
  for (std::size_t i = 0; i < size; ++i) frame[i] = static_cast<u8>(i * 7 + i / 251 + from);
  return frame;
}

Fault deliver(Session& to, const std::vector<Bytes>& messages, std::vector<Bytes>& frames) {
  for (const Bytes& m : messages) {
    Session::Input in = to.on_bytes(m);
    CHECK(in.to_send.empty());
    for (Bytes& f : in.frames) frames.push_back(std::move(f));
    if (in.fault != Fault::none) return in.fault;
  }
  return Fault::none;
}

const Bytes fingerprints = frame_of(64);
const Setup websocket{}, datachannel{.kind = LinkKind::datachannel, .binding = fingerprints},
    relayed{.kind = LinkKind::relayed}, local{.kind = LinkKind::local};
const Setup all_kinds[] = {websocket, datachannel, relayed, local};

// What travels: keys of 32 bytes, seals of 16 on the static key and the payload.
constexpr std::size_t payload_size = 1 + DeviceId::size + Signature::size + greeting_size;
constexpr std::size_t first_size = 32, second_size = 32 + 48 + payload_size + 16, third_size = 48 + payload_size + 16;

}  // namespace

TEST_CASE("two devices shake hands over each kind of link, then hear each other") {
  for (const Setup& s : all_kinds) {
    auto pair = connected(s);
    Session& a = pair->dialler.session;
    Session& b = pair->acceptor.session;
    CHECK(a.peer() == pair->acceptor.identity.id());
    CHECK(b.peer() == pair->dialler.identity.id());
    CHECK(a.handshake_hash() == b.handshake_hash());
    CHECK_FALSE(a.handshake_hash().is_zero());
    CHECK(a.dialler());
    CHECK_FALSE(b.dialler());
    CHECK(a.kind() == s.kind);
    std::vector<Bytes> frames;
    for (std::size_t size : {0, 1, 100, 16'383}) {
      frames.clear();
      CHECK(deliver(b, a.send(frame_of(size)), frames) == Fault::none);
      CHECK(deliver(a, b.send(frame_of(size, 1)), frames) == Fault::none);
      CHECK(frames == std::vector<Bytes>{frame_of(size), frame_of(size, 1)});
    }
  }
}

TEST_CASE("only what DTLS seals already travels as it is") {
  Bytes frame = frame_of(100);
  auto shows = [&frame](const Setup& s) {
    Bytes message = connected(s)->dialler.session.send(frame)[0];
    return std::search(message.begin(), message.end(), frame.begin(), frame.end()) != message.end();
  };
  CHECK(shows(datachannel));
  CHECK_FALSE(shows(websocket));
  CHECK_FALSE(shows(relayed));
  CHECK_FALSE(shows(local));
  CHECK_FALSE(shows({.kind = LinkKind::datachannel}));  // bound to no fingerprints
}

TEST_CASE("no two sessions have the same handshake hash") {
  identity::Identity one("chat", seed(1)), two("chat", seed(2));
  crypto::Random random(seed(3));
  StaticKey key_one = make_static_key(one, random), key_two = make_static_key(two, random);
  std::vector<Hash> hashes;
  for (int i = 0; i < 3; ++i) {
    Session a(one, key_one, random, {.dialler = true}), b(two, key_two, random, {});
    auto second = b.on_bytes(a.start()[0]);
    auto third = a.on_bytes(second.to_send[0]);
    REQUIRE(b.on_bytes(third.to_send[0]).fault == Fault::none);
    CHECK(std::find(hashes.begin(), hashes.end(), a.handshake_hash()) == hashes.end());
    hashes.push_back(a.handshake_hash());
  }
}

TEST_CASE("devices of different apps do not shake hands") {
  Pair pair({.acceptor_app = "notes"});
  CHECK(pair.shake() == Fault::bad_handshake);
  CHECK_FALSE(pair.dialler.session.established());
  CHECK_FALSE(pair.acceptor.session.established());
}

TEST_CASE("one anchor serves each network with its own session") {
  crypto::Random random(seed(9));
  for (std::string_view app : {"chat", "notes"}) {
    End device(1, app, {.dialler = true});
    identity::Identity anchor(identity::network_id(app), seed(2));
    StaticKey key = make_static_key(anchor, random);
    Session session(anchor, key, random, {});
    auto second = session.on_bytes(device.session.start()[0]);
    auto third = device.session.on_bytes(second.to_send[0]);
    CHECK(session.on_bytes(third.to_send[0]).fault == Fault::none);
    CHECK(device.session.peer() == anchor.id());
  }
}

TEST_CASE("a static key that was signed for another network, or by another device, is refused on either side") {
  identity::Identity here("chat", seed(1)), elsewhere("notes", seed(1)), other("chat", seed(3)), peer("chat", seed(2));
  crypto::Random random(seed(9));
  StaticKey good = make_static_key(peer, random);
  for (const identity::Identity* signer : {&elsewhere, &other}) {
    StaticKey wrong = make_static_key(*signer, random);
    {
      Session a(here, wrong, random, {.dialler = true}), b(peer, good, random, {});
      auto third = a.on_bytes(b.on_bytes(a.start()[0]).to_send[0]);
      REQUIRE(third.fault == Fault::none);
      CHECK(b.on_bytes(third.to_send[0]).fault == Fault::other_network);
      CHECK_FALSE(b.established());
    }
    Session a(peer, good, random, {.dialler = true}), b(here, wrong, random, {});
    auto in = a.on_bytes(b.on_bytes(a.start()[0]).to_send[0]);
    CHECK(in.fault == Fault::other_network);
    CHECK(in.to_send.empty());
    CHECK_FALSE(a.established());
  }
}

TEST_CASE("a device that meets itself hangs up") {
  Pair pair({.dialler = 1, .acceptor = 1});
  CHECK(pair.shake() == Fault::own_key);
  CHECK_FALSE(pair.dialler.session.established());
}

TEST_CASE("the acceptor, too, hangs up on its own key") {
  // The dialler's identity differs only in what it says of itself: it names the acceptor, whose key it does not have.
  End acceptor(2, "chat", {});
  End dialler(1, "chat", {.dialler = true});
  noise::KeyPair statics = noise::key_pair({1}), ephemeral = noise::key_pair({2});
  Bytes prologue = own(view("perdure/session/1"));
  ByteView network = acceptor.identity.network().view();
  prologue.insert(prologue.end(), network.begin(), network.end());
  prologue.push_back(static_cast<u8>(LinkKind::websocket));
  noise::Handshake hand(true, prologue, statics, ephemeral);
  auto second = acceptor.session.on_bytes(*hand.write({}));
  REQUIRE(second.to_send.size() == 1);
  REQUIRE(hand.read(second.to_send[0]));
  SECTION("own id") {
    Bytes payload(payload_size);
    payload[0] = 1;
    std::copy_n(acceptor.identity.id().bytes.begin(), 32, payload.begin() + 1);
    CHECK(acceptor.session.on_bytes(*hand.write(payload)).fault == Fault::own_key);
  }
  SECTION("another version") {
    Bytes payload(payload_size);
    payload[0] = 2;
    CHECK(acceptor.session.on_bytes(*hand.write(payload)).fault == Fault::bad_handshake);
  }
  SECTION("another's id") {
    Bytes payload(payload_size);
    payload[0] = 1;
    std::copy_n(dialler.identity.id().bytes.begin(), 32, payload.begin() + 1);
    CHECK(acceptor.session.on_bytes(*hand.write(payload)).fault == Fault::other_network);
  }
  SECTION("a payload of another length") {
    CHECK(acceptor.session.on_bytes(*hand.write(Bytes(payload_size - 1))).fault == Fault::bad_handshake);
  }
}

TEST_CASE("whoever stands between two DataChannels is noticed by the fingerprints") {
  End a(1, "chat", {.dialler = true, .kind = LinkKind::datachannel, .binding = frame_of(64)});
  End b(2, "chat", {.dialler = false, .kind = LinkKind::datachannel, .binding = frame_of(64, 1)});
  auto second = b.session.on_bytes(a.session.start()[0]);
  CHECK(a.session.on_bytes(second.to_send[0]).fault == Fault::bad_handshake);
}

TEST_CASE("a handshake does not move from one kind of link to another") {
  for (const Setup& one : all_kinds)
    for (const Setup& two : all_kinds) {
      End a(1, "chat", {.dialler = true, .kind = one.kind});
      End b(2, "chat", {.dialler = false, .kind = two.kind});
      auto second = b.session.on_bytes(a.session.start()[0]);
      CHECK((a.session.on_bytes(second.to_send[0]).fault == Fault::none) == (one.kind == two.kind));
    }
}

TEST_CASE("each side has the other's greeting as soon as its session stands") {
  Bytes one(greeting_size, 1), two(greeting_size, 2);
  End a(1, "chat", {.dialler = true, .greeting = one}), b(2, "chat", {.greeting = two});
  auto second = b.session.on_bytes(a.session.start()[0]);
  auto third = a.session.on_bytes(second.to_send[0]);
  CHECK(own(a.session.greeting()) == two);
  CHECK_FALSE(b.session.established());
  REQUIRE(b.session.on_bytes(third.to_send[0]).fault == Fault::none);
  CHECK(own(b.session.greeting()) == one);
}

TEST_CASE("a handshake message with one byte bent, cut, grown, repeated or left out ends the session") {
  for (std::size_t which = 0; which < 3; ++which) {
    std::size_t size = which == 0 ? first_size : which == 1 ? second_size : third_size;
    for (std::size_t at = 0; at < size; at += 3) {
      Pair pair;
      Fault fault = pair.shake([&](std::size_t i, Bytes& m) {
        if (i != which) return;
        REQUIRE(m.size() == size);
        m[at] ^= 0x10;
      });
      CHECK(fault == Fault::bad_handshake);
    }
    for (std::size_t n : {std::size_t{0}, std::size_t{1}, size - 1, size + 1, piece_max, std::size_t{1} << 20}) {
      Pair pair;
      CHECK(pair.shake([&](std::size_t i, Bytes& m) {
        if (i == which) m.resize(n);
      }) == Fault::bad_handshake);
    }
  }
  Pair twice;
  Bytes first = twice.dialler.session.start()[0];
  REQUIRE(twice.acceptor.session.on_bytes(first).fault == Fault::none);
  CHECK(twice.acceptor.session.on_bytes(first).fault == Fault::bad_handshake);
}

TEST_CASE("an ephemeral key of small order is refused") {
  Pair pair;
  CHECK(pair.acceptor.session.on_bytes(Bytes(32, 0)).fault == Fault::bad_handshake);
  REQUIRE(pair.dialler.session.start().size() == 1);
  CHECK(pair.dialler.session.on_bytes(Bytes(second_size, 0)).fault == Fault::bad_handshake);
}

TEST_CASE("who speaks before it is its turn is not heard") {
  End dialler(1, "chat", {.dialler = true});
  CHECK(dialler.session.on_bytes(Bytes(193, 1)).fault == Fault::bad_handshake);  // not started yet
}

TEST_CASE(
    "large frames travel in pieces that every browser carries, and in longer ones to who has said that it reads them") {
  for (u64 said : {u64{0}, u64{piece_min}, u64{40'000}, u64{piece_max}, ~u64{0}})
    for (const Setup& s : {websocket, datachannel, relayed}) {
      auto pair = connected(s);
      pair->dialler.session.send_pieces_of(said);
      // Nobody relays longer ones.
      const std::size_t piece = s.kind == LinkKind::relayed
                                    ? piece_min
                                    : static_cast<std::size_t>(std::clamp<u64>(said, piece_min, piece_max));
      for (std::size_t size : {piece - 18, piece - 17, piece - 16, piece, 3 * piece, frame_max}) {
        std::vector<Bytes> messages = pair->dialler.session.send(frame_of(size)), frames;
        for (const Bytes& m : messages) CHECK(m.size() <= piece);
        CHECK(messages.size() == std::max<std::size_t>(1, (size + piece - 18) / (piece - 17)));
        CHECK(deliver(pair->acceptor.session, messages, frames) == Fault::none);
        CHECK(frames == std::vector<Bytes>{frame_of(size)});
      }
    }
}

TEST_CASE("a sealed message that is bent, cut, repeated, reordered or left out ends the session") {
  for (const Setup& s : {websocket, relayed, local}) {
    auto rejects = [&s](auto attack) {
      auto pair = connected(s);
      std::vector<Bytes> sent, frames;
      for (u8 i = 0; i < 4; ++i) sent.push_back(pair->dialler.session.send(frame_of(40, i))[0]);
      std::size_t good = attack(sent);
      CHECK(deliver(pair->acceptor.session, sent, frames) == Fault::bad_seal);
      CHECK(frames.size() == good);
      for (std::size_t i = 0; i < good; ++i) CHECK(frames[i] == frame_of(40, static_cast<u8>(i)));
      CHECK_FALSE(pair->acceptor.session.established());
      // It stays over: what would have been right before is not heard either.
      Session::Input in = pair->acceptor.session.on_bytes(sent.back());
      CHECK(in.fault == Fault::bad_seal);
      CHECK(in.frames.empty());
    };
    for (std::size_t byte = 0; byte < 57; ++byte)
      rejects([byte](std::vector<Bytes>& sent) { return sent[2][byte] ^= 1, std::size_t{2}; });
    for (std::size_t n = 0; n < 57; ++n)
      rejects([n](std::vector<Bytes>& sent) { return sent[1].resize(n), std::size_t{1}; });
    rejects([](std::vector<Bytes>& sent) { return sent[1].push_back(0), std::size_t{1}; });
    rejects([](std::vector<Bytes>& sent) { return sent[1] = sent[0], std::size_t{1}; });
    rejects([](std::vector<Bytes>& sent) { return std::swap(sent[1], sent[2]), std::size_t{1}; });
    rejects([](std::vector<Bytes>& sent) { return sent.erase(sent.begin()), std::size_t{0}; });
  }
}

TEST_CASE("one's own messages, sent back, are not taken for the other's") {
  auto pair = connected();
  Bytes message = pair->dialler.session.send(frame_of(10))[0];
  CHECK(pair->dialler.session.on_bytes(message).fault == Fault::bad_seal);
}

TEST_CASE("messages of one session mean nothing in another") {
  auto one = connected();
  auto two = connected({.acceptor = 3});
  CHECK(two->acceptor.session.on_bytes(one->dialler.session.send(frame_of(10))[0]).fault == Fault::bad_seal);
}

TEST_CASE("a message longer than a piece ends the session before it is opened") {
  for (const Setup& s : all_kinds) {
    auto pair = connected(s);
    const std::size_t longest = s.kind == LinkKind::relayed ? piece_min : piece_max;
    CHECK(pair->acceptor.session.on_bytes(Bytes(longest + 65, 0)).fault == Fault::bad_piece);
  }
  auto pair = connected();
  CHECK(pair->acceptor.session.on_bytes(Bytes(piece_max + 64, 0)).fault == Fault::bad_seal);
}

TEST_CASE("a piece without a marker, with a strange one, or with too much in it ends the session") {
  for (const Bytes& piece : {Bytes{}, Bytes{2}, Bytes{0xff, 1, 2}, Bytes(piece_max + 2, 0)})
    CHECK(connected(datachannel)->acceptor.session.on_bytes(piece).fault == Fault::bad_piece);
  CHECK(connected(datachannel)->acceptor.session.on_bytes(Bytes(piece_max + 1, 0)).fault == Fault::none);
}

TEST_CASE("pieces that never end are cut off") {
  auto pair = connected(datachannel);
  Session& to = pair->acceptor.session;
  CHECK(connected(datachannel)->acceptor.session.on_bytes(Bytes{1}).fault == Fault::bad_piece);  // brings nothing
  Bytes piece(1 + piece_max, 1);
  for (std::size_t held = 0; held + piece_max <= frame_max; held += piece_max)
    CHECK(to.on_bytes(piece).fault == Fault::none);
  CHECK(to.on_bytes(piece).fault == Fault::too_long);
  CHECK_FALSE(to.established());
  CHECK(to.on_bytes(Bytes{0}).fault == Fault::too_long);

  auto slow = connected(datachannel);
  Session& drip = slow->acceptor.session;
  for (std::size_t i = 0; i < frame_max; ++i) REQUIRE(drip.on_bytes(Bytes{1, 0}).fault == Fault::none);
  CHECK(drip.on_bytes(Bytes{1, 0}).fault == Fault::too_long);
}

TEST_CASE("the last piece of a frame may be empty, and frames follow one another") {
  auto pair = connected(datachannel);
  Session& to = pair->acceptor.session;
  CHECK(to.on_bytes(Bytes{1, 'a'}).frames.empty());
  CHECK(to.on_bytes(Bytes{0}).frames == std::vector<Bytes>{{'a'}});
  CHECK(to.on_bytes(Bytes{0}).frames == std::vector<Bytes>{{}});
  CHECK(to.on_bytes(Bytes{0, 'b'}).frames == std::vector<Bytes>{{'b'}});
}

TEST_CASE("keys change every 65,536 messages, in each direction on its own") {
  auto pair = connected();
  Session& a = pair->dialler.session;
  Session& b = pair->acceptor.session;
  const Bytes frame{1, 2, 3};
  auto says = [&frame](Session& from, Session& to) {
    auto in = to.on_bytes(from.send(frame)[0]);
    return in.fault == Fault::none && in.frames == std::vector<Bytes>{frame};
  };
  for (u32 i = 0; i < 65'530; ++i) REQUIRE(says(a, b));
  for (u32 i = 0; i < 10; ++i) REQUIRE(says(b, a));
  for (u32 i = 0; i < 20; ++i) REQUIRE(says(a, b));  // over the edge
  // In the middle of a frame of many pieces, too.
  for (u32 i = 0; i < 65'536 - 24; ++i) REQUIRE(says(a, b));
  std::vector<Bytes> frames;
  CHECK(deliver(b, a.send(frame_of(frame_max)), frames) == Fault::none);
  CHECK(frames == std::vector<Bytes>{frame_of(frame_max)});
  for (u32 i = 0; i < 20; ++i) CHECK(says(b, a));
}

TEST_CASE("equal seeds and equal bytes give equal sessions") {
  Pair one, two;
  REQUIRE(one.shake() == Fault::none);
  REQUIRE(two.shake() == Fault::none);
  CHECK(one.dialler.session.handshake_hash() == two.dialler.session.handshake_hash());
  CHECK(one.dialler.session.send(frame_of(50)) == two.dialler.session.send(frame_of(50)));
}

TEST_CASE("whatever arrives, a session ends rather than trips") {
  crypto::Random random(seed(7));
  for (int i = 0; i < 2000; ++i) {
    auto pair = std::make_unique<Pair>(all_kinds[random.below(4)]);
    u64 steps = random.below(4);
    std::vector<Bytes> messages = pair->dialler.session.start();
    for (u64 step = 0; step < steps && step < 3; ++step)
      messages = (step == 1 ? pair->dialler : pair->acceptor).session.on_bytes(messages[0]).to_send;
    Session& to = random.below(2) == 0 ? pair->dialler.session : pair->acceptor.session;
    for (int n = 0; n < 4; ++n) {
      Bytes noise(random.below(300));
      random.fill(noise);
      to.on_bytes(noise);
    }
  }
}
