// An anchor whose disk is nearly full. A save that does not fit takes along whatever is saved with it; so after one that failed, saves are
// kept smaller, and pages that could not go into such a one are refused by name until there is room again: what fits is kept.
#include "node/impl.hpp"

namespace perdure {

void Node::Impl::no_room() {
  const u64 half = transactions_.failed_bytes() / 2;
  room_ = std::min(room_.value_or(half), half);
  room_pause_ms_ = std::clamp(2 * room_pause_ms_, params::room_pause_ms, params::room_pause_ms_max);
  room_at_ = now_.steady_ms + room_pause_ms_;
  transactions_.save_at_most(static_cast<std::size_t>(*room_ / 2));
}

bool Node::Impl::too_large_now(const Topic& topic, u64 bytes) {
  if (!room_ || bytes <= *room_ / 2) return false;
  unstored_.insert(topic.no);
  return true;
}

// By the host's word, or because it is time to find out.
void Node::Impl::room_again() {
  if (!room_) return;
  if (room_at_ > now_.steady_ms) room_pause_ms_ = 0;
  room_.reset();
  transactions_.save_as_usual();
  for (TopicNo no : std::exchange(unstored_, {}))
    if (auto topic = topics_.find(no); topic != topics_.end() && topic->second->open && topic->second->loaded)
      sync_.reload(topic->second, now_, false);
}

}  // namespace perdure
