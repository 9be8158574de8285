// Whom we take for an anchor: it is told the ids of our topics, and speaks for others.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const wire::Greeting says_so{.role = 1, .epoch = {1}};

bool told(const Stranger& who) { return who.last<wire::Enter>().has_value(); }

}  // namespace

TEST_CASE("who only says that it is an anchor is told no topic, and is a peer like any other") {
  Scene s;
  for (LinkKind kind : {LinkKind::local, LinkKind::websocket}) {
    Stranger eve(s.ada, "eve", {.kind = kind, .greeting = says_so});
    CHECK_FALSE(told(eve));
    CHECK(eve.last<wire::Topics>().has_value());
    CHECK(std::ranges::none_of(s.ada.peers, [](const PeerOut& peer) { return peer.anchor; }));
    eve.enter(secret);
    CHECK(eve.last<wire::Hello>().has_value());
    CHECK(eve.linked());
    eve.close();
  }
  CHECK(s.intact());
}

TEST_CASE("where the host or the app said that there is an anchor, topics are entered") {
  Solo ada("ada", client_config({"ws://a"}));
  (void)ada.join(secret);
  Stranger anchor(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  CHECK(told(anchor));
  Stranger local(ada, "local", {.kind = LinkKind::local, .url = "here", .anchor = true});
  CHECK(told(local));
}

TEST_CASE("an anchor that is removed while it is being dialled is not linked, and one that is added again is") {
  Solo ada("ada", client_config({"ws://ab"}));
  (void)ada.join(secret);
  REQUIRE(ada.dials.size() == 1);
  (void)ada.ask<Nothing>(AnchorRemove{"ws://ab"});
  ada.turn({LinkOpened{{9'001}, LinkKind::websocket, true, "ws://ab", 0, {}}});
  CHECK(ada.closed.contains(9'001));
  CHECK(ada.sent[9'001].empty());
  (void)ada.ask<Nothing>(AnchorAdd{"ws://ab"});
  CHECK(ada.dials.size() == 2);
  Stranger anchor(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://ab", .anchor = true});
  CHECK(told(anchor));
  CHECK(anchor.linked());
}
