// When something is to be looked at again: one time for each key, the earliest first, log n each.
//
//     Timers<TopicNo> timers;
//     timers.set(topic, now_ms + 5'000);               // or none: not at all
//     for (TopicNo due : timers.due(now_ms)) …         // in the order of their keys, whatever their times; they are set no more
//     deadline = timers.next();
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace perdure {

template <class Key>
class Timers {
 public:
  void set(const Key& key, std::optional<u64> at) {
    auto known = at_.find(key);
    if (known != at_.end()) {
      if (at == known->second) return;
      order_.erase({known->second, key});
    }
    if (!at) {
      if (known != at_.end()) at_.erase(known);
      return;
    }
    order_.emplace(*at, key);
    at_.insert_or_assign(key, *at);
  }
  void stop(const Key& key) { set(key, std::nullopt); }
  std::optional<u64> next() const { return order_.empty() ? std::nullopt : std::optional(order_.begin()->first); }
  std::vector<Key> due(u64 now) {
    std::vector<Key> keys;
    while (!order_.empty() && order_.begin()->first <= now) {
      keys.push_back(order_.begin()->second);
      at_.erase(keys.back());
      order_.erase(order_.begin());
    }
    std::ranges::sort(keys);
    return keys;
  }
  std::optional<u64> at(const Key& key) const {
    auto known = at_.find(key);
    return known == at_.end() ? std::nullopt : std::optional(known->second);
  }
  std::size_t size() const { return at_.size(); }

 private:
  std::map<Key, u64> at_;
  std::set<std::pair<u64, Key>> order_;
};

}  // namespace perdure
