// Hosts in virtual time: each runs one core and has a disk, clocks and a network that all can fail. Everything follows from one seed.
//
//     World world(seed);
//     HostId anchor = world.add({.anchor = true});
//     HostId ada = world.add({.anchors = {World::url(anchor)}});
//     world.call(ada, TopicCreate{}, [&](const ReplyBody* reply) { … });       // null: lost in a crash
//     world.run_for(1000);
//     world.crash(ada);  world.restart(ada);
//
// A host is a seat for a core: after a crash the next core sits down at the same number. Two hosts may share a disk and a
// device: two tabs, of which the one that opened the disk last may write.
#pragma once

#include <perdure/node.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>

#include "sim/disk.hpp"
#include "sim/event_log.hpp"
#include "sim/prng.hpp"

namespace perdure::sim {

using HostId = u32;

struct HostOptions {
  std::string app = "sim";
  std::string name;
  bool anchor = false;
  bool rtc = true;
  std::vector<std::string> anchors;
  std::optional<Seed> device_seed;  // absent: a new device
  std::shared_ptr<Disk> disk;       // absent: a new disk
  i64 skew_ms = 0;                  // of its wall clock
  u32 cache_bytes = 4u << 20;
};

// How links behave; drawn anew for each link, so that some are near and some far.
struct Weather {
  u64 latency_min_ms = 2, latency_max_ms = 120;
  u64 jitter_ms = 20;
  u64 bytes_per_ms = 2000;                              // what a link carries
  u64 dial_timeout_ms = 10'000;                         // until a dial into nowhere fails
  u64 silence_min_ms = 1'000, silence_max_ms = 17'000;  // until an end notices that its link is dead
  u32 no_rtc = 150;                                     // of a thousand pairs, how many can never meet directly
};

class World {
 public:
  using Done = std::function<void(const ReplyBody*)>;  // null: the core was gone before it replied
  using Tamper = std::function<std::vector<Bytes>(LinkId, Bytes)>;
  using OnNotice = std::function<void(HostId, const Action&)>;

  explicit World(u64 seed, bool hashing = false);
  ~World();

  // ---- hosts
  HostId add(HostOptions);  // and boots it
  void crash(HostId);       // the core and its unconfirmed saves are gone; its links go silent or break
  void restart(HostId);     // same device, same disk, fresh random seed
  void freeze(HostId);      // a tab in the back/forward cache: events wait, nothing runs
  void thaw(HostId);
  bool up(HostId) const;  // runs and is not frozen
  const DeviceId& device(HostId) const;
  const Seed& device_seed(HostId) const;
  const std::shared_ptr<Disk>& disk(HostId) const;
  u32 hosts() const { return static_cast<u32>(hosts_.size()); }
  u32 life(HostId) const;  // how often it has booted
  static std::string url(HostId anchor) { return "ws://anchor-" + std::to_string(anchor); }

  // ---- what an app does
  void call(HostId, CallBody, Done = {});
  void tell(HostId, Event);                    // Network, Visibility, Goodbye
  std::map<u32, TopicNotice>& topics(HostId);  // the last notice of each
  const StatusNotice& status(HostId) const;

  // ---- network
  Weather weather;
  void connect(HostId dialler, HostId other, LinkKind kind = LinkKind::local);
  void disconnect(HostId, HostId);  // both ends are told at once
  void lose_link(u64 nth);          // some link, counted over those that stand, goes silent
  void set_side(HostId, u32 side);  // hosts on different sides of a partition do not reach each other
  void heal_network();              // one side, every pair may meet by WebRTC
  void set_skew(HostId, i64 skew_ms);
  void hold_wall(HostId, u64 wall_ms);  // its wall clock stands still there
  void set_tamper(HostId, Tamper);      // what it sends passes through here: a liar
  bool linked(HostId, HostId) const;
  u64 links_up() const;

  // ---- time
  u64 now() const { return now_; }
  u64 wall(HostId) const;
  void after(u64 ms, std::function<void()>);
  bool step();  // the next thing that happens; false: nothing ever will
  void run_for(u64 ms);
  bool run_until(const std::function<bool()>& reached, u64 limit_ms);
  void set_wall_base(u64 wall_ms) { wall_base_ = wall_ms - now_; }

