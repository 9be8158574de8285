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

TEST_CASE("a clock that was set back is put right by what was said before, also by those who are gone") {
  Agreement agreement;
  (void)agreement.update({{20, true}}, true);
  CHECK_FALSE(agreement.offset());
  (void)agreement.update({}, true);
  agreement.stepped(-3'600'000);
  CHECK(agreement.offset() == 3'600'020);
  agreement.stepped(-100'000);
  CHECK(agreement.offset() == 3'700'020);
}

TEST_CASE("a clock that was set far ahead may have been put right: what was said before is void") {
  Agreement agreement;
  (void)agreement.update({{3'600'000, true}}, true);
  agreement.stepped(2'000);
  CHECK(agreement.offset() == 3'598'000);
  agreement.stepped(3'600'000);
  CHECK_FALSE(agreement.offset());
}

TEST_CASE(
    "a clock is confirmed where most clocks agree, of which ours is one, and of these enough may say what time it is") {
  constexpr i64 hour = 3'600'000;
  Agreement agreement;
  const auto confirmed = [&](std::vector<Agreement::Sample> samples) {
    (void)agreement.update(samples, true);
    return agreement.confirmed();
  };
  CHECK_FALSE(confirmed({}));
  CHECK_FALSE(confirmed({{0, false}, {0, false}}));                        // two strangers
  CHECK(confirmed({{0, true}}));                                           // an anchor says what ours says
  CHECK_FALSE(confirmed({{hour, true}}));                                  // it alone says something else
  CHECK(confirmed({{hour, true}, {hour + 1'000, false}}));                 // and somebody else says so, too
  CHECK_FALSE(confirmed({{hour, true}, {hour, false}, {0, false}}));       // but as many do not
  CHECK(confirmed({{hour, false}, {hour, false}, {hour, false}}));         // three who agree
  CHECK_FALSE(confirmed({{hour, false}, {2 * hour, false}, {0, false}}));  // three who do not
  (void)agreement.update({{hour, true}, {hour, false}}, true);
  (void)agreement.update({}, true);
  CHECK_FALSE(agreement.confirmed());  // they are gone; by their time it goes all the same
  CHECK(agreement.offset() == hour);
}
