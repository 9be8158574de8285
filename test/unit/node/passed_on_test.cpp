// What peers say for others: who passes it on is not blamed for it, and passes on less than the others hear of it.
#include <algorithm>
#include <deque>

#include "catch_amalgamated.hpp"
#include "node/params.hpp"
#include "sync/exchange.hpp"
#include "unit/support/made_up.hpp"
#include "unit/support/scene.hpp"
#include "wire/table.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Stranger::Options on_websocket{.kind = LinkKind::websocket};
const Stranger::Options at_anchor{.kind = LinkKind::websocket, .url = "ws://a", .anchor = true};

// A member whose anchor has brought it many tiny logs.
struct Fed {
  Solo ada{"ada", client_config({"ws://a"})};
  u32 topic = ada.join(secret);
  Stranger anchor{ada, "anchor", at_anchor};

  Fed() {
    anchor.keys = identity::topic_keys(secret);
    anchor.say(wire::Hello{{9}, 0, {}, {}}, 1);
    anchor.say(wire::Done{{anchor.epoch, 0, {}}}, 1);
  }
  void bring(const identity::Identity& author, u64 logs) {
    for (u64 incarnation = 1; incarnation <= logs; ++incarnation) {
      Ledger tiny(author, *anchor.keys, incarnation);
      tiny.say("x");
      anchor.say(tiny.page(), 1);
    }
    rest(2);
  }
  void come_and_go(const DeviceId& author) {
    anchor.say(wire::Introduce{{{author, false}}, {}}, 1);
    anchor.say(wire::Introduce{{}, {author}}, 1);
  }
  void rest(u32 seconds) {
    for (u32 n = 0; n < seconds; ++n) {
      anchor.pass(1'000);
      anchor.say(wire::Ping{1, ada.wall_ms});
      ada.turn({LinkDrained{anchor.link, 0}});
    }
  }
  std::size_t acks() const { return anchor.all<wire::Ack>().size(); }
};

// A device that signs for what another has said at an anchor.
struct Signed {
  Solo anchor;
  Stranger ada{anchor, "ada", on_websocket}, bob{anchor, "bob", on_websocket};
  wire::Page page;

  explicit Signed(u64 memory_bytes = 0) : anchor("anchor", with_memory(memory_bytes)) {
    ada.enter(secret);
    Ledger ledger(ada.identity, *ada.keys);
    ledger.say("one");
    page = ledger.page();
    ada.say(page, 1);
    bob.enter(secret);
    ada.heard.clear();
  }
  static Config with_memory(u64 bytes) {
    Config config = anchor_config();
    config.memory_bytes = bytes;
    return config;
  }
  std::ptrdiff_t passed() {
    ada.listen();
    const auto acks = ada.all<wire::Ack>();
    return std::ranges::count(acks, bob.identity.id(), &wire::Ack::acker);
  }
};

}  // namespace

TEST_CASE("the logs of a member that comes and goes by another's word are acknowledged again some times a minute") {
  Fed f;
  const identity::Identity mallory("solo", named_seed("mallory"));
  f.bring(mallory, 40);
  const std::size_t first = f.acks();
  REQUIRE(first == 40);
  for (int n = 0; n < 50; ++n) {
    f.come_and_go(mallory.id());
    f.anchor.pass(200);
  }
  f.rest(2);
  CHECK(f.acks() >= 2 * first);
  CHECK(f.acks() <= 4 * first);
  f.anchor.heard.clear();
  f.rest(20);  // and who was told of too often is acknowledged all the same
  CHECK(f.acks() == first);
}

