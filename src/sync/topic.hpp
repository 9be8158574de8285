// One topic in memory: its keys, its logs, its frontier. Everything else is in rows.
//
// Two views of each log stand side by side. `pending` is what the next step builds on: it changes when a step has run. `durable` is what is on
// stable storage: it changes when the save is confirmed, and it alone is spoken of to others.
#pragma once

#include <perdure/events.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "crdt/replica.hpp"
#include "identity/identity.hpp"
#include "log/state.hpp"
#include "store/transactions.hpp"
#include "wire/frames.hpp"

namespace perdure::sync {

inline constexpr std::size_t logs_max = 65'536;  // of one topic; a page that opens one more is refused
// that a log costs whoever holds it, beside its batches: its rows, and what is kept of it in memory
inline constexpr u64 log_bytes = 2'048;
// … of them for peers that are linked: a member can make up authors, but not links
inline constexpr std::size_t logs_reserved = 4'096;
inline constexpr std::size_t log_numbers_max = logs_max + 4'096;  // our own logs always have a place

struct Durable {   // of one log, durable
  u64 length = 0;  // batches here
  u64 ops = 0;     // of the newest head
  HybridTime time;
  Hash root;  // at spoken()
  u64 cut = log::no_cut;
  u64 hole = log::no_cut;    // first batch that is lost here
  u64 forked = log::no_cut;  // the cut, if that is one
  u64 voids_to = 0;          // one past the last batch that voids other logs; where it is behind the cut
  // What others are told of and fetch: what is before the cut, and always the first batch and those that void other logs: they do so
  // also where they say nothing else that counts. A hole ends it: who has more gives that again.
  u64 spoken() const { return std::min({length, std::max({cut, u64{1}, std::min(voids_to, forked)}), hole}); }
};

struct LogEntry {
  crdt::LogName pending;
  u64 bytes = 0;     // that it is charged: its sealed batches, and log_bytes
  bool own = false;  // we write it (older incarnations of ours are not own any more)
  Durable durable;
};

// What a step found out, to be taken over once it is durable.
struct LogUpdate {
  store::LogNo no = 0;
  Durable durable;
};

// What a step found damaged; it wrote nothing then, and is run again once that is mended.
struct Damage {
  bool indexes = false;         // to be made anew from the batches
  bool arrivals = false;        // the order of arrival, too, which nothing gives again
  std::set<store::LogNo> logs;  // rows of these are not to be read: see which
  explicit operator bool() const { return indexes || !logs.empty(); }
};

// Numbers that the app sees, as the newest step left them.
struct Counters {
  u64 opaque = 0, newer = 0, said_again = 0;
  u64 length = 0, unread = 0, held_back = 0, held_bytes = 0, map_size = 0;
  std::optional<u64> next_due_ms;
  u64 arrived = 0;
  std::array<u8, 8> arrival_hash{};
  HybridTime greatest;
};

class Topic final : public crdt::Logs {
 public:
  store::TopicNo no = 0;
  NetworkId network;
  TopicId id;
  std::optional<identity::TopicKeys> keys;  // none on an anchor: it stores blindly
  std::optional<std::string> name;
  std::optional<std::string> shortcode;
  bool open = false;  // followed: synced and shown
  bool loaded = false;
  u32 reading = 0;  // which reading of its rows this is: what an earlier one brings comes too late
  bool left = false;
  bool stored = false;  // its own row is as it stands here
  struct Row {          // … or what that says instead
    std::optional<std::string> name, shortcode;
    bool left = false;
  };
  std::optional<Row> row;      // none: it is not known to be stored
  bool written = false;        // there may be rows of it
  bool adopted = false;        // … of before it had one of its own: that one was lost
  u64 kept_used_ms = 0;        // last_used_ms, as its row says
  bool own_unsure = false;     // a save of ours ended in doubt: the next append opens an incarnation
  std::vector<LogEntry> logs;  // by number
  std::map<LogId, store::LogNo> numbers;
  std::set<store::LogNo> holed;  // of which a batch is lost here
  std::optional<store::LogNo> own_log;
  std::map<LogId, u64> pull_limits;  // tests: pull at most so many batches of a log, none of others
  bool pull_limited = false;
  Counters counters;  // durable
  struct Listed {
    u64 unread = 0;
    HybridTime greatest;
  } closed;  // of the same, while they are forgotten
  Listed listed() const { return counters.arrived > 0 ? Listed{counters.unread, counters.greatest} : closed; }
  u64 bytes = 0;                         // that its logs are charged, pending
  std::map<DeviceId, u64> device_bytes;  // the same by author
  std::set<store::LogNo> grown;          // since our last batch, pending: the next one names them
  std::optional<wire::Epoch> epoch;      // of this topic in our store, if not that of the whole
  u64 counted = 0;       // an anchor's: as it stands in the sum over all topics, also while it is read again
  u64 last_used_ms = 0;  // wall; an anchor's lease counts from here

  const crdt::LogName* by_number(store::LogNo n) const override { return n < logs.size() ? &logs[n].pending : nullptr; }
  std::optional<store::LogNo> by_id(const LogId& log) const override;
  LogId id_of(const DeviceId& device, u64 incarnation) const override { return log_id(device, incarnation); }
  LogId log_id(const DeviceId& device, u64 incarnation) const {
    return identity::log_id(network, id, device, incarnation);
  }
  store::LogNo add_log(const DeviceId& device, u64 incarnation);  // pending; durable is empty
  void drop_log();  // the last one: the step that added it came to nothing
  const std::vector<store::LogNo>& logs_by(const DeviceId&) const;
  void forget();  // everything that rows can give again
  // A step has left that log so.
  void grew(store::LogNo, const log::LogState&);
  void apply(const LogUpdate& update);
  void build_on(const LogUpdate& update);    // the next step does
  u64 queue() const { return u64{no} + 1; }  // of the transactions; 0 is the device's own
  // What is said of all its logs together, made once for each state of them.
  struct Frontier {
    u64 version = 0;  // another one: something differs
    u64 count = 0;    // logs that there is something to tell of
    Bytes bytes;      // for its fingerprint
  };
  const Frontier& frontier() const;

 private:
  void changed() { ++version_; }
  void enter(store::LogNo);  // its id and device are known
  friend bool load_logs(Topic&, const std::vector<std::pair<Bytes, Bytes>>&);
  std::map<DeviceId, std::vector<store::LogNo>> by_device_;
  u64 version_ = 1;
  mutable Frontier frontier_;
};
using TopicPtr = std::shared_ptr<Topic>;

// The state of one log, read in a step. Nothing if the row is absent or corrupt.
std::optional<log::LogState> read_state(store::Rows&, const Topic&, store::LogNo);
// Bytes of a quota.
u64 charged(const log::LogState&);
// What others may be told of it, read in the same step that changed it.
Durable durable_of(store::Rows&, const Topic&, store::LogNo, const log::LogState&);
// Takes the L rows of a topic over; what is corrupt is left out, to be fetched again. True if rows were left out.
bool load_logs(Topic&, const std::vector<std::pair<Bytes, Bytes>>& rows);

// ---- what is said of a frontier on one session -------------------------------------------------------------------------
wire::LogTag tag_of(const Hash& session, const LogId& log);
wire::Item item_of(const wire::LogTag&, const Durable&);
wire::Fingerprint fingerprint_of(const Hash& session, const Topic& topic);
wire::Hello hello_of(const Hash& session, const Topic& topic, u8 again);  // without a cursor

}  // namespace perdure::sync
