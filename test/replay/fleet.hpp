// The devices of a history: each a real core with a store of its own. Before a device appends it is given exactly what its author
// had, through the real sync with a limit, by an anchor that everybody brings what they append to.
//
//     Fleet fleet(history, {});
//     for (u32 e = 0; e < history.events.size(); ++e) if (!fleet.append(e)) return failed(fleet.trouble());
//     fleet.gather();                       // a newcomer who takes everything from the anchor
//     for (u32 d = 0; d < fleet.devices(); ++d) fleet.fill(d);      // and each device, until its digest is the same
//
// An anchor, because it is blind: it goes on giving the batches that their author has voided since, to those whose event knows
// nothing of that.
//
// Hundreds of devices do not fit into memory at once: a few are awake, the others are rows, and equal batches are kept once.
#pragma once

#include <list>
#include <unordered_map>

#include "identity/identity.hpp"
#include "log/state.hpp"
#include "replay/history.hpp"
#include "sim/world.hpp"
#include "store/keys.hpp"

namespace perdure::replay {

using sim::HostId;

struct FleetOptions {
  bool raw_time = false;  // each author's own clock; else all clocks stand at the greatest time so far
  u32 awake_max = 12;
};

class Fleet {
 public:
  Fleet(const History&, FleetOptions);

  bool append(u32 event);
  bool gather();
  bool fill(u32 device);
  bool dump(std::FILE* out);  // what the gathering host shows, for the oracle
  u32 devices() const { return static_cast<u32>(devices_.size()); }
  const std::string& trouble() const { return trouble_; }
  const sim::World& world() const { return world_; }

 private:
  // A row of a sleeping device; of a batch, which many have, only where it is kept.
  struct PackedRow {
    Bytes key, value;
    const std::string* shared = nullptr;
  };
  struct OwnLog {
    LogId id;
    Bytes row;                // key of its row L
    store::LogNo number = 0;  // the device's own
    u64 incarnation = 0;
  };
  struct Device {
    std::optional<HostId> host;
    u32 topic = 0;                  // the core's number for it
    std::vector<PackedRow> packed;  // its rows, while it sleeps
    std::vector<u32> has;           // for each device, how many of its events are here
    u32 events = 0;
    u32 logs_seen = 0;                    // rows L that were looked at
    std::vector<OwnLog> logs;             // its own: more than one if it opened incarnations
    std::vector<std::vector<u64>> marks;  // after each event: the lengths of its own logs
  };

  bool wake(u32 device, u64 wall_ms);
  bool open_topic(Device&);
  void sleep(u32 device);
  void pack(Device&);
  void unpack(Device&);
  void leave_anchor();
  bool fetch(u32 device, const std::vector<u32>& wanted);
  bool limit_pulls(Device&, std::vector<std::pair<Bytes, u64>> limits);
  std::vector<std::pair<Bytes, u64>> limits(const Device&, const std::vector<u32>& wanted) const;
  bool note_own_logs(Device&, u32 event);
  bool note_batch(const Device&, std::size_t log, u64 index, u32 event);
  LogId log_of(const log::LogState&) const;
  bool holds_just(const Device&, const std::vector<u32>& wanted);
  bool logs_hold_just(const Device&, const std::vector<u32>& wanted);
  bool shows(const Device&, u64 messages);  // so many, and nothing is held back
  bool at_rest(const Device&);
  std::optional<ReplyBody> ask(HostId, CallBody, u64 limit_ms = 600'000);
  template <class T>
  std::optional<T> ask_for(HostId, CallBody);
  bool take_all(const Device&, std::string& digest);
  u64 late_ms() const { return (greatest_time_ + 600) * 1000; }  // when nothing is held back any more
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
  HostId anchor_ = 0;
  std::optional<u32> at_anchor_;  // the one device that is linked to it
  Device gatherer_;
  std::list<u32> awake_;  // longest ago first
  std::string invite_, trouble_, digest_;
  TopicId topic_id_;
  std::optional<identity::TopicKeys> keys_;
  std::map<LogId, std::pair<u32, std::size_t>> logs_;  // of which device, and which of its logs
  std::string batches_;                                // what every append made, as lines for the oracle
  u64 greatest_time_ = 0;
  std::unordered_map<std::string, u32> values_;  // batches of sleeping devices, and how many rows have each
};

}  // namespace perdure::replay
