// What all topics together come to, driven alone.
#include "node/tallies.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;

TEST_CASE("the sums of all topics follow what each one adds, and forget who is gone") {
  Tallies tallies;
  tallies.set(1, {.pending = 2, .bytes = 100, .newest_ms = 50, .newer = true});
  tallies.set(2, {.pending = 3, .bytes = 10, .newest_ms = 40, .announcing = true, .held_back = true});
  CHECK(tallies.pending() == 5);
  CHECK(tallies.bytes() == 110);
  CHECK(tallies.newest() == std::set<std::pair<u64, store::TopicNo>>{{40, 2}, {50, 1}});
  tallies.set(1, {.pending = 1, .bytes = 120, .newest_ms = 30});
  CHECK(tallies.pending() == 4);
  CHECK(tallies.bytes_of(1) == 120);
  CHECK(tallies.newer().empty());
  CHECK(tallies.newest() == std::set<std::pair<u64, store::TopicNo>>{{30, 1}, {40, 2}});
  CHECK(tallies.announcing() == std::set<store::TopicNo>{2});
  CHECK(tallies.held_back() == std::set<store::TopicNo>{2});
  tallies.set(1, {});
  tallies.set(2, {});
  CHECK(tallies.pending() == 0);
  CHECK(tallies.bytes() == 0);
  CHECK(tallies.newest().empty());
  CHECK(tallies.held_back().empty());
}
