// Frames of any kind that a peer can send to a core, and what it gets for them. In each: our app goes on, and what was accepted stays.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "fuzz/samples.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("an unknown frame from 128 on is skipped, one below costs the link, and so does each message that is cut") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.say_bytes(Bytes{200, 0, 1, 0, 1, 2, 3});
  CHECK(eve.linked());
  eve.say_bytes(Bytes{120, 0, 1, 0});
  CHECK_FALSE(eve.linked());
  fuzz::each_message([&]<class M>(const M& sample) {
    Stranger cutter(s.ada, "cutter");
    cutter.enter(secret);
    if (!cutter.linked()) FAIL("the link fell before its time");
    Bytes frame = wire::encode({1, 0}, sample);
    frame.pop_back();
    cutter.say_bytes(frame);
    CHECK_FALSE(cutter.linked());
  });
  CHECK(s.intact());
}

TEST_CASE("a frame for a topic that is not shared is not heard, and tells nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.keys = identity::topic_keys(secret);  // only to make a page that would be right
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("from outside");
  eve.heard.clear();
  eve.say(ledger.page(), 1);
  eve.say(wire::Hello{}, 1);
  eve.say(wire::Want{eve.tag(ledger.id()), 0, 5, 1'000}, 3, 1);
  eve.say(wire::AskProof{{1}, 3}, 1);
  CHECK(eve.linked());
  CHECK(eve.all<wire::Hello>().empty());
  CHECK(eve.all<wire::Page>().empty());
  CHECK(eve.all<wire::NoPage>().empty());
  CHECK(s.intact());
  // A wrong secret is the same as none: random MACs and a MAC of another topic look alike.
  eve.enter(named_secret("another topic"));
  CHECK(eve.all<wire::Hello>().empty());
}

TEST_CASE("wants for what is not there are answered that it is not, and too many at once cost the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  wire::LogTag ours = eve.last<wire::Hello>()->items[0].log;
  eve.heard.clear();
  u32 request = 1;
  for (const wire::Want& want :
       {wire::Want{{9}, 0, 5, 1'000}, wire::Want{ours, 2, 9, 1'000}, wire::Want{ours, 1, 1, 1'000},
        wire::Want{ours, ~u64{0}, 0, 1'000}, wire::Want{ours, 1, 0, 0}}) {
    eve.say(want, 1, request++);
    CHECK(eve.all<wire::NoPage>().size() + 1 == request);
  }
  eve.say(wire::Want{ours, 0, ~u64{0}, ~u64{0}}, 1, request);
  CHECK(eve.last<wire::Page>()->batches.size() == 2);
  CHECK(eve.linked());
  eve.say(wire::Want{ours, 0, 1, 1}, 1, 0);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("a peer may speak of no more logs than it may, and is cut off without harm") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  auto items = [](u32 n, std::size_t count) {
    std::vector<wire::Item> out;
    for (u32 i = 0; i < count; ++i) {
      wire::Item item = fuzz::sample_item(1);
      item.log = {static_cast<u8>(n >> 8), static_cast<u8>(n), static_cast<u8>(i >> 8), static_cast<u8>(i), 1};
      item.cut = 0;
      out.push_back(item);
    }
    return out;
  };
  // Our own log, which was pushed to eve, does not count with hers.
  for (u32 n = 0; n < 128; ++n) eve.say(wire::Items{items(n, wire::items_max)}, 1);
  eve.pass(2'000);  // what costs as much waits
  CHECK(eve.linked());
  eve.say(wire::Items{items(200, 2)}, 1);
  eve.pass(2'000);
  CHECK_FALSE(eve.linked());
  // In a greeting it is no different.
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  for (u32 n = 0; n < 128; ++n) bob.say(wire::Items{items(n, wire::items_max)}, 1);
  bob.say(wire::Hello{{1}, 1'000'000, items(200, wire::hello_items_max), {}}, 1);
  bob.pass(2'000);
  CHECK_FALSE(bob.linked());
  CHECK(s.intact());
}

TEST_CASE("numbers at the end of their range overflow nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  const u64 most = ~u64{0};
  wire::Item item = fuzz::sample_item(most);
  item.ops = item.time_s = most;
  item.cut = most;
  eve.say(wire::Items{{item}}, 1);
  eve.say(wire::Done{{eve.epoch, most, {}}}, 1);
  eve.say(wire::AskProof{eve.last<wire::Hello>()->items[0].log, most}, 1);
  eve.say(wire::AskNodes{eve.last<wire::Hello>()->items[0].log, 32, u64{1} << 31}, 1);
  eve.say(wire::Presence{eve.identity.id(), 1, most, Bytes(100, 1)}, 1);
  eve.pass(1'000);
  CHECK(s.intact());
  for (u64 wall : {most, u64{1} << 63, u64{1} << 48, u64{0}}) {
    Stranger clock(s.ada, "clock");
    auto ping = clock.last<wire::Ping>();
    REQUIRE(ping);
    clock.say(wire::Pong{ping->id, wall});
    clock.pass(100);
  }
  CHECK(s.intact());
  CHECK_FALSE(s.ada.append(s.topic, "on we go").empty());
}

TEST_CASE("presence that is not sealed under the topic or not signed by its device is not shown") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.say(wire::Presence{eve.identity.id(), 1, 5, Bytes(120, 1)}, 1);
  eve.say(wire::Presence{eve.identity.id(), 1, 6, Bytes{}}, 1);
  CHECK(eve.linked());
  CHECK(s.ada.presence.empty());
  eve.say(wire::Presence{eve.identity.id(), 9, 7, Bytes(120, 1)}, 1);
  CHECK_FALSE(eve.linked());
}
