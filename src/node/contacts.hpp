// Whom we keep dialling, or might: anchors, and those who share a topic with us.
#pragma once

#include <perdure/events.hpp>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/budget.hpp"
#include "peers/signal.hpp"
#include "store/keys.hpp"

namespace perdure {

using store::TopicNo;

struct AnchorEntry {
  std::optional<DeviceId> pinned;  // at first contact
  AnchorState state = AnchorState::connecting;
  std::string reason;
  u64 next_dial_ms = 0;
  u32 failures = 0;
  std::optional<LinkId> link;
  std::optional<LinkId> through;  // to the same anchor by another address: this one is not dialled meanwhile
  bool dialling = false;
  std::map<TopicNo, u8> refusing;  // why it stores nothing more of these, until it holds what we hold
  void unlinked() {
    link.reset();
    if (refusing.empty()) return;
    refusing.clear();  // they were but some topics
    reason.clear();
    state = AnchorState::connecting;
  }
};

// Somebody who shares a topic with us and whom we might link to.
struct Contact {
  bool rtc = false;
  bool rtc_own = false;  // … by its own word, against which nobody else's counts
  // links that introduced it, and in which topics: with none left it is out of reach
  std::map<LinkId, std::set<TopicNo>> introducers;
  u64 next_try_ms = 0;
  u32 failures = 0;
  u64 waits_since_ms = 0;  // for its offer, if that is its to make
  Hash affinity;           // of the pair: the lowest are linked directly
  u32 unanswered = 0;      // ways tried in vain since it was linked last
  bool silent = false;     // all of them: it goes behind those that may answer
  bool met = false;        // it was linked
  LinkId way;              // the introducer to be tried next, or the first behind that
};

// What a device has begun with us: DataChannels, relayed sessions.
struct Begun { Budget offers, sessions; };

// By id, and by the affinity of the pair: the nearest ones are those that we link to.
class Contacts {
 public:
  using Map = std::map<DeviceId, Contact>;
  Map::iterator begin() { return all_.begin(); }
  Map::iterator end() { return all_.end(); }
  Map::iterator find(const DeviceId& id) { return all_.find(id); }
  bool contains(const DeviceId& id) const { return all_.contains(id); }
  std::size_t size() const { return all_.size(); }
  std::pair<Map::iterator, bool> add(const DeviceId& id, const Hash& affinity);
  Map::iterator erase(Map::iterator it);
  // So many, or all there are, in the order of their ids. Of those that were not met yet one introducer has half of the places, as long
  // as others are there for the rest. The silent ones come last.
  std::vector<Map::iterator> nearest(std::size_t count);
  // Of one that is heard of: among so many of those that are not silent, whoever introduced them; or one of the nearest.
  bool is_near(Map::iterator it, std::size_t count);
  void set_silent(Map::iterator it, bool silent);
  // Of one there are other introducers now.
  void introduced() { near_.clear(); }
  // Outlives the contact: who goes and comes again has begun what it has begun.
  Begun& begun(const DeviceId& id, u64 now_ms);

 private:
  using Place = std::tuple<bool, Hash, DeviceId>;
  static Place place(const Map::value_type& c) { return {c.second.silent, c.second.affinity, c.first}; }
  Map all_;
  std::set<Place> by_affinity_;
  std::vector<Map::iterator> near_;  // as long as nothing has changed; else none
  std::size_t near_count_ = 0;
  std::map<DeviceId, Begun> begun_;
  // also those that went and had not answered: who is told of again is no newer for it
  std::set<DeviceId> silent_;
  void remember(const DeviceId&);
};

// Whom a link is yet to be told of in a topic, and when it may be.
struct Introducing {
  std::map<DeviceId, bool> present;  // who came; true: can make DataChannels
  std::set<DeviceId> gone;
  std::map<DeviceId, bool> back;  // of those who went: with a frame of their own
  u64 next_ms = 0;
  bool nobody() const { return present.empty() && gone.empty(); }
};

struct Attempt {
  DeviceId peer;
  bool initiator = false;
  peers::Nonce nonce{};
  std::optional<std::array<u8, 32>> local, remote;
  u64 deadline_ms = 0;
  LinkId via;                  // the introducer through which it is made
  std::optional<LinkId> link;  // once the channel stands
};

}  // namespace perdure
