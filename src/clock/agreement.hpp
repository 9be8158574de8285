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
  // Our clock was moved by so much. Set back, it is put right at once by what was said before: time passes alike for all. Far ahead it may
  // have been put right, or we slept: what was said before is void until they say it again.
  void stepped(i64 by_ms);
  static bool asked_anew(i64 by_ms);
  // By which our clock is corrected (clock::correction); what enough of them said last holds until enough say something else.
  std::optional<i64> offset() const;
  std::optional<i64> skew() const { return skew_; }  // the median of all, whatever it comes to
  // Enough say what time it is, and of all clocks, ours as it was before they corrected it included, most tell the time that the corrected
  // one tells, two at least. What cannot be taken back is not done on the word of one.
  bool confirmed() const { return confirmed_; }

 private:
  std::optional<i64> said_, skew_;
  bool confirmed_ = false;
};

}  // namespace perdure::clock
