#include "node/waiters.hpp"

#include "node/params.hpp"

namespace perdure {

bool Waiters::add(Waiter waiter) {
  if (all_.size() >= params::waiters_max) return false;
  const u32 call = waiter.call;
  all_[call] = std::move(waiter);
  look_ = true;
  return true;
}

std::vector<Waiter> Waiters::for_copies(store::TopicNo topic) const {
  std::vector<Waiter> out;
  for (const auto& [call, waiter] : all_)
    if (waiter.topic == topic && !waiter.synced) out.push_back(waiter);
  return out;
}

void Waiters::moved(u32 call, std::vector<OpId> places) {
  if (auto waiter = all_.find(call); waiter != all_.end()) waiter->second.places = std::move(places);
  look_ = true;
}

void Waiters::renamed(store::TopicNo topic, const std::map<OpId, OpId>& names) {
  for (auto& [call, waiter] : all_)
    if (auto now = names.find(waiter.id); now != names.end() && waiter.topic == topic) waiter.id = now->second;
}

}  // namespace perdure
