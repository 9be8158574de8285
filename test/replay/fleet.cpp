#include "replay/fleet.hpp"

#include <algorithm>

#include "identity/invite.hpp"
#include "log/batch.hpp"
#include "log/state.hpp"
#include "store/keys.hpp"
#include "store/transactions.hpp"

namespace perdure::replay {

namespace {

constexpr const char* app = "replay";
constexpr u32 cache_bytes = 32u << 20;

Bytes packed_text(const std::string& text) {
  Bytes out;
  out.reserve(3 + text.size());
  for (std::size_t b : {std::size_t{0xda}, text.size() >> 8, text.size() & 0xff}) out.push_back(static_cast<u8>(b));
  for (char c : text) out.push_back(static_cast<u8>(c));
  return out;
}

Bytes packed_number(u32 n) {
  return {0xce, static_cast<u8>(n >> 24), static_cast<u8>(n >> 16), static_cast<u8>(n >> 8), static_cast<u8>(n)};
}

}  // namespace

Fleet::Fleet(const History& history, FleetOptions options) : history_(history), options_(options), world_(1) {
  devices_.resize(history.devices.size());
  anchor_ = world_.add({.app = app,
                        .name = {},
                        .anchor = true,
                        .rtc = false,
                        .anchors = {},
                        .device_seed = {},
                        .disk = {},
                        .cache_bytes = cache_bytes});
  world_.hold_wall(anchor_, 1000);  // leases do not end
  world_.weather.latency_min_ms = world_.weather.latency_max_ms = 1;
  world_.weather.jitter_ms = 0;
  world_.weather.bytes_per_ms = 1'000'000;
  world_.on_fault = [this](const std::string& what) { fail(what); };
}

bool Fleet::fail(const std::string& why) {
  if (trouble_.empty()) trouble_ = why;
  return false;
}

std::optional<ReplyBody> Fleet::ask(HostId host, CallBody body, u64 limit_ms) {
  std::optional<ReplyBody> answer;
  std::size_t kind = body.index();
  bool answered = false;
  world_.call(host, std::move(body), [&](const ReplyBody* reply) {
    answered = true;
    if (reply) answer = *reply;
  });
  if (!world_.run_until([&] { return answered || !trouble_.empty(); }, limit_ms))
    fail("call " + std::to_string(kind) + " was not answered");
  if (answer)
    if (auto* error = std::get_if<Error>(&*answer)) fail(error->text);
  if (!trouble_.empty()) return std::nullopt;
  return answer;
}

template <class T>
std::optional<T> Fleet::ask_for(HostId host, CallBody body) {
  auto answer = ask(host, std::move(body));
  T* wanted = answer ? std::get_if<T>(&*answer) : nullptr;
  if (wanted) return std::move(*wanted);
  fail("a call got an answer of the wrong kind");
  return std::nullopt;
}

// ---- awake and asleep -------------------------------------------------------------------------------------------------

bool Fleet::wake(u32 number, u64 wall_ms) {
  Device& d = devices_[number];
  awake_.remove(number);
  awake_.push_back(number);
  bool up = d.host && world_.up(*d.host);
  if (!d.host) {
    d.host = world_.add({.app = app,
                         .name = {},
                         .rtc = false,
                         .anchors = {},
                         .device_seed = {},
                         .disk = {},
                         .cache_bytes = cache_bytes});
  } else if (!up) {
    unpack(d);
    world_.restart(*d.host);
  }
  world_.hold_wall(*d.host, wall_ms);
  while (awake_.size() > options_.awake_max) sleep(awake_.front());
  return up || open_topic(d);
}

bool Fleet::open_topic(Device& d) {
  bool first = invite_.empty();
  auto opened = first ? ask_for<OpenedTopic>(*d.host, TopicNamed{"history"})
                      : ask_for<OpenedTopic>(*d.host, TopicJoin{invite_, {}});
  if (!opened) return false;
  d.topic = opened->topic;
  topic_id_ = opened->id;
  if (!first) return true;
  auto text = ask_for<Text>(*d.host, TopicInvite{d.topic});
  auto invite = text ? identity::decode_invite(text->text, identity::network_id(app))
                     : Result<identity::Invite>(Error{});
  if (!invite) return fail("the invite is none");
  invite_ = text->text;
  keys_ = identity::topic_keys(invite->secret);
  return true;
}

void Fleet::sleep(u32 number) {
  Device& d = devices_[number];
  awake_.remove(number);
  if (!d.host || !world_.up(*d.host)) return;
  if (at_anchor_ == number) leave_anchor();
  if (ask(*d.host, Close{})) world_.crash(*d.host);
  pack(d);
}

void Fleet::pack(Device& d) {
  auto& rows = world_.disk(*d.host)->rows;
  d.packed.reserve(rows.size());
  while (!rows.empty()) {
    auto row = rows.extract(rows.begin());
    PackedRow packed{std::move(row.key()), {}, nullptr};
    if (packed.key[0] == 'B' || packed.key[0] == 'N') {
      // Without its checksum, which tells apart what is the same on all devices.
      Bytes value = store::unseal_row(packed.key, std::move(row.mapped())).value();
      auto kept = values_.try_emplace(std::string(text(value)), 0).first;
      ++kept->second;
      packed.shared = &kept->first;
    } else {
      packed.value = std::move(row.mapped());
    }
    d.packed.push_back(std::move(packed));
  }
}

void Fleet::unpack(Device& d) {
  auto& rows = world_.disk(*d.host)->rows;
  for (PackedRow& row : d.packed) {
    if (row.shared) {
      row.value = store::seal_row(row.key, own(view(*row.shared)));
      auto kept = values_.find(*row.shared);
      if (--kept->second == 0) values_.erase(kept);
    }
    rows.emplace_hint(rows.end(), std::move(row.key), std::move(row.value));
  }
  d.packed = {};
}

// ---- one event --------------------------------------------------------------------------------------------------------

u64 Fleet::clock_of(const Event& event) {
  greatest_time_ = std::max(greatest_time_, event.time);
  return (options_.raw_time ? event.time : greatest_time_) * 1000;
}

bool Fleet::append(u32 number) {
  const Event& event = history_.events[number];
  Device& d = devices_[event.device];
  if (!wake(event.device, clock_of(event)) || !at_rest(d) || !fetch(event.device, event.before)) return false;
  if (!holds_just(d, event.before))
    return fail("event " + std::to_string(number) + ": its device does not hold exactly its ancestors");
  if (!at_rest(d)) return false;
  Append body{d.topic, {}, {{1, {}, packed_text(event.text)}}};
  for (std::size_t i = 0; i < 4; ++i) body.tag.bytes[i] = static_cast<u8>(number >> (8 * i));
  for (auto& path : event.paths) body.ops.push_back({2, path, packed_number(number)});
  if (!ask_for<Appended>(*d.host, std::move(body))) return false;
  d.has = event.before;
  if (d.has.size() <= event.device) d.has.resize(event.device + 1);
  d.has[event.device] = ++d.events;
  bool brought = world_.run_until([&] { return world_.topics(*d.host)[d.topic].pending == 0 || !trouble_.empty(); },
                                  10'000);
  return brought ? note_own_logs(d, number) : fail("the anchor does not acknowledge event " + std::to_string(number));
}

// A clock that was set may let batches count that were held back, or hold back others; own ones are then appended again. That
// needs no time, or a moment where there are many.
bool Fleet::at_rest(const Device&) {
  if (options_.raw_time) world_.run_for(100);
  return trouble_.empty();
}

// What it lacks of `wanted`, by log.
std::vector<std::pair<Bytes, u64>> Fleet::limits(const Device& d, const std::vector<u32>& wanted) const {
  std::vector<std::pair<Bytes, u64>> out;
  for (u32 i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0 || &devices_[i] == &d || (i < d.has.size() && d.has[i] >= wanted[i])) continue;
    auto& marks = devices_[i].marks[wanted[i] - 1];
    for (std::size_t l = 0; l < marks.size(); ++l) out.emplace_back(own(devices_[i].logs[l].id.view()), marks[l]);
  }
  return out;
}

bool Fleet::limit_pulls(Device& d, std::vector<std::pair<Bytes, u64>> lengths) {
  return ask(*d.host, PullLimit{d.topic, std::move(lengths)}).has_value();
}

// Links the device to the anchor, which gives it what it lacks of `wanted` and will be given what it appends.
bool Fleet::fetch(u32 number, const std::vector<u32>& wanted) {
  Device& d = devices_[number];
  auto lacking = limits(d, wanted);
  bool linked = at_anchor_ == number, nothing = lacking.empty();
  if (linked && nothing) return true;
  if (!linked) leave_anchor();
  if (!limit_pulls(d, std::move(lacking))) return false;
  if (!linked) world_.connect(*d.host, anchor_);
  at_anchor_ = number;
  return ask(*d.host, WaitSynced{d.topic}).has_value();
}

void Fleet::leave_anchor() {
  if (at_anchor_) world_.disconnect(*devices_[*at_anchor_].host, anchor_);
  at_anchor_.reset();
}

bool Fleet::holds_just(const Device& d, const std::vector<u32>& wanted) {
  if (options_.raw_time) return logs_hold_just(d, wanted);
  u64 total = 0;  // each event is one message
  for (u32 count : wanted) total += count;
  return shows(d, total);
}

bool Fleet::shows(const Device& d, u64 messages) {
  auto& notice = world_.topics(*d.host)[d.topic];
  return world_.run_until([&] { return (notice.length == messages && notice.held == 0) || !trouble_.empty(); },
                          10'000) &&
         trouble_.empty();
}

// Its own logs are its own affair. Of what is voided, no more is needed than the device already had.
bool Fleet::logs_hold_just(const Device& d, const std::vector<u32>& wanted) {
  auto& rows = world_.disk(*d.host)->rows;
  u64 lacking = 0;
  for (u32 i = 0; i < wanted.size(); ++i)
    if (wanted[i] > 0 && &devices_[i] != &d) lacking += devices_[i].marks[wanted[i] - 1].size();
  auto row = rows.lower_bound(store::key('L', d.topic)), end = rows.lower_bound(store::key('L', d.topic + 1));
  for (; row != end; ++row) {
    auto state = log::decode_state(store::unseal_row(row->first, row->second).value_or(Bytes{}));
    if (state && state->opening.device == world_.device(*d.host)) continue;
    auto known = state ? logs_.find(log_of(*state)) : logs_.end();
    if (known == logs_.end()) return false;
    auto [device, number] = known->second;
    if (device >= wanted.size() || wanted[device] == 0) return false;
    auto& mark = devices_[device].marks[wanted[device] - 1];
    if (number >= mark.size() || state->held > mark[number] ||
        state->held < std::min(mark[number], std::max<u64>(state->cut(), 1)))
      return false;
    --lacking;
  }
  return lacking == 0;
}

LogId Fleet::log_of(const log::LogState& state) const {
  return identity::log_id(identity::network_id(app), topic_id_, state.opening.device, state.opening.incarnation);
}

// The names, lengths and batches of the device's own logs stand in its rows.
bool Fleet::note_own_logs(Device& d, u32 event) {
  auto& rows = world_.disk(*d.host)->rows;
  auto row = rows.lower_bound(store::key('L', d.topic, d.logs_seen)),
       end = rows.lower_bound(store::key('L', d.topic + 1));
  for (; row != end; ++row, ++d.logs_seen) {
    auto state = log::decode_state(store::unseal_row(row->first, row->second).value_or(Bytes{}));
    if (!state) return fail("a row of a log cannot be read");
    if (state->opening.device != world_.device(*d.host)) continue;
    logs_[log_of(*state)] = {history_.events[event].device, d.logs.size()};
    d.logs.push_back({log_of(*state), row->first, d.logs_seen, state->opening.incarnation});
  }
  std::vector<u64> lengths, before = d.marks.empty() ? std::vector<u64>{} : d.marks.back();
  before.resize(d.logs.size());
  for (std::size_t l = 0; l < d.logs.size(); ++l) {
    auto state = log::decode_state(store::unseal_row(d.logs[l].row, rows[d.logs[l].row]).value_or(Bytes{}));
    if (!state) return fail("a row of a log cannot be read");
    for (u64 index = before[l]; index < state->held; ++index)
      if (!note_batch(d, l, index, event)) return fail("an own batch cannot be read");
    lengths.push_back(state->held);
  }
  d.marks.push_back(std::move(lengths));
  return d.logs.empty() ? fail("a device has no log of its own") : true;
}

bool Fleet::note_batch(const Device& d, std::size_t number, u64 index, u32 event) {
  const OwnLog& log = d.logs[number];
  auto& rows = world_.disk(*d.host)->rows;
  auto row = rows.find(store::key('B', d.topic, log.number, static_cast<u32>(index)));
  if (row == rows.end()) return false;
  auto plain = log::unseal_batch(*keys_, {identity::network_id(app), topic_id_, log.id, index},
                                 store::unseal_row(row->first, row->second).value_or(Bytes{}));
  auto batch = plain ? log::decode_batch(*plain, log.id) : Result<log::Batch>(Error{});
  if (!batch) return false;
  u64 messages = 0;
  for (auto& op : batch->ops) messages += op.kind == log::Op::Kind::message;
  batches_ += "batch " + std::to_string(event);
  for (u64 n : {u64{number}, log.incarnation, index, batch->time.value, messages}) batches_ += " " + std::to_string(n);
  for (auto& v : batch->voids) {
    auto voided = logs_.find(v.log);
    if (voided == logs_.end()) return false;
    batches_ += " " + std::to_string(voided->second.second) + " " + std::to_string(v.from);
  }
  batches_ += "\n";
  return true;
}

// ---- everything, everywhere -------------------------------------------------------------------------------------------

bool Fleet::gather() {
  while (!awake_.empty() && trouble_.empty()) sleep(awake_.front());
  gatherer_.host = world_.add(
      {.app = app, .name = {}, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}, .cache_bytes = cache_bytes});
  world_.hold_wall(*gatherer_.host, late_ms());
  return open_topic(gatherer_) && take_all(gatherer_, digest_) ? true : fail("gathered is not what was appended");
}

bool Fleet::fill(u32 number) {
  Device& d = devices_[number];
  std::string digest;
  if (!wake(number, late_ms()) || !take_all(d, digest))
    return fail("device " + std::to_string(number) + " cannot be filled");
  if (digest != digest_) return fail("device " + std::to_string(number) + " has another digest");
  awake_.remove(number);
  world_.crash(*d.host);
  world_.disk(*d.host)->rows.clear();  // it has said what it had to say
  return true;
}

// Without a limit, until all is here and counts.
bool Fleet::take_all(const Device& d, std::string& digest) {
  world_.connect(*d.host, anchor_);
  if (!ask(*d.host, WaitSynced{d.topic}) || !shows(d, history_.events.size())) return false;
  auto text = ask_for<Text>(*d.host, GetDigest{d.topic});
  world_.disconnect(*d.host, anchor_);
  if (text) digest = text->text;
  return text.has_value();
}

}  // namespace perdure::replay
