// A core with a disk in memory and links that lead where the bench says, in virtual time; what its turns cost is counted.
//
//     Host ada("ada");                                  // runs, and has read its empty store
//     u32 topic = ada.ask<OpenedTopic>(TopicCreate{}).topic;
//     ada.spent = {};
//     ada.ask<Appended>(…);
//     ada.spent.ns                                      // in Node::handle, and nowhere else
//
// Only what a host of the core has: so the same file drives cores of other commits (against.mjs).
#pragma once

#include <perdure/node.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <set>
#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#endif

#include "sim/disk.hpp"

namespace perdure::bench {

// Time of this thread on a processor; in WebAssembly what Node knows of it: that of its process, where it cannot tell threads apart.
#ifdef __EMSCRIPTEN__
inline u64 cpu_ns() {
  const auto us = EM_ASM_DOUBLE({
    const used = process.threadCpuUsage ? process.threadCpuUsage() : process.cpuUsage();
    return used.user + used.system;
  });
  return static_cast<u64>(us * 1'000);
}
#else
inline u64 cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}
#endif

// A setting that is not what it says measures nothing.
inline void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not measured: %s\n", what);
  std::exit(1);
}

inline Seed seed_of(std::string_view name) {
  Seed seed;
  for (std::size_t i = 0; i < seed.bytes.size(); ++i)
    seed.bytes[i] = static_cast<u8>(name[i % name.size()] + static_cast<char>(i / name.size()));
  return seed;
}

inline NewOp message(u64 number) {  // 120 characters, as MessagePack
  char text[121];
  std::snprintf(text, sizeof text, "%09llu %-110s", static_cast<unsigned long long>(number),
                "the quick brown fox jumps over the lazy dog, and the quick brown dog jumps over the lazy fox");
  NewOp op;
  op.value = {0xd9, 120};
  op.value.insert(op.value.end(), text, text + 120);
  return op;
}

inline std::vector<NewOp> messages(u64 from, u64 count) {
  std::vector<NewOp> ops;
  for (u64 i = 0; i < count; ++i) ops.push_back(message(from + i));
  return ops;
}

struct Spent { u64 ns = 0, longest_ns = 0, turns = 0, saves = 0, sends = 0; };

class Host {
 public:
  sim::Disk disk;
  u64 steady_ms = 1, wall_ms = 1'700'000'000'000;
  Spent spent;
  std::vector<Event> inbox;                         // of the next turn
  std::map<u32, std::function<void(Bytes)>> lines;  // where links lead; on others nobody hears anything
  std::map<u32, ReplyBody> replies;
  std::map<u32, TopicNotice> topics;
  std::size_t topics_listed = 0, peers_listed = 0;
  StatusNotice status;
  std::map<std::string, u64> metrics;
  std::set<u32> closed;  // links that the core closed

  explicit Host(std::string_view name, Config config = {}, sim::Disk rows = {})
      : disk(std::move(rows)), config_(std::move(config)) {
    if (config_.app.empty()) config_.app = "bench";
    config_.device_seed = seed_of(name);
    config_.random_seed = seed_of("random " + std::string(name));
    node_ = std::make_unique<Node>(config_);
    turn({Start{}});
  }

  const DeviceId& id() const { return node_->id(); }
  const Config& config() const { return config_; }
  std::optional<u64> deadline() const { return deadline_; }

  // One turn; true: its answers wait in the inbox.
  bool once(std::vector<Event> events = {}) {
    const u64 began = cpu_ns();
    Turn out = node_->handle({steady_ms, wall_ms}, std::move(events));
    const u64 took = cpu_ns() - began;
    spent.ns += took;
    spent.longest_ns = std::max(spent.longest_ns, took);
    ++spent.turns;
    deadline_ = out.deadline_ms;
    for (Action& action : out.actions) perform(action);
    return !inbox.empty();
  }
  // … and those that follow from it at once.
  void turn(std::vector<Event> events = {}) {
    while (once(std::move(events))) events = std::exchange(inbox, {});
  }
  // Turns in which nothing happens; their nanoseconds, taken together: a look at the clock takes as long as such a turn.
  u64 idle(u64 turns) {
    const u64 began = cpu_ns();
    for (u64 i = 0; i < turns; ++i) node_->handle({steady_ms, wall_ms}, {});
    return cpu_ns() - began;
  }
  void set_time(u64 ms) {
    wall_ms += ms - steady_ms;
    steady_ms = ms;
  }
  void pass(u64 ms) {
    const u64 end = steady_ms + ms;
    while (deadline_ && *deadline_ <= end) {
      set_time(std::max(*deadline_, steady_ms + 1));
      turn();
    }
    set_time(std::max(end, steady_ms));
    turn();
  }

  u32 next_call() { return ++calls_; }
  template <class R>
  R ask(CallBody body) {
    const u32 number = next_call();
    turn({Call{number, std::move(body)}});
    auto reply = replies.extract(number);
    demand(!reply.empty() && std::holds_alternative<R>(reply.mapped()), "a call was not answered as it should be");
    return std::get<R>(std::move(reply.mapped()));
  }
  void append(u32 topic, std::vector<NewOp> ops) {
    RequestTag tag;
    const u32 number = ++appends_;
    for (std::size_t i = 0; i < 4; ++i) tag.bytes[i] = static_cast<u8>(number >> (8 * i));
    ask<Appended>(Append{topic, tag, std::move(ops)});
  }

