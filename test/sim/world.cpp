#include "sim/world.hpp"

#include "base/assert.hpp"

namespace perdure::sim {

World::World(u64 seed, bool hashing) : prng(seed), hashing_(hashing) {}
World::~World() = default;

// ---- hosts ------------------------------------------------------------------------------------------------------------

HostId World::add(HostOptions options) {
  auto host = std::make_unique<Host>();
  host->id = static_cast<HostId>(hosts_.size());
  if (!options.device_seed) options.device_seed = prng.fixed<Seed>();
  if (!options.disk) options.disk = std::make_shared<Disk>();
  host->options = std::move(options);
  hosts_.push_back(std::move(host));
  boot(*hosts_.back(), false);
  return hosts_.back()->id;
}

void World::boot(Host& h, bool lost_store) {
  ++h.life;
  h.booted_at = now_;
  h.barrier = h.frozen = h.turn_planned = false;
  h.disk_free_at = now_;
  h.wake_at.reset();
  h.deadline.reset();
  h.generation = h.options.disk->open();
  Config config;
  config.app = h.options.app;
  config.device_seed = *h.options.device_seed;
  config.random_seed = prng.fixed<Seed>();
  config.name = h.options.name;
  config.anchor = h.options.anchor;
  config.rtc = h.options.rtc;
  config.anchors = h.options.anchors;
  config.cache_bytes = h.options.cache_bytes;
  if (config.anchor) config.links_max = 512;
  h.node = std::make_unique<Node>(std::move(config));
  h.device = h.node->id();
  post(h, h.life, Start{lost_store});
}

void World::crash(HostId id) {
  Host& h = *hosts_[id];
  if (!h.node) return;
  cut_links(h, true);
  h.node.reset();
  ++h.life;  // what was on its way to that core finds nobody
  h.inbox.clear();
  h.topics.clear();
  h.status = {};
  auto calls = std::move(h.calls);
  h.calls.clear();
  for (auto& [number, done] : calls)
    if (done) done(nullptr);
}

void World::restart(HostId id) {
  Host& h = *hosts_[id];
  PERDURE_ASSERT(!h.node);
  boot(h, h.options.disk->rows.empty());
}

void World::freeze(HostId id) { hosts_[id]->frozen = true; }

void World::thaw(HostId id) {
  Host& h = *hosts_[id];
  if (!h.frozen) return;
  h.frozen = false;
  h.wake_at.reset();
  if (h.node) plan_turn(h);
}

bool World::up(HostId id) const { return hosts_[id]->node && !hosts_[id]->frozen; }
const DeviceId& World::device(HostId id) const { return hosts_[id]->device; }
const Seed& World::device_seed(HostId id) const { return *hosts_[id]->options.device_seed; }
const std::shared_ptr<Disk>& World::disk(HostId id) const { return hosts_[id]->options.disk; }
u32 World::life(HostId id) const { return hosts_[id]->life; }
std::map<u32, TopicNotice>& World::topics(HostId id) { return hosts_[id]->topics; }
const StatusNotice& World::status(HostId id) const { return hosts_[id]->status; }
void World::set_skew(HostId id, i64 skew_ms) { hosts_[id]->options.skew_ms = skew_ms; }
void World::set_tamper(HostId id, Tamper tamper) { hosts_[id]->tamper = std::move(tamper); }
void World::hold_wall(HostId id, u64 wall_ms) { hosts_[id]->wall_held = wall_ms; }

u64 World::wall(HostId id) const {
  const Host& h = *hosts_[id];
  return h.wall_held.value_or(static_cast<u64>(static_cast<i64>(wall_base_ + now_) + h.options.skew_ms));
}

void World::call(HostId id, CallBody body, Done done) {
  Host& h = *hosts_[id];
  if (!h.node) {
    if (done) done(nullptr);
    return;
  }
  u32 number = h.next_call++;
  h.calls[number] = std::move(done);
  post(h, h.life, Call{number, std::move(body)});
}

void World::tell(HostId id, Event event) {
  Host& h = *hosts_[id];
  post(h, h.life, std::move(event));
}

// ---- time -------------------------------------------------------------------------------------------------------------

void World::after(u64 ms, std::function<void()> run) { due_.push({now_ + ms, order_++, std::move(run)}); }

bool World::step() {
  if (due_.empty()) return false;
  // The top is about to be popped: moving out of it disturbs nobody.
  Due next = std::move(const_cast<Due&>(due_.top()));
  due_.pop();
  now_ = next.at;
  next.run();
  return true;
}

void World::run_for(u64 ms) {
  u64 end = now_ + ms;
  while (!due_.empty() && due_.top().at <= end) step();
  now_ = end;
}

bool World::run_until(const std::function<bool()>& reached, u64 limit_ms) {
  u64 end = now_ + limit_ms;
  while (!reached()) {
    if (due_.empty() || due_.top().at > end) {
      now_ = end;
      return reached();
    }
    step();
  }
  return true;
}

// ---- turns ------------------------------------------------------------------------------------------------------------

void World::post(Host& h, u32 life, Event event) {
  if (!h.node || h.life != life) return;
  h.inbox.push_back(std::move(event));
  plan_turn(h);
}

// What happens in the same millisecond reaches the core in one turn, as it does where a worker drains its queue.
void World::plan_turn(Host& h) {
  if (h.turn_planned || h.frozen) return;
  h.turn_planned = true;
  after(0, [this, &h, life = h.life] {
    if (h.life != life) return;
    h.turn_planned = false;
    if (!h.frozen) turn(h);
  });
}

void World::turn(Host& h) {
  if (h.turns_at != now_) h.turns_now = 0;
  h.turns_at = now_;
  if (++h.turns_now > 20'000) fault(h, "spins: 20,000 turns in one millisecond");
  std::vector<Event> events = std::exchange(h.inbox, {});
  std::vector<Event> kept = hashing_ ? events : std::vector<Event>{};
  Turn turn = h.node->handle({now_ - h.booted_at + 1, wall(h.id)}, std::move(events));
  ++counts.turns;
  if (hashing_) log_.add(now_, h.id, kept, turn);
  plan_wake(h, turn.deadline_ms);
  u32 life = h.life;
  for (Action& action : turn.actions) {
    perform(h, action);
    if (h.life != life) return;  // what a reply led to ended this core
  }
}

void World::plan_wake(Host& h, std::optional<u64> deadline_ms) {
  h.deadline.reset();
  if (!deadline_ms) return;
  h.deadline = std::max(now_ + 1, *deadline_ms + h.booted_at - 1);
  if (h.wake_at && *h.wake_at <= *h.deadline) return;  // that wake looks again
  h.wake_at = h.deadline;
  after(*h.deadline - now_, [this, &h, life = h.life, at = *h.deadline] {
    if (h.life != life || h.wake_at != at) return;
    h.wake_at.reset();
    if (!h.deadline || h.frozen) return;
    if (now_ >= *h.deadline) return plan_turn(h);
    plan_wake(h, *h.deadline - h.booted_at + 1);
  });
}

void World::perform(Host& h, Action& action) {
  if (auto* save = std::get_if<Save>(&action)) return perform_save(h, std::move(*save));
  if (auto* read = std::get_if<Read>(&action))
    return perform_read(h, [r = std::move(*read)](const Disk& d) { return d.read(r); });
  if (auto* range = std::get_if<ReadRange>(&action))
    return perform_read(h, [r = std::move(*range)](const Disk& d) { return d.read(r); });
  if (std::get_if<Reopen>(&action)) return perform_reopen(h);
  if (auto* d = std::get_if<Dial>(&action)) return dial(h, *d);
  if (auto* s = std::get_if<Send>(&action)) return send(h, std::move(*s));
  if (auto* c = std::get_if<CloseLink>(&action)) return close(h, c->link);
  if (auto* o = std::get_if<RtcOpen>(&action)) return rtc_open(h, *o);
  if (auto* s = std::get_if<RtcSignal>(&action)) return rtc_signal(h, *s);
  if (auto* c = std::get_if<RtcClose>(&action)) return rtc_close(h, c->attempt);
  if (auto* r = std::get_if<Reply>(&action)) return reply(h, *r);
  if (auto* t = std::get_if<TopicNotice>(&action)) h.topics[t->topic] = *t;
  if (auto* s = std::get_if<StatusNotice>(&action)) h.status = *s;
  if (on_notice) on_notice(h.id, action);
}

void World::reply(Host& h, const Reply& reply) {
  auto call = h.calls.find(reply.call);
  if (call == h.calls.end())
    return fault(h, "replies to call " + std::to_string(reply.call) + ", which nobody waits for");
  Done done = std::move(call->second);
  h.calls.erase(call);
  if (done) done(&reply.body);
}

void World::fault(Host& h, const std::string& what) {
  if (on_fault) on_fault("host " + std::to_string(h.id) + " " + what);
}

// ---- disk -------------------------------------------------------------------------------------------------------------

// Requests are served in order, each after some time.
u64 World::disk_time(Host& h) {
  Disk& disk = *h.options.disk;
  u64 takes = prng.between(disk.delay_min_ms, disk.delay_max_ms);
  h.disk_free_at = std::max(h.disk_free_at, now_) + takes;
  return h.disk_free_at - now_;
}

void World::perform_save(Host& h, Save save) {
  ++counts.saves;
  after(disk_time(h), [this, &h, life = h.life, s = std::move(save)] {
    if (h.life != life) return;  // a crash: unconfirmed, and lost
    SaveOutcome outcome = finish_save(h, s);
    if (outcome != SaveOutcome::ok) h.barrier = true;
    // The rows stand; that they do is heard a little later, or never.
    u64 heard = h.options.disk->delay_max_ms ? prng.below(3) : 0;
    h.heard_at = std::max(h.heard_at, now_ + heard);
    after(h.heard_at - now_, [this, &h, life, number = s.save, outcome] { post(h, life, Saved{number, outcome}); });
  });
}

SaveOutcome World::finish_save(Host& h, const Save& save) {
  Disk& disk = *h.options.disk;
  if (h.generation != disk.generation) return SaveOutcome::superseded;
  if (h.barrier) return SaveOutcome::failed;
  if (disk.full && !save.puts.empty()) return SaveOutcome::full;
  if (disk.flaky && prng.chance(disk.flaky)) {
    u64 how = prng.below(3);
    if (how == 2) return SaveOutcome::failed;
    if (how == 1) disk.apply(save);
    return SaveOutcome::unknown;
  }
  disk.apply(save);
  return SaveOutcome::ok;
}

void World::perform_read(Host& h, std::function<RowsRead(const Disk&)> read) {
  after(disk_time(h), [this, &h, life = h.life, r = std::move(read)] {
    if (h.life == life) post(h, life, r(*h.options.disk));
  });
}

void World::perform_reopen(Host& h) {
  after(disk_time(h), [this, &h, life = h.life] {
    if (h.life != life) return;
    bool ours = h.generation == h.options.disk->generation;
    if (ours) h.barrier = false;
    post(h, life, Reopened{ours ? Reopening::ok : Reopening::superseded});
  });
}

}  // namespace perdure::sim
