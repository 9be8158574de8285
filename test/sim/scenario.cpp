#include "sim/scenario.hpp"

#include <algorithm>
#include <cstdio>

#include "sim/rows.hpp"

namespace perdure::sim {

Scenario::Scenario(u64 seed, Options options) : seed_(seed), options_(options), world_(seed, options.hashing) {}

void Scenario::fail(const std::string& why) {
  if (!outcome_.ok) return;
  outcome_.ok = false;
  outcome_.why = why;
  say("FAILED: " + why);
}

void Scenario::say(const std::string& what) {
  if (!options_.talk) return;
  std::printf("%9.3f  %s\n", static_cast<double>(world_.now()) / 1000, what.c_str());
  std::fflush(stdout);
}

// Most seeds are small, so that many fit into a minute; some are not.
void Scenario::build() {
  Prng& prng = world_.prng;
  u64 size = prng.below(100);
  edges_ = static_cast<u32>(size < 75 ? prng.between(5, 7) : size < 95 ? prng.between(8, 14) : prng.between(15, 30));
  anchors_ = static_cast<u32>(prng.below(4));
  years_ = prng.chance(300);
  losses_max_ = prng.chance(500) ? static_cast<u32>(prng.between(1, 3)) : 0;
  fork_due_ = prng.chance(100);
  world_.on_fault = [this](const std::string& what) { fail(what); };
  std::vector<std::string> urls;
  for (u32 i = 0; i < anchors_; ++i) urls.push_back(World::url(i));
  devices_.resize(edges_ + anchors_);
  for (u32 i = 0; i < anchors_; ++i) {  // first, so that their hosts' numbers are known
    std::vector<std::string> others = urls;
    others.erase(others.begin() + i);
    devices_[edges_ + i].host = world_.add(
        {.name = "anchor " + std::to_string(i), .anchor = true, .anchors = others, .device_seed = {}, .disk = {}});
    devices_[edges_ + i].edge = false;
  }
  for (u32 i = 0; i < edges_; ++i) {
    Device& device = devices_[i];
    // Without an anchor only an origin brings people together.
    device.origin = anchors_ ? (prng.chance(200) ? 0 : i + 1) : 0;
    auto disk = std::make_shared<Disk>();
    disk->delay_max_ms = prng.below(4) * 5;
    device.host = world_.add({.name = "edge " + std::to_string(i),
                              .rtc = !prng.chance(100),
                              .anchors = urls,
                              .device_seed = {},
                              .disk = disk});
  }
  topics_.resize(prng.between(1, 3));
  for (u32 t = 0; t < topics_.size(); ++t) {
    topics_[t].creator = random_edge();
    devices_[topics_[t].creator].member.insert(t);
    devices_[(topics_[t].creator + 1) % edges_].member.insert(t);
    for (u32 i = 0; i < edges_; ++i)
      if (prng.chance(700)) devices_[i].member.insert(t);
  }
  plan_liar();
  if (fork_due_) losses_max_ = 0;  // who forks and who loses is told apart
  world_.on_notice = [this](HostId host, const Action& action) {
    auto* status = std::get_if<StatusNotice>(&action);
    if (!status || std::ranges::none_of(status->trouble, [](const Error& e) { return e.code == Code::storage_lost; }))
      return;
    for (auto& device : devices_)
      if (device.host == host) device.told_lost = true;
  };
  plan_store_harm();
  for (u32 i = 0; i < edges_; ++i) world_.after(prng.below(2'000), [this, i] { live(i); });
  world_.after(100, [this] { meet_by_origin(); });
}

Outcome Scenario::run() {
  build();
  // Many devices make in a minute as much happen as few in four.
  u64 harm_ms = options_.harm_s ? u64{options_.harm_s} * 1000
                : edges_ < 8    ? world_.prng.between(60, 240) * 1000
                                : world_.prng.between(30, 60) * 1000;
  world_.after(world_.prng.between(1'000, 10'000), [this] { harm(); });
  say("seed " + std::to_string(seed_));
  u64 end = world_.now() + harm_ms, steps = 0;
  while (!failed() && world_.now() < end && world_.step())
    if (++steps > 20'000'000) fail("does not come to rest");
  if (!failed()) heal();
  if (!failed()) converge();
  outcome_.hash = world_.hash();
  outcome_.counts = world_.counts;
  outcome_.edges = edges_;
  outcome_.anchors = anchors_;
  outcome_.ops = static_cast<u32>(ops_.size());
  outcome_.virtual_ms = world_.now();
  return outcome_;
}

// Peers of one origin find each other again whenever they can, as they do over a BroadcastChannel.
void Scenario::meet_by_origin() {
  for (u32 a = 0; a < edges_; ++a)
    for (u32 b = a + 1; b < edges_; ++b)
      if (devices_[a].origin == devices_[b].origin && world_.up(devices_[a].host) && world_.up(devices_[b].host) &&
          !world_.linked(devices_[a].host, devices_[b].host))
        world_.connect(devices_[a].host, devices_[b].host, LinkKind::local);
  world_.after(2'000, [this] { meet_by_origin(); });
}

void Scenario::heal() {
  say("heal");
  harming_ = false;
  world_.heal_network();
  for (HostId host : superseded_) world_.crash(host);
  for (u32 i = 0; i < devices_.size(); ++i) {
    Device& device = devices_[i];
    Disk& disk = *world_.disk(device.host);
    disk.full = false;
    disk.flaky = 0;
    disk.delay_max_ms = std::min<u64>(disk.delay_max_ms, 20);
    world_.set_skew(device.host, 0);
    world_.thaw(device.host);
    if (!world_.up(device.host)) restart(i);
    world_.tell(device.host, Network{true});
    world_.tell(device.host, Visibility{false});
    world_.tell(device.host, Room{});  // as hosts do that watch their disk; else an anchor finds out in its time
  }
  held_ = look_at_disks();
  healed_at_ = world_.now();
  // Once all is well each says one thing more: a device whose clock was far ahead takes back by this what is held.
  world_.run_for(30'000);
  for (u32 i = 0; i < edges_; ++i)
    for (u32 t : devices_[i].member) append(i, t, 1, true);
  read_rotten();
  world_.run_for(20'000);
}

// Who is where, for the one line that a failure prints.
std::string Scenario::describe(u32 t, u32 i, const std::string& digest) {
  const StatusNotice& status = world_.status(devices_[i].host);
  const TopicNotice& notice = world_.topics(devices_[i].host)[devices_[i].handles[t]];
  auto& rows = world_.disk(devices_[i].host)->rows;
  auto logs = std::distance(rows.lower_bound(Bytes{'L'}), rows.lower_bound(Bytes{'L' + 1}));
  u64 holes = 0, missing = 0;  // logs of this topic that are known to have one, and batches that are not there
  for (const StoredLog& log : logs_on(*world_.disk(devices_[i].host))) {
    if (topic_of(log) != t) continue;
    holes += log.state.hole != log::no_cut ? 1 : 0;
    for (u64 n = 0; n < log.state.held; ++n)
      missing += rows.contains(store::key('B', log.topic, log.no, static_cast<u32>(n))) ? 0 : 1;
  }
  return " [topic " + std::to_string(t) + " device " + std::to_string(i) + " " + digest.substr(0, 8) + ": " +
         std::to_string(notice.length) + " messages, " + std::to_string(notice.map_size) + " keys, " +
         std::to_string(notice.held) + " held, " + std::to_string(notice.behind) + " behind, " +
         std::to_string(notice.peers) + " peers, " + std::to_string(status.websocket) + "+" +
         std::to_string(status.webrtc) + "+" + std::to_string(status.relayed) + "+" + std::to_string(status.local) +
         " links, " + std::to_string(logs) + " logs on disk, " + std::to_string(holes) + " with a hole, " +
         std::to_string(missing) + " batches missing]";
}

void Scenario::converge() {
  constexpr u64 deadline_ms = 300'000;
  u64 end = world_.now() + deadline_ms;
  while (!failed() && world_.now() < end) {
    compare_digests();
    world_.run_for(3'000);
    bool all_asked = true;
    for (auto& request : requests_)
      all_asked = all_asked && (request.accepted || request.abandoned || !honest(request.device));
    if (all_asked && digests_agree()) return check_everything();
    world_.run_for(5'000);
  }
  if (failed()) return;
  std::string why = "no agreement " + std::to_string(deadline_ms / 1000) + " s after all was healed:";
  for (u32 t = 0; t < topics_.size(); ++t) {
    auto& digests = topics_[t].digests;
    bool agree = std::all_of(digests.begin(), digests.end(),
                             [&](auto& d) { return d.second == digests.begin()->second; });
    for (auto& [device, digest] : digests)
      if (!agree) why += describe(t, device, digest);
    if (!agree) why += name_missing(t);
  }
  for (u32 r = 0; r < requests_.size(); ++r)
    if (!requests_[r].accepted && !requests_[r].abandoned && honest(requests_[r].device))
      why += " request " + std::to_string(r) + " of device " + std::to_string(requests_[r].device) + " unanswered";
  fail(why);
}

}  // namespace perdure::sim
