// Bad luck with what is stored: a copy that is put back again and again, rows that are lost or bent, holes in one's own logs, and a member
// who writes what nobody can read.
#include "codec/bytes.hpp"
#include "identity/invite.hpp"
#include "log/batch.hpp"
#include "sim/rows.hpp"
#include "sim/scenario.hpp"

namespace perdure::sim {

namespace {

Bytes bent(Prng& prng, Bytes row) {
  if (!row.empty()) row[prng.below(row.size())] ^= static_cast<u8>(1u << prng.below(8));
  return row;
}

void spoil(Prng& prng, Disk& disk, const Bytes& key) {
  auto row = disk.rows.find(key);
  if (row == disk.rows.end()) return;
  if (prng.chance(500)) disk.rows.erase(row);
  else row->second = bent(prng, std::move(row->second));
}

}  // namespace

// Weights: about a third of the seeds know none of these.
void Scenario::plan_store_harm() {
  Prng& prng = world_.prng;
  bool lies = false;
  for (auto& device : devices_) lies = lies || device.liar;
  // Who forks and who loses is told apart; and what only a liar has taken from somebody is held by nobody.
  restores_due_ = !lies && !fork_due_ && prng.chance(300) ? static_cast<u32>(prng.between(1, 2)) : 0;
  rot_due_ = !lies && !fork_due_ && prng.chance(300) ? static_cast<u32>(prng.between(1, 8)) : 0;
  unreadable_due_ = prng.chance(250) ? static_cast<u32>(prng.between(1, 3)) : 0;
  const bool crowd_due = edges_ < 8 && !lies && !fork_due_ && prng.chance(150);
  holes_due_ = crowd_due ? static_cast<u32>(prng.between(1, 4)) : 0;
  // Who lost all of its own log, and who holds it with a hole in it, cannot help each other: what stands behind a hole only its author says
  // again. That is loss enough for both; a seed has one or the other.
  if (rot_due_ + holes_due_ > 0) losses_max_ = restores_due_ = 0;
  if (crowd_due) crowd();
}

void Scenario::harm_store() {
  Prng& prng = world_.prng;
  switch (prng.below(4)) {  // what is not due leaves its place to the next
    case 0:
      if (restores_due_ > 0) return put_back();
      [[fallthrough]];
    case 1:
      if (rot_due_ > 0) return rot();
      [[fallthrough]];
    case 2:
      if (holes_due_ > 0) return make_hole();
      [[fallthrough]];
    default:
      if (unreadable_due_ > 0) return write_unreadable();
  }
  if (restores_due_ > 0) put_back();
  else if (rot_due_ > 0) rot();
  else make_hole();
}

// ---- the same copy, again and again -----------------------------------------------------------------------------------------------

void Scenario::put_back() {
  Prng& prng = world_.prng;
  const u32 i = random_edge();
  Device& device = devices_[i];
  if (device.handles.empty() || device.reliving || !world_.up(device.host)) return;
  --restores_due_;
  device.reliving = true;
  const u32 lives = static_cast<u32>(prng.between(2, 5));
  say("device " + std::to_string(i) + " is to be put back " + std::to_string(lives) + " times");
  // Equal words in each life, or others: nobody may be taken for having said what another life of it has said.
  relive(i, std::make_shared<const Disk::Rows>(world_.disk(device.host)->rows), world_.now(), lives, prng.chance(500));
}

// For some time it lives on from where it is; then the copy is put back, and so on.
void Scenario::relive(u32 i, std::shared_ptr<const Disk::Rows> copy, u64 copied_at, u32 lives, bool equal) {
  Prng& prng = world_.prng;
  // It meets nobody in this life, or from the start, or once it has spoken.
  const u64 meets = prng.below(3);
  const u64 ends = prng.between(4'000, 20'000), speaks = prng.between(100, 2'000);
  world_.set_side(devices_[i].host, meets == 0 ? 0 : 200 + i);
  for (auto& entry : devices_[i].handles) speak_again(i, entry.first, equal);
  open_topics(i);
  world_.after(speaks, [this, i, equal] {
    if (harming_)
      for (auto& entry : std::map(devices_[i].handles)) speak_again(i, entry.first, equal);
  });
  if (meets == 1) world_.after(speaks + prng.below(3'000), [this, i] { world_.set_side(devices_[i].host, 0); });
  world_.after(ends, [this, i, copy, copied_at, lives, equal] {
    world_.set_side(devices_[i].host, 0);
    devices_[i].reliving = lives > 0 && harming_;
    if (!devices_[i].reliving) return;
    put_rows_back(i, *copy, copied_at);
    relive(i, copy, copied_at, lives - 1, equal);
  });
}

// A message and an entry of the map, in one turn or in two.
void Scenario::speak_again(u32 i, u32 t, bool equal) {
  const std::string text = equal ? "again " + std::to_string(i)
                                 : std::to_string(i) + "/" + std::to_string(next_value_++);
  std::vector<NewOp> ops = {{1, {}, packed(text)},
                            {2, "key " + std::to_string(i % topics_[t].keys), packed(text + " of the map")}};
  if (world_.prng.chance(500)) std::swap(ops[0], ops[1]);
  if (world_.prng.chance(500)) return append_ops(i, t, ops);
  append_ops(i, t, {ops[0]});
  append_ops(i, t, {ops[1]});
}

void Scenario::put_rows_back(u32 i, const Disk::Rows& rows, u64 back_to) {
  Device& device = devices_[i];
  crash(i);
  for (HostId old : superseded_)
    if (world_.disk(old) == world_.disk(device.host)) world_.crash(old);
  say("device " + std::to_string(i) +
      (back_to == 0 ? " loses its disk" : " is put back to what it was at " + std::to_string(back_to)));
  device.lost = true;
  losses_.push_back({i, world_.now(), back_to});
  world_.disk(device.host)->rows = rows;
  restart(i);
}

// ---- rows that are lost or bent ---------------------------------------------------------------------------------------------------

// One row, of whatever kind a store has: each kind as often as any other, however many rows it has. Under a running core, or before the
// next one looks.
void Scenario::rot() {
  Prng& prng = world_.prng;
  const u32 i = static_cast<u32>(prng.below(devices_.size()));
  Device& device = devices_[i];
  Disk& disk = *world_.disk(device.host);
  std::map<u8, std::vector<Bytes>> kinds;
  for (auto& [key, row] : disk.rows) kinds[key[0]].push_back(key);
  if (kinds.empty()) return;
  for (auto& topic : topics_)
    if (topic.invite.empty()) return;  // a topic that nobody was invited to yet cannot be found again
  --rot_due_;
  auto kind = kinds.begin();
  std::advance(kind, static_cast<long>(prng.below(kinds.size())));
  const Bytes key = kind->second[prng.below(kind->second.size())];
  const bool down = prng.chance(500) && world_.up(device.host);
  if (down) crash(i);
  say("device " + std::to_string(i) + ": a row of kind " + static_cast<char>(key[0]) + " is damaged");
  spoil(prng, disk, key);
  device.rotten = true;
  if (down) restart(i);
}

// ---- a hole at the author, where greetings are long -------------------------------------------------------------------------------

// Logs of one device, each as short as a life of it: more than a greeting names. Its store is lost after each; what all of these lives had
// is put together then.
void Scenario::crowd() {
  Prng& prng = world_.prng;
  const u32 t = static_cast<u32>(prng.below(topics_.size())), creator = topics_[t].creator;
  u32 i = random_edge();
  while (i == creator) i = random_edge();
  Device& device = devices_[i];
  device.member.insert(t);
  device.may_void = true;
  crowd_topic_ = t;
  open_topic(creator, t);
  if (!world_.run_until([&] { return !topics_[t].invite.empty(); }, 30'000)) return fail("no invite");
  Disk& disk = *world_.disk(device.host);
  Disk::Rows logs;
  world_.set_side(device.host, 900);
  const u32 lives = static_cast<u32>(prng.between(64, 72));
  for (u32 life = 0; life < lives && !failed(); ++life) {
    crash(i);
    disk.rows.clear();
    restart(i);
    open_topic(i, t);
    if (!world_.run_until([&] { return device.handles.contains(t); }, 30'000)) return fail("a topic does not open");
    append(i, t, 1, true);
    if (!world_.run_until([&] { return ops_.back().accepted; }, 30'000))
      return fail("nothing is accepted in an empty store");
    for (const auto& [key, row] : disk.rows) {
      if (key[0] != 'L' && key[0] != 'B') continue;
      Bytes under = key;
      under[8] = static_cast<u8>(life);  // the log's number
      Bytes value = *store::unseal_row(key, row);
      if (key[0] == 'L') {
        log::LogState state = *log::decode_state(value);
        state.own = life + 1 == lives;
        value = log::encode_state(state);
      }
      logs[under] = store::seal_row(under, value);
    }
  }
  crash(i);
  // Its indexes know the last life alone: they are made anew.
  std::erase_if(disk.rows, [](auto& row) { return row.first[0] == 'I' || row.first[0] == 'X'; });
  for (auto& [key, row] : logs) disk.rows[key] = row;
  world_.set_side(device.host, 0);
  restart(i);
}

// A batch of a log of its own is lost, or two. It must go on, and get back what anybody has.
void Scenario::make_hole() {
  Prng& prng = world_.prng;
  const u32 i = random_edge();
  Device& device = devices_[i];
  Disk& disk = *world_.disk(device.host);
  std::vector<Bytes> batches;
  for (const StoredLog& log : logs_on(disk))
    if (log.state.opening.device == world_.device(device.host) && topic_of(log) == crowd_topic_)
      for (u64 n = 0; n < log.state.held; ++n)
        batches.push_back(store::key('B', log.topic, log.no, static_cast<u32>(n)));
  if (batches.empty()) return;
  --holes_due_;
  const bool down = prng.chance(500) && world_.up(device.host), alone = prng.chance(300);
  say("device " + std::to_string(i) + " loses a batch of its own" + (alone ? ", and is alone" : ""));
  if (down) crash(i);
  for (u64 n = prng.between(1, 2); n > 0; --n) spoil(prng, disk, batches[prng.below(batches.size())]);
  device.rotten = true;
  if (down) restart(i);
  if (!alone) return;
  world_.set_side(device.host, 300 + i);
  world_.after(prng.between(2'000, 30'000), [this, host = device.host] { world_.set_side(host, 0); });
}

// ---- what nobody can read ---------------------------------------------------------------------------------------------------------

// A batch that its author's tree and head vouch for, and that does not open; or opens, and is of a format that is not known. Written by a
// core that was wrong, so to speak: the author's next life finds it in its own log, and its indexes gone.
void Scenario::write_unreadable() {
  Prng& prng = world_.prng;
  const u32 i = random_edge();
  Device& device = devices_[i];
  if (device.liar || device.forked || !world_.up(device.host)) return;
  Disk& disk = *world_.disk(device.host);
  for (const StoredLog& log : logs_on(disk)) {
    const log::LogState& old = log.state;
    if (!old.own || old.opening.device != world_.device(device.host) || old.held != old.head.length ||
        old.cut() != log::no_cut || old.hole != log::no_cut)
      continue;
    const auto t = topic_of(log);
    if (!t) continue;
    crash(i);
    for (HostId other : superseded_)
      if (world_.disk(other) == world_.disk(device.host)) world_.crash(other);
    --unreadable_due_;
    unreadable_said_ = true;
    const identity::Identity identity("sim", world_.device_seed(device.host));
    const identity::TopicKeys keys = keys_of(*t);
    Bytes sealed(prng.between(log::sealing + 1, prng.chance(500) ? 40'000 : 300));
    for (u8& b : sealed) b = static_cast<u8>(prng.next());
    if (prng.chance(300)) {  // of a format that comes after this core's
      crypto::Random random(prng.fixed<Seed>());
      const LogId id = identity::log_id(identity.network(), keys.id, identity.id(), old.opening.incarnation);
      sealed = log::seal_batch(keys, {identity.network(), keys.id, id, old.held}, Bytes{0x80, 99, 1, 2, 3}, random);
    }
    say("device " + std::to_string(i) + " writes in topic " + std::to_string(*t) + " what nobody can read");
    DiskRows rows(disk);
    log::LogState state = old;
    log::append(rows, log.topic, log.no, state, identity, keys.id, {sealed}, old.head.ops + 1,
                HybridTime{old.head.time.value + 1});
    rows.erase(store::key('I', log.topic));
    device.may_void = true;
    return restart(i);
  }
}

}  // namespace perdure::sim
