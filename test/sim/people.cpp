// What apps do while the world goes to pieces around them: open topics, append, set, delete, look, come and go.
#include "sim/scenario.hpp"

namespace perdure::sim {

Bytes packed(const std::string& text) {
  Bytes out;
  if (text.size() < 32) {
    out.push_back(static_cast<u8>(0xa0 | text.size()));
  } else if (text.size() < 256) {
    out.insert(out.end(), {0xd9, static_cast<u8>(text.size())});
  } else {
    out.insert(out.end(), {0xda, static_cast<u8>(text.size() >> 8), static_cast<u8>(text.size())});
  }
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

// One device's user: every few seconds something, for as long as there is harm.
void Scenario::live(u32 i) {
  Device& device = devices_[i];
  if (world_.up(device.host)) {
    open_topics(i);
    if (harming_)
      for (u32 t : device.member)
        if (device.handles.contains(t)) act(i, t);
  }
  world_.after(world_.prng.between(500, harming_ ? 8'000 : 2'000), [this, i] { live(i); });
}

void Scenario::open_topics(u32 i) {
  for (u32 t : devices_[i].member)
    if (!devices_[i].handles.contains(t)) open_topic(i, t);
}

void Scenario::open_topic(u32 i, u32 t) {
  Topic& topic = topics_[t];
  HostId host = devices_[i].host;
  if (topic.invite.empty() && topic.creator != i) return;  // nobody has invited it yet
  CallBody body = topic.invite.empty() ? CallBody{TopicNamed{"topic " + std::to_string(t)}}
                                       : CallBody{TopicJoin{topic.invite, {}}};
  world_.call(host, std::move(body), [this, i, t, host, life = world_.life(host)](const ReplyBody* reply) {
    if (!reply || host != devices_[i].host || life != world_.life(host)) return;
    if (auto* opened = std::get_if<OpenedTopic>(reply)) {
      devices_[i].handles[t] = opened->topic;
      if (topics_[t].invite.empty()) share_invite(t);
    } else if (auto* error = std::get_if<Error>(reply);
               error && (error->code == Code::bad_invite || error->code == Code::bad_argument)) {
      fail("device " + std::to_string(i) + " cannot open topic " + std::to_string(t) + ": " + error->text);
    }
  });
}

void Scenario::share_invite(u32 t) {
  u32 creator = topics_[t].creator;
  world_.call(devices_[creator].host, TopicInvite{devices_[creator].handles[t]}, [this, t](const ReplyBody* reply) {
    if (auto* text = reply ? std::get_if<Text>(reply) : nullptr) topics_[t].invite = text->text;
  });
}

void Scenario::act(u32 i, u32 t) {
  Prng& prng = world_.prng;
  u64 what = prng.below(100);
  u32 handle = devices_[i].handles[t];
  if (what < 35) return append(i, t, 1, false);
  if (what < 42) return append(i, t, static_cast<u32>(prng.between(2, 12)), false);
  if (what < 52) {
    Bytes mood = packed("mood " + std::to_string(prng.below(1000)));
    return world_.call(devices_[i].host,
                       SetPresence{handle, prng.chance(200) ? std::nullopt : std::optional<Bytes>(mood)});
  }
  if (what < 62) return read_something(i, t);
  if (what < 66) return check_own_view(i, t);
  if (what < 68) {
    say("device " + std::to_string(i) + " closes topic " + std::to_string(t));
    devices_[i].handles.erase(t);  // closed, and opened again by the next look
    return world_.call(devices_[i].host, TopicClose{handle});
  }
}

NewOp Scenario::draw_op(u32 i, u32 t, bool message) {
  Prng& prng = world_.prng;
  u64 kind = message ? 0 : prng.below(10);
  std::string text = std::to_string(i) + "/" + std::to_string(next_value_++);
  if (kind == 9) return {3, "key " + std::to_string(prng.below(topics_[t].keys)), {}};
  if (prng.chance(30)) text += std::string(prng.below(prng.chance(100) ? 40'000 : 2'000), '.');
  if (kind < 5) return {1, {}, packed(text)};
  return {2, "key " + std::to_string(prng.below(topics_[t].keys)), packed(text)};
}

void Scenario::append(u32 i, u32 t, u32 count, bool last) {
  std::vector<NewOp> ops;
  for (u32 n = 0; n < count; ++n) ops.push_back(draw_op(i, t, last));
  append_ops(i, t, ops);
}

void Scenario::append_ops(u32 i, u32 t, const std::vector<NewOp>& ops) {
  Request request{world_.prng.fixed<RequestTag>(), i, t, static_cast<u32>(ops_.size()), static_cast<u32>(ops.size())};
  for (const NewOp& op : ops)
    ops_.push_back({.device = i,
                    .topic = t,
                    .kind = op.kind,
                    .key = op.key,
                    .value = op.value,
                    .acked_at = {},
                    .request = static_cast<u32>(requests_.size())});
  requests_.push_back(request);
  ask(static_cast<u32>(requests_.size() - 1));
}

// Asks, and asks again with the same tag if the core went away under it: the retry must not say it twice.
void Scenario::ask(u32 number) {
  Request& request = requests_[number];
  Device& device = devices_[request.device];
  auto handle = device.handles.find(request.topic);
  ++request.tries;
  if (!world_.up(device.host) || handle == device.handles.end()) return not_accepted(number, nullptr);
  Append body{handle->second, request.tag, {}};
  for (u32 n = 0; n < request.count; ++n) {
    Op& op = ops_[request.first + n];
    body.ops.push_back({op.kind, op.key, op.value});
  }
  world_.call(device.host, std::move(body), [this, number](const ReplyBody* reply) {
    if (auto* appended = reply ? std::get_if<Appended>(reply) : nullptr) return accepted(number, *appended);
    not_accepted(number, reply);
  });
}

void Scenario::accepted(u32 number, const Appended& appended) {
  Request& request = requests_[number];
  if (request.accepted) return fail("request " + std::to_string(number) + " was accepted twice");
  request.accepted = true;
  for (u32 n = 0; n < request.count; ++n) {
    ops_[request.first + n].accepted = true;
    ops_[request.first + n].accepted_at = world_.now();
  }
  Device& device = devices_[request.device];
  auto handle = device.handles.find(request.topic);
  if (device.waiting >= 16 || handle == device.handles.end()) return;
  ++device.waiting;
  world_.call(device.host, WaitCopies{handle->second, appended.id, 1, false}, [this, number](const ReplyBody* reply) {
    Request& r = requests_[number];
    --devices_[r.device].waiting;
    if (reply && std::get_if<Nothing>(reply))
      for (u32 n = 0; n < r.count; ++n) ops_[r.first + n].acked_at = world_.now();
  });
}

void Scenario::not_accepted(u32 number, const ReplyBody* reply) {
  if (auto* error = reply ? std::get_if<Error>(reply) : nullptr) {
    bool excusable = error->code == Code::storage_full || error->code == Code::storage_unavailable ||
                     error->code == Code::closed || error->code == Code::outdated ||
                     error->code == Code::storage_lost || error->code == Code::not_found;
    if (!excusable) return fail("an append was refused: " + error->text);
  } else if (requests_[number].tries == 1 && harming_ && world_.prng.chance(200)) {
    requests_[number].abandoned = true;  // its user went away, too: said or not, both are right
    return;
  }
  world_.after(world_.prng.between(500, 5'000), [this, number] {
    if (!requests_[number].accepted) ask(number);
  });
}

// Looks that change nothing; they must be answered, whatever the answer.
void Scenario::read_something(u32 i, u32 t) {
  Prng& prng = world_.prng;
  u32 handle = devices_[i].handles[t];
  HostId host = devices_[i].host;
  std::string key = "key " + std::to_string(prng.below(topics_[t].keys));
  switch (prng.below(8)) {
    case 0: return world_.call(host, Latest{handle, 20});
    case 1: return world_.call(host, MapGet{handle, key});
    case 2: return world_.call(host, MapEntries{handle, "key", {}, 10});
    case 3: return world_.call(host, MapConflicts{handle, "", {}, 10});
    case 4: return world_.call(host, MapHistory{handle, key, {}, 10});
    case 5: return world_.call(host, GetCopies{handle, {}});
    case 6: return world_.call(host, MarkRead{handle, {}});
    default: return world_.call(host, Live{handle, 0, 16});
  }
}

}  // namespace perdure::sim
