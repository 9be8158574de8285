// How far our clock is from those of others, by what linked peers say when they are pinged.
#pragma once

#include <perdure/types.hpp>

#include <optional>
#include <vector>

namespace perdure::clock {

class Agreement {
 public:
  struct Sample {
    i64 offset_ms = 0;
    bool anchor = false;
  };  // theirs less ours; anchor: a configured one
  // What all of them say now. corrects: ours is put right by them. True: `skew` is another one than before.
  bool update(const std::vector<Sample>& samples, bool corrects);
  std::optional<i64> offset() const { return offset_; }  // by which our clock is corrected (clock::correction)
  std::optional<i64> skew() const { return skew_; }      // the median of all, whatever it comes to

 private:
  std::optional<i64> offset_, skew_;
};

}  // namespace perdure::clock
