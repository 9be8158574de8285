#include "node/contacts.hpp"

#include <algorithm>

namespace perdure {

std::pair<Contacts::Map::iterator, bool> Contacts::add(const DeviceId& id, const Hash& affinity) {
  auto added = all_.try_emplace(id);
  if (added.second) {
    added.first->second.affinity = affinity;
    by_affinity_.emplace(affinity, id);
  }
  return added;
}

Contacts::Map::iterator Contacts::erase(Map::iterator it) {
  by_affinity_.erase({it->second.affinity, it->first});
  return all_.erase(it);
}

std::vector<Contacts::Map::iterator> Contacts::nearest(std::size_t count) {
  std::vector<Map::iterator> out;
  for (auto it = by_affinity_.begin(); it != by_affinity_.end() && out.size() < count; ++it)
    out.push_back(all_.find(it->second));
  std::ranges::sort(out, {}, [](const auto& contact) { return contact->first; });
  return out;
}

bool Contacts::is_near(const Hash& affinity, std::size_t count) const {
  for (auto it = by_affinity_.begin(); it != by_affinity_.end() && count > 0; ++it, --count)
    if (affinity <= it->first) return true;
  return count > 0;
}

}  // namespace perdure
