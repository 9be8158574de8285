// What a peer can do with introductions, signals and relays: open nothing that is not ours, and cost us no more than is bounded.
#include <algorithm>
#include <deque>

#include "catch_amalgamated.hpp"
#include "unit/support/group.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

DeviceId made_up(u32 n) {
  DeviceId id = DeviceId::from(Bytes(32, 0xee));
  id.bytes[0] = 0xff;  // so that our core is the lower one, and begins
  id.bytes[1] = static_cast<u8>(n >> 8);
  id.bytes[2] = static_cast<u8>(n);
  return id;
}

std::size_t online(const Solo& solo) {
  auto& members = solo.member_notices.back().members;
  return static_cast<std::size_t>(std::ranges::count_if(members, [](const MemberOut& m) { return m.online; }));
}

}  // namespace

TEST_CASE("introductions of anybody, many times, are bounded and cost our app nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  for (u32 n = 0; n < 40; ++n) {
    wire::Introduce message;
    for (u32 i = 0; i < 128; ++i) {
      DeviceId id = DeviceId::from(Bytes(32, 1));
      id.bytes[0] = static_cast<u8>(n);
      id.bytes[1] = static_cast<u8>(i);
      message.present.push_back({id, false});
      id.bytes[2] = 7;
      message.gone.push_back(id);
    }
    eve.say(message, 1);
  }
  eve.say(wire::Introduce{{{s.ada.id(), true}}, {s.ada.id()}}, 1);
  CHECK(eve.linked());
  eve.pass(3'000);
  CHECK(s.intact());
}

