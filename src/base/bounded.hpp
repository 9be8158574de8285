// Containers with a bound. Every queue and table in the core has one, and says what happens when it is full.
//
//     Bounded<Want, 64> wants;                 // a full window: the asker breaks the rules, the link closes
//     if (!wants.push(w)) return close(…);
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

namespace perdure {

// First in, first out; push() says false when full and changes nothing.
template <class T, std::size_t N>
class Bounded {
 public:
  [[nodiscard]] bool push(T value) {
    if (items_.size() >= N) return false;
    items_.push_back(std::move(value));
    return true;
  }
  T pop() {
    T value = std::move(items_.front());
    items_.pop_front();
    return value;
  }
  T& front() { return items_.front(); }
  bool empty() const { return items_.empty(); }
  bool full() const { return items_.size() >= N; }
  std::size_t size() const { return items_.size(); }
  void clear() { items_.clear(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  std::deque<T> items_;
};

}  // namespace perdure
