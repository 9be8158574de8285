#include "node/addresses.hpp"

#include <algorithm>
#include <tuple>

namespace perdure {

using store::TopicNo;

bool Addresses::may_make(const Bytes& address) const {
  auto sum = sums_.find(address);
  return sum == sums_.end() || sum->second.made < made_max;
}

void Addresses::first(TopicNo topic, const Bytes& address) {
  forget(topic);
  if (!address.empty()) add(topic, address, 0, true);
}

void Addresses::read(TopicNo topic, const Bytes& address, u64 bytes, bool made) { add(topic, address, bytes, made); }

void Addresses::read_only_one(TopicNo topic, const Bytes& address) {
  add(topic, address, 0, true);
  topics_[topic].only_one = address;
  topics_[topic].old_row = true;
}

void Addresses::settle(TopicNo topic, u64 bytes) {
  auto t = topics_.find(topic);
  if (t == topics_.end()) return;
  auto& brought = t->second.brought;
  u64 said = 0;
  for (const auto& [address, what] : brought) said += what.bytes;
  const u64 gone = said - std::min(said, bytes);
  // Whose it was is not known: each has brought as much less of what he did.
  const u64 unit = 1 + (said >> 32);
  const auto part = [&](u64 of) { return of / unit * (gone / unit) / (said / unit) * unit; };
  for (auto& [address, what] : brought) {
    if (gone > 0) set(address, what, what.bytes - part(what.bytes));
    what.kept = false;
  }
  if (auto only = brought.find(std::exchange(t->second.only_one, {})); only != brought.end())
    set(only->first, only->second, only->second.bytes + (bytes - std::min(said, bytes)));
}

bool Addresses::room_for(u64 bytes, TopicNo topic, const Bytes& address, const Present& present, u64 quota) const {
  const auto sum = sums_.find(address);
  const auto t = topics_.find(topic);
  const bool known = t != topics_.end() && t->second.brought.contains(address);
  if (!known && sum != sums_.end() && sum->second.topics >= topics_max) return false;
  u64 room = left(address, quota);
  if (room < bytes)
    for (const Bytes& lender : others(topic, address, present)) room += left(lender, quota / 2);
  return room >= bytes;
}

std::vector<Addresses::Row> Addresses::pay(TopicNo topic, const Bytes& address, const Present& present, u64 quota,
                                           u64 bytes) {
  OfTopic& t = topics_[topic];
  auto take = [&](const Bytes& of, u64 n) {
    if (n == 0) return;
    bytes -= n;
    add(topic, of, 0, false);
    Brought& brought = t.brought.at(of);
    set(of, brought, brought.bytes + n);
    brought.kept = false;
  };
  take(address, std::min(bytes, left(address, quota)));
  if (bytes > 0)
    for (const Bytes& lender : others(topic, address, present)) take(lender, std::min(bytes, left(lender, quota / 2)));
  take(address, bytes);
  std::vector<Row> rows;
  if (std::exchange(t.old_row, false)) rows.push_back({});
  while (t.brought.size() > topic_max) {
    auto least = std::ranges::min_element(
        t.brought, {}, [&](const auto& b) { return std::tuple(b.second.made, b.first == address, b.second.bytes); });
    rows.push_back({least->first, {}});
    end(least->first, least->second);
    t.brought.erase(least);
  }
  for (auto& [of, what] : t.brought)
    if (!std::exchange(what.kept, true)) rows.push_back({of, std::pair(what.bytes, what.made)});
  return rows;
}

void Addresses::forget(TopicNo topic) {
  auto gone = topics_.extract(topic);
  if (gone.empty()) return;
  for (auto& [address, brought] : gone.mapped().brought) end(address, brought);
}

bool Addresses::wanted_again(TopicNo topic, u64 now_ms, Budget::Rate rate) {
  auto t = topics_.find(topic);
  return t != topics_.end() && t->second.refused && t->second.again.take(now_ms, rate) &&
         std::exchange(t->second.refused, false);
}

void Addresses::add(TopicNo topic, const Bytes& address, u64 bytes, bool made) {
  auto [it, fresh] = topics_[topic].brought.try_emplace(address);
  Sum& sum = sums_[address];
  sum.topics += fresh;
  sum.made += made && !it->second.made;
  it->second.made |= made;
  set(address, it->second, std::max(bytes, it->second.bytes));
}

void Addresses::set(const Bytes& address, Brought& brought, u64 bytes) {
  sums_[address].bytes += bytes - std::exchange(brought.bytes, bytes);
}

void Addresses::end(const Bytes& address, Brought& brought) {
  set(address, brought, 0);
  Sum& sum = sums_[address];
  sum.made -= brought.made;
  if (--sum.topics == 0) sums_.erase(address);
}

u64 Addresses::left(const Bytes& address, u64 quota) const {
  auto sum = sums_.find(address);
  return quota - std::min(quota, sum == sums_.end() ? 0 : sum->second.bytes);
}

Addresses::Present Addresses::others(TopicNo topic, const Bytes& address, const Present& present) const {
  Present all = present;
  if (auto t = topics_.find(topic); t != topics_.end())
    for (const auto& [of, brought] : t->second.brought) all.insert(of);
  all.erase(address);
  all.erase(Bytes{});
  return all;
}

}  // namespace perdure