TEST_CASE("a relayed frame from nobody we know, to nobody we know, or within a relayed one opens nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  DeviceId nobody = DeviceId::from(Bytes(32, 1));
  eve.say(wire::Relay{nobody, false, Bytes(100, 1)});
  REQUIRE(eve.all<wire::Unreachable>().size() == 1);
  eve.say(wire::Relay{nobody, true, Bytes(32, 1)});
  eve.say(wire::Signal{nobody, s.ada.id(), Bytes(200, 1)});
  eve.say(wire::Signal{nobody, nobody, Bytes(200, 1)});
  eve.say(wire::Unreachable{nobody});
  CHECK(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("signals are forwarded for their sender only, and no more than a few at once") {
  Scene s;
  Stranger eve(s.ada, "eve"), bob(s.ada, "bob");
  bob.heard.clear();
  for (int i = 0; i < 100; ++i) eve.say(wire::Signal{eve.identity.id(), bob.identity.id(), Bytes(200, 1)});
  eve.say(wire::Signal{bob.identity.id(), bob.identity.id(), Bytes(200, 1)});
  bob.listen();
  CHECK(bob.all<wire::Signal>().size() == 20);
  CHECK(eve.linked());
}

TEST_CASE(
    "a peer introduces no more devices than may all come back at once; who is gone is gone, and others introduce on") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  u32 told = 0;
  for (u32 round = 0; round < 20; ++round) {  // ever new ones, of whom the last go as they come
    wire::Introduce coming, going;
    for (u32 i = 0; i < 128; ++i)
      coming.present.push_back({made_up(told), false}), going.gone.push_back(made_up(told)), ++told;
    eve.say(coming, 1);
    if (round < 19) eve.say(going, 1);
  }
  CHECK(told == 2'560);
  s.ada.pass(200);
  CHECK(online(s.ada) == 2);  // of the last round nobody was heard
  CHECK(eve.linked());
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  bob.say(wire::Introduce{{{made_up(1), false}}, {}}, 1);
  s.ada.pass(200);
  CHECK(online(s.ada) == 4);
  for (int i = 0; i < 12; ++i) {  // a minute later eve is heard again
    eve.pass(5'000);
    for (Stranger* other : {&eve, &bob}) other->say(wire::Ping{1, s.ada.wall_ms});
  }
  eve.say(wire::Introduce{{{made_up(2), false}}, {}}, 1);
  s.ada.pass(200);
  CHECK(online(s.ada) == 5);
  CHECK(s.intact());
}

TEST_CASE("an offer that went to somebody who has gone is not waited for: who comes back is dialled at once") {
  Scene s;
  Stranger hub(s.ada, "hub");
  hub.enter(secret);
  const wire::Introduce came{{{made_up(1), true}}, {}}, went{{}, {made_up(1)}};
  auto attempts_to_it = [&] {
    return std::ranges::count_if(s.ada.rtc_opens, [](const RtcOpen& open) { return open.initiator; });
  };
  hub.say(came, 1);
  s.ada.pass(100);
  REQUIRE(attempts_to_it() == 1);
  hub.say(went, 1);
  hub.say(came, 1);
  s.ada.pass(100);
  CHECK(attempts_to_it() == 2);
  hub.close();
  Stranger other(s.ada, "other");
  other.enter(secret);
  other.say(came, 1);
  s.ada.pass(100);
  CHECK(attempts_to_it() == 3);
}

TEST_CASE("who introduces the same device again and again, or says goodbye for strangers, makes us say nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.say(wire::Introduce{{{made_up(1), false}}, {}}, 1);
  s.ada.pass(1'000);
  std::size_t notices = s.ada.member_notices.size();
  eve.heard.clear();
  for (u32 i = 0; i < 500; ++i) eve.say(wire::Introduce{{{made_up(1), false}}, {made_up(1'000 + i)}}, 1);
  s.ada.pass(1'000);
  CHECK(s.ada.member_notices.size() == notices);
  CHECK(eve.heard.size() <= 2);  // a sign of life
  CHECK(eve.linked());
}

TEST_CASE("however many devices come and go, so many connections are tried at once and no more") {
  Config config;
  Solo ada("ada", config);
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "one");
  Stranger eve(ada, "eve");
  eve.enter(secret);
  for (u32 n = 0; n < 500; ++n) {
    eve.say(wire::Introduce{{{made_up(n), true}}, {}}, 1);
    eve.say(wire::Introduce{{}, {made_up(n)}}, 1);
  }
  CHECK(ada.rtc_opens.size() == 32 + 8);  // eight of those that went are given up for others
  CHECK(eve.linked());
}

TEST_CASE("who comes first is introduced at once, those who come right after that together") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  std::deque<Stranger> others;
  for (u32 n = 0; n < 6; ++n) others.emplace_back(s.ada, "other " + std::to_string(n)).enter(secret);
  eve.listen();
  CHECK(eve.all<wire::Introduce>().size() == 1);
  eve.pass(200);
  auto told = eve.all<wire::Introduce>();
  REQUIRE(told.size() == 2);
  CHECK(told[0].present.size() == 1);
  CHECK(told[1].present.size() == 5);
  // The newcomers hear of each other, too.
  others.back().listen();
  CHECK(others.back().last<wire::Introduce>()->present.size() == 6);
}

TEST_CASE("who goes and comes back within a moment, again and again, is there in the end for those who heard of it") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  DeviceId bob;
  std::deque<Stranger> lives;
  for (u32 n = 0; n < 4; ++n) {
    if (n > 0) lives.back().close();
    lives.emplace_back(s.ada, "bob").enter(secret);
    bob = lives.back().identity.id();
  }
  eve.pass(1'000);
  bool there = false;
  for (const auto& told : eve.all<wire::Introduce>()) {  // as who hears it takes it: first who came, then who went
    there |= std::ranges::any_of(told.present, [&](const auto& other) { return other.device == bob; });
    there &= !std::ranges::count(told.gone, bob);
  }
  CHECK(there);
  lives.back().close();
  eve.pass(1'000);
  CHECK(eve.last<wire::Introduce>()->gone == std::vector{bob});
}

TEST_CASE("however often somebody goes and comes back within a moment, others are told of it twice") {
  Scene s;
  Stranger eve(s.ada, "eve"), bob(s.ada, "bob");
  eve.enter(secret);
  bob.enter(secret);
  eve.pass(1'000);
  eve.heard.clear();
  for (u32 n = 0; n < 100; ++n) {
    bob.say(wire::Closed{}, 1 + n);
    bob.say(
        wire::Topics{{peers::topic_mac({*bob.keys, bob.session->handshake_hash(), bob.identity.id(), s.ada.id()})}});
  }
  eve.pass(200);
  const auto told = eve.all<wire::Introduce>();
  CHECK(told.size() <= 4);
  CHECK(told.back().present.size() == 1);
  CHECK(told.back().gone.empty());
}

TEST_CASE("who is linked to as many as it wants asks nobody to relay to others") {
  for (std::size_t links : {2u, 3u}) {
    Config config;
    config.links_max = 3;
    config.rtc = false;
    Solo ada("ada", config);
    (void)ada.join(secret);
    std::deque<Stranger> others;
    for (std::size_t n = 0; n < links; ++n) others.emplace_back(ada, "other " + std::to_string(n)).enter(secret);
    wire::Introduce message;
    for (u32 n = 0; n < 50; ++n) message.present.push_back({made_up(n), false});
    others.front().say(message, 1);
    CHECK(others.front().all<wire::Relay>().empty() == (links == 3));
  }
}

TEST_CASE("an app that allows fewer direct links gets fewer") {
  for (u32 most : {1u, 3u, 64u}) {
    Config config;
    config.links_max = most;
    Solo ada("ada", config);
    (void)ada.join(secret);
    Stranger eve(ada, "eve");
    eve.enter(secret);
    wire::Introduce message;
    for (u32 n = 0; n < 50; ++n) message.present.push_back({made_up(n), true});
    eve.say(message, 1);
    CHECK(ada.rtc_opens.size() <= std::min(most, 8u));
    CHECK(ada.rtc_opens.size() + 1 >= std::min(most, 8u));  // eve is one of them
  }
}

TEST_CASE("who shares two topics with us and closes one is dialled on for the other, and may begin itself") {
  const Secret other = named_secret("another topic");
  Config config;
  config.rtc = false;
  Solo ada("ada", config);
  (void)ada.join(secret);
  (void)ada.join(other);
  Stranger hub(ada, "hub");
  hub.enter(secret);  // alias 1
  const auto keys = identity::topic_keys(other);
  // alias 2
  hub.say(wire::Topics{{peers::topic_mac({keys, hub.session->handshake_hash(), hub.identity.id(), ada.id()})}});
  std::optional<identity::Identity> lower;  // than ours: it begins
  for (int n = 0; !lower || !(lower->id() < ada.id()); ++n)
    lower.emplace("solo", named_seed("bob " + std::to_string(n)));
  const wire::Introduce came{{{made_up(1), false}, {lower->id(), false}}, {}}, went{{}, {made_up(1), lower->id()}};
  auto begins = [&] {
    crypto::Random random(named_seed("relayed"));
    auto key = session::make_static_key(*lower, random);
    session::Session session(
        *lower, key, random,
        session::Session::Options{true, LinkKind::relayed, {}, wire::encode_body(wire::Greeting{.epoch = {1}})});
    hub.heard.clear();
    for (Bytes& b : session.start()) hub.say(wire::Relay{lower->id(), true, std::move(b)});
    return std::ranges::any_of(hub.all<wire::Relay>(),
                               [&](const wire::Relay& answer) { return answer.other == lower->id(); });
  };
  auto dialled = [&] {  // within as long as an attempt may take
    hub.heard.clear();
    for (int i = 0; i < 12; ++i) hub.pass(1'000), hub.say(wire::Ping{1, ada.wall_ms});
    return std::ranges::any_of(hub.all<wire::Relay>(),
                               [&](const wire::Relay& attempt) { return attempt.other == made_up(1); });
  };
  hub.say(came, 1);
  hub.say(came, 2);
  CHECK(dialled());
  hub.say(went, 1);
  CHECK(dialled());
  CHECK(begins());
  hub.say(went, 2);  // nothing is shared any more
  CHECK_FALSE(dialled());
  CHECK_FALSE(begins());
  hub.say(came, 2);
  CHECK(dialled());
  hub.say(wire::Closed{}, 2);  // who told of it follows the topic no more
  CHECK_FALSE(dialled());
}

TEST_CASE("a relayed link between two who share two topics outlives the end of one of them") {
  Group group;
  const Secret other = named_secret("another topic");
  std::map<sim::HostId, u32> second;
  auto open_second = [&](sim::HostId host) {
    identity::Invite invite;
    std::copy_n(identity::network_id("sim").bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = other;
    second[host] = group.ask<OpenedTopic>(host, TopicJoin{identity::encode_invite(invite), {}}).topic;
  };
  sim::HostId ada = group.add(), hub = group.add(), bob = group.add();
  for (sim::HostId host : {ada, hub, bob}) open_second(host);
  group.meet(ada, hub);
  group.meet(bob, hub);
  REQUIRE(group.world.status(ada).relayed == 1);
  (void)group.ask<Nothing>(bob, TopicClose{group.topic[bob]});
  group.world.run_for(500);
  CHECK(group.world.status(ada).relayed == 1);
  CHECK(group.world.topics(ada)[second[ada]].peers == 2);
  group.part(ada, hub);  // and it is found again
  group.meet(ada, hub);
  CHECK(group.world.status(ada).relayed == 1);
}

TEST_CASE(
    "whom one peer makes up leaves room among our contacts for those of another, of an anchor, and for who is linked") {
  Config config;
  config.rtc = false;
  config.anchors = {"ws://a"};
  Solo ada("ada", config);
  (void)ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  auto known = [&](const DeviceId& id) { return std::ranges::count(ada.peers, id, &PeerOut::id) == 1; };
  auto others = [&] {
    return std::ranges::count_if(ada.peers, [](const PeerOut& p) { return p.state == PeerState::away; });
  };
  for (u32 n = 0; n < 512;) {
    wire::Introduce message;
    for (; message.present.size() < 128; ++n) message.present.push_back({made_up(n), false});
    eve.say(message, 1);
  }
  ada.pass(300);
  CHECK(others() == 511);  // with eve herself they are as many as have a place
  Stranger bob(ada, "bob"), anchor(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  bob.enter(secret);
  bob.say(wire::Introduce{{{made_up(1'000), false}, {made_up(1'001), false}}, {}}, 1);
  anchor.keys = identity::topic_keys(secret);
  anchor.say(wire::Introduce{{{made_up(2'000), false}}, {}}, 1);
  ada.pass(300);
  CHECK(known(bob.identity.id()));
  CHECK(known(made_up(1'000)));
  CHECK(known(made_up(1'001)));
  CHECK(known(made_up(2'000)));
  CHECK(others() == 510);
  // Those for whom there was no room have one once the others are gone.
  wire::Introduce gone;
  for (u32 n = 0; n < 512; ++n) {
    if (n == 3) continue;
    gone.gone.push_back(made_up(n));
    if (gone.gone.size() == 128) eve.say(std::exchange(gone, {}), 1);
  }
  eve.say(gone, 1);
  ada.pass(300);
  CHECK(others() == 4);
  CHECK(known(made_up(3)));
}

TEST_CASE("while one peer introduces ever new devices, those of another are dialled") {
  Scene s;
  Stranger eve(s.ada, "eve"), bob(s.ada, "bob");
  eve.enter(secret);
  bob.enter(secret);
  for (u32 n = 0; n < 500; ++n) {
    eve.say(wire::Introduce{{{made_up(n), true}}, {}}, 1);
    eve.say(wire::Introduce{{}, {made_up(n)}}, 1);
  }
  std::size_t before = s.ada.rtc_opens.size();
  bob.say(wire::Introduce{{{made_up(1'000), true}}, {}}, 1);
  CHECK(s.ada.rtc_opens.size() == before + 1);
}

TEST_CASE("an anchor remembers nobody of whom members say that they are linked to them") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket}), bob(anchor, "bob", {.kind = LinkKind::websocket});
  eve.enter(secret);
  bob.enter(secret);
  eve.say(wire::Introduce{{{bob.identity.id(), true}}, {}}, 1);
  bob.say(wire::Presence{bob.identity.id(), 1, 1, Bytes(100, 1)}, 1);
  bob.close();
  Stranger carol(anchor, "carol", {.kind = LinkKind::websocket});
  carol.enter(secret);
  CHECK(carol.all<wire::Presence>().empty());  // who has gone is not there by eve's word
}
