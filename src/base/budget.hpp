// A token bucket: so many at once, then so many a minute.
//
//     if (!link.signals.take(now_ms, {.burst = 20, .per_minute = 30})) return;       // too much
//     link.work.charge(now_ms, rate, 700);                                           // what it cost is known afterwards: it may owe
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <utility>

namespace perdure {

class Budget {
 public:
  struct Rate {
    u64 burst = 1;
    u64 per_minute = 1;
  };
  // True if there is one left; it is taken then. now_ms never goes back.
  bool take(u64 now_ms, Rate rate) {
    refill(now_ms, rate);
    if (spent_ >= rate.burst) return false;
    ++spent_;
    return true;
  }
  // Takes n, also what is not there: nothing is left then until that is made up for.
  void charge(u64 now_ms, Rate rate, u64 n) {
    refill(now_ms, rate);
    spent_ += n;
  }
  // When there is something left again; now_ms or earlier: there is.
  u64 left_at(u64 now_ms, Rate rate) {
    refill(now_ms, rate);
    if (spent_ < rate.burst) return now_ms;
    return at_ms_ + ((spent_ - rate.burst + 1) * 60'000 - part_ + rate.per_minute - 1) / rate.per_minute;
  }
  bool untouched(u64 now_ms, Rate rate) {
    refill(now_ms, rate);
    return spent_ == 0;
  }

 private:
  void refill(u64 now_ms, Rate rate) {
    const u64 ms = now_ms - std::exchange(at_ms_, now_ms);
    if (spent_ == 0) return;
    // However often it is looked at: what is less than one counts with the next.
    const u64 back = ms * rate.per_minute + part_, refill = back / 60'000;
    part_ = refill < spent_ ? back % 60'000 : 0;
    spent_ -= std::min(spent_, refill);
  }
  u64 spent_ = 0, at_ms_ = 0;
  u64 part_ = 0;  // of one, that has come back already; in 60,000ths
};

}  // namespace perdure
