#include "sync/topic.hpp"

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "log/nodes.hpp"

namespace perdure::sync {

std::optional<store::LogNo> Topic::by_id(const LogId& log) const {
  auto it = numbers.find(log);
  if (it == numbers.end()) return std::nullopt;
  return it->second;
}

store::LogNo Topic::add_log(const DeviceId& device, u64 incarnation) {
  auto no_ = static_cast<store::LogNo>(logs.size());
  LogEntry entry;
  entry.pending.id = log_id(device, incarnation);
  entry.pending.device = device;
  entry.pending.incarnation = incarnation;
  logs.push_back(std::move(entry));
  enter(no_);
  return no_;
}

void Topic::enter(store::LogNo log) {
  const crdt::LogName& of_log = logs[log].pending;
  if (numbers.emplace(of_log.id, log).second) by_device_[of_log.device].push_back(log);
}

void Topic::drop_log() {
  const crdt::LogName& of_log = logs.back().pending;
  numbers.erase(of_log.id);
  if (auto of = by_device_.find(of_log.device); of->second.size() == 1) by_device_.erase(of);
  else of->second.pop_back();
  logs.pop_back();
}

const std::vector<store::LogNo>& Topic::logs_by(const DeviceId& device) const {
  static const std::vector<store::LogNo> none;
  auto of = by_device_.find(device);
  return of == by_device_.end() ? none : of->second;
}

void Topic::grew(store::LogNo log, const log::LogState& state) {
  LogEntry& entry = logs[log];
  const u64 now = charged(state);
  bytes += now - entry.bytes;
  device_bytes[entry.pending.device] += now - entry.bytes;
  entry.bytes = now;
  entry.pending.held = state.held;
  if (keys && state.held > 0) grown.insert(log);
}

void Topic::forget() {
  closed = listed();
  loaded = false;
  logs.clear();
  numbers.clear();
  by_device_.clear();
  grown.clear();
  own_log.reset();
  holed.clear();
  counters = {};
  bytes = 0;
  device_bytes.clear();
  epoch.reset();
  changed();
}

void Topic::apply(const LogUpdate& update) {
  if (update.no >= logs.size()) return;
  logs[update.no].durable = update.durable;
  if (update.durable.hole < update.durable.length) holed.insert(update.no);
  else holed.erase(update.no);
  changed();
}

void Topic::build_on(const LogUpdate& update) {
  logs[update.no].pending.cut = update.durable.cut;
  logs[update.no].pending.forked = update.durable.forked;
}

const Topic::Frontier& Topic::frontier() const {
  if (frontier_.version == version_) return frontier_;
  codec::Writer all;
  frontier_.count = 0;
  for (const auto& [log, at] : numbers) {
    const Durable& held = logs[at].durable;
    if (held.spoken() == 0) continue;
    ++frontier_.count;
    all.fixed(log).be64(held.spoken()).fixed(held.root);
  }
  frontier_.bytes = std::move(all).take();
  frontier_.version = version_;
  return frontier_;
}

u64 charged(const log::LogState& state) { return state.bytes + log_bytes; }

std::optional<log::LogState> read_state(store::Rows& rows, const Topic& topic, store::LogNo log) {
  const auto state = log::load_state(rows, topic.no, log);
  if (!state) return std::nullopt;
  return *state;
}

Durable durable_of(store::Rows& rows, const Topic& topic, store::LogNo log, const log::LogState& state) {
  Durable held{state.held, state.head.ops, state.head.time, {}, state.cut(), state.hole, state.forked_from, 0};
  if (topic.keys && held.cut < held.length) {
    crdt::Indexes indexes = crdt::load_indexes(rows, topic.no);
    held.voids_to = crdt::Marks(rows, topic.no, indexes).declared_to(log, state.held);
  }
  if (held.spoken() == state.held) {
    held.root = state.held > 0 && state.held == state.head.length ? state.root : state.peaks.root();
  } else if (held.spoken() > 0) {
    log::StoredNodes nodes(rows, topic.no, log, state);
    if (auto peaks = log::peaks_of(nodes, held.spoken())) held.root = peaks->root();
  }
  return held;
}

bool load_logs(Topic& topic, const std::vector<std::pair<Bytes, Bytes>>& rows) {
  bool corrupt = false;
  for (const auto& [key, value] : rows) {
    codec::Reader r(key);
    r.u8();
    r.be32();
    u32 no = r.be32();
    if (!r.done() || no >= log_numbers_max) continue;
    // A number whose row is lost stays taken: index rows may speak of it.
    corrupt |= topic.logs.size() < no;
    while (topic.logs.size() <= no) topic.logs.emplace_back();
    auto state = log::decode_state(value);
    if (!state) {
      corrupt = true;
      continue;
    }
    LogEntry& entry = topic.logs[no];
    entry.pending.device = state->opening.device;
    entry.pending.incarnation = state->opening.incarnation;
    entry.pending.id = topic.log_id(state->opening.device, state->opening.incarnation);
    entry.pending.cut = state->cut();
    entry.own = state->own;
    entry.pending.forked = state->forked_from;
    entry.durable = {state->held,  state->head.ops, state->head.time,   {},
                     state->cut(), state->hole,     state->forked_from, 0};
    if (entry.durable.spoken() == state->held) entry.durable.root = state->peaks.root();
    if (state->hole < state->held) topic.holed.insert(no);
    topic.enter(no);
    topic.grew(no, *state);
    if (state->own) topic.own_log = no;
  }
  topic.changed();
  return corrupt;
}

wire::LogTag tag_of(const Hash& session, const LogId& log) {
  wire::LogTag tag;
  crypto::blake2b_into(tag.bytes, session.view(), {log.view()});
  return tag;
}

wire::Item item_of(const wire::LogTag& tag, const Durable& held) {
  wire::Item item;
  item.log = tag;
  item.length = held.spoken();
  item.ops = held.ops;
  item.time_s = held.time.ms() / 1000;
  item.root = log::root_tag(held.root);
  item.cut = held.cut == log::no_cut ? 0 : held.cut + 1;
  return item;
}

wire::Fingerprint fingerprint_of(const Hash& session, const Topic& topic) {
  wire::Fingerprint out;
  crypto::blake2b_into(out, session.view(), {view("perdure/frontier/1"), topic.frontier().bytes});
  return out;
}

wire::Hello hello_of(const Hash& session, const Topic& topic, u8 again) {
  wire::Hello hello;
  hello.fingerprint = fingerprint_of(session, topic);
  hello.again = again;
  hello.count = topic.frontier().count;
  if (hello.count <= wire::hello_items_max)
    for (const auto& [id, no] : topic.numbers)
      if (topic.logs[no].durable.spoken() > 0)
        hello.items.push_back(item_of(tag_of(session, id), topic.logs[no].durable));
  return hello;
}

}  // namespace perdure::sync