TEST_CASE("acknowledgements that go through an anchor are no more than it hears, and in the end each log has its own") {
  Fed f;
  std::deque<identity::Identity> authors;
  for (u32 n = 0; n < 14; ++n) f.bring(authors.emplace_back("solo", named_seed("author " + std::to_string(n))), 100);
  REQUIRE(f.acks() == 1'400);
  f.rest(10);
  f.anchor.heard.clear();
  for (int n = 0; n < 2; ++n) {
    for (const auto& author : authors) f.come_and_go(author.id());
    f.rest(1);
  }
  const std::size_t most = wire::acks_said.burst + 3 * wire::acks_said.per_minute / 60;
  CHECK(f.acks() <= most);
  f.rest(20);
  std::map<std::pair<DeviceId, std::array<u8, 8>>, u32> each;
  for (const wire::Ack& ack : f.anchor.all<wire::Ack>()) ++each[{ack.author, ack.incarnation}];
  CHECK(each.size() == 1'400);
  CHECK(f.anchor.linked());
}

TEST_CASE(
    "one acknowledgement said again and again is passed on once, and again to an author that has read its store anew") {
  Signed s;
  const wire::Ack ack = ack_by(s.bob.identity, *s.bob.keys, s.page, 1);
  for (int n = 0; n < 100; ++n) s.bob.say(ack, 1);
  CHECK(s.passed() == 1);
  s.ada.say(wire::Hello{{9}, 0, {}, {}, 1}, 1);
  s.bob.say(ack, 1);
  s.bob.say(ack, 1);
  CHECK(s.passed() == 2);
  s.bob.say(ack_by(s.bob.identity, *s.bob.keys, s.page, 1, {2}), 1);  // in another life of its store
  CHECK(s.passed() == 3);
}

TEST_CASE("of acknowledgements that are ever new so many are passed on for one peer") {
  Signed s;
  constexpr u64 more = 3'000, page_of = 200;
  Ledger ledger(s.ada.identity, *s.ada.keys, 6);
  for (u64 n = 0; n < more; ++n) ledger.add_sealed(Bytes(26, static_cast<u8>(n)));
  for (u64 n = 0; n < more; n += page_of) {
    wire::Page page = ledger.page(n, n + page_of);
    if (n > 0) page.log = s.ada.tag(ledger.id());
    s.ada.say(page, 1);
    s.ada.pass(100);
  }
  log::Peaks peaks;
  for (u32 n = 0; n < more; ++n) {
    peaks.append(log::leaf_hash(ledger.batches()[n]));
    s.bob.say(ack_over(s.bob.identity, *s.bob.keys, ledger.page(0, 1), peaks), 1);
    if (n % 100 == 0) s.bob.pass(100);
    if (n % 1'000 == 0) s.ada.say(wire::Ping{1, s.anchor.wall_ms});
    s.anchor.turn({LinkDrained{s.ada.link, 0}});
  }
  const u64 most = wire::acks_passed.burst + 4 * wire::acks_passed.per_minute / 60;
  CHECK(s.passed() > 1'000);
  CHECK(static_cast<u64>(s.passed()) <= most);
  CHECK(s.bob.linked());
}

TEST_CASE("who acknowledges the same in ever new lives of its store is passed on some times a minute") {
  Signed s;
  for (u32 n = 0; n < 1'200; ++n) {
    const wire::Epoch epoch{1, 0, 0, 0, static_cast<u8>(n >> 8), static_cast<u8>(n)};
    s.bob.say(ack_by(s.bob.identity, *s.bob.keys, s.page, 1, epoch), 1);
    s.bob.pass(100);
    if (n % 100 == 0) s.ada.say(wire::Ping{1, s.anchor.wall_ms});
  }
  CHECK(s.passed() >= 4);
  CHECK(static_cast<u64>(s.passed()) <= wire::acks_anew.burst + 2 * wire::acks_anew.per_minute);
  CHECK(s.bob.linked());
  CHECK(s.ada.linked());
}

TEST_CASE("who says little is passed on to an author to whom others say all that may be passed on to it") {
  Config config = anchor_config();
  config.links_max = 512;
  Solo anchor("anchor", config);
  auto from = [](u8 last) { return Stranger::Options{.kind = LinkKind::websocket, .address = {203, 0, 113, last}}; };
  Stranger ada(anchor, "ada", from(1)), carol(anchor, "carol", from(2));
  ada.enter(secret), carol.enter(secret);
  std::vector<wire::Page> pages;
  for (u64 n = 1; n <= 400; ++n) {
    Ledger tiny(ada.identity, *ada.keys, n);
    tiny.add_sealed(Bytes(26, 1));
    ada.say(pages.emplace_back(tiny.page()), 1);
    if (n % 100 == 0) ada.pass(1'000);
  }
  std::deque<Stranger> eves;
  for (u8 n = 0; n < 6; ++n) eves.emplace_back(anchor, "eve " + std::to_string(n), from(3 + n)).enter(secret);
  ada.heard.clear();
  for (const wire::Page& page : pages)
    for (Stranger& eve : eves) {
      eve.say(ack_by(eve.identity, *eve.keys, page, 1), 1);
      anchor.turn({LinkDrained{ada.link, 0}});
    }
  for (u64 n = 0; n < 10; ++n) carol.say(ack_by(carol.identity, *carol.keys, pages[n], 1), 1);
  ada.listen();
  const auto acks = ada.all<wire::Ack>();
  CHECK(std::ranges::count(acks, carol.identity.id(), &wire::Ack::acker) == 10);
  CHECK(acks.size() >= wire::acks_passed_to.burst);
  CHECK(acks.size() <= wire::acks_passed_to.burst + 6 * wire::acks_kept.burst + 10);
  CHECK(acks.size() + wire::acks_said.burst <= wire::price_of(wire::Tag::ack).rate.burst);
  CHECK(ada.linked());
}

TEST_CASE(
    "of acknowledgements that were passed on so many are remembered, in all, and those before may be passed on again") {
  constexpr u64 memory = 1u << 20;
  Signed s(memory);
  auto ack = [&](const wire::Page& page) { s.bob.say(ack_by(s.bob.identity, *s.bob.keys, page, 1, {1}), 1); };
  const auto most = static_cast<std::ptrdiff_t>(params::memory(memory).passed / sync::passed_bytes);
  ack(s.page);
  ack(s.page);
  CHECK(s.passed() == 1);
  for (u64 n = 0; n < static_cast<u64>(most); ++n) {
    Ledger tiny(s.ada.identity, *s.ada.keys, 100 + n);
    tiny.say("x");
    s.ada.say(tiny.page(), 1);
    s.ada.pass(100);
    s.anchor.turn({LinkDrained{s.ada.link, 0}});
    ack(tiny.page());
    if (n % 50 == 0) s.ada.say(wire::Ping{1, s.anchor.wall_ms}), s.bob.say(wire::Ping{1, s.anchor.wall_ms});
  }
  CHECK(s.passed() == 1 + most);
  ack(s.page);
  CHECK(s.passed() == 2 + most);
}

TEST_CASE("what several relay to one is passed on to it only so far, and who sent the rest is told") {
  Solo anchor("anchor", anchor_config());
  Stranger bob(anchor, "bob", on_websocket);
  bob.enter(secret);
  std::deque<Stranger> others;
  for (u32 n = 0; n < 3; ++n) others.emplace_back(anchor, "other " + std::to_string(n), on_websocket).enter(secret);
  bob.heard.clear();
  for (u32 n = 0; n < 2'000; ++n)
    for (Stranger& other : others) {
      other.say(wire::Relay{bob.identity.id(), false, {1}});
      anchor.turn({LinkDrained{bob.link, 0}});
    }
  bob.listen();
  const auto passed = bob.all<wire::Relay>().size();
  CHECK(passed == wire::relays_passed_to.burst + 3 * wire::relays_kept.burst);
  CHECK(passed < wire::price_of(wire::Tag::relay).rate.burst);
  std::size_t refused = 0;
  for (Stranger& other : others) refused += other.all<wire::Unreachable>().size();
  CHECK(passed + refused == 6'000);
}

TEST_CASE("one member's relays leave room for another's") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", on_websocket), ada(anchor, "ada", on_websocket), bob(anchor, "bob", on_websocket);
  for (Stranger* one : {&eve, &ada, &bob}) one->enter(secret);
  for (u32 n = 0; n < 4'000; ++n) {
    eve.say(wire::Relay{bob.identity.id(), false, {1}});
    anchor.turn({LinkDrained{bob.link, 0}});
  }
  bob.listen();
  bob.heard.clear();
  ada.say(wire::Relay{bob.identity.id(), false, {1}});
  bob.listen();
  CHECK(bob.all<wire::Relay>().size() == 1);
}

TEST_CASE("signals of many to one are passed on to it only so far") {
  Scene s;
  Stranger bob(s.ada, "bob");
  std::deque<Stranger> others;
  for (u32 n = 0; n < 20; ++n) {
    Stranger& other = others.emplace_back(s.ada, "other " + std::to_string(n));
    for (u32 i = 0; i < 20; ++i) other.say(wire::Signal{other.identity.id(), bob.identity.id(), Bytes(200, 1)});
  }
  bob.listen();
  CHECK(bob.all<wire::Signal>().size() == wire::signals_passed_to.burst);
}

TEST_CASE("a link that brings more than is heard of what it passes on for others is kept") {
  Scene s;
  Stranger hub(s.ada, "hub");
  hub.enter(secret);
  for (u32 n = 0; n < 24'000; ++n) {
    hub.say(wire::Relay{DeviceId::from(Bytes(32, 7)), true, {1}});
    if (n % 100 == 0) s.ada.turn({LinkDrained{hub.link, 0}});
  }
  CHECK(hub.linked());
  // What it owes has the rest wait, but no more of that is kept than may be.
  for (u32 n = 0; n < 1'200; ++n) hub.say(wire::Presence{DeviceId::from(Bytes(32, 7)), 1, n, Bytes(4'000, 1)}, 1);
  CHECK(hub.linked());
  hub.pass(10'000);
  hub.heard.clear();
  hub.say(wire::Ping{1, s.ada.wall_ms});
  CHECK(hub.all<wire::Pong>().size() == 1);
  CHECK(s.intact());
}