 private:
  void perform(Action& action) {
    if (auto* save = std::get_if<Save>(&action)) {
      ++spent.saves;
      disk.apply(*save);
      inbox.push_back(Saved{save->save, SaveOutcome::ok});
    } else if (auto* read = std::get_if<Read>(&action)) inbox.push_back(disk.read(*read));
    else if (auto* range = std::get_if<ReadRange>(&action)) inbox.push_back(disk.read(*range));
    else if (auto* send = std::get_if<Send>(&action)) sent(send->link.value, std::move(send->bytes));
    else if (auto* close = std::get_if<CloseLink>(&action)) closed.insert(close->link.value);
    else if (auto* reply = std::get_if<Reply>(&action)) replies.insert_or_assign(reply->call, std::move(reply->body));
    else if (auto* topic = std::get_if<TopicNotice>(&action)) topics[topic->topic] = std::move(*topic);
    else if (auto* all = std::get_if<TopicsNotice>(&action)) list(*all);
    else if (auto* peers = std::get_if<PeersNotice>(&action)) peers_listed = peers->peers.size();
    else if (auto* now = std::get_if<StatusNotice>(&action)) status = std::move(*now);
    else if (auto* counts = std::get_if<MetricsNotice>(&action))
      metrics = {counts->counters.begin(), counts->counters.end()};
  }
  // Cores of before told the whole list each time.
  template <class Notice>
  void list(const Notice& notice) {
    if constexpr (requires { notice.whole; }) {
      if (notice.whole) listed_.clear();
      for (const auto& topic : notice.topics) listed_.insert(topic.topic);
      for (u32 ended : notice.ended) listed_.erase(ended);
      topics_listed = listed_.size();
    } else topics_listed = notice.topics.size();
  }
  void sent(u32 link, Bytes bytes) {
    ++spent.sends;
    u64& untold = untold_[link];
    untold += bytes.size();
    if (untold >= 100 * 1024) {
      untold = 0;
      inbox.push_back(LinkDrained{LinkId{link}, 0});
    }
    if (auto line = lines.find(link); line != lines.end()) line->second(std::move(bytes));
  }

  Config config_;
  std::unique_ptr<Node> node_;
  std::optional<u64> deadline_;
  std::set<u32> listed_;
  std::map<u32, u64> untold_;  // bytes since the core was told that they are out
  u32 calls_ = 0, appends_ = 0;
};

// Hosts that are linked with one another; their clocks go alike.
//
//     Net net{{&ada, &bob}};
//     Net::Link link = net.connect(ada, bob);     // ada dials
//     net.run();                                  // until nothing moves; no time passes
//     net.run_until([&] { return …; }, 10'000);   // in as much time as that takes
//     net.part(link);
class Net {
 public:
  struct Link {
    Host *a, *b;
    u32 in_a, in_b;  // its number in each of them
  };
  struct Options {
    LinkKind kind = LinkKind::local;
    std::string network = {}, url = {};  // of an anchor at the other end
  };

  explicit Net(std::vector<Host*> hosts) : hosts_(std::move(hosts)) {
    u64 now = 0;
    for (const Host* host : hosts_) now = std::max(now, host->steady_ms);
    for (Host* host : hosts_) host->set_time(now);
  }

  Link connect(Host& dialler, Host& other) { return connect(dialler, other, {}); }
  Link connect(Host& dialler, Host& other, const Options& options) {
    const Link link{&dialler, &other, ++links_, ++links_};
    dialler.lines[link.in_a] = [link](Bytes bytes) {
      link.b->inbox.push_back(LinkReceived{LinkId{link.in_b}, std::move(bytes)});
    };
    other.lines[link.in_b] = [link](Bytes bytes) {
      link.a->inbox.push_back(LinkReceived{LinkId{link.in_a}, std::move(bytes)});
    };
    dialler.inbox.push_back(LinkOpened{LinkId{link.in_a}, options.kind, true, options.url, 0, ""});
    other.inbox.push_back(LinkOpened{LinkId{link.in_b}, options.kind, false, "", 0, options.network});
    return link;
  }
  void part(const Link& link) {
    link.a->lines.erase(link.in_a);
    link.b->lines.erase(link.in_b);
    link.a->inbox.push_back(LinkClosed{LinkId{link.in_a}});
    link.b->inbox.push_back(LinkClosed{LinkId{link.in_b}});
    run();
  }

  void run() {
    for (bool moves = true; moves;) {
      moves = false;
      for (Host* host : hosts_) {
        if (host->inbox.empty()) continue;
        host->once(std::exchange(host->inbox, {}));
        moves = true;
      }
    }
  }
  template <class Done>
  bool run_until(Done done, u64 ms) {
    const u64 end = hosts_[0]->steady_ms + ms;
    for (run(); !done(); run()) {
      const u64 now = hosts_[0]->steady_ms;
      u64 next = end;
      for (const Host* host : hosts_)
        if (host->deadline()) next = std::min(next, std::max(*host->deadline(), now + 1));
      if (next >= end) return false;
      for (Host* host : hosts_) {
        host->set_time(next);
        if (host->deadline() && *host->deadline() <= next) host->once();
      }
    }
    return true;
  }
  void pass(u64 ms) {
    run_until([] { return false; }, ms);
  }
  void skip(u64 ms) {  // time passes, and nobody is woken
    for (Host* host : hosts_) host->set_time(host->steady_ms + ms);
  }

 private:
  static inline u32 links_ = 1'000'000;  // those below are free for others
  std::vector<Host*> hosts_;
};

}  // namespace perdure::bench
