#include "clock/hybrid.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;
using namespace perdure::clock;

TEST_CASE("the next time is the wall clock, or just above all that was applied") {
  CHECK(next({}, 1000) == HybridTime{u64{1000} << 16});
  CHECK(next({u64{2000} << 16}, 1000).value == (u64{2000} << 16) + 1);
  CHECK(next({u64{1000} << 16}, 1000).value == (u64{1000} << 16) + 1);
  CHECK(next({(u64{999} << 16) + 5}, 1000).value == u64{1000} << 16);
}

TEST_CASE("the counter carries over into the milliseconds") {
  HybridTime full{(u64{1000} << 16) + 0xffff};
  CHECK(next(full, 0) == HybridTime{u64{1001} << 16});
  CHECK(next(full, 0).ms() == 1001);
}

TEST_CASE("a clock that jumps back does not take time back") {
  HybridTime t;
  for (u64 wall : {5000, 6000, 10, 0, 6000, 7000}) {
    HybridTime later = next(t, wall);
    CHECK(later > t);
    t = later;
  }
  CHECK(t.ms() == 7000);
}

TEST_CASE("time does not wrap around at its ends") {
  const u64 most = (u64{1} << 48) - 1;
  CHECK(next({}, most).ms() == most);
  CHECK(next({}, ~u64{0}) > HybridTime{});
  CHECK(next({}, u64{1} << 48).ms() == most);
  CHECK(next({~u64{0}}, 1000) == HybridTime{~u64{0}});
}

TEST_CASE("anchors say what time it is, and three peers where there is no anchor") {
  CHECK(correction({}, {}) == std::nullopt);
  CHECK(correction({}, {60'000, 60'000}) == std::nullopt);
  CHECK(correction({}, {60'000, 61'000, 90'000}) == 61'000);
  CHECK(correction({60'000}, {-90'000, -90'000, -90'000}) == 60'000);
  CHECK(correction({0}, {90'000, 90'000, 90'000}) == std::nullopt);
}

TEST_CASE("one that lies about its clock does not move the median far") {
  CHECK(correction({}, {40'000, 41'000, i64{1} << 60}) == 41'000);
  CHECK(correction({}, {40'000, -(i64{1} << 60), 41'000}) == 40'000);
  CHECK(correction({}, {90'000, 80'000, 70'000, 60'000}) == 70'000);  // the lower middle
}

TEST_CASE("clocks that differ by less than half a minute are left alone") {
  CHECK(correction({29'999}, {}) == std::nullopt);
  CHECK(correction({-29'999}, {}) == std::nullopt);
  CHECK(correction({30'000}, {}) == 30'000);
  CHECK(correction({-30'000}, {}) == -30'000);
}

TEST_CASE("a corrected time is not before 1970") {
  CHECK(corrected(1000, std::nullopt) == 1000);
  CHECK(corrected(1000, 500) == 1500);
  CHECK(corrected(1000, -2000) == 0);
}

TEST_CASE("an absurd offset corrects to the end of time, not past it") {
  const u64 now = 1'700'000'000'000;
  CHECK(corrected(now, ~u64{0} >> 1) == wall_ms_max);
  CHECK(corrected(now, -static_cast<i64>(~u64{0} >> 1) - 1) == 0);
  CHECK(corrected(~u64{0}, 1) == wall_ms_max);
}
