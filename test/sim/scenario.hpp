// One seed: a handful of people share topics while everything goes wrong; then everything works again, and all must agree.
//
//     Outcome outcome = Scenario(seed, {}).run();
//     if (!outcome.ok) print(outcome.why);
//
// Promises held: what was accepted (Appended was replied) never leaves its own device's view; once healed, all honest members of
// a topic have one digest by a deadline, and everything accepted is counted there exactly once, as long as anybody's disk still holds it.
// Excused is only what nobody could save: an op whose author lost its disk before any other device had acknowledged it, or whose rows were
// damaged where nobody else had them; and that its author must have been told. What nobody can read is held and counted by all.
#pragma once

#include "identity/identity.hpp"
#include "log/batch.hpp"
#include "sim/world.hpp"

namespace perdure::sim {

struct Options {
  u32 harm_s = 0;  // virtual seconds of harm; 0: drawn from the seed
  bool hashing = false;
  bool talk = false;  // print what happens
};

struct Outcome {
  bool ok = true;
  std::string why;
  std::string hash;
  World::Counts counts;
  u32 edges = 0, anchors = 0, ops = 0;
  u64 virtual_ms = 0;
};

struct StoredLog;

class Scenario {
 public:
  Scenario(u64 seed, Options options);
  Outcome run();

 private:
  // What somebody asked to be appended, and how it went.
  struct Op {
    u32 device = 0, topic = 0;
    u8 kind = 1;
    std::string key;
    Bytes value;
    bool accepted = false;
    u64 accepted_at = 0;
    std::optional<u64> acked_at;      // since when another device is known to hold it
    std::optional<u32> request = {};  // absent: a copy of the device says it
  };
  struct Request {
    RequestTag tag;
    u32 device = 0, topic = 0, first = 0, count = 0;  // ops_[first, first + count)
    bool accepted = false, abandoned = false;
    u32 tries = 0;
  };
  struct Loss {
    u32 device = 0;
    u64 at = 0, back_to = 0;
  };  // a disk that went back to what it was at `back_to`
  struct Device {
    HostId host = 0;  // the seat that owns the disk
    bool edge = true, liar = false;
    bool clock_harmed = false, may_void = false, lost = false, forked = false;
    bool reliving = false;                   // a copy of it is being put back, again and again
    bool rotten = false, told_lost = false;  // rows of it were damaged; it has said so
    std::optional<Disk::Rows> backup;
    u64 backup_at = 0;
    u32 origin = 0;              // devices of one origin meet without any server
    std::map<u32, u32> handles;  // topic -> the core's number for it, in this life
    std::set<u32> member;        // topics that it takes part in
    u32 waiting = 0;             // WaitCopies that are out
  };
  // What honest disks hold. An op is known by where it was said first: two that say the same are two.
  struct Holdings {
    std::map<std::tuple<u32, u32, Bytes>, std::set<log::Origin>> said;  // by device, topic and value
    std::map<u32, std::set<std::pair<LogId, u64>>> unreadable;          // by topic
    std::set<LogId> cut;                                                // logs of which somebody counts only a part
  };
  struct Topic {
    u32 creator = 0;
    std::string invite;
    u32 keys = 8;
    bool digests_asked = false;
    std::map<u32, std::string> digests;
  };

  // scenario.cpp
  void build();
  void heal();
  void converge();
  std::string describe(u32 topic, u32 device, const std::string& digest);
  void fail(const std::string& why);
  void say(const std::string& what);
  bool failed() const { return !outcome_.ok; }
  void meet_by_origin();
  u32 random_edge() { return static_cast<u32>(world_.prng.below(edges_)); }

  // people.cpp: what apps do
  void live(u32 device);
  void open_topics(u32 device);
  void open_topic(u32 device, u32 topic);
  void share_invite(u32 topic);
  void act(u32 device, u32 topic);
  void append(u32 device, u32 topic, u32 count, bool last);
  void ask(u32 request);
  void accepted(u32 request, const Appended&);
  void not_accepted(u32 request, const ReplyBody*);
  void read_something(u32 device, u32 topic);
  void append_ops(u32 device, u32 topic, const std::vector<NewOp>&);
  NewOp draw_op(u32 device, u32 topic, bool message);

  // harm.cpp
  void harm();
  void harm_links();
  void harm_process();
  void harm_disk();
  void harm_clock();
  void crash(u32 device);
  void restart(u32 device);
  void take_over(u32 device);
  void lose_disk(u32 device, bool entirely);
  void fork(u32 device);
  void plan_liar();

  // store_harm.cpp
  void plan_store_harm();
  void harm_store();
  void put_back();
  void relive(u32 device, std::shared_ptr<const Disk::Rows> copy, u64 copied_at, u32 lives, bool equal);
  void speak_again(u32 device, u32 topic, bool equal);
  void put_rows_back(u32 device, const Disk::Rows&, u64 back_to);
  void rot();
  void crowd();
  void make_hole();
  void write_unreadable();

  // held.cpp
  identity::TopicKeys keys_of(u32 topic) const;
  std::optional<u32> topic_of(const StoredLog&) const;
  Holdings look_at_disks() const;
  std::set<std::string> held_back_of(u32 device, u32 topic) const;  // own values

  // check.cpp
  using Seen = std::map<std::string, u32>;  // value -> how often it is counted
  void check_own_view(u32 device, u32 topic);
  void read_all(u32 device, u32 topic, std::optional<std::string> after, std::shared_ptr<Seen> seen,
                std::function<void(bool)> done);
  void read_history(u32 device, u32 topic, std::string key, std::optional<std::string> after,
                    std::shared_ptr<Seen> seen, std::function<void(bool)> done);
  void compare_digests();
  bool digests_agree();
  void check_everything();
  void check_topic(u32 topic, u32 device);
  void judge(u32 topic, const Seen& seen);
  bool excused(const Op&) const;
  void read_rotten();
  std::string name_missing(u32 topic);
  void check_unreadable();
  void check_rest();
  bool honest(u32 device) const { return !devices_[device].liar; }

  u64 seed_;
  Options options_;
  World world_;
  Outcome outcome_;
  u32 edges_ = 0, anchors_ = 0;
  std::vector<Device> devices_;  // edges first, then anchors
  std::vector<Topic> topics_;
  std::vector<Op> ops_;
  std::vector<Request> requests_;
  std::vector<Loss> losses_;
  std::vector<HostId> superseded_;  // cores that another one has replaced
  bool harming_ = true, years_ = false, fork_due_ = false;
  u32 losses_max_ = 0, restores_due_ = 0, rot_due_ = 0, holes_due_ = 0, unreadable_due_ = 0;
  std::optional<u32> crowd_topic_;  // has more logs than a greeting names
  bool unreadable_said_ = false;
  Holdings held_;  // when all was healed
  u64 healed_at_ = ~u64{0};
  u32 open_checks_ = 0;
  u64 next_value_ = 0;
};

Bytes packed(const std::string& text);  // as MessagePack

}  // namespace perdure::sim
