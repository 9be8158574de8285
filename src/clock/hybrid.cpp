#include "clock/hybrid.hpp"

#include <algorithm>

namespace perdure::clock {
namespace {

// The lower middle of an even count.
i64 median(std::vector<i64>& v) {
  auto middle = v.begin() + static_cast<std::ptrdiff_t>((v.size() - 1) / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

}  // namespace

// Hybrid logical clocks: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks", OPODIS 2014. Differs from
// the paper: milliseconds and counter are one number, so a full counter carries over instead of being an error.
HybridTime next(HybridTime greatest_applied, u64 corrected_wall_ms) {
  const HybridTime wall{std::min(corrected_wall_ms, wall_ms_max) << 16};
  if (wall > greatest_applied) return wall;
  // At the very end of time nothing is later; a batch that claims it is held back, and its successors with it.
  if (greatest_applied.value == ~u64{0}) return greatest_applied;
  return {greatest_applied.value + 1};
}

std::optional<i64> offset_said(std::vector<i64> anchors, std::vector<i64> peers) {
  constexpr std::size_t peers_min = 3;  // one or two strangers may not move a clock
  std::vector<i64>* said = !anchors.empty() ? &anchors : peers.size() >= peers_min ? &peers : nullptr;
  return said ? std::optional(median(*said)) : std::nullopt;
}

std::optional<i64> correction(std::optional<i64> said) { return said && !near(*said, 0) ? said : std::nullopt; }

std::optional<i64> correction(std::vector<i64> anchors, std::vector<i64> peers) {
  return correction(offset_said(std::move(anchors), std::move(peers)));
}

}  // namespace perdure::clock