  Prng prng;
  OnNotice on_notice;
  std::function<void(HostId from, HostId to)> on_large = {};  // a message over 4 KiB
  std::function<void(const std::string&)> on_fault = {};      // a core broke a rule of the boundary
  std::string hash() const { return log_.hex(); }
  struct Counts { u64 turns = 0, messages = 0, bytes = 0, saves = 0, links = 0, rtc = 0; } counts;

 private:
  struct Host;
  struct Pipe;
  struct RtcEnd;
  struct Due {
    u64 at = 0, order = 0;
    std::function<void()> run;
    bool operator<(const Due& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  // hosts (world.cpp)
  void boot(Host&, bool lost_store);
  void post(Host&, u32 life, Event);
  void plan_turn(Host&);
  void turn(Host&);
  void plan_wake(Host&, std::optional<u64> deadline_ms);
  void perform(Host&, Action&);
  void perform_save(Host&, Save);
  SaveOutcome finish_save(Host&, const Save&);
  void perform_read(Host&, std::function<RowsRead(const Disk&)>);
  void perform_reopen(Host&);
  u64 disk_time(Host&);
  void reply(Host&, const Reply&);
  void fault(Host&, const std::string& what);

  // links (links.cpp)
  bool reachable(const Host&, const Host&) const;
  u64 latency();
  u32 make_pipe(LinkKind, Host& dialler, Host& other);
  void dial(Host&, const Dial&);
  void send(Host&, Send);
  void transmit(u32 pipe, u32 side, Bytes);
  void close(Host&, LinkId);
  void end_pipe(u32 pipe, u64 after_a, u64 after_b);
  void cut_links(Host&, bool told);
  Pipe* find_pipe(Host&, LinkId, u32& side);
  void rtc_open(Host&, const RtcOpen&);
  void rtc_signal(Host&, const RtcSignal&);
  void rtc_describe(u32 end, SignalKind);
  void rtc_connect(u32 initiator, u32 responder);
  void rtc_close(Host&, u32 attempt);
  RtcEnd* find_rtc(Host&, u32 attempt);

  u64 now_ = 0, order_ = 0, wall_base_ = 1'700'000'000'000;
  bool hashing_;
  EventLog log_;
  std::priority_queue<Due> due_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::deque<Pipe> pipes_;  // a deque: they stay where they are
  std::set<u32> counted_;   // pipes that are open
  std::deque<RtcEnd> rtc_;
  std::set<std::pair<HostId, HostId>> met_, forbidden_;  // pairs whose fate is drawn, and those that cannot meet
};

// ---- inside: shared by world.cpp and links.cpp ----------------------------------------------------------------------------

struct World::Host {
  HostId id = 0;
  HostOptions options;
  std::unique_ptr<Node> node;  // absent: it is down
  u32 life = 0;
  u64 booted_at = 0;
  bool frozen = false, turn_planned = false;
  std::vector<Event> inbox;
  std::optional<u64> wake_at;       // the earliest wake in the queue
  std::optional<u64> deadline;      // when it wants to be woken, in world time
  u64 turns_now = 0, turns_at = 0;  // how many turns in this millisecond
  u32 generation = 0;
  bool barrier = false;                // a save has failed: so do all until Reopen
  u64 disk_free_at = 0, heard_at = 0;  // when the disk is through, and when the core has heard of it
  u32 side = 0;
  std::optional<u64> wall_held;
  u32 next_call = 1;
  std::map<u32, Done> calls;
  std::map<u32, TopicNotice> topics;
  StatusNotice status;
  Tamper tamper;
  DeviceId device;
};

struct World::Pipe {
  struct End {
    HostId host = 0;
    u32 life = 0;
    u64 last_arrival = 0;  // of what this end sent
    u64 wire_free_at = 0;
    std::deque<std::pair<u64, u64>> leaving;  // (when it is on the wire, bytes)
    u64 buffered = 0;
    bool drain_planned = false, told_closed = false;
    u64 untold = 0;  // sent since the core was last told how much waits
  };
  LinkKind kind = LinkKind::websocket;
  bool open = true;
  u64 latency = 0;
  End ends[2];
};

struct World::RtcEnd {
  u32 number = 0;  // in rtc_
  HostId host = 0;
  u32 life = 0, attempt = 0;
  bool initiator = false, gone = false;
  std::string fingerprint;
  std::optional<u32> remote;  // the end that its description names
  std::optional<u32> pipe;
};

}  // namespace perdure::sim
