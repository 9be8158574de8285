#include "catch_amalgamated.hpp"
#include "crdt/oracle.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

std::string said(const crdt::Message& m) { return std::string(text(ByteView(m.value).subspan(3))); }
std::vector<std::string> said(const std::vector<crdt::Message>& messages) {
  std::vector<std::string> out;
  for (auto& m : messages) out.push_back(said(m));
  return out;
}
using Words = std::vector<std::string>;

// Two authors, three messages each, in turn.
struct Talk {
  World world{1};
  std::size_t a = world.open(), b = world.open();
  Talk() {
    world.append(a, noon, {say("1")});
    world.append(b, noon + 10, {say("2"), set("k", "x"), say("3")});
    world.append(a, noon + 20, {say("4")});
    world.append(a, noon + 30, {say("5")});
    world.append(b, noon + 40, {say("6")});
  }
};

Words page(Peer& peer, crdt::Replica::PageOptions options, bool* more = nullptr) {
  Words words;
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    auto result = replica.messages(options);
    words = result ? said(result->messages) : Words{"error"};
    if (result && more) *more = result->more;
  });
  return words;
}

Words latest(Peer& peer, u32 limit) {
  Words words;
  peer.step([&](crdt::Replica& replica, store::Rows&) { words = said(replica.latest(limit)->messages); });
  return words;
}

u64 unread(Peer& peer) {
  u64 n = 0;
  peer.step([&](crdt::Replica& replica, store::Rows&) { n = replica.unread(); });
  return n;
}

}  // namespace

TEST_CASE("messages stand in the order of their time, whoever's log comes first") {
  Talk talk;
  Peer peer(talk.world);
  peer.deliver(talk.b, 2);
  CHECK(latest(peer, 50) == Words{"2", "3", "6"});
  peer.deliver(talk.a, 3);
  CHECK(peer.changes.timeline);
  CHECK(latest(peer, 50) == Words{"1", "2", "3", "4", "5", "6"});
  CHECK(latest(peer, 2) == Words{"5", "6"});
}

TEST_CASE("a page begins behind or ends before any message, in both directions, and says whether there is more") {
  Talk talk;
  Peer peer(talk.world);
  peer.deliver_all();
  const OpId two = talk.world.id(talk.b, 0, 0), three = talk.world.id(talk.b, 0, 2), five = talk.world.id(talk.a, 2);
  bool more = false;
  CHECK(page(peer, {.before = {}, .after = two, .limit = 2, .reverse = false}, &more) == Words{"3", "4"});
  CHECK(more);
  CHECK(page(peer, {.before = {}, .after = three, .limit = 3, .reverse = false}, &more) == Words{"4", "5", "6"});
  CHECK_FALSE(more);
  CHECK(page(peer, {.before = three, .after = {}, .limit = 9, .reverse = false}, &more) == Words{"1", "2"});
  CHECK_FALSE(more);
  CHECK(page(peer, {.before = five, .after = {}, .limit = 2, .reverse = true}, &more) == Words{"4", "3"});
  CHECK(more);
  CHECK(page(peer, {.before = five, .after = two, .limit = 9, .reverse = true}, &more) == Words{"4", "3"});
  CHECK_FALSE(more);
  CHECK(page(peer, {.before = two, .after = five, .limit = 9, .reverse = false}).empty());
  CHECK(page(peer, {.before = {}, .after = talk.world.id(talk.a, 17), .limit = 2, .reverse = false}) == Words{"error"});
  CHECK(page(peer, {.before = {}, .after = OpId{}, .limit = 2, .reverse = false}) == Words{"error"});
}

TEST_CASE("a long timeline read page by page gives each message once, with rows that must be fetched first") {
  World world(3);
  const auto a = world.open(), b = world.open();
  Words all;
  for (u32 i = 0; i < 300; ++i) {
    std::vector<log::Op> ops;
    for (u32 k = 0; k < 1 + i % 3; ++k) {
      all.push_back(std::to_string(i) + "." + std::to_string(k));
      ops.push_back(say(all.back()));
    }
    world.append(i % 2 ? a : b, noon + i, ops);
  }
  Peer peer(world);
  peer.deliver_all();
  for (u32 limit : {1u, 7u, 50u, 256u}) {
    Words forward, backward;
    std::optional<OpId> at;
    for (bool more = true; more;) {
      peer.rows = peer.rows.cold();
      const int before = peer.runs;
      peer.step([&](crdt::Replica& replica, store::Rows&) {
        auto result = replica.messages({.before = {}, .after = at, .limit = limit, .reverse = false});
        if (!result || result->messages.empty()) return;
        more = result->more;
        if (peer.rows.missed()) return;
        for (auto& m : result->messages) forward.push_back(said(m));
        at = result->messages.back().id;
      });
      REQUIRE(peer.runs - before <= 8);
      if (limit < 7 && forward.size() > 40) break;
    }
    if (limit >= 7) CHECK(forward == all);
    at.reset();
    for (bool more = limit >= 7; more;) {
      auto result = crdt::Replica::PageResult{};
      peer.step([&](crdt::Replica& replica, store::Rows&) {
        auto r = replica.messages({.before = at, .after = {}, .limit = limit, .reverse = true});
        if (r) result = *r;
      });
      more = result.more;
      for (auto& m : result.messages) backward.insert(backward.begin(), said(m));
      if (!result.messages.empty()) at = result.messages.back().id;
    }
    if (limit >= 7) CHECK(backward == all);
  }
}

