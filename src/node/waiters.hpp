// Calls that wait until so many have a copy of an op, or until a topic is synced.
//
//     if (!waiters.add({.call = id, .topic = no, .id = op, .places = {op}, .copies = 2})) …     // too many wait already
//     waiters.look();                                                                          // one of them may be ready
//     for (const Waiter& waiter : waiters.take([&](const Waiter& w) { … })) …                  // those that are
#pragma once

#include <perdure/types.hpp>

#include <map>
#include <utility>
#include <vector>

#include "store/keys.hpp"

namespace perdure {

struct Waiter {
  u32 call = 0;
  store::TopicNo topic = 0;
  OpId id;
  std::vector<OpId> places;  // where the op stands that counts
  u32 copies = 0;
  bool anchored = false;  // at an anchor, be it one
  bool synced = false;    // waits for that, and for no op: …
  u64 ask = 0;            // … by what others have answered to that
};

class Waiters {
 public:
  bool add(Waiter);  // false: there is no room
  void cancel(u32 call) { all_.erase(call); }
  void look() { look_ = true; }
  // Those that are ready, if anything has happened since they were looked at; they wait no more.
  template <class F>
  std::vector<Waiter> take(F ready) {
    if (!std::exchange(look_, false)) return {};
    return extract(ready);
  }
  std::vector<Waiter> take_all() {
    return extract([](const Waiter&) { return true; });
  }
  std::vector<Waiter> take_of(store::TopicNo topic) {
    return extract([&](const Waiter& w) { return w.topic == topic; });
  }
  std::vector<Waiter> for_copies(store::TopicNo topic) const;
  void moved(u32 call, std::vector<OpId> places);                         // what it waits for stands elsewhere now
  void renamed(store::TopicNo topic, const std::map<OpId, OpId>& names);  // … or has another id

 private:
  template <class F>
  std::vector<Waiter> extract(F which) {
    std::vector<Waiter> out;
    for (auto it = all_.begin(); it != all_.end();) {
      if (which(std::as_const(it->second))) out.push_back(std::move(it->second)), it = all_.erase(it);
      else ++it;
    }
    return out;
  }

  std::map<u32, Waiter> all_;
  bool look_ = false;
};

}  // namespace perdure
