// Time in the core: the hybrid logical clock of an author, and our own clock corrected by those of others.
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace perdure::clock {

// The time of the next batch: the corrected wall clock, or just above all that was applied, whichever is later. The counter
// carries over into the milliseconds.
HybridTime next(HybridTime greatest_applied, u64 corrected_wall_ms);

inline constexpr u64 hold_back_ms = 5 * 60'000;   // a batch further ahead of the corrected clock is held back
inline constexpr i64 offset_ignored_ms = 30'000;  // below, clocks simply differ

// Two clocks that tell the same time, by their offsets to one and the same.
inline bool near(i64 a, i64 b) { return a - b > -offset_ignored_ms && a - b < offset_ignored_ms; }

// Median offset (theirs - ours, ms) to configured anchors, else to three other peers or more; none otherwise. Even counts take the lower
// middle.
std::optional<i64> offset_said(std::vector<i64> anchors, std::vector<i64> peers);
// The same; none when it is under 30 s.
std::optional<i64> correction(std::optional<i64> said);
std::optional<i64> correction(std::vector<i64> anchors, std::vector<i64> peers);

inline constexpr i64 step_min_ms = 1'000;  // below, the host's two clocks simply differ
// By how much the wall clock was moved from one instant to the next: what it says beside the time that has passed. 0: it was not.
inline i64 step(const Instant& from, const Instant& to) {
  const i64 by = static_cast<i64>(to.wall_ms - from.wall_ms) - static_cast<i64>(to.steady_ms - from.steady_ms);
  return by > -step_min_ms && by < step_min_ms ? 0 : by;
}

inline constexpr u64 wall_ms_max = (u64{1} << 48) - 1;  // what a hybrid time holds

// Between 1970 and wall_ms_max, whatever the offset: it comes from others.
inline u64 corrected(u64 wall_ms, std::optional<i64> offset) {
  constexpr i64 most = static_cast<i64>(wall_ms_max);
  i64 t = static_cast<i64>(std::min(wall_ms, wall_ms_max)) + std::clamp(offset.value_or(0), -most, most);
  return static_cast<u64>(std::clamp(t, i64{0}, most));
}

}  // namespace perdure::clock
