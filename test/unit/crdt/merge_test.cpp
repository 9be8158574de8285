// The merge laws: whatever the order in which batches, voids, forks and due times come, all end up the same, and the same
// as an oracle that knows no index.
#include "catch_amalgamated.hpp"
#include "crdt/oracle.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct Style {
  u64 batches = 24, logs = 4, keys = 3;
  bool ahead = true;  // some clocks run ahead
  bool voids = true;
  bool sayings = false;  // ops that stand for others, and voids in any batch
};

// Names: what the author would have seen, and what liars make up.
std::vector<OpId> names(const World& world, const View& seen, const std::string& key, std::mt19937_64& r) {
  std::vector<OpId> out;
  if (auto at = seen.keys.find(key); at != seen.keys.end() && r() % 5 != 0)
    for (auto& id : at->second.unreplaced)
      if (r() % 6 != 0 && out.size() < 10) out.push_back(id);
  while (r() % 3 == 0 && out.size() < log::names_max)
    out.push_back(world.id(r() % world.logs.size(), static_cast<u32>(r() % 8), static_cast<u32>(r() % 3)));
  if (r() % 12 == 0) out.push_back({LogId{}, 1, 1});
  return out;
}

World random_world(u64 seed, const Style& style) {
  World world(seed);
  std::mt19937_64 r(seed * 77 + 5);
  std::vector<DeviceId> devices;
  for (u64 l = 0; l < style.logs; ++l) {
    if (devices.empty() || r() % 3 != 0) devices.push_back(world.random.fixed<DeviceId>());
    world.open(devices[r() % devices.size()]);
  }
  std::vector<Share> seen(style.logs);
  for (u64 n = 0; n < style.batches; ++n) {
    const std::size_t l = r() % style.logs;
    for (std::size_t o = 0; o < style.logs; ++o)
      if (r() % 3 == 0) seen[o].held = r() % (world.logs[o].batches.size() + 1);
    seen[l].held = world.logs[l].batches.size();
    const View view = oracle(world, seen, noon);
    u64 ms = noon + (r() % 3 == 0 ? r() % 3 : n);
    if (style.ahead && r() % 8 == 0) ms += (r() % 4) * 200'000;
    std::vector<log::Op> ops;
    for (u64 count = r() % 4 == 0 ? 1 + r() % 4 : 1; count > 0; --count) {
      const std::string key(1, static_cast<char>('a' + r() % style.keys));
      const u64 kind = r() % 6;
      if (kind == 0) ops.push_back(say("m" + std::to_string(n)));
      else if (kind == 1) ops.push_back(erase(key, names(world, view, key, r)));
      else ops.push_back(set(key, "v" + std::to_string(n), names(world, view, key, r)));
    }
    std::vector<log::Void> voids;
    const bool first = world.logs[l].batches.empty();
    if (style.voids && (first || style.sayings) && r() % (first ? 2 : 10) == 0)
      voids.push_back({world.logs[r() % style.logs].id, r() % 5});
    if (style.sayings)
      for (log::Op& op : ops) {
        if (r() % 3 != 0) continue;
        // Mostly as an author says again what stands elsewhere; now and then something else altogether, as a liar may.
        std::vector<std::size_t> own;
        for (std::size_t o = 0; o < style.logs; ++o)
          if (world.logs[o].device == world.logs[l].device) own.push_back(o);
        const World::Log& of = world.logs[own[r() % own.size()]];
        log::Saying says{of.incarnation, static_cast<u32>(r() % 6), static_cast<u32>(r() % 2),
                         at_ms(std::min(ms, noon + r() % 60))};
        if (says.batch < of.batches.size() && says.position < of.batches[says.batch].ops.size() && r() % 4 != 0) {
          const log::Op& there = of.batches[says.batch].ops[says.position];
          says.time = there.says ? there.says->time : of.batches[says.batch].time;
          const auto named = there.says;
          op = there;
          if (named) says = *named;
          if (says.time > at_ms(ms)) says.time = at_ms(ms);
        }
        op.says = says;
      }
    world.append(l, at_ms(ms, static_cast<u16>(r() % 2)), ops, voids);
  }
  return world;
}

