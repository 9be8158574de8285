#include "clock/agreement.hpp"

#include <algorithm>
#include <utility>

#include "clock/hybrid.hpp"

namespace perdure::clock {

bool Agreement::update(const std::vector<Sample>& samples, bool corrects) {
  std::vector<i64> anchors, peers, all;
  for (const Sample& sample : samples) {
    all.push_back(sample.offset_ms);
    (sample.anchor ? anchors : peers).push_back(sample.offset_ms);
  }
  offset_ = corrects ? correction(std::move(anchors), std::move(peers)) : std::nullopt;
  std::optional<i64> skew;
  if (!all.empty()) {
    std::ranges::sort(all);
    skew = all[(all.size() - 1) / 2];
  }
  return std::exchange(skew_, skew) != skew;
}

}  // namespace perdure::clock
