#include "catch_amalgamated.hpp"
#include "crdt/oracle.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

std::string shown(const crdt::Version& v) {
  return v.value ? std::string(text(ByteView(*v.value).subspan(3))) : "(deleted)";
}

// "winner | losers", or nothing.
std::string shown(Peer& peer, std::string_view key) {
  std::string out;
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    out.clear();
    auto state = replica.key(key);
    if (!state) return;
    out = shown(state->winner);
    for (auto& loser : state->losers) out += " | " + shown(loser);
  });
  return out;
}

std::string history(Peer& peer, std::string_view key) {
  std::string out;
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    out.clear();
    for (auto& v : replica.history(key, {}, 100).versions) out += (out.empty() ? "" : " ") + shown(v);
  });
  return out;
}

std::vector<OpId> unreplaced(Peer& peer, std::string_view key) {
  std::vector<OpId> ids;
  peer.step([&](crdt::Replica& replica, store::Rows&) { ids = replica.unreplaced(key, log::names_max); });
  return ids;
}

u64 conflicts(Peer& peer) {
  u64 n = 0;
  peer.step([&](crdt::Replica& replica, store::Rows&) { n = replica.conflicts({}).conflicts.size(); });
  return n;
}

u64 size(Peer& peer) {
  u64 n = 0;
  peer.step([&](crdt::Replica& replica, store::Rows&) { n = replica.map_size(); });
  return n;
}

}  // namespace

TEST_CASE("a key that is set, set again and deleted shows its last state and remembers the rest") {
  World world(1);
  const auto a = world.open();
  Peer peer(world);
  CHECK(shown(peer, "k").empty());
  world.append(a, noon, {set("k", "1")});
  peer.deliver(a, 1);
  CHECK(shown(peer, "k") == "1");
  CHECK(peer.changes.keys.empty());
  world.append(a, noon + 1, {set("k", "2", unreplaced(peer, "k"))});
  peer.deliver(a, 2);
  CHECK(peer.changes.keys == std::vector<std::string>{"k"});
  CHECK(shown(peer, "k") == "2");
  CHECK(size(peer) == 1);
  world.append(a, noon + 2, {erase("k", unreplaced(peer, "k"))});
  peer.deliver(a, 3);
  CHECK(shown(peer, "k") == "(deleted)");
  CHECK(size(peer) == 0);
  CHECK(conflicts(peer) == 0);
  CHECK(history(peer, "k") == "(deleted) 2 1");
}

TEST_CASE("two who set a key at once leave a conflict, the later one wins, and resolving ends it") {
  World world(2);
  const auto a = world.open(), b = world.open();
  world.append(a, noon, {set("k", "base")});
  const std::vector<OpId> base{world.id(a, 0)};
  world.append(a, noon + 5, {set("k", "left", base)});
  world.append(b, noon + 6, {set("k", "right", base)});
  Peer peer(world);
  peer.deliver_all();
  CHECK(shown(peer, "k") == "right | left");
  CHECK(conflicts(peer) == 1);
  CHECK(unreplaced(peer, "k") == std::vector<OpId>{world.id(b, 0), world.id(a, 1)});
  world.append(a, noon + 7, {set("k", "both", unreplaced(peer, "k"))});
  peer.deliver_all();
  CHECK(shown(peer, "k") == "both");
  CHECK(conflicts(peer) == 0);
  CHECK(history(peer, "k") == "both right left base");
}

TEST_CASE("a deletion and a set at once conflict like any two") {
  World world(3);
  const auto a = world.open(), b = world.open();
  world.append(a, noon, {set("k", "1")});
  world.append(a, noon + 1, {erase("k", {world.id(a, 0)})});
  world.append(b, noon + 1, {set("k", "2", {world.id(a, 0)})});
  Peer peer(world);
  peer.deliver_all();
  const bool deleted = world.logs[b].device < world.logs[a].device;
  CHECK(shown(peer, "k") == (deleted ? "(deleted) | 2" : "2 | (deleted)"));
  CHECK(size(peer) == (deleted ? 0 : 1));
}

TEST_CASE("a version that is named before it arrives is replaced when it does") {
  World world(4);
  const auto a = world.open(), b = world.open();
  world.append(a, noon, {set("k", "1")});
  world.append(b, noon + 1, {set("k", "2", {world.id(a, 0)})});
  Peer peer(world);
  peer.deliver(b, 1);
  CHECK(shown(peer, "k") == "2");
  CHECK(history(peer, "k") == "2");
  peer.deliver(a, 1);
  CHECK(shown(peer, "k") == "2");
  CHECK(conflicts(peer) == 0);
  CHECK(history(peer, "k") == "2 1");
}

TEST_CASE("names of what does not exist, of other keys, of greater versions and of oneself replace nothing") {
  World world(5);
  const auto a = world.open(), b = world.open();
  world.append(a, noon, {set("other", "o"), say("m"), set("k", "1")});
  world.append(
      b, noon - 5,
      {set("k", "0",
           {world.id(a, 0, 2), world.id(a, 0, 0), world.id(a, 0, 1), world.id(b, 0), world.id(a, 99), OpId{}})});
  for (bool first : {true, false}) {
    Peer peer(world);
    peer.deliver(first ? a : b, 1);
    peer.deliver_all();
    CHECK(shown(peer, "k") == "1 | 0");
    CHECK(shown(peer, "other") == "o");
  }
}

