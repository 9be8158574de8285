// What the merge must know of a topic's logs. Held in memory by whoever follows the topic.
#pragma once

#include <perdure/types.hpp>

#include <optional>

#include "log/state.hpp"
#include "store/keys.hpp"

namespace perdure::crdt {

struct LogName {
  LogId id;
  DeviceId device;
  u64 incarnation = 0;
  u64 held = 0;  // batches [0, held) have been added
  u64 cut = log::no_cut;
  u64 forked = log::no_cut;  // … for that the author signed two histories: voids from here on are none either
};

class Logs {
 public:
  virtual ~Logs() = default;
  virtual const LogName* by_number(store::LogNo) const = 0;
  virtual std::optional<store::LogNo> by_id(const LogId&) const = 0;
  virtual LogId id_of(const DeviceId&, u64 incarnation) const = 0;  // also of logs that are not here
};

}  // namespace perdure::crdt
