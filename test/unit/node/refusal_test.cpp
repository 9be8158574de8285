#include "catch_amalgamated.hpp"
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
  anchor.say(wire::Refused{200});                             // a reason of a later version
  REQUIRE(ada.status.trouble.size() == 1);
  CHECK(ada.status.trouble[0].text.size() > std::string_view("ws://a: ").size());
  (void)ada.ask<Nothing>(AnchorRemove{"ws://a"});
  CHECK(ada.status.trouble.empty());
}
