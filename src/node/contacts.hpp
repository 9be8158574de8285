// Whom we keep dialling, or might: anchors, and those who share a topic with us.
#pragma once

#include <perdure/events.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

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
};

// Somebody who shares a topic with us and whom we might link to.
struct Contact {
  bool rtc = false;
  // links that introduced it, and in which topics: with none left it is out of reach
  std::map<LinkId, std::set<TopicNo>> introducers;
  u64 next_try_ms = 0;
  u32 failures = 0;
  u64 known_since_ms = 0;
  Hash affinity;  // of the pair: the lowest are linked directly
};

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
  // So many, or all there are, in the order of their ids.
  std::vector<Map::iterator> nearest(std::size_t count);
  bool is_near(const Hash& affinity, std::size_t count) const;

 private:
  Map all_;
  std::set<std::pair<Hash, DeviceId>> by_affinity_;
};

// Whom a link is yet to be told of in a topic, and when it may be.
struct Introducing {
  std::map<DeviceId, bool> present;  // who came; true: can make DataChannels
  std::set<DeviceId> gone;
  u64 next_ms = 0;
  bool nobody() const { return present.empty() && gone.empty(); }
};

struct Attempt {
  DeviceId peer;
  bool initiator = false;
  peers::Nonce nonce{};
  std::optional<std::array<u8, 32>> local, remote;
  u64 deadline_ms = 0;
  LinkId via;                  // who introduced it
  std::optional<LinkId> link;  // once the channel stands
};

}  // namespace perdure
