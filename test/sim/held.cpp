// What anybody still holds, read from the disks of all who are honest: the oracle knows every secret.
#include <algorithm>

#include "crdt/indexes.hpp"
#include "crdt/position.hpp"
#include "identity/invite.hpp"
#include "log/batch.hpp"
#include "sim/rows.hpp"
#include "sim/scenario.hpp"

namespace perdure::sim {

identity::TopicKeys Scenario::keys_of(u32 t) const {
  return identity::topic_keys(identity::decode_invite(topics_[t].invite)->secret);
}

// Whoever has its secret has certified the log.
std::optional<u32> Scenario::topic_of(const StoredLog& log) const {
  const NetworkId network = identity::network_id("sim");
  const log::Opening& opening = log.state.opening;
  for (u32 t = 0; t < topics_.size(); ++t)
    if (!topics_[t].invite.empty() &&
        identity::may_open(network, keys_of(t).id, opening.device, opening.incarnation, opening.certificate))
      return t;
  return std::nullopt;
}

// Each op by where it was said first: two that say the same are two.
Scenario::Holdings Scenario::look_at_disks() const {
  Holdings out;
  const NetworkId network = identity::network_id("sim");
  std::map<DeviceId, u32> names;
  for (u32 i = 0; i < devices_.size(); ++i) names[world_.device(devices_[i].host)] = i;
  std::vector<std::optional<identity::TopicKeys>> keys(topics_.size());
  for (u32 t = 0; t < topics_.size(); ++t)
    if (!topics_[t].invite.empty()) keys[t] = keys_of(t);
  std::set<std::pair<LogId, Bytes>> known;
  for (u32 i = 0; i < devices_.size(); ++i) {
    if (!honest(i)) continue;
    const Disk& disk = *world_.disk(devices_[i].host);
    std::map<store::TopicNo, std::optional<u32>> topics;
    for (const StoredLog& log : logs_on(disk)) {
      auto [at, fresh] = topics.emplace(log.topic, std::nullopt);
      if (!at->second) at->second = topic_of(log);
      auto author = names.find(log.state.opening.device);
      if (!at->second || author == names.end()) continue;
      const u32 t = *at->second;
      const log::Opening& opening = log.state.opening;
      const LogId id = identity::log_id(network, keys[t]->id, opening.device, opening.incarnation);
      if (log.state.cut() != log::no_cut) out.cut.insert(id);
      for (u64 index = 0; index < log.state.held; ++index) {
        const Bytes key = store::key('B', log.topic, log.no, static_cast<u32>(index));
        auto row = disk.rows.find(key);
        auto sealed = row == disk.rows.end() ? std::nullopt : store::unseal_row(key, row->second);
        if (!sealed || !known.emplace(id, *sealed).second) continue;
        auto plain = log::unseal_batch(*keys[t], {network, keys[t]->id, id, index}, *sealed);
        auto batch = plain ? log::decode_batch(*plain, id) : Result<log::Batch>(Error{});
        if (!batch) {
          out.unreadable[t].emplace(id, index);
          continue;
        }
        for (u32 p = 0; p < batch->ops.size(); ++p) {
          const log::Op& op = batch->ops[p];
          log::Origin origin{opening.incarnation, static_cast<u32>(index), p, {}};
          std::copy_n(log::leaf_hash(*sealed).bytes.begin(), origin.leaf.size(), origin.leaf.begin());
          out.said[{author->second, t, op.value}].insert(op.origin.value_or(origin));
        }
      }
    }
  }
  return out;
}

// What the device itself says is held back, as its disk has it.
std::set<std::string> Scenario::held_back_of(u32 i, u32 t) const {
  std::set<std::string> values;
  const auto handle = devices_[i].handles.find(t);
  if (handle == devices_[i].handles.end()) return values;
  const DeviceId& self = world_.device(devices_[i].host);
  const NetworkId network = identity::network_id("sim");
  const identity::TopicKeys keys = keys_of(t);
  DiskRows rows(*world_.disk(devices_[i].host));
  crdt::Indexes indexes = crdt::load_indexes(rows, handle->second);
  const store::Index held(rows, handle->second, static_cast<u8>(crdt::Tree::ahead), indexes.ahead);
  for (auto c = held.first(store::Index::all); c.valid(); c.next()) {
    const crdt::Position at = crdt::position_of(c.key());
    const auto no = static_cast<store::LogNo>(codec::Reader(c.value()).varint());
    const auto sealed = rows.get(store::key('B', handle->second, no, at.batch));
    if (at.device != self || !sealed) continue;
    const LogId id = identity::log_id(network, keys.id, at.device, at.incarnation);
    const auto plain = log::unseal_batch(keys, {network, keys.id, id, at.batch}, *sealed);
    const auto batch = plain ? log::decode_batch(*plain, id) : Result<log::Batch>(Error{});
    if (!batch) continue;
    for (const log::Op& op : batch->ops) values.emplace(text(op.value));
  }
  return values;
}

}  // namespace perdure::sim
