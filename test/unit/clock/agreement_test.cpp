// What linked peers make of our clock, together.
#include "clock/agreement.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;
using clock::Agreement;

TEST_CASE("the skew is the median of all, and told as a change only where it is one") {
  Agreement agreement;
  CHECK_FALSE(agreement.update({}, true));
  CHECK(agreement.update({{500, false}, {100, false}, {300, true}}, true));
  CHECK(agreement.skew() == 300);
  CHECK_FALSE(agreement.update({{300, false}}, true));
  CHECK(agreement.update({}, true));
  CHECK_FALSE(agreement.skew());
}

TEST_CASE("a clock that is far off is corrected by a configured anchor, and that of an anchor by nobody") {
  Agreement agreement;
  (void)agreement.update({{90'000, true}, {0, false}, {0, false}, {0, false}}, true);
  CHECK(agreement.offset() == 90'000);
  (void)agreement.update({{90'000, true}}, false);
  CHECK_FALSE(agreement.offset());
}
