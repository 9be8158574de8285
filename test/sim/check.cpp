// What must hold, during harm and after.
#include "sim/scenario.hpp"

namespace perdure::sim {

namespace {
std::string key_of(const Bytes& value) { return std::string(text(value)); }
}  // namespace

// Pages through a topic's whole timeline.
void Scenario::read_all(u32 i, u32 t, std::optional<std::string> after, std::shared_ptr<Seen> seen, std::function<void(bool)> done) {
  auto handle = devices_[i].handles.find(t);
  if (handle == devices_[i].handles.end()) return done(false);
  world_.call(devices_[i].host, Messages{handle->second, {}, std::move(after), 256, false}, [this, i, t, seen, done](const ReplyBody* reply) {
    auto* page = reply ? std::get_if<MessagePage>(reply) : nullptr;
    if (!page) return done(false);
    for (auto& message : page->messages) ++(*seen)[key_of(message.value)];
    if (!page->more || page->messages.empty()) return done(true);
    read_all(i, t, page->messages.back().id, seen, done);
  });
}

// What this device was told is accepted, it must see itself, from then on.
void Scenario::check_own_view(u32 i, u32 t) {
  Device& device = devices_[i];
  if (device.may_void || device.lost || device.forked || device.clock_harmed || device.liar) return;
  std::vector<u32> expected;
  for (u32 n = 0; n < ops_.size(); ++n)
    if (ops_[n].device == i && ops_[n].topic == t && ops_[n].kind == 1 && ops_[n].accepted) expected.push_back(n);
  auto seen = std::make_shared<Seen>();
  read_all(i, t, {}, seen, [this, i, t, seen, expected = std::move(expected)](bool complete) {
    Device& d = devices_[i];
    if (!complete || d.may_void || d.lost || d.forked || d.clock_harmed) return;
    for (u32 n : expected)
      if (!seen->contains(key_of(ops_[n].value)))
        return fail("device " + std::to_string(i) + " no longer sees its own op " + std::to_string(n) + " in topic " + std::to_string(t));
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
  if (!world_.run_until([this] { return open_checks_ == 0 || failed(); }, 60'000)) fail("a read was not answered");
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

void Scenario::read_history(u32 i, u32 t, std::string key, std::optional<std::string> after, std::shared_ptr<Seen> seen, std::function<void(bool)> done) {
  world_.call(devices_[i].host, MapHistory{devices_[i].handles[t], key, std::move(after), 64}, [this, i, t, key, seen, done](const ReplyBody* reply) {
    auto* page = reply ? std::get_if<HistoryPage>(reply) : nullptr;
    if (!page) return done(false);
    for (auto& version : page->versions)
      if (version.value) ++(*seen)[key_of(*version.value)];
    if (!page->more || page->versions.empty()) return done(true);
    read_history(i, t, key, page->versions.back().id, seen, done);
  });
}

void Scenario::judge(u32 t, const Seen& seen) {
  std::set<std::string> said;
  for (u32 n = 0; n < ops_.size(); ++n) {
    const Op& op = ops_[n];
    if (op.topic != t || op.kind == 3) continue;
    said.insert(key_of(op.value));
    auto found = seen.find(key_of(op.value));
    std::string name = "op " + std::to_string(n) + " of device " + std::to_string(op.device) + " in topic " + std::to_string(t);
    if (found == seen.end() && op.accepted && !excused(op)) fail(name + " was accepted and is lost");
    if (found != seen.end() && found->second > 1 && !devices_[op.device].lost && !devices_[op.device].forked) fail(name + " counts " + std::to_string(found->second) + " times");
  }
  for (auto& [value, times] : seen)
    if (!said.contains(value)) fail("topic " + std::to_string(t) + " shows what nobody said");
}

// Lost for good: its author's disk went back behind it, and nobody whose disk stayed is known to have had it by then.
bool Scenario::excused(const Op& op) const {
  const Device& author = devices_[op.device];
  if (author.liar || author.forked || (author.lost && author.clock_harmed)) return true;
  for (auto& loss : losses_) {
    if (loss.device != op.device || loss.at < op.accepted_at || loss.back_to > op.accepted_at) continue;
    if (!op.acked_at || *op.acked_at > loss.at) return true;
    for (auto& other : losses_)
      if (other.device != op.device && other.at >= op.accepted_at && other.back_to <= *op.acked_at) return true;
  }
  return false;
}

}  // namespace perdure::sim
