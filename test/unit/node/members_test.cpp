// What the app is told of members.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("who wrote batches that came in is told a little later, once for all of them") {
  const Secret secret = named_secret("a topic");
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger bob(ada, "bob");
  bob.enter(secret);
  identity::Identity carol(ada.config().app, named_seed("carol"));
  Ledger ledger(carol, *bob.keys);
  ada.member_notices.clear();
  for (u64 n = 1; n <= 20; ++n) {
    ledger.say("hello");
    wire::Page page = ledger.page(n - 1, n);
    page.log = bob.tag(ledger.id());
    bob.say(page, 1);
  }
  CHECK(ada.messages(topic).size() == 20);
  CHECK(ada.member_notices.empty());
  ada.pass(1000);
  REQUIRE(ada.member_notices.size() == 1);
  const auto& members = ada.member_notices.front().members;
  auto found = std::ranges::find(members, carol.id(), &MemberOut::id);
  REQUIRE(found != members.end());
  CHECK(found->last_seen_ms == ledger.head(20).time.ms());
}

TEST_CASE("of a long list not every change is told by itself, but none is forgotten") {
  const Secret secret = named_secret("a topic");
  Solo ada("ada");
  (void)ada.join(secret);
  Stranger bob(ada, "bob");
  bob.enter(secret);
  auto introduce = [&](u8 n) {
    DeviceId device = DeviceId::from(Bytes(32, 1));
    device.bytes[0] = n;
    bob.say(wire::Introduce{{{device, false}}, {}}, 1);
  };
  ada.pass(1000);
  ada.member_notices.clear();
  for (u8 n = 0; n < 64; ++n) introduce(n);
  ada.pass(1000);
  CHECK(ada.member_notices.size() >= 60);
  ada.member_notices.clear();
  for (u8 n = 64; n < 128; ++n) introduce(n);
  ada.pass(1000);
  REQUIRE(ada.member_notices.size() == 1);
  CHECK(ada.member_notices.front().members.size() == 130);  // with ada and bob
}
