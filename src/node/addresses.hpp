// What each address has brought to topics that only it has entered: strangers can make up any number of topics, but not of addresses.
//
//     addresses.first(topic, address);             // it has just been made, for somebody who came from there
//     if (addresses.enter(topic, address)) …       // somebody else is there now: what it holds counts no more
//     addresses.count(topic, bytes);               // what it holds
//     addresses.with(topic, bytes) > quota         // what its one address would have brought if it held so much
//
// A topic that was entered from two addresses, or of which it is not known, counts for nobody. As many entries as topics at most.
#pragma once

#include <perdure/types.hpp>

#include <map>
#include <optional>

#include "store/keys.hpp"

namespace perdure {

class Addresses {
 public:
  struct Alone {  // one address has entered
    Bytes address;
    u64 bytes = 0;
    bool stored = false;   // a row says so
    bool refused = false;  // something was, for what the address has brought
  };

  void first(store::TopicNo topic, const Bytes& address, bool stored = false) {
    forget(topic);
    if (!address.empty()) alone_[topic] = {address, 0, stored, false};
  }
  // What was known of the topic, if that address is not the one that was.
  std::optional<Alone> enter(store::TopicNo topic, const Bytes& address) {
    auto it = alone_.find(topic);
    if (it == alone_.end() || it->second.address == address) return std::nullopt;
    Alone before = it->second;
    forget(topic);
    return before;
  }
  void count(store::TopicNo topic, u64 bytes) {
    auto it = alone_.find(topic);
    if (it == alone_.end()) return;
    u64& sum = brought_[it->second.address];
    sum += bytes - it->second.bytes;
    it->second.bytes = bytes;
  }
  u64 with(store::TopicNo topic, u64 bytes) const {
    auto it = alone_.find(topic);
    if (it == alone_.end()) return 0;
    auto sum = brought_.find(it->second.address);
    return bytes + (sum == brought_.end() ? 0 : sum->second) - it->second.bytes;
  }
  void forget(store::TopicNo topic) {
    auto it = alone_.find(topic);
    if (it == alone_.end()) return;
    if (auto sum = brought_.find(it->second.address); sum != brought_.end() && (sum->second -= it->second.bytes) == 0)
      brought_.erase(sum);
    alone_.erase(it);
  }
  Alone* of(store::TopicNo topic) {
    auto it = alone_.find(topic);
    return it == alone_.end() ? nullptr : &it->second;
  }

 private:
  std::map<store::TopicNo, Alone> alone_;
  std::map<Bytes, u64> brought_;  // bytes, by address
};

}  // namespace perdure
