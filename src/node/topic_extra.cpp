#include "node/topic_extra.hpp"

namespace perdure {

std::deque<WaitingAppend> TopicExtra::take_waiting(std::size_t bytes_max) {
  std::deque<WaitingAppend> taken;
  std::size_t bytes = 0;
  while (!waiting.empty() && (taken.empty() || bytes + waiting.front().bytes <= bytes_max)) {
    bytes += waiting.front().bytes;
    taken.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
  waiting_bytes -= bytes;
  return taken;
}

void TopicExtra::wait_again(std::deque<WaitingAppend>& appends) {
  for (; !appends.empty(); appends.pop_back()) {
    waiting_bytes += appends.back().bytes;
    waiting.push_front(std::move(appends.back()));
  }
}

}  // namespace perdure
