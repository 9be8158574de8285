// An anchor whose disk is nearly full. A save that does not fit takes along whatever is saved with it; so after one that failed, saves are
// kept smaller, and pages that could not go into such a one are refused by name until there is room again: what fits is kept.
//
//   roomy ── failed() ──> tight ── again(): by the host's word, or when deadline() has come ──> roomy
#pragma once

#include <optional>
#include <set>

#include "store/keys.hpp"

namespace perdure {

class DiskRoom {
 public:
  // A save of so many bytes did not fit. Gives how many one should have from now on.
  u64 failed(u64 bytes, u64 now_ms);
  // Whether so many bytes of that topic are too many now; then it is one of those that again() gives.
  bool refuses(store::TopicNo, u64 bytes);
  void forget(store::TopicNo no) { refused_.erase(no); }

  bool tight() const { return most_.has_value(); }
  // When it is time to find out, by the steady clock.
  std::optional<u64> deadline() const { return most_ ? std::optional(again_ms_) : std::nullopt; }
  // Saves may be of any size again. Gives the topics in which something was refused.
  std::set<store::TopicNo> again(u64 now_ms);

 private:
  std::optional<u64> most_;  // larger saves did not fit
  u64 again_ms_ = 0, pause_ms_ = 0;
  std::set<store::TopicNo> refused_;
};

}  // namespace perdure
