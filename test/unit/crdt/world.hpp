// Logs written by simulated authors, and peers that hold parts of them.
//
//     World world(seed);  auto a = world.open();  world.append(a, batch);
//     Peer peer(world);   peer.deliver(a, 1);     CHECK(peer.view(…) == …);
#pragma once

#include <functional>
#include <map>
#include <random>

#include "crdt/replica.hpp"
#include "support/memory_rows.hpp"

namespace perdure::test {

inline constexpr u64 noon = 1'700'000'000'000;  // ms

inline HybridTime at_ms(u64 ms, u16 counter = 0) { return {ms << 16 | counter}; }

inline Bytes text_value(std::string_view s) {  // MessagePack str 16
  Bytes out{0xda, static_cast<u8>(s.size() >> 8), static_cast<u8>(s.size())};
  out.insert(out.end(), s.begin(), s.end());
  return out;
}

inline log::Op say(std::string_view s) { return {log::Op::Kind::message, {}, text_value(s), {}}; }
inline log::Op set(std::string_view key, std::string_view value, std::vector<OpId> replaces = {}) {
  return {log::Op::Kind::set, own(view(key)), text_value(value), std::move(replaces)};
}
inline log::Op erase(std::string_view key, std::vector<OpId> replaces = {}) {
  return {log::Op::Kind::erase, own(view(key)), {}, std::move(replaces)};
}

class World {
 public:
  explicit World(u64 seed_number) : random(seed(seed_number)), keys(identity::topic_keys(random.fixed<Secret>())) {
    random.fill(network.bytes);
  }
  struct Log {
    LogId id;
    DeviceId device;
    u64 incarnation = 0;
    std::vector<log::Batch> batches;
    std::vector<Bytes> sealed;
  };

  std::size_t open() { return open(random.fixed<DeviceId>()); }
  std::size_t open(const DeviceId& device) {
    const u64 incarnation = random.next() >> 1;
    logs.push_back({identity::log_id(network, keys.id, device, incarnation), device, incarnation, {}, {}});
    return logs.size() - 1;
  }
  u32 append(std::size_t log, HybridTime time, std::vector<log::Op> ops, std::vector<log::Void> voids = {}) {
    Log& l = logs[log];
    u64 first = 0;
    for (const auto& b : l.batches) first += b.ops.size();
    l.batches.push_back({time, first, {}, std::move(voids), std::move(ops)});
    const u64 index = l.batches.size() - 1;
    if (index > 0 && !l.batches.back().voids.empty()) l.batches.back().format = log::newest_format;
    l.sealed.push_back(
        log::seal_batch(keys, {network, keys.id, l.id, index}, log::encode_batch(l.batches.back(), l.id), random));
    return static_cast<u32>(index);
  }
  u32 append(std::size_t log, u64 ms, std::vector<log::Op> ops) { return append(log, at_ms(ms), std::move(ops)); }
  OpId id(std::size_t log, u32 batch, u32 position = 0) const { return {logs[log].id, batch, position}; }

  crypto::Random random;
  identity::TopicKeys keys;
  NetworkId network;
  std::vector<Log> logs;

 private:
  static Seed seed(u64 n) {
    Seed s;
    for (std::size_t i = 0; i < 8; ++i) s.bytes[i] = static_cast<u8>(n >> (8 * i));
    return s;
  }
};

class Peer : public crdt::Logs {
 public:
  explicit Peer(const World& of) : world(of) {}

  MemoryRows rows;
  u64 now = noon;
  int runs = 0;

  struct Kept {
    crdt::LogName name;
    std::size_t in_world = 0;
    log::LogState state;
  };
  std::map<store::LogNo, Kept> kept;

  const crdt::LogName* by_number(store::LogNo log) const override {
    auto at = kept.find(log);
    return at == kept.end() ? nullptr : &at->second.name;
  }
  std::optional<store::LogNo> by_id(const LogId& id) const override {
    for (auto& [no, k] : kept)
      if (k.name.id == id) return no;
    return std::nullopt;
  }
  LogId id_of(const DeviceId& device, u64 incarnation) const override {
    return identity::log_id(world.network, world.keys.id, device, incarnation);
  }
  store::LogNo number(std::size_t log) {
    for (auto& [no, k] : kept)
      if (k.in_world == log) return no;
    const auto no = static_cast<store::LogNo>(kept.size() + 1);
    const World::Log& l = world.logs[log];
    kept[no] = {{l.id, l.device, l.incarnation, 0, log::no_cut, log::no_cut}, log, {}};
    return no;
  }
  u64 held(std::size_t log) { return kept[number(log)].name.held; }

