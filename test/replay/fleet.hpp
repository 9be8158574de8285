// The devices of a history: each a real core with a store of its own. Before a device appends it is given exactly what its author
// had, through the real sync, by the devices of the event's parents.
//
//     Fleet fleet(history, {});
//     for (u32 e = 0; e < history.events.size(); ++e) if (!fleet.append(e)) return failed(fleet.trouble());
//     fleet.gather();                       // one host that has everything
//     for (u32 d = 0; d < fleet.devices(); ++d) fleet.fill(d);      // and each device, until its digest is the same
//
// Hundreds of devices do not fit into memory at once: a few are awake, the others are rows, and equal rows are kept once.
#pragma once

#include <list>
#include <unordered_map>

#include "replay/history.hpp"
#include "sim/world.hpp"

namespace perdure::replay {

using sim::HostId;

struct FleetOptions {
  bool raw_time = false;      // each author's own clock; else all clocks stand at the greatest time so far
  u32 awake_max = 12;
};

class Fleet {
 public:
  Fleet(const History&, FleetOptions);

  bool append(u32 event);
  bool gather();
  bool fill(u32 device);
  bool dump(std::FILE* out);               // what the gathering host shows, for the oracle
  u32 devices() const { return static_cast<u32>(devices_.size()); }
  const std::string& trouble() const { return trouble_; }
  const sim::World& world() const { return world_; }

 private:
  using Packed = std::vector<std::pair<Bytes, const std::string*>>;
  struct Device {
    std::optional<HostId> host;
    u32 topic = 0;                         // the core's number for it
    Packed packed;                         // its rows, while it sleeps
    std::vector<u32> has;                  // for each device, how many of its events are here
    u32 events = 0;
    u32 logs_seen = 0;                     // rows L that were looked at
    std::vector<LogId> logs;               // its own: more than one if it opened incarnations
    std::vector<Bytes> log_rows;
    std::vector<std::vector<u64>> marks;   // after each event: the lengths of its own logs
  };

  bool wake(u32 device, bool limited);
  bool open_topic(Device&);
  void sleep(u32 device);
  void make_room(u32 keep_a, u32 keep_b);
  void pack(Device&);
  void unpack(Device&);
  bool fetch(u32 device, u32 giver, const std::vector<u32>& wanted);
  bool limit_pulls(Device&, std::vector<std::pair<Bytes, u64>> limits);
  std::vector<std::pair<Bytes, u64>> limits(const Device&, const std::vector<u32>& wanted) const;
  bool note_own_logs(Device&);
  bool holds(const Device&, u64 events);
  std::optional<ReplyBody> ask(HostId, CallBody, u64 limit_ms = 600'000);
  template <class T> std::optional<T> ask_for(HostId, CallBody);
  bool settle_held(const Device&);
  bool fail(const std::string& why);
  u64 clock_of(const Event&);

  bool dump_timeline(std::FILE* out);
  bool dump_map(std::FILE* out);
  bool dump_conflicts(std::FILE* out);
  bool dump_history(std::FILE* out, const std::string& path);

  const History& history_;
  FleetOptions options_;
  sim::World world_;
  std::vector<Device> devices_;
  Device gatherer_;
  std::list<u32> awake_;                   // longest ago first
  std::string invite_, trouble_, digest_;
  TopicId topic_id_;
  u64 greatest_time_ = 0;
  std::unordered_map<std::string, u32> values_;      // of sleeping rows, and how many rows have it
};

}  // namespace perdure::replay
