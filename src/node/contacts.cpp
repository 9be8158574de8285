#include "node/contacts.hpp"

#include <algorithm>

#include "wire/table.hpp"

namespace perdure {

namespace {
constexpr std::size_t silent_max = 1'024;  // remembered; beyond that all are as new
constexpr std::size_t begun_max = 1'024;   // twice as many as there are contacts

// Anybody can make up those who would be near.
bool has_share(const Contact& contact, std::map<LinkId, std::size_t>& brought, std::size_t most) {
  if (contact.met || contact.introducers.empty()) return true;
  auto least = std::ranges::min_element(contact.introducers, {}, [&](const auto& by) { return brought[by.first]; });
  return ++brought[least->first] <= most;
}
}  // namespace

std::pair<Contacts::Map::iterator, bool> Contacts::add(const DeviceId& id, const Hash& affinity) {
  auto added = all_.try_emplace(id);
  if (added.second) {
    added.first->second.affinity = affinity;
    added.first->second.silent = silent_.contains(id);
    by_affinity_.insert(place(*added.first));
    near_.clear();
  }
  return added;
}

Contacts::Map::iterator Contacts::erase(Map::iterator it) {
  if (it->second.unanswered > 0 || it->second.silent) remember(it->first);
  near_.clear();
  by_affinity_.erase(place(*it));
  return all_.erase(it);
}

std::vector<Contacts::Map::iterator> Contacts::nearest(std::size_t count) {
  if (!near_.empty() && near_count_ == count) return near_;
  std::vector<Map::iterator> out, beyond;
  std::map<LinkId, std::size_t> brought;
  auto fill = [&] {
    for (auto it : std::exchange(beyond, {}))
      if (out.size() < count) out.push_back(it);
  };
  for (auto at = by_affinity_.begin(); at != by_affinity_.end() && out.size() < count; ++at) {
    auto it = all_.find(std::get<DeviceId>(*at));
    if (it->second.silent) fill();
    if (it->second.silent || has_share(it->second, brought, std::max<std::size_t>(1, count / 2))) {
      if (out.size() < count) out.push_back(it);
    } else if (beyond.size() < count) {
      beyond.push_back(it);
    }
  }
  fill();
  std::ranges::sort(out, {}, [](const auto& contact) { return contact->first; });
  near_count_ = count;
  return near_ = out;
}

bool Contacts::is_near(Map::iterator it, std::size_t count) {
  const auto near = nearest(count);
  if (std::ranges::find(near, it) != near.end()) return true;
  std::size_t before = 0;
  for (auto at = by_affinity_.begin(); at != by_affinity_.end() && before < count; ++at, ++before)
    if (std::get<bool>(*at) || it->second.affinity <= std::get<Hash>(*at)) return true;
  return before < count;
}

Begun& Contacts::begun(const DeviceId& id, u64 now_ms) {
  if (begun_.size() >= begun_max && !begun_.contains(id)) {
    auto untouched = [&](Begun& of) {
      return of.offers.untouched(now_ms, wire::offers) && of.sessions.untouched(now_ms, wire::sessions);
    };
    for (auto of = begun_.begin(); of != begun_.end();) of = untouched(of->second) ? begun_.erase(of) : std::next(of);
    if (begun_.size() >= begun_max) std::erase_if(begun_, [&](const auto& of) { return !all_.contains(of.first); });
  }
  return begun_[id];
}

void Contacts::remember(const DeviceId& id) {
  if (silent_.size() >= silent_max) silent_.clear();
  silent_.insert(id);
}

void Contacts::set_silent(Map::iterator it, bool silent) {
  if (silent) remember(it->first);
  else silent_.erase(it->first);
  near_.clear();
  if (it->second.silent == silent) return;
  by_affinity_.erase(place(*it));
  it->second.silent = silent;
  by_affinity_.insert(place(*it));
}

}  // namespace perdure