TEST_CASE("several sets of one key in one batch follow one another") {
  World world(6);
  const auto a = world.open();
  world.append(a, noon,
               {set("k", "1"), set("k", "2", {world.id(a, 0, 0)}), erase("k", {world.id(a, 0, 1)}),
                set("k", "3", {world.id(a, 0, 2)})});
  Peer peer(world);
  peer.deliver_all();
  CHECK(shown(peer, "k") == "3");
  CHECK(history(peer, "k") == "3 (deleted) 2 1");
}

TEST_CASE("a hundred versions at once all stay, and sets that name sixteen each wear them down") {
  World world(7);
  for (u32 i = 0; i < 100; ++i) world.append(world.open(), noon + i % 7, {set("k", std::to_string(i))});
  Peer peer(world);
  peer.deliver_all();
  CHECK(view_of(peer, 30) == expected(peer));
  CHECK(unreplaced(peer, "k").size() == 16);
  const auto a = world.open();
  for (u32 n = 0; n < 8; ++n) {
    world.append(a, noon + 100 + n, {set("k", "r" + std::to_string(n), unreplaced(peer, "k"))});
    peer.deliver_all();
    CHECK(view_of(peer, 30) == expected(peer));
  }
  CHECK(shown(peer, "k") == "r7");
}

TEST_CASE("when a fork takes a version back, what it alone had replaced stands again") {
  World world(8);
  const auto a = world.open(), b = world.open(), c = world.open();
  world.append(a, noon, {set("k", "1")});
  world.append(a, noon + 1, {set("k", "2")});
  world.append(b, noon + 2, {set("k", "3", {world.id(a, 0), world.id(a, 1), world.id(c, 0)})});
  world.append(c, noon, {set("k", "c")});
  world.append(c, noon + 3, {set("k", "d", {world.id(a, 1)})});
  Peer peer(world);
  peer.deliver(a, 2);
  peer.deliver(b, 1);
  CHECK(shown(peer, "k") == "3");
  peer.cut(b, 0);
  CHECK(shown(peer, "k") == "2 | 1");
  CHECK(peer.changes.keys.empty());
  peer.deliver(c, 2);
  CHECK(view_of(peer) == expected(peer));
  peer.cut(a, 0);
  CHECK(view_of(peer) == expected(peer));
  peer.cut(c, 0);
  CHECK(shown(peer, "k").empty());
  CHECK(size(peer) == 0);
  CHECK(conflicts(peer) == 0);
}

TEST_CASE("entries come by key, with a prefix, in pages, without the deleted ones") {
  World world(9);
  const auto a = world.open();
  std::vector<log::Op> ops;
  for (u32 i = 0; i < 40; ++i) ops.push_back(set("a/" + std::to_string(10 + i), std::to_string(i)));
  ops.push_back(set("b", "b"));
  ops.push_back(set("a", "a"));
  world.append(a, noon, ops);
  world.append(a, noon + 1, {erase("a/20", {world.id(a, 0, 10)})});
  Peer peer(world);
  peer.deliver_all();
  std::vector<std::string> keys;
  crdt::Replica::EntriesOptions options{.prefix = "a/", .after = {}, .limit = 7};
  for (bool more = true; more;) {
    crdt::Replica::EntriesResult result;
    peer.step([&](crdt::Replica& replica, store::Rows&) { result = replica.entries(options); });
    for (auto& [key, version] : result.entries) keys.push_back(key);
    more = result.more;
    options.after = keys.back();
  }
  CHECK(keys.size() == 39);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
  CHECK(keys.front() == "a/10");
  CHECK(keys.back() == "a/49");
  CHECK(size(peer) == 41);
}

TEST_CASE("a long history is walked in few runs when all its rows must be fetched") {
  World world(10);
  const auto a = world.open(), b = world.open();
  std::vector<OpId> last;
  for (u32 i = 0; i < 400; ++i) {
    const auto l = i % 3 == 0 ? a : b;
    const u32 batch = world.append(l, noon + i, {set("k", std::to_string(i), last)});
    last = {world.id(l, batch)};
  }
  Peer peer(world);
  peer.deliver_all();
  peer.rows = peer.rows.cold();
  std::size_t n = 0;
  const int before = peer.runs;
  peer.step([&](crdt::Replica& replica, store::Rows&) { n = replica.history("k", {}, 256).versions.size(); });
  CHECK(n == 256);
  CHECK(peer.runs - before < 40);
}

TEST_CASE("more than 256 changed keys are told as all") {
  World world(11);
  const auto a = world.open();
  for (u32 b = 0; b < 2; ++b) {
    std::vector<log::Op> ops;
    for (u32 i = 0; i < 200; ++i) ops.push_back(set("k" + std::to_string(b * 200 + i), "v"));
    world.append(a, noon + b, ops);
  }
  Peer peer(world);
  peer.step([](crdt::Replica&, store::Rows&) {});
  peer.deliver(a, 1);
  CHECK(peer.changes.keys.size() == 200);
  CHECK_FALSE(peer.changes.all_keys);
  Peer other(world);
  other.deliver(a, 2);
  CHECK(other.changes.all_keys);
  CHECK(other.changes.keys.size() == 256);
}
