// What is said again, and what a member's few bytes may cost others there: rows read and written are counted.
#include "catch_amalgamated.hpp"
#include "crdt/oracle.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct Work { std::size_t read = 0, written = 0; };

template <class F>
Work work_of(Peer& peer, F f) {
  const auto before = peer.rows.base;
  MemoryRows rows;
  rows.base = before;
  peer.rows = rows;  // nothing is kept beside the rows
  f();
  Work work{peer.rows.reads, 0};
  for (const auto& [key, value] : peer.rows.base)
    if (const auto was = before.find(key); was == before.end() || was->second != value) ++work.written;
  return work;
}

log::Op again(log::Op op, const World& world, std::size_t log, u32 batch, u32 position, u64 ms) {
  op.says = log::Saying{world.logs[log].incarnation, batch, position, at_ms(ms)};
  return op;
}

using Told = std::vector<std::pair<OpId, std::string>>;
Told told(Peer& peer, u64 after, u64* next = nullptr) {
  Told out;
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    out.clear();
    for (;;) {
      const auto live = replica.arrived_since(after, 100);
      for (const crdt::Message& m : live.messages) out.emplace_back(m.id, text(ByteView(m.value).subspan(3)));
      if (live.next == after) break;
      after = live.next;
    }
    if (next) *next = after;
  });
  return out;
}

}  // namespace

TEST_CASE("a batch that says an id again reads as many rows, however often that was said in vain") {
  Work cost[2];
  for (bool much : {false, true}) {
    World world(3);
    const DeviceId device = world.random.fixed<DeviceId>();
    const auto a = world.open(device), b = world.open(device);
    const auto sayings = [](u64 n) {
      log::Op op = say("");
      op.says = log::Saying{77, 0, 0, at_ms(noon + n)};
      return std::vector<log::Op>(256, op);
    };
    const u64 batches = much ? 40 : 4;
    for (u64 n = 0; n < batches; ++n) world.append(a, at_ms(noon + n), sayings(n));
    world.append(b, at_ms(noon + 1000), {say("x")}, {{world.logs[a].id, 0}});
    world.append(b, at_ms(noon + 1001), sayings(1001));
    Peer peer(world);
    peer.deliver(a, batches);
    peer.deliver(b, 1);
    cost[much] = work_of(peer, [&] { peer.deliver(b, 2); });
    CHECK(view_of(peer) == expected(peer));
  }
  // The tree may be a page higher.
  CHECK(cost[1].read <= cost[0].read + 4);
  CHECK(cost[1].written <= cost[0].written + 4);
}

TEST_CASE("when the last versions of a key are taken back as many rows are read, however many came before") {
  Work cost[2];
  for (bool much : {false, true}) {
    World world(4);
    const auto a = world.open(), b = world.open(), c = world.open();
    const u64 versions = much ? 400 : 8;
    std::vector<OpId> last;
    for (u64 n = 0; n < versions; ++n) {
      const auto log = n + 3 >= versions ? c : n % 2 == 0 ? a : b;
      last = {world.id(log, world.append(log, noon + n, {set("k", std::to_string(n), last)}))};
    }
    Peer peer(world);
    peer.deliver_all();
    cost[much] = work_of(peer, [&] { peer.cut(c, 0); });
    CHECK(view_of(peer) == expected(peer));
  }
  CHECK(cost[1].read <= cost[0].read + 4);
}

TEST_CASE("when a version is taken back as many rows are written, however many versions stand") {
  Work set_cost[2];
  std::size_t written[2];
  for (bool much : {false, true}) {
    World world(3);
    const u64 batches = much ? 40 : 4;
    const DeviceId device = world.random.fixed<DeviceId>();
    const auto a = world.open(device), b = world.open(device);
    for (u64 n = 0; n < batches; ++n) world.append(a, at_ms(noon + n), std::vector<log::Op>(256, set("k", "")));
    world.append(b, at_ms(noon + 1000), {set("k", "v", {world.id(a, 0, 0)})});
    Peer peer(world);
    peer.deliver(a, batches);
    set_cost[much] = work_of(peer, [&] { peer.deliver(b, 1); });
    peer.step([&](crdt::Replica& replica, store::Rows& rows) {
      replica.cut(peer.number(b), 0, peer.now);
      replica.finish();
      written[much] = dynamic_cast<MemoryRows&>(rows).written();
    });
    peer.step([&](crdt::Replica& replica, store::Rows&) {
      CHECK(replica.key("k")->winner.id == world.id(a, static_cast<u32>(batches - 1), 255));
      CHECK(replica.unreplaced("k", ~u64{0}).size() == batches * 256);
    });
  }
  CHECK(set_cost[1].read <= set_cost[0].read + 6);
  CHECK(set_cost[1].written <= set_cost[0].written + 6);
  CHECK(written[1] <= written[0] + 6);
}

