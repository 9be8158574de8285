// A token bucket: so many at once, then so many a minute.
//
//     if (!link.signals.take(now_ms, {.burst = 20, .per_minute = 30})) return;       // too much
#pragma once

#include <perdure/types.hpp>

#include <algorithm>

namespace perdure {

class Budget {
 public:
  struct Rate { u64 burst = 1; u64 per_minute = 1; };
  // True if there is one left; it is taken then. now_ms never goes back.
  bool take(u64 now_ms, Rate rate) {
    const u64 refill = (now_ms - at_ms_) * rate.per_minute / 60'000;
    if (refill > 0) {
      spent_ -= std::min(spent_, refill);
      at_ms_ = now_ms;
    }
    if (spent_ >= rate.burst) return false;
    ++spent_;
    return true;
  }

 private:
  u64 spent_ = 0, at_ms_ = 0;
};

}  // namespace perdure