  // Runs `f` as the node does: again from the start while rows are missed.
  template <class F>
  void step(F f) {
    std::vector<std::pair<store::LogNo, log::Void>> voids;
    changes = {};
    runs += run_step(rows, [&](store::Rows& r) {
      crdt::Replica replica(r, topic, *this, world.keys, world.network);
      f(replica, r);
      voids = replica.voids();
      std::map<store::LogNo, u64> cuts;
      for (auto& [no, v] : voids) {
        u64& cut = cuts.emplace(no, kept[no].name.cut).first->second;
        if (v.from < cut) replica.cut(no, cut = v.from, now);
      }
      replica.finish();
      changes = replica.changes();
      corrupt = replica.corrupt();
      absent = !replica.absent().empty();
    });
    for (auto& [no, v] : voids) lower(no, v.from, &log::LogState::voided_from);
  }
  struct Part {
    std::size_t log = 0;
    u64 to = 0;
  };
  void deliver(std::vector<Part> parts) {
    for (auto& p : parts) number(p.log);
    step([&](crdt::Replica& replica, store::Rows& r) {
      for (auto& p : parts) {
        const auto no = number(p.log);
        for (u64 i = kept[no].name.held; i < p.to; ++i)
          r.put(store::key('B', topic, no, static_cast<u32>(i)), world.logs[p.log].sealed[i]);
        replica.add(no, kept[no].name.held, p.to, now);
      }
    });
    for (auto& p : parts) {
      Kept& k = kept[number(p.log)];
      for (; k.name.held < p.to; ++k.name.held)
        k.state.peaks.append(log::leaf_hash(world.logs[p.log].sealed[k.name.held]));
      k.state.held = k.name.held;
    }
  }
  void deliver(std::size_t log, u64 to) { deliver(std::vector<Part>{{log, to}}); }
  void deliver_all() {
    for (std::size_t l = 0; l < world.logs.size(); ++l) deliver(l, world.logs[l].sealed.size());
  }
  // A fork is learnt: of the log nothing counts from there on, and what it voids there is not void.
  void cut(std::size_t log, u64 from) {
    const auto no = number(log);
    if (from >= kept[no].name.forked) return;
    std::vector<std::pair<store::LogNo, u64>> left;
    step([&](crdt::Replica& replica, store::Rows&) {
      if (from < kept[no].name.cut) replica.cut(no, from, now);
      left = replica.forked(no, from);
      for (const auto& [voided, to] : left)
        if (const u64 cut = std::min(to, kept[voided].state.forked_from); cut != kept[voided].name.cut)
          replica.cut(voided, cut, now);
    });
    lower(no, from, &log::LogState::forked_from);
    for (const auto& [voided, to] : left) {
      kept[voided].state.voided_from = to;
      kept[voided].name.cut = kept[voided].state.cut();
    }
  }
  bool release() {
    bool more = false;
    step([&](crdt::Replica& replica, store::Rows&) { more = replica.release(now); });
    return more;
  }
  Hash digest() {
    std::vector<std::pair<store::LogNo, log::LogState>> states;
    for (auto& [no, k] : kept)
      if (k.name.held > 0) states.emplace_back(no, k.state);
    Hash hash;
    step([&](crdt::Replica& replica, store::Rows&) { hash = replica.digest(states); });
    return hash;
  }

  const World& world;
  crdt::Changes changes;
  bool corrupt = false;
  bool absent = false;
  static constexpr store::TopicNo topic = 3;

 private:
  void lower(store::LogNo no, u64 from, u64 log::LogState::* which) {
    Kept& k = kept[no];
    k.state.*which = std::min(k.state.*which, from);
    k.name.cut = k.state.cut();
    k.name.forked = k.state.forked_from;
  }
};

}  // namespace perdure::test
