#include "crdt/standing.hpp"

#include <algorithm>

namespace perdure::crdt {

Standing::Local Standing::start(store::LogNo log) const {
  if (auto at = changed_.find(log); at != changed_.end()) return at->second;
  const LogName* known = name(log);
  return known ? Local{known->held, known->cut} : Local{};
}

u64 Standing::held(store::LogNo log) const { return start(log).held; }
u64 Standing::cut(store::LogNo log) const { return start(log).cut; }

void Standing::advance(store::LogNo log, u64 to) {
  Local local = start(log);
  local.held = std::max(local.held, to);
  changed_[log] = local;
}

void Standing::lower(store::LogNo log, u64 to) {
  Local local = start(log);
  local.cut = std::min(local.cut, to);
  changed_[log] = local;
}

Position Standing::position(store::LogNo log, HybridTime time, u64 batch, u32 position) const {
  const LogName* known = name(log);
  if (!known) return {time, {}, 0, static_cast<u32>(batch), position};
  return {time, known->device, known->incarnation, static_cast<u32>(batch), position};
}

OpId Standing::id(store::LogNo log, u32 batch, u32 position) const {
  const LogName* known = name(log);
  return {known ? known->id : LogId{}, batch, position};
}

bool Standing::held_back(const Position& batch) const {
  return held_root_.entries > 0 && held_back_.find(batch_key(batch)).has_value();
}

std::optional<Standing::Found> Standing::find(const OpId& id) const {
  const auto log = number(id.log);
  if (!log) return std::nullopt;
  const Local local = start(*log);
  if (id.batch >= local.held || id.batch >= local.cut) return std::nullopt;
  Batches::Ptr opened = batches_.get(*log, id.batch);
  if (!opened || id.position >= opened->batch.ops.size()) return std::nullopt;
  const Position at = position(*log, opened->batch.time, id.batch, id.position);
  if (held_back(at)) return std::nullopt;
  return Found{*log, at, std::move(opened)};
}

std::optional<Place> Standing::version(const OpId& id, ByteView key) const {
  const auto found = find(id);
  if (!found) return std::nullopt;
  const log::Op& op = found->op();
  if (op.kind == log::Op::Kind::message || !store::equal(op.key, key)) return std::nullopt;
  return Place{found->at, found->log, op.kind == log::Op::Kind::erase};
}

bool Standing::awaited(const OpId& id) const {
  const auto log = number(id.log);
  if (!log) return true;
  const Local local = start(*log);
  if (id.batch >= local.cut) return false;
  if (id.batch >= local.held) return true;
  if (held_root_.entries == 0) return false;
  const Batches::Ptr opened = batches_.get(*log, id.batch);
  return opened && held_back(position(*log, opened->batch.time, id.batch));
}

void Standing::ask_before(const OpId& id, u64 count) const {
  const auto log = number(id.log);
  if (!log || id.batch >= held(*log)) return;
  for (u64 i = 1; i <= std::min<u64>(count, id.batch); ++i) batches_.ask(*log, id.batch - i);
}

}  // namespace perdure::crdt
