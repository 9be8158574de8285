// Whom we try to reach, by which way, and whom we let reach us: nobody who does not answer stands in the way of those who would.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "node/contacts.hpp"
#include "peers/signal.hpp"
#include "unit/support/scene.hpp"
#include "wire/table.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

Config without_rtc() {
  Config config;
  config.rtc = false;
  return config;
}

std::string description(const char* byte) {
  std::string out = "v=0\r\na=fingerprint:sha-256 ";
  for (int i = 0; i < 32; ++i) out += std::string(i > 0 ? ":" : "") + byte;
  return out + "\r\n";
}

// Whether its id is the lower one: then it begins.
identity::Identity somebody(const Solo& solo, bool lower) {
  for (int n = 0;; ++n) {
    identity::Identity one("solo", named_seed("somebody " + std::to_string(n)));
    if ((one.id() < solo.id()) == lower) return one;
  }
}

DeviceId made_up(u32 n, bool lower) {
  DeviceId id = DeviceId::from(Bytes(32, 0xee));
  id.bytes[0] = lower ? 0 : 0xff;
  id.bytes[1] = static_cast<u8>(n);
  return id;
}

// Two peers who say that they are linked to the same device; and the first to come has the lower number.
struct Ways {
  Solo ada;
  u32 topic = ada.join(secret);
  Stranger eve{ada, "eve"}, hub{ada, "hub"};

  explicit Ways(Config config = {}) : ada("ada", std::move(config)) {
    eve.enter(secret);
    hub.enter(secret);
  }
  void tell(Stranger& by, const DeviceId& of, bool rtc) { by.say(wire::Introduce{{{of, rtc}}, {}}, 1); }
  // Sixteen near ones who are not there, and one less near who is.
  std::pair<std::vector<DeviceId>, identity::Identity> near_and_far(bool lower) const {
    auto affinity = [&](const DeviceId& id) { return peers::affinity(ada.id(), id); };
    std::vector<DeviceId> ids;
    for (u32 n = 0; n < 200; ++n) ids.push_back(made_up(n, lower));
    std::ranges::sort(ids, {}, affinity);
    ids.resize(16);
    for (int n = 0;; ++n) {
      identity::Identity bob("solo", named_seed("far " + std::to_string(n)));
      if (affinity(bob.id()) > affinity(ids.back()) && ada.id() < bob.id()) return {ids, bob};
    }
  }
  void pass(u32 seconds) {
    for (u32 n = 0; n < seconds; ++n)
      for (Stranger* one : {&eve, &hub}) {
        one->pass(500);
        one->say(wire::Ping{1, ada.wall_ms});
      }
  }
  static bool relays_to(const Stranger& by, const DeviceId& other) {
    const auto relays = by.all<wire::Relay>();
    return std::ranges::any_of(relays, [&](const wire::Relay& r) { return r.other == other; });
  }
  void describe() {
    ada.turn({RtcSignal{ada.rtc_opens.back().attempt, SignalKind::offer, description("AB")}});
    eve.listen();
  }
};

struct Offering {
  Scene s;
  Stranger hub{s.ada, "hub"};
  identity::Identity bob = somebody(s.ada, true);
  crypto::Random random{named_seed("offers")};
  u8 nonce = 0;

  Offering() {
    hub.enter(secret);
    hub.say(wire::Introduce{{{bob.id(), true}}, {}}, 1);
  }
  void offer() {
    peers::SignalText text{{++nonce}, SignalKind::offer, description("CD")};
    hub.say(*peers::seal_signal(bob, s.ada.id(), *hub.keys, text, random));
  }
  std::size_t opened() const { return s.ada.rtc_opens.size(); }
  void pass(u32 seconds) {
    for (u32 n = 0; n < seconds; ++n) hub.pass(1'000), hub.say(wire::Ping{1, s.ada.wall_ms});
  }
};

}  // namespace

