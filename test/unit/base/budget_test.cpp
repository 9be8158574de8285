#include "base/budget.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;

TEST_CASE("a budget comes back at its rate, however often it is looked at") {
  for (u64 per_minute : {u64{60'000}, u64{119'999}, u64{90'001}, u64{7}, u64{1'000'003}}) {
    CAPTURE(per_minute);
    Budget budget;
    const Budget::Rate rate{100, per_minute};
    budget.charge(1, rate, 3 * per_minute);
    u64 taken = 0;
    for (u64 ms = 1; ms <= 4 * 60'000; ++ms)
      while (budget.take(ms, rate)) ++taken;
    CHECK(taken + 1 >= per_minute);  // of the fourth minute
    CHECK(taken <= per_minute + 101);
  }
}

TEST_CASE("when a budget says that something is left there is, and not a millisecond before") {
  const Budget::Rate rate{5, 7'001};
  Budget budget;
  for (u64 ms = 1, n = 0; n < 200; ++n) {
    budget.charge(ms, rate, 1 + n % 9);
    const u64 at = budget.left_at(ms, rate);
    if (at > ms) {
      CHECK(budget.left_at(at - 1, rate) > at - 1);
      CHECK(budget.left_at(at, rate) == at);
      ms = at;
    }
    ++ms;
  }
}
