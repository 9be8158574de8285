// However much a peer asks, says or leaves unread, what it costs us is bounded, and others are served.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sync/exchange.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

std::size_t topics_at(const Solo& anchor) {
  return static_cast<std::size_t>(
      std::ranges::count_if(anchor.disk.rows, [](const auto& row) { return row.first[0] == 'T'; }));
}

}  // namespace

TEST_CASE("a topic that is shown again and again is shared once, under the alias said last") {
  Scene s({"one"});
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  wire::Mac mac = peers::topic_mac({*eve.keys, eve.session->handshake_hash(), eve.identity.id(), s.ada.id()});
  for (int i = 0; i < 20; ++i) eve.say(wire::Topics{std::vector<wire::Mac>(1024, mac)});
  eve.heard.clear();
  eve.say(wire::Hello{{9}, 0, {}, {}, 1}, 1);  // the alias of the first time says nothing any more
  CHECK(eve.all<wire::Page>().empty());
  eve.say(wire::Hello{{9}, 0, {}, {}, 1}, 1 + 20 * 1024 - (peers::shown_macs - 1));
  CHECK(eve.all<wire::Page>().size() == 1);
  eve.close();
  CHECK(s.ada.topics[s.topic].peers == 0);
  CHECK(s.intact());
}

TEST_CASE("logs that are refused take nobody's place among those whose first pages are under way") {
  Solo anchor("anchor", anchor_config({.device_bytes = 3 * sync::log_bytes}));
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
  eve.enter(secret);
  for (u64 n = 0; n < sync::openings_max + 10; ++n) {
    Ledger tiny(eve.identity, *eve.keys, 100 + n);
    tiny.add_sealed(Bytes(26, 1));
    eve.say(tiny.page(), 1);
    if (n % 64 != 0) continue;
    eve.pass(500);
    eve.say(wire::Ping{1, anchor.wall_ms});
    anchor.turn({LinkDrained{eve.link, 0}});
  }
  CHECK(eve.all<wire::Refused>().size() > sync::openings_max);
  eve.pass(5'000);
  const identity::Identity bob("solo", named_seed("bob"));
  Ledger ledger(bob, *eve.keys);
  for (int n = 0; n < 2; ++n) ledger.add_sealed(Bytes(26, 2));
  wire::Page second = ledger.page(1, 2);
  second.log = eve.tag(ledger.id());
  anchor.answers_saves = false;  // the first page is still on its way to the disk
  eve.say(ledger.page(0, 1), 1);
  eve.say(second, 1);
  anchor.answers_saves = true;
  eve.pass(1'000);
  Stranger dave(anchor, "dave", {.kind = LinkKind::websocket});
  dave.enter(secret);
  const auto hello = dave.last<wire::Hello>();
  REQUIRE(hello);
  const auto item = std::ranges::find(hello->items, dave.tag(ledger.id()), &wire::Item::log);
  REQUIRE(item != hello->items.end());
  CHECK(item->length == 2);
}

TEST_CASE("questions without end cost the link, those of an honest peer do not") {
  Scene s({"one"});
  for (int kind = 0; kind < 4; ++kind) {
    CAPTURE(kind);
    Stranger eve(s.ada, "eve");
    eve.enter(secret);
    wire::LogTag ours = eve.last<wire::Hello>()->items.at(0).log;
    int asked = 0;
    for (; asked < 5'000 && eve.linked(); ++asked) {
      eve.heard.clear();
      if (kind == 0) eve.say(wire::AskProof{ours, 1}, 1);
      if (kind == 1) eve.say(wire::AskNodes{ours, 1, 0}, 1);
      if (kind == 2) eve.say(wire::Check{{7}}, 1);
      if (kind == 3) eve.say(wire::Hello{{7}, 0, {}, {}}, 1);
    }
    CHECK(asked > 500);
    CHECK_FALSE(eve.linked());
  }
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  for (int i = 0; i < 100; ++i) {
    bob.heard.clear();
    bob.say(wire::Check{{7}}, 1);
    bob.pass(1'000);
    if (auto ping = bob.last<wire::Ping>()) bob.say(wire::Pong{ping->id, s.ada.wall_ms});
  }
  CHECK(bob.linked());
  CHECK(s.intact());
}

TEST_CASE("acknowledgements while the disk is slow do not pile up") {
  Scene s({"one"});
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  auto page = eve.last<wire::Page>();
  REQUIRE(page);
  wire::Ack ack;
  ack.author = s.ada.id();
  ack.incarnation = page->opening->incarnation;
  ack.acker = eve.identity.id();
  ack.length = 1;
  for (int i = 0; i < 2'000; ++i) eve.say(ack, 1);  // none is signed
  CHECK(eve.linked());
  CHECK(s.ada.status.pending == 1);
  CHECK(s.intact());
}

TEST_CASE("who asks and takes nothing in is cut off before it costs much memory") {
  Scene s({"one"});
  (void)s.ada.ask<Appended>(Append{s.topic, {}, {NewOp{1, {}, [] {
                                                         Bytes v(200'005, 'x');
                                                         v[0] = 0xdb;
                                                         v[1] = 0;
                                                         v[2] = 3;
                                                         v[3] = 0x0d;
                                                         v[4] = 0x40;
                                                         return v;
                                                       }()}}});
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  wire::LogTag ours = eve.last<wire::Hello>()->items.at(0).log;
  // Wants are served only as far as there is room; what is small goes out, but not without end.
  u32 request = 1;
  for (; request < 64 && eve.linked(); ++request) eve.say(wire::Want{ours, 1, 2, 500'000}, 1, request);
  CHECK(eve.all<wire::Page>().size() < 8);
  s.ada.turn({LinkDrained{eve.link, peers::buffered_bytes_max - 1'000}});
  for (u32 i = 0; i < 100 && eve.linked(); ++i) eve.say(wire::Ping{i, 2});
  CHECK_FALSE(eve.linked());
  CHECK(s.ada.messages(s.topic).size() == 2);
}

TEST_CASE("nobody relays to a peer that does not take what it is sent") {
  Scene s({"one"});
  Stranger eve(s.ada, "eve"), slow(s.ada, "slow");
  eve.enter(secret);
  slow.enter(secret);
  eve.heard.clear();
  for (int i = 0; i < 200 && eve.all<wire::Unreachable>().empty(); ++i)
    eve.say(wire::Relay{slow.identity.id(), false, Bytes(16'000, 1)});
  CHECK(eve.all<wire::Unreachable>().size() == 1);
  CHECK(slow.linked());
  s.ada.turn({LinkDrained{slow.link, 0}});
  eve.heard.clear();
  eve.say(wire::Relay{slow.identity.id(), false, Bytes(16'000, 1)});
  CHECK(eve.all<wire::Unreachable>().empty());
}

TEST_CASE("an anchor keeps nothing of a topic that nobody has said anything in") {
  Solo anchor("anchor", anchor_config());
  const u32 saves = anchor.saves;
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
  for (u32 i = 0; i < 50; ++i) {
    auto keys = identity::topic_keys(named_secret("made up " + std::to_string(i)));
    eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())},
            i + 1);
  }
  CHECK(topics_at(anchor) == 0);
  CHECK(anchor.saves == saves);
  eve.keys = identity::topic_keys(named_secret("made up 7"));
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("something");
  eve.say(wire::Hello{{9}, 0, {}, {}}, 8);
  eve.say(ledger.page(), 8);
  CHECK(topics_at(anchor) == 1);
  const u32 said = anchor.saves;
  eve.close();
  CHECK(anchor.saves == said);
  CHECK(topics_at(anchor) == 1);
  anchor.start();
  Stranger bob(anchor, "bob", {.kind = LinkKind::websocket});
  bob.enter(named_secret("made up 7"));
  CHECK(bob.all<wire::Page>().size() == 1);
}

TEST_CASE("a member enters so many topics at an anchor, and is told that it is full beyond") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
  u32 entered = 0;
  for (; entered < 1'100 && eve.all<wire::Refused>().empty(); ++entered) {
    auto keys = identity::topic_keys(named_secret("made up " + std::to_string(entered)));
    eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())},
            entered + 1);
    eve.pass(1);
  }
  REQUIRE(eve.last<wire::Refused>());
  CHECK(eve.last<wire::Refused>()->reason == static_cast<u8>(wire::Refusal::total_quota));
  CHECK(entered == 1'025);
  CHECK(eve.linked());
  Stranger bob(anchor, "bob", {.kind = LinkKind::websocket});
  bob.enter(secret);
  CHECK(bob.last<wire::Hello>().has_value());
}

TEST_CASE("an alias of a shared topic is not given to another one") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
  eve.enter(secret);
  auto keys = identity::topic_keys(named_secret("another"));
  eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())}, 1);
  CHECK_FALSE(eve.linked());
}

TEST_CASE("an anchor passes presence on no faster than anybody honest speaks") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket}), bob(anchor, "bob", {.kind = LinkKind::websocket});
  eve.enter(secret);
  bob.enter(secret);
  bob.heard.clear();
  for (u64 i = 0; i < 500; ++i) eve.say(wire::Presence{eve.identity.id(), 1, i + 1, Bytes(100, 1)}, 1);
  bob.listen();
  CHECK(bob.all<wire::Presence>().size() == 30);
  anchor.pass(1'000);
  eve.say(wire::Presence{eve.identity.id(), 1, 1'000, Bytes(100, 1)}, 1);
  bob.listen();
  CHECK(bob.all<wire::Presence>().size() == 31);
}
