#include "node/tallies.hpp"

namespace perdure {

namespace {
bool is_empty(const Tally& t) {
  return t.pending == 0 && t.bytes == 0 && t.newest_ms == 0 && !t.newer && !t.announcing && !t.held_back;
}

void mark(std::set<store::TopicNo>& set, store::TopicNo no, bool in) {
  if (in) set.insert(no);
  else set.erase(no);
}
}  // namespace

void Tallies::set(store::TopicNo no, const Tally& now) {
  const auto found = of_.find(no);
  const Tally before = found == of_.end() ? Tally{} : found->second;
  pending_ += now.pending - before.pending;
  bytes_ += now.bytes - before.bytes;
  if (now.newest_ms != before.newest_ms) {
    if (before.newest_ms != 0) newest_.erase({before.newest_ms, no});
    if (now.newest_ms != 0) newest_.emplace(now.newest_ms, no);
  }
  mark(newer_, no, now.newer);
  mark(announcing_, no, now.announcing);
  mark(held_back_, no, now.held_back);
  if (is_empty(now)) of_.erase(no);
  else of_[no] = now;
}

u64 Tallies::bytes_of(store::TopicNo no) const {
  const auto found = of_.find(no);
  return found == of_.end() ? 0 : found->second.bytes;
}

}  // namespace perdure
