// One hash over everything that went into and came out of every core: equal natively and in WebAssembly, or the core is not
// the pure machine that it claims to be.
#pragma once

#include <perdure/events.hpp>

namespace perdure::sim {

class EventLog {
 public:
  void add(u64 now_ms, u32 host, const std::vector<Event>& in, const Turn& out);
  std::string hex() const;

 private:
  Hash state_{};
};

}  // namespace perdure::sim
