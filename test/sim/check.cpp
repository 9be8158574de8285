// What must hold, during harm and after.
#include <algorithm>

#include "sim/scenario.hpp"

namespace perdure::sim {

namespace {
std::string key_of(const Bytes& value) { return std::string(text(value)); }
}  // namespace

// Pages through a topic's whole timeline.
void Scenario::read_all(u32 i, u32 t, std::optional<std::string> after, std::shared_ptr<Seen> seen,
                        std::function<void(bool)> done) {
  auto handle = devices_[i].handles.find(t);
  if (handle == devices_[i].handles.end()) return done(false);
  world_.call(devices_[i].host, Messages{handle->second, {}, std::move(after), 256, false},
              [this, i, t, seen, done](const ReplyBody* reply) {
                auto* page = reply ? std::get_if<MessagePage>(reply) : nullptr;
                if (!page) return done(false);
                for (auto& message : page->messages) ++(*seen)[key_of(message.value)];
                if (!page->more || page->messages.empty()) return done(true);
                read_all(i, t, page->messages.back().id, seen, done);
              });
}

// What this device was told is accepted, it must see itself, from then on; or that very op is held back, by what its anchor says the time
// is: before its pages are read, behind that, or with what it saves in that turn. And it says of how many that is so.
void Scenario::check_own_view(u32 i, u32 t) {
  Device& device = devices_[i];
  if (device.may_void || device.lost || device.rotten || device.forked || device.clock_harmed || device.liar) return;
  std::vector<u32> expected;
  for (u32 n = 0; n < ops_.size(); ++n)
    if (ops_[n].device == i && ops_[n].topic == t && ops_[n].kind == 1 && ops_[n].accepted) expected.push_back(n);
  struct Held {
    u64 told = 0;
    std::set<std::string> values;
  };
  auto held = std::make_shared<Held>();
  // Of those, what is neither seen nor held back; or all that is not seen, if the device speaks of less.
  const auto unseen = [this, i, t, held](const std::vector<u32>& ops, const Seen& seen) {
    const auto handle = devices_[i].handles.find(t);
    if (handle != devices_[i].handles.end())
      held->told = std::max(held->told, world_.topics(devices_[i].host)[handle->second].held);
    held->values.merge(held_back_of(i, t));
    std::vector<u32> all, lost;
    for (u32 n : ops) {
      if (seen.contains(key_of(ops_[n].value))) continue;
      all.push_back(n);
      if (!held->values.contains(key_of(ops_[n].value))) lost.push_back(n);
    }
    return all.size() > held->told ? all : lost;
  };
  auto seen = std::make_shared<Seen>();
  (void)unseen(expected, *seen);
  read_all(i, t, {}, seen, [this, i, t, seen, unseen, expected = std::move(expected)](bool complete) {
    Device& d = devices_[i];
    if (!complete || d.may_void || d.lost || d.rotten || d.forked || d.clock_harmed) return;
    if (unseen(expected, *seen).empty()) return;
    world_.call(d.host, Latest{d.handles.at(t), 1}, [this, i, t, seen, unseen, expected](const ReplyBody* reply) {
      if (const std::vector<u32> lost = unseen(expected, *seen); reply && !lost.empty())
        fail("device " + std::to_string(i) + " no longer sees its own op " + std::to_string(lost.front()) +
             " in topic " + std::to_string(t));
    });
  });
}

void Scenario::compare_digests() {
  for (u32 t = 0; t < topics_.size(); ++t) {
    topics_[t].digests.clear();
    for (u32 i = 0; i < edges_; ++i) {
      auto handle = devices_[i].handles.find(t);
      if (!devices_[i].member.contains(t) || !honest(i)) continue;
      topics_[t].digests[i] = "not open";
      if (handle == devices_[i].handles.end()) continue;
      world_.call(devices_[i].host, GetDigest{handle->second}, [this, t, i](const ReplyBody* reply) {
        if (auto* text = reply ? std::get_if<Text>(reply) : nullptr) topics_[t].digests[i] = text->text;
      });
    }
  }
}

bool Scenario::digests_agree() {
  for (auto& topic : topics_)
    for (auto& [device, digest] : topic.digests)
      if (digest == "not open" || digest != topic.digests.begin()->second) return false;
  return true;
}

// All digests agree, so one device of each topic speaks for all.
void Scenario::check_everything() {
  for (u32 t = 0; t < topics_.size(); ++t) {
    auto& digests = topics_[t].digests;
    if (digests.empty()) continue;
    auto speaker = digests.begin();
    std::advance(speaker, static_cast<long>(world_.prng.below(digests.size())));
    check_topic(t, speaker->first);
  }
  check_unreadable();
  if (!world_.run_until([this] { return open_checks_ == 0 || failed(); }, 60'000)) fail("a read was not answered");
  if (!failed() && unreadable_said_) check_rest();
}

void Scenario::check_topic(u32 t, u32 i) {
  ++open_checks_;
  auto seen = std::make_shared<Seen>();
  auto left = std::make_shared<u32>(1 + topics_[t].keys);
  auto part_done = [this, t, seen, left](bool complete) {
    if (!complete) fail("topic " + std::to_string(t) + " cannot be read");
    if (--*left) return;
    --open_checks_;
    if (!failed()) judge(t, *seen);
  };
  read_all(i, t, {}, seen, part_done);
  for (u32 k = 0; k < topics_[t].keys; ++k) read_history(i, t, "key " + std::to_string(k), {}, seen, part_done);
}

void Scenario::read_history(u32 i, u32 t, std::string key, std::optional<std::string> after, std::shared_ptr<Seen> seen,
                            std::function<void(bool)> done) {
  world_.call(devices_[i].host, MapHistory{devices_[i].handles[t], key, std::move(after), 64},
              [this, i, t, key, seen, done](const ReplyBody* reply) {
                auto* page = reply ? std::get_if<HistoryPage>(reply) : nullptr;
                if (!page) return done(false);
                for (auto& version : page->versions)
                  if (version.value) ++(*seen)[key_of(*version.value)];
                if (!page->more || page->versions.empty()) return done(true);
                read_history(i, t, key, page->versions.back().id, seen, done);
              });
}

// Ops that say the same are told apart by their number alone.
void Scenario::judge(u32 t, const Seen& seen) {
  // accepted before all was healed, and after
  struct Same {
    std::vector<u32> ops;
    u64 before = 0, after = 0, most = 0;
  };
  std::map<Bytes, Same> said;
  for (u32 n = 0; n < ops_.size(); ++n) {
    const Op& op = ops_[n];
    if (op.topic != t || op.kind == 3) continue;
    Same& same = said[op.value];
    same.ops.push_back(n);
    if (op.accepted) ++(op.accepted_at < healed_at_ ? same.before : same.after);
    // A receipt that was lost with the rows cannot keep the retry from saying it again.
    const Device& author = devices_[op.device];
    same.most += op.request && (author.lost || author.rotten) ? std::max(1u, requests_[*op.request].tries) : 1;
  }
  for (auto& [value, same] : said) {
    const u32 i = ops_[same.ops.front()].device;
    const Device& author = devices_[i];
    const std::string name = "op " + std::to_string(same.ops.front()) + " of device " + std::to_string(i) +
                             " in topic " + std::to_string(t) +
                             (same.ops.size() > 1 ? " and its " + std::to_string(same.ops.size() - 1) + " equals" : "");
    auto at = seen.find(key_of(value));
    const u64 found = at == seen.end() ? 0 : at->second;
    if (found > same.most && !author.forked) fail(name + " counts " + std::to_string(found) + " times");
    if (author.liar || author.forked || found >= same.before + same.after) continue;
    auto held = held_.said.find({i, t, value});
    const u64 kept = std::min<u64>(same.before, held == held_.said.end() ? 0 : held->second.size());
    if (found < kept + same.after)
      fail(name + " was accepted, was held by somebody, and is lost: " + std::to_string(found) + " of " +
           std::to_string(kept + same.after));
    u64 excuses = 0;
    for (u32 n : same.ops) excuses += ops_[n].accepted && excused(ops_[n]) ? 1 : 0;
    if (found + excuses < same.before + same.after)
      fail(name + " was accepted and is lost" + (author.rotten ? ", and its author was not told" : ""));
  }
  for (auto& [value, times] : seen) {
    auto same = [&, v = &value](auto& one) { return key_of(one.first) == *v; };
    if (std::ranges::none_of(said, same)) fail("topic " + std::to_string(t) + " shows what nobody said");
  }
}

// Lost for good: its author's disk went back behind it, and nobody whose disk stayed is known to have had it by then; or rows were damaged,
// and the author knows.
bool Scenario::excused(const Op& op) const {
  const Device& author = devices_[op.device];
  if (author.liar || author.forked || (author.lost && author.clock_harmed) || (author.rotten && author.told_lost))
    return true;
  for (auto& loss : losses_) {
    if (loss.device != op.device || loss.at < op.accepted_at || loss.back_to > op.accepted_at) continue;
    if (!op.acked_at || *op.acked_at > loss.at) return true;
    for (auto& other : losses_)
      if (other.device != op.device && other.at >= op.accepted_at && other.back_to <= *op.acked_at) return true;
  }
  return false;
}

// Who does not look meets no damage.
void Scenario::read_rotten() {
  for (u32 i = 0; i < edges_; ++i)
    for (u32 t : devices_[i].member) {
      if (!devices_[i].rotten || !devices_[i].handles.contains(t)) continue;
      read_all(i, t, {}, std::make_shared<Seen>(), [](bool) {});
      for (u32 k = 0; k < topics_[t].keys; ++k)
        read_history(i, t, "key " + std::to_string(k), {}, std::make_shared<Seen>(), [](bool) {});
    }
}

// What nobody can read is held by all, and all know how much of it there is.
void Scenario::check_unreadable() {
  const Holdings now = look_at_disks();
  for (u32 t = 0; t < topics_.size(); ++t) {
    const auto before = std::as_const(held_).unreadable.find(t), there = now.unreadable.find(t);
    const u64 count = there == now.unreadable.end() ? 0 : there->second.size();
    if (before != held_.unreadable.end())
      for (auto& batch : before->second)
        if (count == 0 || !there->second.contains(batch))
          fail("what nobody can read in topic " + std::to_string(t) + " is not kept");
    // Behind a cut each has what it has.
    if (count > 0 && std::ranges::any_of(there->second, [&](auto& batch) { return now.cut.contains(batch.first); }))
      continue;
    for (auto& [i, digest] : topics_[t].digests) {
      const u64 told = world_.topics(devices_[i].host)[devices_[i].handles[t]].unreadable;
      if (told != count)
        fail("device " + std::to_string(i) + " counts " + std::to_string(told) +
             " batches that nobody can read in topic " + std::to_string(t) + ", not " + std::to_string(count));
    }
  }
}

// Messages that some show and others do not.
std::string Scenario::name_missing(u32 t) {
  std::map<u32, std::shared_ptr<Seen>> seen;
  u64 open = 0;
  for (auto& [i, digest] : topics_[t].digests) {
    seen[i] = std::make_shared<Seen>();
    ++open;
    read_all(i, t, {}, seen[i], [&](bool) { --open; });
  }
  if (!world_.run_until([&] { return open == 0; }, 60'000)) fail("a read was not answered");
  std::string out;
  for (u32 n = 0; n < ops_.size() && out.size() < 1'000; ++n) {
    if (ops_[n].topic != t || ops_[n].kind != 1) continue;
    std::string without;
    u64 with = 0;
    for (auto& [i, values] : seen) {
      if (values->contains(key_of(ops_[n].value))) ++with;
      else without += " " + std::to_string(i);
    }
    if (with > 0 && !without.empty())
      out += " op " + std::to_string(n) + " of device " + std::to_string(ops_[n].device) + " is not shown at" +
             without + ";";
  }
  return out;
}

// Once all agree nobody fetches anything: what is on the way then keeps links and presence alive. A liar is asked again and again.
void Scenario::check_rest() {
  constexpr u64 rest_ms = 40'000;
  std::string large;
  world_.on_large = [&](HostId from, HostId to) {
    if (large.size() < 300)
      large += " " + std::to_string(from) + " to " + std::to_string(to) + " at " + std::to_string(world_.now() / 1000) +
               " s,";
  };
  const u64 before = world_.counts.bytes;
  world_.run_for(rest_ms);
  world_.on_large = {};
  const u64 each = (world_.counts.bytes - before) * 1000 / rest_ms / std::max<u64>(world_.links_up(), 1);
  say("at rest: " + std::to_string(each) + " B/s a link; large messages:" + large);
  if (!large.empty() && std::ranges::none_of(devices_, &Device::liar))
    fail("large messages while all is at rest:" + large);
}

}  // namespace perdure::sim
