// Two who meet have what the other lacks after one round trip: topics are shown, and greeted in, as soon as the session stands.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("who dials says hello right behind the handshake") {
  Scene s({"one"});
  Stranger bob(s.ada, "bob", {.url = "local"});  // she dials
  REQUIRE(bob.all<wire::Topics>().size() == 1);
  bob.enter(secret, false);
  REQUIRE(bob.all<wire::Hello>().size() == 1);
  CHECK(bob.last<wire::Hello>()->items.size() == 1);
}

TEST_CASE("who is shown a topic with a hello answers both with all that the other lacks, and says nothing twice") {
  Scene s({"one"});
  Stranger bob(s.ada, "bob");
  const wire::Hello nothing{{9}, 0, {}, {}, 1};
  identity::TopicKeys keys = identity::topic_keys(secret);
  peers::TopicProof showing{keys, bob.session->handshake_hash(), bob.identity.id(), s.ada.id()};
  crypto::Random random(named_seed("padding"));
  wire::Topics topics{{peers::topic_mac(showing)}};
  REQUIRE(peers::pad(showing, 1, nothing, random, topics.macs));
  bob.say(topics);
  bob.enter(secret, false);  // only to read what she has said
  CHECK(bob.all<wire::Hello>().size() == 1);
  CHECK(bob.all<wire::Page>().size() == 1);
  CHECK(bob.all<wire::Done>().size() == 1);
}

TEST_CASE("what is appended between a hello and its hearing is not missed") {
  Scene s({"one"});
  Stranger bob(s.ada, "bob");  // has been said hello to, and has not shown that he knows the topic
  (void)s.ada.append(s.topic, "two");
  bob.enter(secret);
  auto hellos = bob.all<wire::Hello>();
  REQUIRE(hellos.size() == 2);
  CHECK(hellos[0].fingerprint != hellos[1].fingerprint);
  auto pages = bob.all<wire::Page>();
  CHECK(std::ranges::any_of(pages, [](const wire::Page& page) { return page.from + page.batches.size() == 2; }));
}

TEST_CASE("a topic that only the other has open is greeted in once we open it, with the hello that came before") {
  Solo ada("ada");
  Stranger bob(ada, "bob");
  identity::TopicKeys keys = identity::topic_keys(secret);
  peers::TopicProof showing{keys, bob.session->handshake_hash(), bob.identity.id(), ada.id()};
  crypto::Random random(named_seed("padding"));
  wire::Topics topics{{peers::topic_mac(showing)}};
  REQUIRE(peers::pad(showing, 1, wire::Hello{{9}, 0, {}, {}, 1}, random, topics.macs));
  bob.say(topics);
  CHECK(bob.all<wire::Topics>().empty());
  u32 topic = ada.join(secret);
  bob.listen();
  CHECK(bob.all<wire::Done>().size() == 1);
  CHECK(ada.topics[topic].peers == 1);
}

TEST_CASE("a peer that has put a backup back is shown once how far it was") {
  Scene s({"one"});
  {
    Stranger bob(s.ada, "bob");
    bob.enter(secret, false);
    bob.say(wire::Hello{{9}, 0, {}, {}, 1}, 1);
    bob.say(wire::Done{{bob.epoch, 5, {5}}}, 1);
    bob.close();
  }
  Stranger bob(s.ada, "bob");
  bob.enter(secret, false);
  bob.heard.clear();
  bob.say(wire::Hello{{9}, 0, {}, {}, 1}, 1);
  for (int i = 0; i < 3; ++i) bob.say(wire::Done{{bob.epoch, 3, {3}}}, 1);
  auto hellos = bob.all<wire::Hello>();
  REQUIRE(hellos.size() == 1);
  REQUIRE(hellos[0].cursor);
  CHECK(hellos[0].cursor->number == 5);
  CHECK(bob.linked());
}
