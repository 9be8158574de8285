// The merge as DESIGN 4 words it, over the plain set of batches: slow, short, and without any index.
#pragma once

#include <algorithm>
#include <set>

#include "clock/hybrid.hpp"
#include "crdt/world.hpp"

namespace perdure::test {

// What a user sees.
struct View {
  struct Key {
    std::vector<OpId> unreplaced, history;  // greatest first
    bool erased = false;
    bool operator==(const Key&) const = default;
  };
  std::vector<OpId> timeline;
  std::map<std::string, Key> keys;
  u64 length = 0, map_size = 0, held_back = 0;
  bool operator==(const View&) const = default;
};

// cut: by forks, and by the voids that are not behind one
struct Share {
  u64 held = 0;
  u64 forked = log::no_cut;
  u64 cut = log::no_cut;
};

// What an author voids on another of his logs counts no longer, from there on.
inline void cut_by_voids(const World& world, std::vector<Share>& shares) {
  for (Share& share : shares) share.cut = share.forked;
  for (std::size_t l = 0; l < world.logs.size(); ++l) {
    for (u64 b = 0; b < std::min(shares[l].held, shares[l].forked); ++b)
      for (const log::Void& v : world.logs[l].batches[b].voids)
        for (std::size_t o = 0; o < world.logs.size(); ++o)
          if (o != l && world.logs[o].id == v.log && world.logs[o].device == world.logs[l].device)
            shares[o].cut = std::min(shares[o].cut, v.from);
  }
}

// A place in a log where an op is said, perhaps again.
struct Saying {
  OpId said;  // the op, by where it was said first
  bool again = false;
  crdt::Position place, first;  // where this saying stands, and where the first one did: there the op counts
  const log::Op* op = nullptr;

  // Of those that say one op, the least one counts.
  friend bool operator<(const Saying& a, const Saying& b) {
    return std::pair(a.again, a.place) < std::pair(b.again, b.place);
  }
};

inline Saying saying_at(const World& world, const World::Log& log, u32 batch, u32 position) {
  const log::Batch& in = log.batches[batch];
  const log::Op& op = in.ops[position];
  const crdt::Position here{in.time, log.device, log.incarnation, batch, position};
  Saying out{{log.id, batch, position}, false, here, here, &op};
  if (!op.says) return out;
  out.place.time = op.says->time;
  out.first = {op.says->time, log.device, op.says->incarnation, op.says->batch, op.says->position};
  const OpId first{identity::log_id(world.network, world.keys.id, log.device, op.says->incarnation), op.says->batch,
                   op.says->position};
  out.again = first != out.said;
  out.said = first;
  return out;
}

// What counts, least first, of batches that are not of the future; those are counted in `held_back`.
inline std::map<crdt::Position, Saying> counted(const World& world, const std::vector<Share>& shares, u64 now,
                                                u64& held_back) {
  std::map<OpId, Saying> ops;
  for (std::size_t l = 0; l < world.logs.size(); ++l) {
    const World::Log& log = world.logs[l];
    for (u32 b = 0; b < std::min(shares[l].held, shares[l].cut); ++b) {
      const log::Batch& batch = log.batches[b];
      if (batch.time.ms() > now + clock::hold_back_ms) {
        held_back += batch.ops.size();
        continue;
      }
      for (u32 p = 0; p < batch.ops.size(); ++p) {
        const Saying one = saying_at(world, log, b, p);
        const auto [known, fresh] = ops.emplace(one.said, one);
        if (!fresh && one < known->second) known->second = one;
      }
    }
  }
  std::map<crdt::Position, Saying> out;
  for (const auto& [id, one] : ops) out[one.first] = one;
  return out;
}

inline View oracle(const World& world, std::vector<Share> shares, u64 now) {
  cut_by_voids(world, shares);
  View out;
  const auto sayings = counted(world, shares, now, out.held_back);
  std::map<std::string, std::set<OpId>> named;  // by greater ops, because we go from the greatest down
  for (auto at = sayings.rbegin(); at != sayings.rend(); ++at) {
    const OpId& id = at->second.said;
    const log::Op& op = *at->second.op;
    if (op.kind == log::Op::Kind::message) {
      out.timeline.insert(out.timeline.begin(), id);
      continue;
    }
    const std::string name(text(op.key));
    View::Key& key = out.keys[name];
    if (key.history.empty()) {
      key.erased = op.kind == log::Op::Kind::erase;
      out.map_size += key.erased ? 0 : 1;
    }
    key.history.push_back(id);
    if (!named[name].count(id)) key.unreplaced.push_back(id);
    named[name].insert(op.replaces.begin(), op.replaces.end());
  }
  out.length = out.timeline.size();
  return out;
}

inline std::vector<Share> shares_of(Peer& peer) {
  std::vector<Share> shares(peer.world.logs.size());
  for (auto& [no, k] : peer.kept) shares[k.in_world] = {k.name.held, k.name.forked};
  return shares;
}

// The same, as the replica says it, read in pages of `limit`.
inline View view_of(Peer& peer, u32 limit = 7) {
  View out;
  peer.step([&](crdt::Replica& replica, store::Rows& rows) {
    out = {};
    crdt::Replica::PageOptions page{.before = {}, .after = {}, .limit = limit, .reverse = false};
    for (;;) {
      auto result = replica.messages(page);
      if (!result || rows.missed()) break;
      for (auto& m : result->messages) out.timeline.push_back(m.id);
      if (!result->more) break;
      page.after = result->messages.back().id;
    }
    out.length = replica.length();
    out.map_size = replica.map_size();
    out.held_back = replica.indexes().ahead.weight;
    for (std::size_t l = 0; l < peer.world.logs.size(); ++l)
      for (auto& batch : peer.world.logs[l].batches)
        for (auto& op : batch.ops) {
          const std::string name(text(op.key));
          if (name.empty() || out.keys.count(name)) continue;
          auto state = replica.key(name);
          if (!state) continue;
          View::Key& key = out.keys[name];
          key.erased = !state->winner.value;
          key.unreplaced.push_back(state->winner.id);
          for (auto& loser : state->losers) key.unreplaced.push_back(loser.id);
          std::optional<OpId> after;
          for (bool more = true; more;) {
            auto history = replica.history(name, after, limit);
            for (auto& v : history.versions) key.history.push_back(v.id);
            more = history.more && !rows.missed();
            if (more) after = history.versions.back().id;
          }
        }
  });
  return out;
}

inline View expected(Peer& peer) { return oracle(peer.world, shares_of(peer), peer.now); }

}  // namespace perdure::test