// Brings everything in some order, in steps of some size, and checks on the way.
void bring(Peer& peer, std::mt19937_64& r, const std::vector<std::pair<std::size_t, u64>>& cuts, bool check) {
  auto pending_cuts = cuts;
  for (;;) {
    if (r() % 5 == 0) peer.rows = peer.rows.cold();
    std::vector<Peer::Part> parts;
    for (std::size_t l = 0; l < peer.world.logs.size(); ++l) {
      const u64 held = peer.held(l), all = peer.world.logs[l].sealed.size();
      if (held < all && r() % 3 == 0) parts.push_back({l, std::min(all, held + 1 + r() % 4)});
    }
    std::shuffle(parts.begin(), parts.end(), r);
    if (!parts.empty()) peer.deliver(parts);
    if (!pending_cuts.empty() && r() % 4 == 0) {
      peer.cut(pending_cuts.back().first, pending_cuts.back().second);
      pending_cuts.pop_back();
    }
    if (r() % 6 == 0) {
      peer.now += r() % 400'000;
      while (peer.release()) {}
      if (check) REQUIRE(view_of(peer, 1 + r() % 5) == expected(peer));
    } else if (check && r() % 3 == 0) {
      View want = expected(peer), have = view_of(peer, 1 + r() % 5);
      REQUIRE(have == want);
    }
    bool all = pending_cuts.empty();
    for (std::size_t l = 0; l < peer.world.logs.size(); ++l)
      all = all && peer.held(l) == peer.world.logs[l].sealed.size();
    if (all) break;
  }
  REQUIRE_FALSE(peer.corrupt);
}

std::vector<std::pair<std::size_t, u64>> random_cuts(const World& world, std::mt19937_64& r) {
  std::vector<std::pair<std::size_t, u64>> cuts;
  while (r() % 3 == 0) cuts.emplace_back(r() % world.logs.size(), r() % 6);
  return cuts;
}

// Ids under which a liar says a message here and a version of a key there.
std::set<OpId> not_only_messages(const World& world) {
  std::set<OpId> ids;
  for (const World::Log& log : world.logs)
    for (u32 b = 0; b < log.batches.size(); ++b)
      for (u32 p = 0; p < log.batches[b].ops.size(); ++p) {
        const log::Op& op = log.batches[b].ops[p];
        if (log::is_message(op)) continue;
        ids.insert(op.says ? OpId{identity::log_id(world.network, world.keys.id, log.device, op.says->incarnation),
                                  op.says->batch, op.says->position}
                           : OpId{log.id, b, p});
      }
  return ids;
}

// The messages of which those hear who follow from the start, each once.
std::set<OpId> told(Peer& peer) {
  std::set<OpId> ids;
  peer.step([&](crdt::Replica& replica, store::Rows& rows) {
    ids.clear();
    u64 after = 0;
    for (auto live = replica.arrived_since(after, 20); live.next > after && !rows.missed();
         live = replica.arrived_since(after, 20)) {
      for (const crdt::Message& m : live.messages) REQUIRE(ids.insert(m.id).second);
      after = live.next;
    }
  });
  return ids;
}

void check_agreement(u64 seed, const Style& style, int peers) {
  CAPTURE(seed);
  const World world = random_world(seed, style);
  std::mt19937_64 r(seed);
  auto cuts = random_cuts(world, r);
  std::optional<Hash> digest;
  for (int n = 0; n < peers; ++n) {
    Peer peer(world);
    std::shuffle(cuts.begin(), cuts.end(), r);
    bring(peer, r, cuts, n < 2);
    peer.now = noon + 3'600'000;
    while (peer.release()) {}
    const View view = view_of(peer, 3);
    REQUIRE(view == expected(peer));
    if (!digest) digest = peer.digest();
    REQUIRE(peer.digest() == *digest);
    if (!cuts.empty()) continue;  // what a fork brings back is told again
    std::set<OpId> due(view.timeline.begin(), view.timeline.end());
    const std::set<OpId> heard = told(peer);
    REQUIRE(std::includes(due.begin(), due.end(), heard.begin(), heard.end()));
    for (const OpId& id : not_only_messages(world)) due.erase(id);
    REQUIRE(std::includes(heard.begin(), heard.end(), due.begin(), due.end()));
  }
}

}  // namespace

