// What goes to a peer is charged to it by its size, and what an anchor remembers of those who came is bounded.
#include <algorithm>
#include <deque>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "unit/support/scene.hpp"
#include "wire/table.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Stranger::Options on_websocket{.kind = LinkKind::websocket};

std::size_t cursors(const Solo& solo) {
  return static_cast<std::size_t>(std::ranges::count_if(solo.disk.rows, [](const auto& row) {
    return row.first[0] == 'C' && row.first.size() == 1 + 4 + DeviceId::size;
  }));
}

bool has_cursor(const Solo& solo, const DeviceId& device) {
  return std::ranges::any_of(solo.disk.rows, [&](const auto& row) {
    return row.first[0] == 'C' && std::ranges::equal(ByteView(row.first).subspan(5), device.view());
  });
}

}  // namespace

TEST_CASE("pages that are wanted are charged by their size: of large ones fewer are given at once, and none is lost") {
  Solo anchor("anchor", anchor_config());
  Stranger ada(anchor, "ada", on_websocket), eve(anchor, "eve", on_websocket);
  ada.enter(secret);
  Ledger ledger(ada.identity, *ada.keys);
  ledger.add_sealed(Bytes(250'000, 1));
  ada.say(ledger.page(), 1);
  eve.enter(secret);
  eve.pass(1'000);
  u32 given = 0, asked = 0;
  while (asked < 1'000) {
    eve.heard.clear();
    eve.say(wire::Want{eve.tag(ledger.id()), 0, 1, 500'000}, 1, ++asked);
    anchor.turn({LinkDrained{eve.link, 0}});
    eve.listen();
    if (eve.all<wire::Page>().empty()) break;
    ++given;
  }
  CHECK(given >= 50);
  CHECK(given < wire::link_work.burst / wire::work_given(250'000) + 1);
  eve.pass(1'000);
  CHECK(eve.all<wire::Page>().size() == 1);
  CHECK(eve.linked());
}

TEST_CASE("presences that are handed to who enters are charged by their size, to who enters") {
  Solo anchor("anchor", anchor_config());
  std::deque<Stranger> others;
  for (u32 n = 0; n < 40; ++n) {
    Stranger& other = others.emplace_back(anchor, "other " + std::to_string(n), on_websocket);
    other.enter(secret);
    other.say(wire::Presence{other.identity.id(), 1, 1, Bytes(4'000, 1)}, 1);
  }
  Stranger eve(anchor, "eve", on_websocket);
  eve.keys = identity::topic_keys(secret);
  u32 given = 0;
  while (given < 1'000) {
    const u32 alias = given + 1;
    eve.heard.clear();
    eve.say(
        wire::Enter{eve.keys->id, peers::enter_signature(*eve.keys, eve.session->handshake_hash(), eve.identity.id())},
        alias);
    eve.say(wire::Closed{}, alias);
    anchor.turn({LinkDrained{eve.link, 0}});
    for (Stranger& other : others) anchor.turn({LinkDrained{other.link, 0}});
    if (eve.all<wire::Presence>().empty()) break;
    ++given;
  }
  CHECK(given >= 20);
  CHECK(given <= wire::link_work.burst / (40 * wire::work_given(4'000)) + 1);
  CHECK(eve.linked());
  CHECK(others.front().linked());
}

TEST_CASE(
    "presences of one address are passed on as long as they leave an anchor most of its time, and others' go on") {
  Solo anchor("anchor", anchor_config());
  std::deque<Stranger> crowd;
  for (u32 n = 0; n < 40; ++n)
    crowd
        .emplace_back(anchor, "one " + std::to_string(n),
                      Stranger::Options{.kind = LinkKind::websocket, .address = {9, 9, 9, 9}})
        .enter(secret);
  Stranger ada(anchor, "ada", {.kind = LinkKind::websocket, .address = {7, 7, 7, 7}});
  ada.enter(secret);
  for (u64 sequence = 1; sequence <= 3; ++sequence)
    for (Stranger& one : crowd) {
      one.say(wire::Presence{one.identity.id(), 1, sequence, Bytes(4'000, 1)}, 1);
      for (Stranger& other : crowd) anchor.turn({LinkDrained{other.link, 0}});
      anchor.turn({LinkDrained{ada.link, 0}});
    }
  ada.listen();
  const u64 each = 40 * wire::work_per_presence(4'000);
  CHECK(ada.all<wire::Presence>().size() == wire::presences_passed_by.burst / each + 1);
  crowd.front().listen();
  crowd.front().heard.clear();
  ada.say(wire::Presence{ada.identity.id(), 1, 1, Bytes(40, 1)}, 1);
  crowd.front().listen();
  CHECK(crowd.front().all<wire::Presence>().size() == 1);
}

TEST_CASE("names for which an anchor has no time just now are told to those who are here later, all of them") {
  Config config = anchor_config();
  config.links_max = 128;
  Solo anchor("anchor", config);
  std::deque<Stranger> crowd;
  for (u32 n = 0; n < 80; ++n) {
    crowd.emplace_back(anchor, "one " + std::to_string(n),
                       Stranger::Options{.kind = LinkKind::websocket, .address = {9, 9, 9, 9}});
    crowd.back().enter(secret);
  }
  for (Stranger& one : crowd) one.say(wire::Presence{one.identity.id(), 2, 1, Bytes(40, 1)}, 1);
  const auto names = [&] {
    std::set<DeviceId> told;
    crowd.front().listen();
    for (const wire::Presence& said : crowd.front().all<wire::Presence>())
      if (said.kind == 2) told.insert(said.device);
    return told.size();
  };
  CHECK(names() < 79);
  for (u32 n = 0; n < 20; ++n) crowd.front().pass(250);
  CHECK(names() == 79);
}

TEST_CASE("who answers what was asked of one log with the absence of another is no peer of ours") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("hello");
  eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 1)}}, 1);
  REQUIRE(eve.last<wire::Want>());
  const u32 request = eve.request<wire::Want>();
  eve.say(wire::NoPage{{1, 2, 3}}, 1, request);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("an anchor remembers of so many where it left off with them, and of who writes there always") {
  Solo anchor("anchor", anchor_config());
  Stranger ada(anchor, "ada", on_websocket);
  ada.enter(secret);
  Ledger hers(ada.identity, *ada.keys);
  hers.say("hello");
  ada.say(hers.page(), 1);
  for (u32 n = 0; n < 300; ++n) {
    Stranger eve(anchor, "eve " + std::to_string(n), on_websocket);
    eve.enter(secret);
    eve.pass(10);
    CHECK(eve.last<wire::Done>().has_value());
    eve.close();
    if (n % 50 == 0) ada.say(wire::Ping{1, anchor.wall_ms});
  }
  CHECK(cursors(anchor) == 256);
  Stranger bob(anchor, "bob", on_websocket);
  bob.enter(secret, false);
  Ledger his(bob.identity, *bob.keys);
  his.say("hello too");
  bob.say(his.page(), 1);
  bob.say(wire::Hello{{9}, 0, {}, {}}, 1);
  bob.say(wire::Done{{bob.epoch, 1, {}}}, 1);
  CHECK(has_cursor(anchor, bob.identity.id()));
  CHECK(has_cursor(anchor, ada.identity.id()));
  CHECK(cursors(anchor) == 256);
  anchor.start();
  Stranger again(anchor, "bob", on_websocket);
  again.enter(secret);
  REQUIRE(again.last<wire::Hello>());
  CHECK(again.last<wire::Hello>()->cursor.has_value());
}

TEST_CASE("what an anchor cannot tell, because it cannot read, it says so") {
  Solo anchor("anchor", anchor_config());
  Stranger ada(anchor, "ada", on_websocket);
  ada.enter(secret);
  CHECK(anchor.error(anchor.call(GetDigest{1})) == Code::not_allowed);
}

TEST_CASE("that something cannot be read is told, though nothing else has changed") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.add_sealed(Bytes(60, 1));
  eve.say(ledger.page(), 1);
  CHECK(s.ada.topics[s.topic].unreadable == 1);
  CHECK(s.ada.topics[s.topic].length == 2);
  CHECK(s.intact());
}

TEST_CASE("who enters a topic of many logs with its last bit of work is told of it later, and stays") {
  Solo anchor("anchor", anchor_config());
  {
    Stranger ada(anchor, "ada", on_websocket);
    ada.enter(secret);
    Ledger hers(ada.identity, *ada.keys);
    hers.say("hello");
    ada.say(hers.page(), 1);
    ada.close();
  }
  for (u32 n = 1; n < 1'100; ++n) {
    log::LogState state;
    state.opening.device = DeviceId::from(crypto::blake2b({codec::Writer().be32(n).peek()}).view());
    state.opening.incarnation = n;
    const Bytes key = store::key('L', 1, n);
    anchor.disk.rows[key] = store::seal_row(key, log::encode_state(state));
  }
  anchor.start();
  for (u64 left = 20; left <= 240; left += 20) {  // an Enter is 200
    Stranger bob(anchor, "bob " + std::to_string(left), on_websocket);
    const u64 signal = wire::price_of(wire::Tag::signal).work, closed = wire::price_of(wire::Tag::closed).work;
    for (u64 n = 0; n < 500; ++n) bob.say(wire::Signal{bob.identity.id(), bob.identity.id(), {}});
    for (u64 n = 0; n < (wire::link_work.burst - 500 * signal - left) / closed; ++n) bob.say(wire::Closed{}, 9);
    CAPTURE(left);
    bob.enter(secret);
    bob.pass(5'000);
    CHECK(bob.linked());
    CHECK(bob.last<wire::Hello>().has_value());
    bob.close();
  }
}
