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
  const auto now = corrects ? offset_said(std::move(anchors), std::move(peers)) : std::nullopt;
  if (now || !corrects) said_ = now;
  const i64 right = offset().value_or(0);
  const auto agree = std::ranges::count_if(all, [&](i64 offset) { return near(offset, right); }) + (right == 0 ? 1 : 0);
  confirmed_ = now && agree >= 2 && 2 * agree > std::ssize(all) + 1;
  std::optional<i64> skew;
  if (!all.empty()) {
    std::ranges::sort(all);
    skew = all[(all.size() - 1) / 2];
  }
  return std::exchange(skew_, skew) != skew;
}

bool Agreement::asked_anew(i64 by_ms) { return by_ms >= offset_ignored_ms; }

void Agreement::stepped(i64 by_ms) {
  confirmed_ = false;
  if (asked_anew(by_ms)) said_.reset();
  else if (said_) *said_ -= by_ms;
}

std::optional<i64> Agreement::offset() const { return correction(said_); }

}  // namespace perdure::clock
