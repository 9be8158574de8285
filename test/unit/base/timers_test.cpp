#include "base/timers.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;

TEST_CASE("what is due comes in the order of the keys, once, and the next one is known") {
  Timers<int> timers;
  CHECK_FALSE(timers.next());
  timers.set(3, 10);
  timers.set(1, 20);
  timers.set(2, 30);
  CHECK(timers.next() == 10);
  CHECK(timers.due(9).empty());
  CHECK(timers.due(20) == std::vector<int>{1, 3});
  CHECK(timers.due(20).empty());
  CHECK(timers.next() == 30);
}

TEST_CASE("a time that is set again replaces the one before, and one that is stopped does not come") {
  Timers<int> timers;
  timers.set(1, 10);
  timers.set(1, 50);
  timers.set(2, 20);
  timers.stop(2);
  timers.stop(7);
  CHECK(timers.due(40).empty());
  CHECK(timers.size() == 1);
  timers.set(1, 5);
  CHECK(timers.next() == 5);
  timers.set(1, std::nullopt);
  CHECK_FALSE(timers.next());
  CHECK(timers.size() == 0);
}
