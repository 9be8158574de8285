#include "catch_amalgamated.hpp"
#include "identity/invite.hpp"
#include "support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Stranger::Options at_a{.kind = LinkKind::websocket, .url = "ws://a", .anchor = true};

Config with_anchor() {
  Config config;
  config.anchors = {"ws://a"};
  return config;
}

}  // namespace

TEST_CASE("an anchor's refusal stands among the troubles until that anchor serves again") {
  Solo ada("ada", with_anchor());
  {
    Stranger anchor(ada, "anchor", at_a);
    anchor.say(wire::Refused{static_cast<u8>(wire::Refusal::total_quota)});
    REQUIRE(ada.status.trouble.size() == 1);
    CHECK(ada.status.trouble[0].code == Code::not_allowed);
    CHECK(ada.status.trouble[0].text.starts_with("ws://a: "));
    anchor.close();
    CHECK(ada.status.trouble.size() == 1);
  }
  Stranger again(ada, "anchor", at_a);
  CHECK(ada.status.trouble.empty());
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
}

TEST_CASE("an anchor that is removed takes its trouble along") {
  Solo ada("ada", with_anchor());
  Stranger anchor(ada, "anchor", at_a);
  anchor.say(wire::Refused{200});  // a reason of a later version
  REQUIRE(ada.status.trouble.size() == 1);
  CHECK(ada.status.trouble[0].text.size() > std::string_view("ws://a: ").size());
  (void)ada.ask<Nothing>(AnchorRemove{"ws://a"});
  CHECK(ada.status.trouble.empty());
}

TEST_CASE("an anchor that lets nobody in says so in its greeting, and never counts as connected") {
  Solo ada("ada", with_anchor());
  Stranger::Options refusing = at_a;
  refusing.greeting.refusal = static_cast<u8>(wire::Refusal::not_served);
  Stranger anchor(ada, "anchor", refusing);
  CHECK_FALSE(anchor.linked());
  CHECK(anchor.heard.empty());
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  CHECK_FALSE(ada.anchors.at(0).id.has_value());  // nobody was met
  CHECK(ada.status.state != 1);
  REQUIRE(ada.status.trouble.size() == 1);
  ada.pass(60'000);
  Stranger again(ada, "anchor", at_a);
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
  CHECK(ada.status.trouble.empty());
}

TEST_CASE("an anchor that greets and then refuses is dialled less and less often, until it has answered a ping") {
  Solo ada("ada", with_anchor());
  for (int n = 0; n < 8; ++n) {
    Stranger anchor(ada, "anchor", at_a);
    anchor.say(wire::Refused{static_cast<u8>(wire::Refusal::too_many_links)});
    anchor.close();
  }
  ada.dials.clear();
  ada.pass(14'000);
  CHECK(ada.dials.empty());
  ada.pass(17'000);
  CHECK(ada.dials.size() == 1);
  Stranger anchor(ada, "anchor", at_a);
  anchor.say(wire::Pong{anchor.last<wire::Ping>()->id, ada.wall_ms});
  anchor.close();
  ada.pass(1'100);
  CHECK(ada.dials.size() == 2);
}

TEST_CASE("an anchor tells in its greeting whom it does not serve, and for whom it has no room") {
  Config config = anchor_config();
  config.apps = {"solo"};
  config.links_max = 1;
  Solo anchor("anchor", config);
  auto refusal = [](const Stranger& who) { return static_cast<wire::Refusal>(who.greeting().value().refusal); };
  Stranger other(anchor, "eve", {.kind = LinkKind::websocket, .app = "another app"});
  CHECK(refusal(other) == wire::Refusal::not_served);
  CHECK_FALSE(other.linked());
  Stranger ada(anchor, "ada", {.kind = LinkKind::websocket});
  CHECK(ada.greeting().value().refusal == 0);
  CHECK(ada.linked());
  Stranger bob(anchor, "bob", {.kind = LinkKind::websocket});
  CHECK(refusal(bob) == wire::Refusal::too_many_links);
  CHECK_FALSE(bob.linked());
  CHECK(ada.linked());
}

TEST_CASE(
    "an anchor that refuses a topic is named with that topic, and stands in the invites of all that it does serve") {
  for (auto why : {wire::Refusal::topic_quota, wire::Refusal::not_served}) {
    Solo ada("ada", with_anchor());
    const u32 lunch = ada.ask<OpenedTopic>(TopicNamed{"lunch"}).topic, other = ada.join(named_secret("other"));
    Stranger anchor(ada, "anchor", at_a);
    anchor.say(wire::Refused{static_cast<u8>(why)}, 1);
    REQUIRE(ada.anchors.at(0).state == AnchorState::refused);
    CHECK(ada.anchors.at(0).reason.ends_with(" (\"lunch\")"));
    const auto has_anchor = [&](u32 topic) {
      const auto invite = identity::decode_invite(ada.ask<Text>(TopicInvite{topic}).text);
      return invite && !invite->anchors.empty();
    };
    CHECK(has_anchor(other));
    CHECK(has_anchor(lunch) == (why == wire::Refusal::topic_quota));
    anchor.close();
    CHECK(ada.anchors.at(0).state == AnchorState::connecting);
    CHECK(ada.status.trouble.empty());
  }
}
