// What stands before the first frame: handshakes, messages bent on their way, greetings. In each: our app goes on.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("garbage in place of a handshake costs the link") {
  Scene s;
  for (std::size_t size : {0, 1, 31, 32, 33, 177, 5'000, 70'000}) {
    LinkId link{1'000 + static_cast<u32>(size)};
    s.ada.turn({LinkOpened{link, LinkKind::websocket, false, {}, 0, {}}});
    s.ada.turn({LinkReceived{link, Bytes(size, 0x55)}});
    // the first message may be any key; the next may not
    if (size == 32) s.ada.turn({LinkReceived{link, Bytes(145, 0x55)}});
    CHECK(s.ada.closed.contains(link.value));
  }
  CHECK(s.intact());
}

TEST_CASE("who says nothing has ten seconds to shake hands") {
  Scene s;
  s.ada.turn({LinkOpened{{7}, LinkKind::websocket, false, {}, 0, {}}});
  s.ada.pass(9'900);
  CHECK_FALSE(s.ada.closed.contains(7));
  s.ada.pass(200);
  CHECK(s.ada.closed.contains(7));
}

TEST_CASE("a handshake with our own key, or of another network, costs the link") {
  Scene s;
  // Who dials us learns it from our answer and says no more; the time for the handshake ends it here.
  Stranger mirror(s.ada, "ada"), foreign(s.ada, "eve", {.app = "another app"});
  CHECK_FALSE(mirror.session->established());
  CHECK_FALSE(foreign.session->established());
  s.ada.pass(10'100);
  CHECK_FALSE(mirror.linked());
  CHECK_FALSE(foreign.linked());
  // Whom we dialled we cut off at once.
  (void)s.ada.ask<Nothing>(AnchorAdd{"ws://anchor"});
  Stranger answers(s.ada, "ada", {.kind = LinkKind::websocket, .url = "ws://anchor", .anchor = true});
  CHECK_FALSE(answers.linked());
  CHECK(s.ada.anchors.at(0).state == AnchorState::unreachable);
  CHECK_FALSE(s.ada.anchors.at(0).reason.empty());
  Stranger elsewhere(s.ada, "anchor",
                     {.kind = LinkKind::websocket, .url = "ws://anchor", .anchor = true, .app = "another app"});
  CHECK_FALSE(elsewhere.linked());
  Stranger eve(s.ada, "eve");
  CHECK(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("an anchor's address at which another key answers than at first contact is refused, and says so") {
  Config config;
  config.anchors = {"ws://a"};
  Solo ada("ada", config);
  ada.pass(1);
  REQUIRE(ada.dials.size() == 1);
  Stranger first(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  CHECK(first.linked());
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
  CHECK(ada.anchors.at(0).id == first.identity.id());
  first.close();
  Stranger second(ada, "somebody else", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  CHECK_FALSE(second.linked());
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  CHECK_FALSE(ada.anchors.at(0).reason.empty());
}

TEST_CASE("a message bent, cut, repeated or out of order on its way costs the link") {
  for (int harm = 0; harm < 5; ++harm) {
    Scene s;
    Stranger eve(s.ada, "eve");
    std::vector<Bytes> first = eve.session->send(wire::encode({}, wire::Ping{1, 1'700'000'000'000}));
    std::vector<Bytes> second = eve.session->send(wire::encode({}, wire::Ping{2, 1'700'000'000'000}));
    switch (harm) {
      case 0:
        first[0].back() ^= 1;
        eve.deliver(first[0]);
        break;
      case 1:
        first[0].pop_back();
        eve.deliver(first[0]);
        break;
      case 2:
        eve.deliver(first[0]);
        CHECK(eve.linked());
        eve.deliver(first[0]);
        break;
      case 3: eve.deliver(second[0]); break;
      default: eve.deliver(Bytes(17'000, 1));
    }
    CHECK_FALSE(eve.linked());
    CHECK(s.intact());
    Stranger again(s.ada, "eve");  // and can come back
    CHECK(again.linked());
  }
}

TEST_CASE("frames from an earlier session say nothing on a later one") {
  Scene s;
  Stranger eve(s.ada, "eve");
  std::vector<Bytes> recorded = eve.session->send(wire::encode({}, wire::Ping{1, 1'700'000'000'000}));
  eve.close();
  Stranger again(s.ada, "eve");
  again.deliver(recorded[0]);
  CHECK_FALSE(again.linked());
}

TEST_CASE("a body in parts that never ends, or grows past its limit, costs the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  // 30 pieces of 16 KiB of one frame: the limit is 352 KiB.
  Bytes frame(session::frame_max, 1);
  std::vector<Bytes> pieces = eve.session->send(frame);
  pieces.pop_back();  // never the last one
  for (const Bytes& piece : pieces) eve.deliver(piece);
  CHECK(eve.linked());  // still within the limit, and waiting
  for (const Bytes& piece : eve.session->send(frame)) eve.deliver(piece);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());

  Stranger slow(s.ada, "slow");
  pieces = slow.session->send(frame);
  slow.deliver(pieces[0]);
  slow.pass(21'000);  // and then silence
  CHECK_FALSE(slow.linked());
}

TEST_CASE("a greeting is of this version and in the one form that it has, or there is no link") {
  Scene s;
  CHECK(Stranger(s.ada, "of today").linked());
  CHECK_FALSE(Stranger(s.ada, "future", {.greeting = {.version = 99}}).linked());
  Bytes odd = wire::encode_body(wire::Greeting{});
  CHECK(odd.size() == session::greeting_size);
  odd[2] = 2;  // rtc, behind version and role
  CHECK_FALSE(wire::decode_body<wire::Greeting>(odd));
}