TEST_CASE(
    "those who do not answer, or never offer, make room for who is less near, and are no nearer for coming again") {
  for (bool lower : {false, true}) {
    CAPTURE(lower);
    Ways w(without_rtc());
    const auto [ids, bob] = w.near_and_far(lower);
    wire::Introduce coming, going;
    for (const DeviceId& id : ids) coming.present.push_back({id, false}), going.gone.push_back(id);
    w.eve.say(coming, 1);
    w.tell(w.hub, bob.id(), false);
    for (int n = 0; n < 25; ++n) {
      w.pass(6);
      w.eve.say(going, 1);
      w.eve.say(coming, 1);
    }
    CHECK(Ways::relays_to(w.hub, bob.id()) == true);
  }
}

TEST_CASE("of contacts that were never met one introducer has half of the near places while another's wait") {
  for (bool lower : {false, true}) {
    CAPTURE(lower);
    Ways w(without_rtc());
    const auto [ids, bob] = w.near_and_far(lower);
    wire::Introduce coming;
    for (const DeviceId& id : ids) coming.present.push_back({id, false});
    w.eve.say(coming, 1);
    w.tell(w.hub, bob.id(), false);
    CHECK(Ways::relays_to(w.hub, bob.id()));
  }
}

TEST_CASE("who goes by another's word is less near for it only if it was tried and did not answer") {
  const DeviceId id = made_up(1, false);
  Contacts contacts;
  contacts.erase(contacts.add(id, {}).first);
  auto again = contacts.add(id, {}).first;
  CHECK_FALSE(again->second.silent);
  again->second.unanswered = 1;
  contacts.erase(again);
  CHECK(contacts.add(id, {}).first->second.silent);
}

TEST_CASE("a peer that was tried in vain is tried through the next who says that it is linked to it") {
  for (bool rtc : {false, true}) {
    CAPTURE(rtc);
    Ways w(rtc ? Config{} : without_rtc());
    const identity::Identity bob = somebody(w.ada, false);
    w.tell(w.eve, bob.id(), rtc);
    w.tell(w.hub, bob.id(), rtc);
    if (rtc) {
      w.describe();
      CHECK(w.eve.all<wire::Signal>().size() == 1);
    } else {
      CHECK(Ways::relays_to(w.eve, bob.id()));
    }
    CHECK_FALSE(Ways::relays_to(w.hub, bob.id()));
    w.pass(21);
    CHECK(Ways::relays_to(w.hub, bob.id()));
  }
}

TEST_CASE("that somebody is out of reach is heard of who was to pass the offer on, and of nobody else") {
  Ways w;
  const identity::Identity bob = somebody(w.ada, false);
  w.tell(w.eve, bob.id(), true);
  w.tell(w.hub, bob.id(), true);
  w.describe();
  w.hub.heard.clear();
  w.hub.say(wire::Unreachable{bob.id()});
  w.hub.say(wire::Introduce{{}, {bob.id()}}, 1);
  w.tell(w.hub, bob.id(), true);
  w.pass(1);
  CHECK(w.ada.rtc_opens.size() == 1);
  CHECK_FALSE(Ways::relays_to(w.hub, bob.id()));
  w.eve.say(wire::Unreachable{bob.id()});
  w.hub.listen();
  CHECK(Ways::relays_to(w.hub, bob.id()));
}

TEST_CASE("that a peer makes no DataChannels is its own to say") {
  Ways w;
  const identity::Identity bob = somebody(w.ada, false);
  w.tell(w.eve, bob.id(), true);
  REQUIRE(w.ada.rtc_opens.size() == 1);
  w.tell(w.hub, bob.id(), false);
  w.pass(30);
  CHECK(w.ada.rtc_opens.size() > 1);
}

TEST_CASE("against what a peer says of its own DataChannels nobody's word counts") {
  Ways w;
  int n = 0;
  while (identity::Identity("solo", named_seed("bob " + std::to_string(n))).id() < w.ada.id()) ++n;
  Stranger bob(w.ada, "bob " + std::to_string(n), {.greeting = {.rtc = false, .epoch = {1}}});
  bob.enter(secret);
  w.tell(w.eve, bob.identity.id(), true);
  w.pass(30);
  CHECK(w.ada.rtc_opens.empty());
}

