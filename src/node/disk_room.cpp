#include "node/disk_room.hpp"

#include <algorithm>
#include <utility>

#include "node/params.hpp"

namespace perdure {

u64 DiskRoom::failed(u64 bytes, u64 now_ms) {
  most_ = std::min(most_.value_or(bytes / 2), bytes / 2);
  if (now_ms > again_ms_ + pause_ms_) pause_ms_ = 0;  // it was well for longer than it was waited for
  pause_ms_ = std::clamp(2 * pause_ms_, params::room_pause_ms, params::room_pause_ms_max);
  again_ms_ = now_ms + pause_ms_;
  return *most_ / 2;
}

bool DiskRoom::refuses(store::TopicNo no, u64 bytes) {
  if (!most_ || bytes <= *most_ / 2) return false;
  refused_.insert(no);
  return true;
}

std::set<store::TopicNo> DiskRoom::again(u64 now_ms) {
  if (again_ms_ > now_ms) pause_ms_ = 0;  // by the host's word
  most_.reset();
  return std::exchange(refused_, {});
}

}  // namespace perdure
