#include "replay/fleet.hpp"

#include <algorithm>

#include "identity/identity.hpp"
#include "log/state.hpp"
#include "store/keys.hpp"

namespace perdure::replay {

namespace {

constexpr const char* app = "replay";

Bytes packed_text(const std::string& text) {
  Bytes out;
  out.reserve(3 + text.size());
  for (std::size_t b : {std::size_t{0xda}, text.size() >> 8, text.size() & 0xff}) out.push_back(static_cast<u8>(b));
  for (char c : text) out.push_back(static_cast<u8>(c));
  return out;
}

Bytes packed_number(u32 n) { return {0xce, static_cast<u8>(n >> 24), static_cast<u8>(n >> 16), static_cast<u8>(n >> 8), static_cast<u8>(n)}; }

}  // namespace

Fleet::Fleet(const History& history, FleetOptions options) : history_(history), options_(options), world_(1) {
  devices_.resize(history.devices.size());
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
  if (!world_.run_until([&] { return answered || !trouble_.empty(); }, limit_ms)) fail("call " + std::to_string(kind) + " was not answered");
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

bool Fleet::wake(u32 number, bool limited) {
  Device& d = devices_[number];
  awake_.remove(number);
  awake_.push_back(number);
  if (d.host && world_.up(*d.host)) return true;
  if (!d.host) {
    d.host = world_.add({.app = app, .name = {}, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}, .cache_bytes = 32u << 20});
  } else {
    unpack(d);
    world_.restart(*d.host);
  }
  return open_topic(d) && (!limited || limit_pulls(d, {}));
}

bool Fleet::open_topic(Device& d) {
  bool first = invite_.empty();
  auto opened = first ? ask_for<OpenedTopic>(*d.host, TopicNamed{"history"}) : ask_for<OpenedTopic>(*d.host, TopicJoin{invite_, {}});
  if (!opened) return false;
  d.topic = opened->topic;
  topic_id_ = opened->id;
  if (!first) return true;
  auto invite = ask_for<Text>(*d.host, TopicInvite{d.topic});
  if (invite) invite_ = invite->text;
  return invite.has_value();
}

void Fleet::sleep(u32 number) {
  Device& d = devices_[number];
  awake_.remove(number);
  if (!d.host || !world_.up(*d.host)) return;
  if (ask(*d.host, Close{})) world_.crash(*d.host);
  pack(d);
}

void Fleet::make_room(u32 keep_a, u32 keep_b) {
  while (awake_.size() > options_.awake_max) {
    auto oldest = awake_.begin();
    while (*oldest == keep_a || *oldest == keep_b) ++oldest;
    sleep(*oldest);
  }
}

void Fleet::pack(Device& d) {
  auto& rows = world_.disk(*d.host)->rows;
  d.packed.reserve(rows.size());
  for (auto& [key, value] : rows) {
    auto kept = values_.try_emplace(std::string(text(value)), 0).first;
    ++kept->second;
    d.packed.emplace_back(key, &kept->first);
  }
  rows.clear();
}

void Fleet::unpack(Device& d) {
  auto& rows = world_.disk(*d.host)->rows;
  for (auto& [key, value] : d.packed) {
    rows.emplace_hint(rows.end(), std::move(key), own(view(*value)));
    auto kept = values_.find(*value);
    if (--kept->second == 0) values_.erase(kept);
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
  u64 clock = clock_of(event);
  Device& d = devices_[event.device];
  if (!d.host) world_.set_wall_base(clock);        // what a new host reads as it starts
  if (!wake(event.device, true)) return false;
  world_.hold_wall(*d.host, clock);
  u64 total = 0;
  for (u32 count : event.before) total += count;
  for (u32 parent : event.parents) {
    const Event& p = history_.events[parent];
    u32 needed = event.before[p.device];
    bool here = p.device == event.device || (p.device < d.has.size() && d.has[p.device] >= needed);
    if (!here && !fetch(event.device, p.device, event.before)) return false;
    make_room(event.device, p.device);
  }
  if (!holds(d, total)) return fail("event " + std::to_string(number) + ": its device does not hold exactly its ancestors");
  Append body{d.topic, {}, {{1, {}, packed_text(event.text)}}};
  for (std::size_t i = 0; i < 4; ++i) body.tag.bytes[i] = static_cast<u8>(number >> (8 * i));
  for (auto& path : event.paths) body.ops.push_back({2, path, packed_number(number)});
  if (!ask_for<Appended>(*d.host, std::move(body))) return false;
  d.has = event.before;
  if (d.has.size() <= event.device) d.has.resize(event.device + 1);
  d.has[event.device] = ++d.events;
  return note_own_logs(d);
}

// What it lacks of `wanted`, by log.
std::vector<std::pair<Bytes, u64>> Fleet::limits(const Device& d, const std::vector<u32>& wanted) const {
  std::vector<std::pair<Bytes, u64>> out;
  for (u32 i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0 || &devices_[i] == &d || (i < d.has.size() && d.has[i] >= wanted[i])) continue;
    auto& marks = devices_[i].marks[wanted[i] - 1];
    for (std::size_t l = 0; l < marks.size(); ++l) out.emplace_back(own(devices_[i].logs[l].view()), marks[l]);
  }
  return out;
}

bool Fleet::limit_pulls(Device& d, std::vector<std::pair<Bytes, u64>> lengths) {
  return ask(*d.host, PullLimit{d.topic, std::move(lengths)}).has_value();
}

bool Fleet::fetch(u32 number, u32 giver, const std::vector<u32>& wanted) {
  Device& d = devices_[number];
  if (!wake(giver, true) || !wake(number, true)) return false;
  Device& g = devices_[giver];
  if (!limit_pulls(d, limits(d, wanted))) return false;
  world_.connect(*d.host, *g.host);
  if (!ask(*d.host, WaitSynced{d.topic})) return false;
  world_.disconnect(*d.host, *g.host);
  // What the giver had of it is here now; the rest is the other parent's to give.
  std::vector<u32> has = d.has;
  has.resize(std::max(has.size(), wanted.size()));
  for (u32 i = 0; i < wanted.size(); ++i) {
    u32 theirs = i < g.has.size() ? std::min(g.has[i], wanted[i]) : 0;
    has[i] = std::max(has[i], theirs);
  }
  d.has = has;
  return limit_pulls(d, {});
}

// Each event is one message: their number says whether exactly the ancestors are here.
bool Fleet::holds(const Device& d, u64 events) {
  auto held = [&] {
    auto& notice = world_.topics(*d.host)[d.topic];
    return notice.length + notice.held;
  };
  return world_.run_until([&] { return held() == events || !trouble_.empty(); }, 10'000) && trouble_.empty();
}

// The names and lengths of the device's own logs stand in its rows.
bool Fleet::note_own_logs(Device& d) {
  auto& rows = world_.disk(*d.host)->rows;
  auto row = rows.lower_bound(store::key('L', d.topic, d.logs_seen)), end = rows.lower_bound(store::key('L', d.topic + 1));
  for (; row != end; ++row, ++d.logs_seen) {
    auto state = log::decode_state(row->second);
    if (!state) return fail("a row of a log cannot be read");
    if (state->opening.device != world_.device(*d.host)) continue;
    d.logs.push_back(identity::log_id(identity::network_id(app), topic_id_, state->opening.device, state->opening.incarnation));
    d.log_rows.push_back(row->first);
  }
  std::vector<u64> lengths;
  for (auto& key : d.log_rows) {
    auto state = log::decode_state(rows[key]);
    lengths.push_back(state ? state->held : 0);
  }
  d.marks.push_back(std::move(lengths));
  return d.logs.empty() ? fail("a device has no log of its own") : true;
}

// ---- everything, everywhere -------------------------------------------------------------------------------------------

bool Fleet::gather() {
  while (!awake_.empty() && trouble_.empty()) sleep(awake_.front());
  world_.set_wall_base((greatest_time_ + 600) * 1000);
  gatherer_.host = world_.add({.app = app, .name = {}, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}});
  world_.hold_wall(*gatherer_.host, (greatest_time_ + 600) * 1000);
  if (!open_topic(gatherer_)) return false;
  std::vector<u32> last(devices_.size());
  for (u32 i = 0; i < last.size(); ++i) last[i] = i;
  std::sort(last.begin(), last.end(), [&](u32 a, u32 b) { return history_.devices[a].back() > history_.devices[b].back(); });
  gatherer_.has.resize(devices_.size());
  for (u32 number : last) {
    Device& d = devices_[number];
    if (gatherer_.has[number] == d.events) continue;
    world_.hold_wall(*d.host, (greatest_time_ + 600) * 1000);
    if (!wake(number, true)) return false;
    world_.connect(*gatherer_.host, *d.host);
    if (!ask(*gatherer_.host, WaitSynced{gatherer_.topic})) return false;
    for (u32 i = 0; i < d.has.size(); ++i) gatherer_.has[i] = std::max(gatherer_.has[i], d.has[i]);
    sleep(number);
  }
  if (!holds(gatherer_, history_.events.size()) || !settle_held(gatherer_)) return fail("gathered is not what was appended");
  auto digest = ask_for<Text>(*gatherer_.host, GetDigest{gatherer_.topic});
  if (digest) digest_ = digest->text;
  return digest.has_value();
}

bool Fleet::settle_held(const Device& d) {
  return world_.run_until([&] { return world_.topics(*d.host)[d.topic].held == 0; }, 600'000);
}

bool Fleet::fill(u32 number) {
  Device& d = devices_[number];
  world_.hold_wall(*d.host, (greatest_time_ + 600) * 1000);
  if (!wake(number, false)) return false;
  world_.connect(*d.host, *gatherer_.host);
  if (!ask(*d.host, WaitSynced{d.topic})) return false;
  if (!holds(d, history_.events.size()) || !settle_held(d)) return fail("device " + std::to_string(number) + " cannot be filled");
  auto digest = ask_for<Text>(*d.host, GetDigest{d.topic});
  if (!digest) return false;
  if (digest->text != digest_) return fail("device " + std::to_string(number) + " has another digest");
  awake_.remove(number);
  world_.crash(*d.host);
  world_.disk(*d.host)->rows.clear();      // it has said what it had to say
  return true;
}

}  // namespace perdure::replay