TEST_CASE(
    "what one device relays uses up its own sessions, however often it goes, and another on that link begins one") {
  Scene s;
  Stranger hub(s.ada, "hub");
  hub.enter(secret);
  const identity::Identity bob = somebody(s.ada, true);
  const DeviceId eve = DeviceId::from(Bytes(32, 0));
  hub.say(wire::Introduce{{{eve, false}, {bob.id(), false}}, {}}, 1);
  for (int n = 0; n < 2'000; ++n) {
    hub.say(wire::Relay{eve, true, Bytes(32, 9)});
    if (n % 4 != 3) continue;
    hub.say(wire::Introduce{{}, {eve}}, 1);
    hub.say(wire::Introduce{{{eve, false}}, {}}, 1);
  }
  hub.heard.clear();
  crypto::Random random(named_seed("relayed"));
  auto key = session::make_static_key(bob, random);
  session::Session session(
      bob, key, random,
      session::Session::Options{true, LinkKind::relayed, {}, wire::encode_body(wire::Greeting{.epoch = {1}})});
  for (Bytes& b : session.start()) hub.say(wire::Relay{bob.id(), true, std::move(b)});
  CHECK(Ways::relays_to(hub, bob.id()));
}

TEST_CASE("however often a device offers, goes and comes, so many connections are opened for it") {
  Offering o;
  for (int n = 0; n < 100; ++n) {
    o.offer();
    if (n % 2 == 0) continue;
    o.hub.say(wire::Introduce{{}, {o.bob.id()}}, 1);
    o.hub.say(wire::Introduce{{{o.bob.id(), true}}, {}}, 1);
    if (n % 10 == 9) o.pass(1);
  }
  CHECK(o.opened() >= 1);
  CHECK(o.opened() <= wire::offers.burst + 2);
  o.pass(30);
  const std::size_t before = o.opened();
  o.offer();
  CHECK(o.opened() == before + 1);
}

TEST_CASE("who offers under ever new names leaves room for the offers that come through another") {
  Offering o;
  Stranger eve(o.s.ada, "eve");
  eve.enter(secret);
  for (int n = 0, names = 0; names < 15; ++n) {
    const identity::Identity name("solo", named_seed("name " + std::to_string(n)));
    if (o.s.ada.id() < name.id()) continue;
    ++names;
    eve.say(wire::Introduce{{{name.id(), true}}, {}}, 1);
    for (u8 offers = 0; offers < 4; ++offers)
      eve.say(*peers::seal_signal(name, o.s.ada.id(), *eve.keys, {{++o.nonce}, SignalKind::offer, description("CD")},
                                  o.random));
    eve.say(wire::Introduce{{}, {name.id()}}, 1);
  }
  const std::size_t before = o.opened();
  CHECK(before >= 8);
  o.offer();
  CHECK(o.opened() == before + 1);
}

TEST_CASE("while a DataChannel to a device stands its offers open nothing, unless it has fallen silent") {
  Offering o;
  o.offer();
  REQUIRE(o.opened() == 1);
  const u32 attempt = o.s.ada.rtc_opens.back().attempt;
  o.s.ada.turn({RtcSignal{attempt, SignalKind::answer, description("AB")}});
  std::array<u8, 32> ab, cd;
  ab.fill(0xab);
  cd.fill(0xcd);
  auto key = session::make_static_key(o.bob, o.random);
  session::Session bob(o.bob, key, o.random,
                       session::Session::Options{true, LinkKind::datachannel, peers::binding_of(ab, cd),
                                                 wire::encode_body(wire::Greeting{.epoch = {1}})});
  const LinkId channel{70'000};
  o.s.ada.turn({LinkOpened{channel, LinkKind::datachannel, false, {}, attempt, {}}});
  for (Bytes& b : bob.start()) o.s.ada.turn({LinkReceived{channel, b}});
  for (const Bytes& b : std::exchange(o.s.ada.sent[channel.value], {}))
    for (Bytes& answer : bob.on_bytes(b).to_send) o.s.ada.turn({LinkReceived{channel, answer}});
  REQUIRE(bob.established());
  o.offer();
  CHECK(o.opened() == 1);
  o.pass(7);
  o.offer();
  CHECK(o.opened() == 2);
}