TEST_CASE("a page of large messages ends at a mebibyte but is never empty") {
  World world(4);
  const auto a = world.open();
  for (u32 i = 0; i < 8; ++i) world.append(a, noon + i, {say(std::string(60'000, 'x'))});
  for (u32 i = 0; i < 20; ++i) world.append(a, noon + 10 + i, {say(std::string(60'000, 'x'))});
  Peer peer(world);
  peer.deliver_all();
  bool more = false;
  CHECK(page(peer, {.before = {}, .after = {}, .limit = 256, .reverse = false}, &more).size() == 17);
  CHECK(more);
}

TEST_CASE("a message is found by its id; what is no message or does not count is not") {
  Talk talk;
  Peer peer(talk.world);
  peer.deliver_all();
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    CHECK(said(*replica.message(talk.world.id(talk.b, 0, 2))) == "3");
    CHECK_FALSE(replica.message(talk.world.id(talk.b, 0, 1)));
    CHECK_FALSE(replica.message(talk.world.id(talk.b, 0, 3)));
    CHECK_FALSE(replica.message(talk.world.id(talk.b, 9, 0)));
  });
}

TEST_CASE("a live reader hears each message once, in the order of arrival, those that were held back too") {
  Talk talk;
  talk.world.append(talk.a, noon + 7 * 60'000, {say("late")});
  Peer peer(talk.world);
  peer.deliver(talk.b, 1);
  u64 at = 0;
  peer.step([&](crdt::Replica& replica, store::Rows&) { at = replica.indexes().arrived; });
  Words heard;
  auto listen = [&](u32 limit) {
    peer.step([&](crdt::Replica& replica, store::Rows& rows) {
      auto live = replica.arrived_since(at, limit);
      if (rows.missed()) return;
      for (auto& m : live.messages) heard.push_back(said(m));
      at = live.next;
    });
  };
  peer.deliver(talk.a, 4);
  peer.rows = peer.rows.cold();
  listen(1);
  CHECK(heard == Words{"1"});
  peer.deliver(talk.b, 2);
  listen(50);
  CHECK(heard == Words{"1", "4", "5", "6"});
  listen(50);
  CHECK(heard.size() == 4);
  peer.now += 3 * 60'000;
  peer.release();
  listen(50);
  CHECK(heard == Words{"1", "4", "5", "6", "late"});
}

TEST_CASE("a batch from a clock far ahead waits until it is due") {
  World world(5);
  const auto a = world.open();
  world.append(a, noon, {say("now")});
  world.append(a, noon + 6 * 60'000, {say("soon"), set("k", "v")});
  world.append(a, noon + 1, {say("then")});
  Peer peer(world);
  peer.deliver(a, 3);
  CHECK(latest(peer, 9) == Words{"now", "then"});
  CHECK(peer.changes.held == false);
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    CHECK(replica.next_due_ms() == noon + 60'000);
    CHECK(replica.indexes().held_bytes == world.logs[a].sealed[1].size());
    CHECK(replica.indexes().greatest == at_ms(noon + 1));
    CHECK_FALSE(replica.key("k"));
  });
  peer.now = noon + 59'999;
  peer.release();
  CHECK(latest(peer, 9) == Words{"now", "then"});
  peer.now = noon + 60'000;
  peer.rows = peer.rows.cold();
  CHECK_FALSE(peer.release());
  CHECK(peer.changes.held);
  CHECK(latest(peer, 9) == Words{"now", "then", "soon"});
  std::optional<crdt::KeyState> state;
  peer.step([&](crdt::Replica& replica, store::Rows&) { state = replica.key("k"); });
  CHECK(state);
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    CHECK_FALSE(replica.next_due_ms());
    CHECK(replica.indexes().held_bytes == 0);
  });
}

TEST_CASE("more than 256 batches that fall due at once are released in portions") {
  World world(6);
  const auto a = world.open();
  for (u32 i = 0; i < 300; ++i) world.append(a, noon + 600'000 + i, {say(std::to_string(i))});
  Peer peer(world);
  peer.deliver(a, 300);
  peer.now = noon + 900'000;
  CHECK(peer.release());
  CHECK_FALSE(peer.release());
  CHECK(latest(peer, 1) == Words{"299"});
  CHECK(view_of(peer, 100) == expected(peer));
}

TEST_CASE("unread counts what stands behind the mark, and what comes late to a place before it") {
  Talk talk;
  Peer peer(talk.world);
  peer.deliver(talk.b, 2);
  CHECK(unread(peer) == 3);
  peer.step([&](crdt::Replica& replica, store::Rows&) { replica.mark_read(talk.world.id(talk.b, 0, 0)); });
  CHECK(unread(peer) == 2);
  peer.deliver(talk.a, 1);
  CHECK(unread(peer) == 3);
  peer.deliver(talk.a, 3);
  CHECK(unread(peer) == 5);
  // seen now, with what came before it
  peer.step([&](crdt::Replica& replica, store::Rows&) { replica.mark_read(talk.world.id(talk.b, 0, 0)); });
  CHECK(unread(peer) == 4);
  peer.step([&](crdt::Replica& replica, store::Rows&) { replica.mark_read(std::nullopt); });
  CHECK(unread(peer) == 0);
  peer.step([&](crdt::Replica& replica, store::Rows&) { replica.mark_read(talk.world.id(talk.a, 0)); });
  CHECK(unread(peer) == 0);
  peer.cut(talk.a, 1);
  CHECK(unread(peer) == 0);
  CHECK(latest(peer, 9) == Words{"1", "2", "3", "6"});
}

TEST_CASE("a voided end of a log leaves the timeline, whether the void or the end comes first") {
  World world(7);
  const DeviceId device = world.random.fixed<DeviceId>();
  const auto old = world.open(device), fresh = world.open(device), stranger = world.open();
  world.append(old, noon, {say("kept")});
  world.append(old, noon + 1, {say("lost"), set("k", "lost")});
  world.append(fresh, at_ms(noon + 2), {say("again")}, {{world.logs[old].id, 1}});
  world.append(stranger, at_ms(noon + 3), {say("liar")}, {{world.logs[old].id, 0}, {world.logs[fresh].id, 0}});
  for (const auto& order :
       {std::vector<std::size_t>{old, fresh, stranger}, {stranger, fresh, old}, {fresh, old, stranger}}) {
    Peer peer(world);
    for (auto l : order) peer.deliver(l, world.logs[l].sealed.size());
    CHECK(latest(peer, 9) == Words{"kept", "again", "liar"});
    CHECK(view_of(peer) == expected(peer));
    CHECK(peer.kept[peer.number(old)].name.cut == 1);
  }
}

TEST_CASE("a batch that cannot be read says nothing and breaks nothing; one that is gone is reported") {
  Talk talk;
  talk.world.logs[talk.a].sealed[1] = Bytes(80, 7);
  Peer peer(talk.world);
  peer.deliver_all();
  CHECK(latest(peer, 9) == Words{"1", "2", "3", "5", "6"});
  CHECK_FALSE(peer.absent);
  peer.rows.base.erase(store::key('B', Peer::topic, peer.number(talk.b), u32{0}));
  CHECK(latest(peer, 9) == Words{"1", "5", "6"});
  CHECK(peer.absent);
  CHECK_FALSE(peer.corrupt);  // the indexes are as right as before
}

TEST_CASE("an indexes row that cannot be read is reported, and all is there again once rebuilt") {
  Talk talk;
  Peer peer(talk.world);
  peer.deliver_all();
  const View before = view_of(peer);
  std::erase_if(peer.rows.base, [](auto& row) { return row.first[0] == 'X'; });
  peer.rows.base[store::key('I', Peer::topic)] = Bytes{1, 2, 3};
  bool corrupt = false;
  {
    crdt::Replica replica(peer.rows, Peer::topic, peer, talk.world.keys, talk.world.network);
    corrupt = replica.corrupt();
  }
  CHECK(corrupt);
  peer.rows.base.erase(store::key('I', Peer::topic));
  for (auto& [no, k] : peer.kept) k.name.held = 0;
  peer.deliver_all();
  CHECK(view_of(peer) == before);
}

TEST_CASE("what a forked log voids from there on is void no more, whichever of void and fork was learnt first") {
  for (int order = 0; order < 3; ++order) {
    CAPTURE(order);
    World world(4);
    const DeviceId device = world.random.fixed<DeviceId>();
    const auto a = world.open(device), b = world.open(device);
    world.append(a, noon, {say("1")});
    world.append(a, noon + 1, {say("2")});
    world.append(b, noon + 2, {say("3")});
    world.append(b, at_ms(noon + 3), {say("4")}, {{world.logs[a].id, 1}});
    Peer peer(world);
    if (order == 0) peer.deliver(a, 2);
    if (order == 1) peer.cut(b, 1);
    peer.deliver(b, 2);
    peer.deliver(a, 2);
    if (order != 1) CHECK(latest(peer, 50) == Words{"1", "3", "4"});
    peer.cut(b, 1);
    CHECK(latest(peer, 50) == Words{"1", "2", "3"});
  }
}
