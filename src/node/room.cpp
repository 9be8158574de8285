// What an anchor does where its disk is nearly full: disk_room.hpp says when.
#include "node/impl.hpp"

namespace perdure {

void Node::Impl::no_room() {
  transactions_.save_at_most(static_cast<std::size_t>(disk_room_.failed(transactions_.failed_bytes(), now_.steady_ms)));
}

void Node::Impl::room_again() {
  if (!disk_room_.tight()) return;
  transactions_.save_as_usual();
  for (TopicNo no : disk_room_.again(now_.steady_ms))
    if (auto topic = topics_.find(no); topic != topics_.end() && topic->second->open && topic->second->loaded)
      sync_.reload(topic->second, now_, false);
}

}  // namespace perdure
