#include "peers/proof.hpp"

#include "catch_amalgamated.hpp"
#include "fuzz/samples.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::peers;
using namespace perdure::test;

namespace {

struct Two {
  identity::TopicKeys topic = identity::topic_keys(named_secret("topic")),
                      other = identity::topic_keys(named_secret("another"));
  DeviceId ada = identity::Identity("app", named_seed("ada")).id(),
           bob = identity::Identity("app", named_seed("bob")).id();
  Hash session = Hash::from(Bytes(32, 1)), later = Hash::from(Bytes(32, 2));
  crypto::Random random{named_seed("random")};

  TopicProof showing() const { return {topic, session, ada, bob}; }
  std::optional<ShownTopic> shown(const std::optional<wire::Hello>& hello, u32 alias = 1) {
    std::vector<wire::Mac> macs;
    bool fits = pad(showing(), alias, hello, random, macs);
    CHECK(macs.size() == shown_macs - 1);
    if (!fits) CHECK_FALSE(hello_in(showing(), {alias, macs}));
    return fits ? std::optional(ShownTopic{alias, macs}) : std::nullopt;
  }
};

wire::Hello hello_with(std::size_t items) {
  wire::Hello hello{fuzz::filled<wire::Fingerprint>(1), items, {}, {}, 1};
  for (std::size_t i = 0; i < items; ++i) hello.items.push_back(fuzz::sample_item(i + 1));
  return hello;
}

}  // namespace

TEST_CASE(
    "the hello behind a topic's MAC is read by who knows the topic, on that session, from that peer and under that alias") {
  Two t;
  const wire::Hello hello = hello_with(4);
  auto shown = t.shown(hello);
  REQUIRE(shown);
  auto read = hello_in(t.showing(), *shown);
  REQUIRE(read);
  CHECK(wire::encode_body(*read) == wire::encode_body(hello));
  CHECK_FALSE(hello_in({t.other, t.session, t.ada, t.bob}, *shown));
  CHECK_FALSE(hello_in({t.topic, t.later, t.ada, t.bob}, *shown));
  CHECK_FALSE(hello_in({t.topic, t.session, t.bob, t.ada}, *shown));
  CHECK_FALSE(hello_in(t.showing(), {shown->alias + 1, shown->padding}));
  shown->padding.pop_back();
  CHECK_FALSE(hello_in(t.showing(), *shown));
}

TEST_CASE("padding has one size and repeats nothing, whether a hello is in it, none, or one that does not fit") {
  Two t;
  CHECK(t.shown(hello_with(0)));
  CHECK_FALSE(t.shown(std::nullopt));
  CHECK_FALSE(t.shown(hello_with(wire::hello_items_max)));
  CHECK(t.shown(hello_with(1), 1)->padding != t.shown(hello_with(1), 17)->padding);
}

TEST_CASE("a padding of which one bit is bent holds no hello") {
  Two t;
  auto shown = t.shown(hello_with(2));
  REQUIRE(shown);
  for (wire::Mac& mac : shown->padding)
    for (u8& byte : mac) {
      byte ^= 4;
      CHECK_FALSE(hello_in(t.showing(), *shown));
      byte ^= 4;
    }
}

TEST_CASE("what shows that a peer knows a topic is made once for each topic, however often it is asked for") {
  const identity::TopicKeys one = identity::topic_keys(Secret{}),
                            two = identity::topic_keys(Secret::from(Bytes(32, 2)));
  const Hash session{};
  const DeviceId from{}, to = DeviceId::from(Bytes(32, 3));
  const TopicProof first{one, session, from, to}, second{two, session, from, to};
  Expected expected;
  CHECK(expected.update({{1, first}}) == 1);
  CHECK(expected.update({{1, first}, {2, second}}) == 1);
  CHECK(expected.update({{1, first}, {2, second}}) == 0);
  CHECK(expected.find(topic_mac(first)) == 1u);
  CHECK(expected.find(topic_mac(second)) == 2u);
  CHECK(expected.update({{2, second}}) == 0);
  CHECK_FALSE(expected.find(topic_mac(first)));
  CHECK(expected.update({{1, first}, {2, second}}) == 1);
}
