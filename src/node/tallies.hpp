// What all topics together come to, kept up to date by what each one adds: no turn walks over all of them for a sum.
//
//   tallies.set(no, {.pending = 3, .bytes = topic->bytes, .newer = true});
//   tallies.pending();                        // of all
//   for (TopicNo no : tallies.newer()) …      // in which a newer core has written
#pragma once

#include <map>
#include <set>
#include <utility>

#include "store/keys.hpp"

namespace perdure {

struct Tally {
  u64 pending = 0, bytes = 0;
  u64 newest_ms = 0;        // its greatest time, where it can be read; else 0
  bool newer = false;       // a newer core has written there
  bool announcing = false;  // we have a presence there
  bool held_back = false;   // something is not due yet
};

class Tallies {
 public:
  // Of a topic that is gone: what a default one says.
  void set(store::TopicNo, const Tally& now);

  u64 pending() const { return pending_; }
  u64 bytes() const { return bytes_; }
  u64 bytes_of(store::TopicNo no) const;
  const std::set<store::TopicNo>& newer() const { return newer_; }
  const std::set<store::TopicNo>& announcing() const { return announcing_; }
  const std::set<store::TopicNo>& held_back() const { return held_back_; }
  // By their greatest time.
  const std::set<std::pair<u64, store::TopicNo>>& newest() const { return newest_; }

 private:
  std::map<store::TopicNo, Tally> of_;
  u64 pending_ = 0, bytes_ = 0;
  std::set<store::TopicNo> newer_, announcing_, held_back_;
  std::set<std::pair<u64, store::TopicNo>> newest_;
};

}  // namespace perdure
