// Calls that wait for copies or for peers, driven alone.
#include "node/waiters.hpp"

#include "catch_amalgamated.hpp"
#include "node/params.hpp"

using namespace perdure;

namespace {
const OpId op{LogId::from(Bytes(32, 1)), 2, 3}, apart{LogId::from(Bytes(32, 4)), 5, 6};
auto all = [](const Waiter&) { return true; };
}  // namespace

TEST_CASE("waiting calls are looked at once something has happened, and those that are ready wait no more") {
  Waiters waiters;
  REQUIRE(waiters.add({1, 7, op, {op}, 2}));
  REQUIRE(waiters.add({2, 7, {}, {}, 0, false, true}));
  auto synced = waiters.take([](const Waiter& w) { return w.synced; });
  REQUIRE(synced.size() == 1);
  CHECK(synced[0].call == 2);
  CHECK(waiters.take(all).empty());
  waiters.look();
  CHECK(waiters.take(all).size() == 1);
}

TEST_CASE("a call that was cancelled, or whose topic is given up, waits no more") {
  Waiters waiters;
  for (u32 call : {1u, 2u, 3u}) (void)waiters.add({call, call, op, {op}, 1});
  waiters.cancel(1);
  CHECK(waiters.take_of(2).size() == 1);
  CHECK(waiters.take_all().size() == 1);
}

TEST_CASE("who waits for an op follows it to where it stands now and to the id that it has now") {
  Waiters waiters;
  (void)waiters.add({1, 7, op, {op}, 1});
  (void)waiters.take([](const Waiter&) { return false; });
  waiters.renamed(8, {{op, apart}});
  waiters.renamed(7, {{op, apart}});
  waiters.moved(1, {apart});
  auto ready = waiters.take(all);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].id == apart);
  CHECK(ready[0].places == std::vector<OpId>{apart});
}

TEST_CASE("so many calls wait and no more") {
  Waiters waiters;
  for (u32 call = 1; call <= params::waiters_max; ++call) REQUIRE(waiters.add({call, 1, op, {op}, 1}));
  CHECK_FALSE(waiters.add({9'999, 1, op, {op}, 1}));
}