TEST_CASE("what is said again counts once, wherever it counts, in whatever order and portions it and its voids came") {
  for (u64 seed = 1; seed <= 240; ++seed)
    check_agreement(seed * 31,
                    {.batches = 30, .logs = 5, .keys = 2, .ahead = seed % 3 == 0, .voids = true, .sayings = true}, 3);
}

TEST_CASE("replicas that hold the same show the same, in whatever order and portions it came") {
  for (u64 seed = 1; seed <= 180; ++seed) check_agreement(seed, {}, 3);
}

TEST_CASE("the same with many versions of one key at once") {
  for (u64 seed = 1000; seed <= 1008; ++seed)
    check_agreement(seed, {.batches = 50, .logs = 20, .keys = 1, .ahead = false, .voids = false}, 2);
}

TEST_CASE("the same with few authors, long chains and clocks ahead") {
  for (u64 seed = 2000; seed <= 2030; ++seed) check_agreement(seed, {.batches = 40, .logs = 2, .keys = 2}, 3);
}

TEST_CASE("small histories end the same after every possible order of delivery") {
  for (u64 seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    const World world = random_world(
        seed + 500, {.batches = 6, .logs = 3, .keys = 1, .ahead = seed % 2 == 0, .voids = seed % 3 == 0});
    std::vector<std::size_t> order;
    for (std::size_t l = 0; l < world.logs.size(); ++l) order.insert(order.end(), world.logs[l].sealed.size(), l);
    std::optional<Hash> digest;
    do {
      Peer peer(world);
      for (std::size_t l : order) peer.deliver(l, peer.held(l) + 1);
      peer.now = noon + 3'600'000;
      peer.release();
      if (!digest) REQUIRE(view_of(peer) == expected(peer));
      if (!digest) digest = peer.digest();
      REQUIRE(peer.digest() == *digest);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_CASE("what comes twice changes nothing") {
  const World world = random_world(9, {});
  Peer peer(world);
  peer.deliver_all();
  const View before = view_of(peer);
  const auto rows = peer.rows.base;
  peer.step([&](crdt::Replica& replica, store::Rows&) {
    for (auto& [no, k] : peer.kept) {
      replica.add(no, 0, k.name.held, peer.now);
      if (k.name.cut != log::no_cut) replica.cut(no, k.name.cut, peer.now);
    }
  });
  CHECK(view_of(peer) == before);
  CHECK(peer.rows.base == rows);
}

TEST_CASE("rows that were damaged on disk break nothing, whatever is then read and added") {
  const World world = random_world(12, {.batches = 60, .logs = 6, .keys = 30});
  Peer whole(world);
  for (std::size_t l = 0; l < 6; ++l) whole.deliver(l, world.logs[l].sealed.size() / 2);
  std::mt19937_64 r(4);
  for (int turn = 0; turn < 200; ++turn) {
    CAPTURE(turn);
    Peer peer(world);
    peer.kept = whole.kept;
    peer.rows.base = whole.rows.base;
    for (int n = 0; n < 3; ++n) {
      auto at = peer.rows.base.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(r() % peer.rows.base.size()));
      if (at->first[0] == 'B') continue;
      if (r() % 3 == 0) at->second.resize(r() % at->second.size());
      for (u64 flips = r() % 4; flips > 0 && !at->second.empty(); --flips)
        at->second[r() % at->second.size()] ^= static_cast<u8>(1 + r() % 255);
    }
    peer.now += r() % 600'000;
    peer.deliver_all();
    peer.release();
    peer.cut(r() % 6, r() % 3);
    (void)view_of(peer);
    (void)peer.digest();
    peer.step([&](crdt::Replica& replica, store::Rows&) {
      (void)replica.arrived_since(r() % 20, 100);
      (void)replica.conflicts({});
      (void)replica.entries({});
      replica.mark_read(std::nullopt);
    });
  }
}
