// Bad luck: links, partitions, crashes, disks, clocks, tabs that take over, and one who lies.
#include "sim/scenario.hpp"

namespace perdure::sim {

void Scenario::harm() {
  if (!harming_) return;
  const bool stores = restores_due_ + rot_due_ + holes_due_ + unreadable_due_ > 0;
  switch (world_.prng.below(stores ? 6 : 4)) {
    case 0: harm_links(); break;
    case 1: harm_process(); break;
    case 2: harm_disk(); break;
    case 3: harm_clock(); break;
    default: harm_store();
  }
  world_.after(world_.prng.between(500, 6'000), [this] { harm(); });
}

void Scenario::harm_links() {
  Prng& prng = world_.prng;
  u64 what = prng.below(10);
  if (what < 6) return world_.lose_link(prng.next());
  if (what < 8) {  // a partition, until it heals
    u32 sides = static_cast<u32>(prng.between(2, 3));
    say("partition into " + std::to_string(sides));
    for (auto& device : devices_) world_.set_side(device.host, static_cast<u32>(prng.below(sides)));
    return world_.after(prng.between(3'000, 40'000), [this] {
      if (harming_)
        for (auto& device : devices_) world_.set_side(device.host, 0);
    });
  }
  u32 i = random_edge();  // one goes offline, and knows it
  HostId host = devices_[i].host;
  say("device " + std::to_string(i) + " offline");
  world_.set_side(host, 100 + i);
  world_.tell(host, Network{false});
  world_.after(prng.between(2'000, 30'000), [this, host] {
    world_.set_side(host, 0);
    world_.tell(host, Network{true});
  });
}

void Scenario::harm_process() {
  Prng& prng = world_.prng;
  u32 i = static_cast<u32>(prng.below(devices_.size()));
  Device& device = devices_[i];
  if (!world_.up(device.host)) return;
  u64 what = prng.below(12);
  if (what < 6) {
    if (prng.chance(300)) world_.tell(device.host, Goodbye{});
    return world_.after(prng.below(3), [this, i] {
      if (!world_.up(devices_[i].host)) return;
      crash(i);
      world_.after(world_.prng.between(100, 20'000), [this, i] { restart(i); });
    });
  }
  if (!device.edge) return;
  if (what < 8) {
    say("device " + std::to_string(i) + " frozen");
    world_.freeze(device.host);
    return world_.after(prng.between(1'000, 40'000), [this, host = device.host] { world_.thaw(host); });
  }
  if (what < 10) {
    world_.tell(device.host, Visibility{true});
    return world_.after(prng.between(1'000, 40'000),
                        [this, host = device.host] { world_.tell(host, Visibility{false}); });
  }
  if (fork_due_ && what == 10) return fork(i);
  take_over(i);
}

void Scenario::crash(u32 i) {
  say("device " + std::to_string(i) + " crashes");
  devices_[i].handles.clear();
  world_.crash(devices_[i].host);
}

void Scenario::restart(u32 i) {
  if (world_.up(devices_[i].host)) return;
  world_.crash(devices_[i].host);  // if it is frozen, it ends now
  say("device " + std::to_string(i) + " starts again");
  devices_[i].handles.clear();
  world_.restart(devices_[i].host);
}

// Another tab of the same device opens the store. The core before it may be frozen and come back, or just go on.
void Scenario::take_over(u32 i) {
  Device& device = devices_[i];
  HostId old = device.host;
  say("device " + std::to_string(i) + " is taken over by another core");
  device.may_void = true;
  device.handles.clear();
  if (world_.prng.chance(500)) world_.freeze(old);
  std::vector<std::string> urls;
  for (u32 a = edges_; a < devices_.size(); ++a) urls.push_back(World::url(devices_[a].host));
  device.host = world_.add({.name = "edge " + std::to_string(i),
                            .anchors = urls,
                            .device_seed = world_.device_seed(old),
                            .disk = world_.disk(old)});
  if (device.liar) plan_liar();
  superseded_.push_back(old);
  u64 thaws = world_.prng.between(500, 10'000), ends = thaws + world_.prng.between(500, 10'000);
  world_.after(thaws, [this, old] { world_.thaw(old); });
  world_.after(ends, [this, old] { world_.crash(old); });
}

void Scenario::harm_disk() {
  Prng& prng = world_.prng;
  u32 i = static_cast<u32>(prng.below(devices_.size()));
  Device& device = devices_[i];
  auto disk = world_.disk(device.host);
  u64 what = prng.below(10);
  if (what < 3) {
    say("device " + std::to_string(i) + " has a full disk");
    disk->full = true;
    return world_.after(prng.between(2'000, 30'000), [disk] { disk->full = false; });
  }
  if (what < 5) {
    say("device " + std::to_string(i) + " has a flaky disk");
    device.may_void = true;
    disk->flaky = 100;
    return world_.after(prng.between(2'000, 20'000), [disk] { disk->flaky = 0; });
  }
  if (what < 6) {
    disk->delay_max_ms = prng.below(100);
    return;
  }
  if (what < 8 || losses_.size() >= losses_max_) {
    device.backup = disk->rows;
    device.backup_at = world_.now();
    return;
  }
  lose_disk(i, what == 9);
}

// Rows that were confirmed are gone: yesterday's backup is put back, or nothing at all.
void Scenario::lose_disk(u32 i, bool entirely) {
  Device& device = devices_[i];
  if (!entirely && !device.backup) return;
  put_rows_back(i, entirely ? Disk::Rows{} : *device.backup, entirely ? 0 : device.backup_at);
}

void Scenario::harm_clock() {
  Prng& prng = world_.prng;
  u32 i = static_cast<u32>(prng.below(devices_.size()));
  Device& device = devices_[i];
  i64 sign = prng.chance(500) ? 1 : -1;
  u64 what = prng.below(10);
  i64 skew = 0;
  if (what < 5) skew = sign * static_cast<i64>(prng.below(40'000));
  if (what >= 5 && what < 7) skew = sign * 3'600'000;
  if (what == 7 && years_) skew = sign * i64{63'072'000'000};
  if (skew > 60'000) device.clock_harmed = true;
  if (skew) say("device " + std::to_string(i) + "'s clock is " + std::to_string(skew / 1000) + " s off");
  world_.set_skew(device.host, skew);
}

// Somebody copies a device, key and rows, and lets both run: two histories of one log, which nobody can make one again. What the two
// say from then on may be quarantined; what the others say must not suffer.
void Scenario::fork(u32 i) {
  Device& device = devices_[i];
  if (device.handles.empty()) return;
  say("device " + std::to_string(i) + " is copied");
  fork_due_ = false;
  device.forked = true;
  auto disk = std::make_shared<Disk>(*world_.disk(device.host));
  std::vector<std::string> urls;
  for (u32 a = edges_; a < devices_.size(); ++a) urls.push_back(World::url(devices_[a].host));
  HostId copy = world_.add(
      {.name = "copy", .anchors = urls, .device_seed = world_.device_seed(device.host), .disk = disk});
  superseded_.push_back(copy);
  for (auto& entry : device.handles) {
    u32 t = entry.first;
    if (topics_[t].invite.empty()) continue;
    world_.call(copy, TopicJoin{topics_[t].invite, {}}, [this, i, t, copy](const ReplyBody* reply) {
      auto* opened = reply ? std::get_if<OpenedTopic>(reply) : nullptr;
      for (u32 n = 0; opened && n < 3; ++n) {
        NewOp op = draw_op(i, t, true);
        ops_.push_back({.device = i, .topic = t, .kind = op.kind, .key = op.key, .value = op.value, .acked_at = {}});
        Append body{opened->topic, world_.prng.fixed<RequestTag>(), {op}};
        world_.after(world_.prng.between(100, 8'000), [this, copy, body] { world_.call(copy, body); });
      }
    });
  }
}

// One device, in part of the seeds, sends what its core never said: flipped, cut, repeated, out of order, made up.
void Scenario::plan_liar() {
  u32 liar = 0;
  while (liar < edges_ && !devices_[liar].liar) ++liar;
  if (liar == edges_) {
    if (!world_.prng.chance(300)) return;
    liar = random_edge();
    for (auto& topic : topics_)
      if (topic.creator == liar) return;
    devices_[liar].liar = true;
    losses_max_ = 0;  // what only a liar has acknowledged is held by nobody
  }
  say("device " + std::to_string(liar) + " lies");
  auto old = std::make_shared<std::vector<Bytes>>();
  world_.set_tamper(devices_[liar].host, [this, old](LinkId, Bytes bytes) {
    Prng& prng = world_.prng;
    std::vector<Bytes> out;
    if (old->size() < 64) old->push_back(bytes);
    else (*old)[prng.below(64)] = bytes;
    if (!prng.chance(40)) return out.push_back(std::move(bytes)), out;
    switch (prng.below(6)) {
      case 0:
        if (!bytes.empty()) bytes[prng.below(bytes.size())] ^= static_cast<u8>(1u << prng.below(8));
        break;
      case 1: bytes.resize(prng.below(bytes.size() + 1)); break;
      case 2: out.push_back(bytes); break;
      case 3: out.push_back((*old)[prng.below(old->size())]); break;
      case 4: return out;  // and the next one follows as if nothing were missing
      default:
        bytes.resize(prng.between(1, 300));
        for (u8& b : bytes) b = static_cast<u8>(prng.next());
    }
    out.push_back(std::move(bytes));
    return out;
  });
}

}  // namespace perdure::sim
