// What some make an anchor do leaves all others their share of it, at every moment.
#include <deque>

#include "catch_amalgamated.hpp"
#include "node/params.hpp"
#include "sync/exchange.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

Config anchor_of(u64 memory_bytes = 0) {
  Config config;
  config.anchor = true;
  config.links_max = 512;
  config.memory_bytes = memory_bytes;
  return config;
}

Stranger::Options from(u8 last) { return {.kind = LinkKind::websocket, .address = {203, 0, 113, last}}; }

// They take what they are sent, and are alive.
void attend(Solo& anchor, std::initializer_list<Stranger*> all) {
  for (Stranger* one : all) {
    one->say(wire::Ping{1, anchor.wall_ms});
    anchor.turn({LinkDrained{one->link, 0}});
  }
}

}  // namespace

TEST_CASE("strangers of two addresses that say presences without end leave an honest room its own") {
  Solo anchor("anchor", anchor_of());
  Stranger ada(anchor, "ada", from(1)), bob(anchor, "bob", from(2));
  ada.enter(secret);
  bob.enter(secret);
  std::deque<Stranger> crowd;
  for (u32 n = 0; n < 80; ++n)
    crowd.emplace_back(anchor, "eve " + std::to_string(n), from(static_cast<u8>(3 + n % 2)))
        .enter(named_secret("a topic of " + std::to_string(n % 2)));
  u64 sequence = anchor.wall_ms;
  std::size_t said = 0, seen = 0;
  for (u32 tick = 0; tick < 200; ++tick) {
    for (u32 n = 0; n < 40; ++n) {
      crowd[n].say(wire::Presence{crowd[n].identity.id(), 1, ++sequence, Bytes(4'200, 1)}, 1);
      if (tick % 50 != 37 || n != tick % 40) continue;
      ada.say(wire::Presence{ada.identity.id(), 1, ++sequence, Bytes(200, 1)}, 1);
      ++said;
    }
    anchor.pass(100);
    for (Stranger& eve : crowd) attend(anchor, {&eve}), eve.listen(), eve.heard.clear();
    attend(anchor, {&ada, &bob});
    bob.listen();
    seen += bob.all<wire::Presence>().size();
    bob.heard.clear();
  }
  CHECK(anchor.metrics["presences_over"] > 0);
  CHECK(seen == said);
}

TEST_CASE("two devices that relay to somebody without end leave another's session with him alone") {
  Solo anchor("anchor", anchor_of());
  Stranger ada(anchor, "ada", from(1)), bob(anchor, "bob", from(2)), eve(anchor, "eve", from(3)),
      eva(anchor, "eva", from(3));
  for (Stranger* one : {&ada, &bob, &eve, &eva}) one->enter(secret);
  std::size_t lost = 0;
  for (u32 tick = 0; tick < 100; ++tick) {
    for (u32 i = 0; i < (tick == 0 ? 2'000u : 50u); ++i) {
      for (Stranger* one : {&eve, &eva}) one->say(wire::Relay{bob.identity.id(), false, {1}});
      if (i % 50 == 0) attend(anchor, {&bob, &eve, &eva});
    }
    ada.say(wire::Relay{bob.identity.id(), false, {2}});
    lost += ada.all<wire::Unreachable>().size();
    ada.heard.clear();
    anchor.pass(100);
    attend(anchor, {&ada, &bob, &eve, &eva});
    for (Stranger* one : {&bob, &eve, &eva}) one->listen(), one->heard.clear();
  }
  CHECK(lost == 0);
}

TEST_CASE("who brings many small pages to a crowd pays for each of those to whom they are passed on") {
  Solo anchor("anchor", anchor_of());
  std::deque<Stranger> crowd;
  for (u32 n = 0; n < 100; ++n) crowd.emplace_back(anchor, "one " + std::to_string(n), from(9)).enter(secret);
  Stranger eve(anchor, "eve", from(8));
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  const u64 each = 100 * wire::work_per_push, most = wire::link_work.burst / each + 1;
  for (u64 n = 0; n < 2 * most; ++n) {
    ledger.say("x");
    wire::Page page = ledger.page(n, n + 1);
    if (n > 0) page.log = eve.tag(ledger.id());
    eve.say(page, 1);
  }
  Stranger& first = crowd.front();
  first.listen();
  const auto come = first.all<wire::Page>().size();
  CHECK(come > most / 2);
  CHECK(come <= most);
  for (u32 second = 0; second < 20; ++second) {
    anchor.pass(1'000);
    attend(anchor, {&eve});
    for (Stranger& one : crowd) attend(anchor, {&one});
    eve.listen();
    if (const auto want = eve.last<wire::Want>()) {
      wire::Page page = ledger.page(want->from, std::min(want->to, ledger.length()));
      page.log = want->log;
      eve.say(page, 1, eve.request<wire::Want>());
      eve.heard.clear();
    }
  }
  CHECK(anchor.metrics["batches_in"] == ledger.length());  // later, all of it
}

TEST_CASE(
    "links that enter a topic of many logs again and again stay within the memory; who keeps little stays linked") {
  constexpr u64 logs = 512;
  Solo anchor("anchor", anchor_of(4 << 20));
  Stranger ada(anchor, "ada", from(1)), writer(anchor, "writer", from(2));
  ada.enter(named_secret("her own"));
  writer.enter(secret);
  for (u64 n = 1; n <= logs; ++n) {
    Ledger tiny(writer.identity, *writer.keys, n);
    tiny.add_sealed(Bytes(26, static_cast<u8>(n)));
    writer.say(tiny.page(), 1);
    if (n % 64 == 0) anchor.pass(1'000), attend(anchor, {&writer, &ada});
  }
  REQUIRE(anchor.metrics["logs"] == logs);
  std::deque<Stranger> others;
  for (u32 n = 0; n < 64; ++n) {
    Stranger& other = others.emplace_back(anchor, "other " + std::to_string(n), from(3));
    other.enter(secret, false);
    if (const auto hello = other.last<wire::Hello>())
      other.say(wire::Hello{hello->fingerprint, hello->count, {}, {}, 1}, 1);
    anchor.pass(1'000);
    for (Stranger& one : others) attend(anchor, {&one}), one.heard.clear();
    attend(anchor, {&ada, &writer});
  }
  u64 linked = 0;
  for (Stranger& other : others) linked += other.linked();
  CHECK(linked * 2 * logs * sync::kept_bytes <= params::memory(4 << 20).kept);
  CHECK(linked > 4);
  CHECK(ada.linked());
}