TEST_CASE("a version that is said again in a lesser place costs the map nothing") {
  Work cost[2];
  for (bool much : {false, true}) {
    World world(3);
    const u64 batches = much ? 40 : 4;
    const DeviceId device = world.random.fixed<DeviceId>();
    const auto a = world.open(device), b = world.open(device), c = world.open(device);
    world.append(b, at_ms(noon), {say("0"), set("k", "v")});
    for (u64 n = 1; n <= batches; ++n)
      world.append(a, at_ms(noon + n), std::vector<log::Op>(256, set("k", "", {world.id(b, 0, 1)})));
    world.append(c, at_ms(noon + 1), {again(set("k", "v"), world, b, 0, 1, noon)});
    Peer peer(world);
    peer.deliver(c, 1);
    peer.deliver(a, batches);
    cost[much] = work_of(peer, [&] { peer.deliver(b, 1); });
    peer.step([&](crdt::Replica& replica, store::Rows&) {
      CHECK(replica.unreplaced("k", ~u64{0}).size() == batches * 256);
      CHECK(replica.places_of(world.id(b, 0, 1)) == std::vector{world.id(b, 0, 1), world.id(c, 0, 0)});
    });
  }
  CHECK(cost[1].read <= cost[0].read + 4);
  CHECK(cost[1].written <= cost[0].written + 4);
}

TEST_CASE(
    "who follows what arrives is told of each message once, of the text that counts, whichever of a log and the void of its end came first") {
  for (bool void_first : {false, true})
    for (const char* words : {"1", "one"}) {
      CAPTURE(void_first, words);
      World world(3);
      const DeviceId device = world.random.fixed<DeviceId>();
      const auto a = world.open(device), b = world.open(device);
      world.append(a, at_ms(noon), {say("0")});
      world.append(a, at_ms(noon + 1), {say("1")});
      world.append(b, at_ms(noon + 10), {again(say(words), world, a, 1, 0, noon + 1)});
      world.append(b, at_ms(noon + 11), {say("2")}, {{world.logs[a].id, 1}});
      Peer peer(world);
      for (std::size_t log : void_first ? std::vector{b, a} : std::vector{a, b}) peer.deliver(log, 2);
      Told all = told(peer, 0), want{{world.id(a, 0), "0"}, {world.id(a, 1), words}, {world.id(b, 1), "2"}};
      std::sort(all.begin(), all.end());
      std::sort(want.begin(), want.end());
      CHECK(all == want);
    }
}

TEST_CASE("a message that ceases to count and is said once more is told once") {
  World world(5);
  const DeviceId device = world.random.fixed<DeviceId>();
  const auto a = world.open(device), b = world.open(device), c = world.open(device);
  world.append(a, at_ms(noon), {say("1")});
  world.append(b, at_ms(noon + 10), {again(say("1"), world, a, 0, 0, noon)});
  world.append(b, at_ms(noon + 11), {say("2")}, {{world.logs[a].id, 0}});
  world.append(c, at_ms(noon + 20), {say("3")}, {{world.logs[b].id, 0}});
  world.append(c, at_ms(noon + 21), {again(say("1"), world, a, 0, 0, noon)});
  Peer peer(world);
  Told all;
  u64 next = 0;
  for (const auto& [log, to] : {std::pair{a, 1}, {b, 2}, {c, 1}, {c, 2}}) {
    peer.deliver(log, static_cast<u64>(to));
    for (auto& one : told(peer, next, &next)) all.push_back(one);
  }
  CHECK(all == Told{{world.id(a, 0), "1"}, {world.id(b, 1), "2"}, {world.id(c, 0), "3"}});
  CHECK(told(peer, 0) == Told{{world.id(a, 0), "1"}, {world.id(c, 0), "3"}});
}

TEST_CASE("a cut that is lifted leaves everything as it was, what is said again too") {
  World world(6);
  const DeviceId device = world.random.fixed<DeviceId>();
  const auto a = world.open(device), b = world.open(device), c = world.open(device);
  world.append(a, at_ms(noon), {say("1"), set("k", "1"), say("2")});
  world.append(b, at_ms(noon + 10),
               {again(say("1"), world, a, 0, 0, noon), again(say("2"), world, a, 0, 2, noon), say("3")});
  world.append(c, at_ms(noon + 20),
               {again(say("1"), world, a, 0, 0, noon), again(set("k", "1"), world, a, 0, 1, noon)});
  std::vector<std::size_t> order{a, b, c};
  do {
    Peer peer(world);
    for (std::size_t log : order) peer.deliver(log, 1);
    const View all = view_of(peer);
    CHECK(all == expected(peer));
    const auto cut = [&](std::size_t log, u64 from) {
      peer.step([&](crdt::Replica& replica, store::Rows&) { replica.cut(peer.number(log), from, peer.now); });
      peer.kept[peer.number(log)].name.cut = peer.kept[peer.number(log)].name.forked = from;
      CHECK(view_of(peer) == expected(peer));
    };
    for (u32 turn = 0; turn < 2; ++turn) {
      for (std::size_t log : order) cut(log, 0);
      for (std::size_t log : order) cut(log, log::no_cut);
      CHECK(view_of(peer) == all);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}
