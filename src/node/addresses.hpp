// What each address has brought to an anchor, and to which topics: strangers can make up any number of topics, but not of addresses.
//
//     if (addresses.may_make(address)) addresses.first(topic, address);       // the topic has just been made, for somebody from there
//     if (!addresses.room_for(bytes, topic, address, present, quota)) …       // it may not bring so much
//     for (auto& row : addresses.pay(topic, address, present, quota, bytes))  // it did: what its rows say now
//
// What has no room left of its own takes that of others who have entered the topic, half of the quota of each at most: so nobody is kept from
// bringing what is his own, and all together bring no more than so many addresses may.
#pragma once

#include <perdure/types.hpp>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "store/keys.hpp"

namespace perdure {

class Addresses {
 public:
  static constexpr std::size_t made_max = 4'096;    // topics of one address: sixteen fill an anchor
  static constexpr std::size_t topics_max = 8'192;  // … to which one may bring something
  // of one topic, of which it is known what they brought; then who brought least makes room
  static constexpr std::size_t topic_max = 1'024;
  using Present = std::set<Bytes>;  // addresses from which somebody is in the topic now
  struct Row {
    Bytes address;
    std::optional<std::pair<u64, bool>> brought;  // bytes, and that it made the topic; nothing: there is to be no row
  };

  bool may_make(const Bytes& address) const;
  void first(store::TopicNo topic, const Bytes& address);
  void read(store::TopicNo topic, const Bytes& address, u64 bytes, bool made);  // as a row says
  // 0.1.0 said who was the only one: he brought what no other row speaks of.
  void read_only_one(store::TopicNo topic, const Bytes& address);
  // The topic was read, and holds so much. What is not there was not brought, and which rows were written is not known.
  void settle(store::TopicNo topic, u64 bytes);

  bool room_for(u64 bytes, store::TopicNo topic, const Bytes& address, const Present& present, u64 quota) const;
  std::vector<Row> pay(store::TopicNo topic, const Bytes& address, const Present& present, u64 quota, u64 bytes);
  void forget(store::TopicNo topic);

  // Something was refused for what addresses have brought; and whether to ask for it once more, now that somebody else may lend room.
  void refuse(store::TopicNo topic) { topics_[topic].refused = true; }
  bool wanted_again(store::TopicNo topic, u64 now_ms, Budget::Rate rate);

 private:
  struct Brought {
    u64 bytes = 0;
    bool made = false;
    bool kept = false;  // a row says so
  };
  struct OfTopic {
    std::map<Bytes, Brought> brought;
    Bytes only_one;
    bool old_row = false, refused = false;
    Budget again;
  };
  struct Sum {
    u64 bytes = 0;
    std::size_t topics = 0, made = 0;
  };

  void add(store::TopicNo topic, const Bytes& address, u64 bytes, bool made);
  void set(const Bytes& address, Brought& brought, u64 bytes);
  void end(const Bytes& address, Brought& brought);
  u64 left(const Bytes& address, u64 quota) const;
  Present others(store::TopicNo topic, const Bytes& address, const Present& present) const;

  std::map<store::TopicNo, OfTopic> topics_;
  std::map<Bytes, Sum> sums_;  // of all topics, by address
};

}  // namespace perdure
