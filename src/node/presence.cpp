// What is said and never stored: presence and names, sealed under the topic and signed by the device; anchors pass it on blindly.
#include <algorithm>
#include <tuple>

#include "codec/bytes.hpp"
#include "codec/value.hpp"
#include "crypto/hash.hpp"
#include "crypto/seal.hpp"
#include "node/impl.hpp"

namespace perdure {

using peers::Link;

namespace {

constexpr std::size_t name_max = 256;

Bytes context(const Topic& topic, const DeviceId& device, u8 kind, u64 sequence) {
  codec::Writer w;
  w.raw(view("perdure/presence/1")).fixed(topic.network).fixed(topic.id).fixed(device).u8(kind).be64(sequence);
  return std::move(w).take();
}

crypto::Nonce24 nonce_of(const Seed& key, ByteView salt, ByteView context) {
  crypto::Nonce24 nonce;
  crypto::blake2b_into(nonce, key.view(), {salt, context});
  return nonce;
}

// { there?, value } and the signature, sealed.
Bytes seal_said(const Topic& topic, const identity::Identity& self, u8 kind, u64 sequence,
                const std::optional<Bytes>& value, crypto::Random& random) {
  Bytes about = context(topic, self.id(), kind, sequence);
  codec::Writer plain;
  plain.u8(value ? 1 : 0);
  if (value) plain.raw(*value);
  plain.fixed(crypto::sign(self.key(), {about, plain.peek()}));
  Seed key = crypto::derive(topic.keys->seal_key.view(), "perdure/presence/1");
  std::array<u8, 8> salt;
  random.fill(salt);
  codec::Writer out;
  out.raw(salt).raw(crypto::seal(key, nonce_of(key, salt, about), about, plain.peek()));
  return std::move(out).take();
}

// Nothing if it is not sealed under the topic or not signed by the device.
std::optional<std::optional<Bytes>> open_said(const Topic& topic, const wire::Presence& said) {
  if (said.sealed.size() < 8) return std::nullopt;
  Bytes about = context(topic, said.device, said.kind, said.sequence);
  Seed key = crypto::derive(topic.keys->seal_key.view(), "perdure/presence/1");
  ByteView sealed(said.sealed);
  auto plain = crypto::unseal(key, nonce_of(key, sealed.first(8), about), about, sealed.subspan(8));
  if (!plain || plain->size() < 1 + Signature::size) return std::nullopt;
  ByteView content = ByteView(*plain).first(plain->size() - Signature::size);
  if (!crypto::verify(said.device.view(), {about, content}, Signature::from(ByteView(*plain).last(Signature::size))))
    return std::nullopt;
  if (content[0] == 0) return std::optional<Bytes>{};
  return std::optional<Bytes>(own(content.subspan(1)));
}

}  // namespace

void Node::Impl::call(u32 id, SetPresence& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  if (c.value && c.value->size() > wire::presence_max)
    return fail(id, Code::too_large, "A presence has at most 4 KiB. Append what is larger.");
  if (c.value && !codec::is_value(*c.value))
    return fail(id, Code::bad_argument, "The presence is not one MessagePack value.");
  TopicExtra& e = extra(topic);
  e.own_presence = std::move(c.value);
  e.own_presence_due = true;
  reply(id, Nothing{});
}

void Node::Impl::announce(const TopicPtr& topic, u8 kind, const std::optional<Bytes>& value,
                          std::optional<LinkId> only) {
  TopicExtra& e = extra(topic);
  e.own_sequence = std::max(e.own_sequence + 1, corrected_now_ms());  // newer than what a life before this one said
  wire::Presence said{identity_->id(), kind, e.own_sequence,
                      seal_said(*topic, *identity_, kind, e.own_sequence, value, random_)};
  for (LinkId id : sync_.links(topic)) {
    if (only && id != *only) continue;
    if (auto link = links_.find(id); link != links_.end())
      send_on(*link->second, said, link->second->aliases[topic->no]);
  }
}

// To a new link: our name and presence; an anchor passes on what it has heard of those who are linked to it now.
void Node::Impl::announce_to_newcomer(Link& link, const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  if (topic->keys) {
    if (!config_.name.empty()) announce(topic, kind_profile, own(view(config_.name)), link.id);
    if (e.own_presence) announce(topic, kind_presence, e.own_presence, link.id);
    return;
  }
  for (const auto& [who, said] : e.heard) {
    if (who.first == link.peer || said.frame.empty()) continue;
    charge(link.id, wire::work_given(said.frame.size()));
    auto frame = wire::parse(said.frame);
    if (auto m = frame ? wire::decode<wire::Presence>(*frame) : std::nullopt)
      send_on(link, *m, link.aliases[topic->no]);
  }
}

// What was said by a clock that was behind sounded older than what a life before this one has said.
void Node::Impl::announce_anew() {
  for (const auto& [no, topic] : topics_) {
    if (!topic->open || !topic->keys || sync_.links(topic).empty()) continue;
    if (!config_.name.empty()) announce(topic, kind_profile, own(view(config_.name)), std::nullopt);
    extra(topic).own_presence_due |= extra(topic).own_presence.has_value();
  }
}

void Node::Impl::on_presence(Link& link, const TopicPtr& topic, const wire::Frame& frame) {
  auto said = wire::decode<wire::Presence>(frame);
  if (!said || (said->kind != kind_presence && said->kind != kind_profile))
    return fault(link.id, sync::Fault::malformed);
  if (said->device == identity_->id()) return;
  TopicExtra& e = extra(topic);
  if (e.ending) return;  // nothing more is written of it
  auto key = std::pair{said->device, said->kind};
  auto known = e.heard.find(key);
  if (known != e.heard.end() && known->second.sequence >= said->sequence) return;
  // Of a clock that is ahead no more is remembered than now: once it is put right, what it says is new.
  const u64 sequence = std::min(said->sequence, corrected_now_ms());
  if (!topic->keys) {
    // Blind: only from the device itself, so nobody speaks for others and nothing circles, and as long as it is linked: that is the bound.
    if (link.peer != said->device ||
        !e.heard[key].budget.take(now_.steady_ms, wire::price_of(wire::Tag::presence).rate))
      return;
    Heard& s = e.heard[key];
    s.sequence = sequence;
    s.heard_ms = now_.steady_ms;
    keep_frame(s, wire::encode({}, *said));
    return pass_on(link, topic, *said);
  }
  if (link.peer != said->device && !link.anchor) return;  // members speak for themselves alone
  // Of who is not known yet, what is said is read first: nobody takes another's budget.
  if (known != e.heard.end() && !known->second.budget.take(now_.steady_ms, wire::price_of(wire::Tag::presence).rate))
    return void(metrics_["frames_over"] += 1);
  auto value = open_said(*topic, *said);
  if (!value) return;  // an anchor that passed it on could not know
  // What our anchor passes on may come before it introduces who says it.
  const auto at_least = is_anchor(link.peer) ? sync::Nearness::entered : sync::Nearness::away;
  if (known == e.heard.end() && e.heard.size() >= params::heard_max && !room_to_hear(topic, said->device, at_least))
    return;
  Heard& s = e.heard[key];
  if (known == e.heard.end()) s.budget.take(now_.steady_ms, wire::price_of(wire::Tag::presence).rate);
  bool changed = s.value != *value;
  s.sequence = sequence;
  s.heard_ms = now_.steady_ms;
  if (said->kind == kind_profile)
    return learn_name(topic, said->device, std::string(text(value->value_or(Bytes{}))), at_least);
  s.value = *value;
  if (changed && (!*value || codec::is_value(**value)))
    actions_.push_back(PresenceNotice{topic->no, said->device, *value});
}

// ---- who has a place: anybody who knows a topic can make up devices, sign for them and say that it is linked to them ------------------

// Who is in reach in a topic, looked up once for many.
struct Node::Impl::Sight {
  std::set<DeviceId> anchors;  // of ours, linked or not
  struct Through {
    DeviceId peer;
    const std::map<DeviceId, bool>* introduced = nullptr;
  };
  std::vector<Through> links;

  sync::Nearness of(const DeviceId& device) const {
    auto best = sync::Nearness::away;
    for (const Through& link : links) {
      if (link.peer == device) return sync::Nearness::near;
      if (link.introduced && link.introduced->contains(device))
        best = std::max(best, anchors.contains(link.peer) ? sync::Nearness::entered : sync::Nearness::told);
    }
    return best;
  }
};

Node::Impl::Sight Node::Impl::sight(const TopicPtr& topic) const {
  Sight sight;
  for (const auto& [url, a] : anchors_)
    if (a.pinned) sight.anchors.insert(*a.pinned);
  for (LinkId id : sync_.links(topic)) {
    auto link = links_.find(id);
    if (link == links_.end() || !link->second->greeted) continue;
    auto known = link->second->introduced.find(topic->no);
    sight.links.push_back(
        {link->second->peer, known == link->second->introduced.end() ? nullptr : &known->second.devices});
  }
  return sight;
}

std::vector<sync::Nearness> Node::Impl::nearness(const TopicPtr& topic, const std::vector<DeviceId>& devices) const {
  const Sight seen = sight(topic);
  std::vector<sync::Nearness> out;
  for (const DeviceId& device : devices)
    out.push_back(seen.anchors.contains(device) ? sync::Nearness::near : seen.of(device));
  return out;
}

// The one with the least claim, if that is less than the newcomer's. Who is nearer has more; of those out of reach who has said something
// in the topic, and then who was seen last. Of those who are here nobody makes room for another.
std::optional<DeviceId> Node::Impl::makes_room(const TopicPtr& topic, const DeviceId& newcomer,
                                               const std::set<DeviceId>& others, sync::Nearness at_least) const {
  using Claim = std::tuple<sync::Nearness, bool, u64>;
  const Sight seen = sight(topic);
  const auto& last = extras_.find(topic->no)->second.last_seen_ms;
  auto claim_of = [&](const DeviceId& device, u64 at) -> Claim {
    auto nearness = seen.of(device);
    if (nearness != sync::Nearness::away) return {nearness, false, 0};
    if (auto known = last.find(device); known != last.end()) at = std::max(at, known->second);
    return {nearness, topic->device_bytes.contains(device), at};
  };
  std::optional<DeviceId> found;
  Claim least = std::max(claim_of(newcomer, now_.wall_ms), Claim{at_least, false, 0});
  for (const DeviceId& device : others)
    if (Claim claim = claim_of(device, 0); claim < least) least = claim, found = device;
  return found;
}

bool Node::Impl::room_to_hear(const TopicPtr& topic, const DeviceId& newcomer, sync::Nearness at_least) {
  TopicExtra& e = extra(topic);
  std::set<DeviceId> heard;
  for (const auto& [who, said] : e.heard) heard.insert(who.first);
  auto gone = makes_room(topic, newcomer, heard, at_least);
  if (!gone) return false;
  for (u8 kind : {kind_presence, kind_profile}) {
    auto said = e.heard.extract({*gone, kind});
    if (!said.empty() && kind == kind_presence && said.mapped().value)
      actions_.push_back(PresenceNotice{topic->no, *gone, std::nullopt});
  }
  return true;
}

void Node::Impl::saw(const TopicPtr& topic, const DeviceId& device, u64 wall_ms) {
  auto& seen = extra(topic).last_seen_ms;
  if (!seen.contains(device) && seen.size() >= params::names_max) {
    std::set<DeviceId> others;
    for (const auto& [other, at] : seen) others.insert(other);
    auto gone = makes_room(topic, device, others, sync::Nearness::away);
    if (!gone) return;
    seen.erase(*gone);
  }
  seen[device] = wall_ms;
}

void Node::Impl::learn_name(const TopicPtr& topic, const DeviceId& device, std::string name, sync::Nearness at_least) {
  auto& names = extra(topic).names;
  auto known = names.find(device);
  if (name.size() > name_max || (known == names.end() ? name.empty() : known->second == name)) return;
  if (known == names.end() && names.size() >= params::names_max) {
    std::set<DeviceId> others;
    for (const auto& [other, called] : names) others.insert(other);
    auto gone = makes_room(topic, device, others, at_least);
    if (!gone) return;
    forget_name(topic, *gone);
  }
  codec::Writer row;
  row.be64(now_.wall_ms).raw(view(name));
  names[device] = std::move(name);
  extra(topic).members_dirty = true;
  peers_dirty_ = true;
  transactions_.run(
      topic->queue(),
      [key = store::key('W', topic->no, device.view()), row = std::move(row).take()](store::Rows& rows) {
        rows.put(key, row);
      },
      [](SaveOutcome) {});
}

void Node::Impl::forget_name(const TopicPtr& topic, const DeviceId& device) {
  extra(topic).names.erase(device);
  transactions_.run(
      topic->queue(), [key = store::key('W', topic->no, device.view())](store::Rows& rows) { rows.erase(key); },
      [](SaveOutcome) {});
}

// Of more rows than have a place those of authors stay, and the newest.
void Node::Impl::load_names(const TopicPtr& topic, const std::vector<std::pair<Bytes, Bytes>>& rows) {
  TopicExtra& e = extra(topic);
  std::vector<std::tuple<bool, u64, DeviceId>> all;
  for (const auto& [key, value] : rows) {
    if (key.size() != 1 + 4 + DeviceId::size || value.size() < 8) continue;
    codec::Reader r(value);
    DeviceId device = DeviceId::from(ByteView(key).subspan(5));
    const u64 seen = r.be64();
    all.emplace_back(topic->device_bytes.contains(device), seen, device);
    e.last_seen_ms[device] = seen;
    e.names[device] = std::string(text(r.rest()));
  }
  if (all.size() <= params::names_max) return;
  std::ranges::sort(all, std::ranges::greater{});
  for (std::size_t n = params::names_max; n < all.size(); ++n) {
    e.last_seen_ms.erase(std::get<2>(all[n]));
    forget_name(topic, std::get<2>(all[n]));
  }
}

void Node::Impl::keep_frame(Heard& said, Bytes frame) {
  said_bytes_ -= said.frame.size();
  if (said_bytes_ + frame.size() > memory_.said) frame.clear();
  said_bytes_ += frame.size();
  said.frame = std::move(frame);
}

void Node::Impl::presence_time(const TopicPtr& topic, TopicExtra& e) {
  if (e.names_at && *e.names_at <= now_.steady_ms) pass_on_names(topic, e);
  const bool again = e.own_presence &&
                     e.own_presence_at + idle_ms(params::presence_again_ms, params::presence_again_ms_max) <=
                         now_.steady_ms;
  if ((e.own_presence_due && e.own_presence_at + params::presence_interval_ms <= now_.steady_ms) || again) {
    e.own_presence_due = false;
    e.own_presence_at = now_.steady_ms;
    announce(topic, kind_presence, e.own_presence, std::nullopt);
  }
  for (auto& [who, heard] : e.heard) {
    if (who.second != kind_presence || !heard.value || heard.heard_ms + params::presence_silence_ms > now_.steady_ms)
      continue;
    heard.value.reset();
    actions_.push_back(PresenceNotice{topic->no, who.first, std::nullopt});
  }
}

void Node::Impl::member_gone(const TopicPtr& topic, const DeviceId& device) {
  TopicExtra* found = known_extra(topic);
  if (!found || sight(topic).of(device) != sync::Nearness::away) return;
  TopicExtra& e = *found;
  e.members_dirty = true;
  if (topic->keys) saw(topic, device, now_.wall_ms);
  for (u8 kind : {kind_presence, kind_profile}) {
    auto said = e.heard.find({device, kind});
    if (said == e.heard.end()) continue;
    if (kind == kind_presence && said->second.value && topic->keys)
      actions_.push_back(PresenceNotice{topic->no, device, std::nullopt});
    // The sequence stays: what was said before the goodbye is not heard again.
    said->second.value.reset();
    keep_frame(said->second, {});
    if (!topic->keys) e.heard.erase(said);
  }
}

std::vector<MemberOut> Node::Impl::members(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  std::map<DeviceId, MemberOut> all;
  auto member = [&](const DeviceId& id) -> MemberOut& {
    MemberOut& m = all[id];
    m.id = id;
    m.own = id == identity_->id();
    return m;
  };
  member(identity_->id()).online = true;
  if (!config_.name.empty()) member(identity_->id()).name = config_.name;
  for (const sync::LogEntry& entry : topic->logs) {
    if (entry.durable.length == 0) continue;
    MemberOut& m = member(entry.pending.device);
    m.last_seen_ms = std::max(m.last_seen_ms.value_or(0), entry.durable.time.ms());
  }
  for (const auto& [id, link] : links_) {
    if (!link->greeted || link->anchor || !sync_.exchange(topic, id)) continue;
    member(link->peer).online = true;
  }
  for (const auto& [id, link] : links_) {
    auto known = link->introduced.find(topic->no);
    if (known != link->introduced.end() && sync_.exchange(topic, id))
      for (const auto& [device, rtc] : known->second.devices) member(device).online = true;
  }
  for (const auto& [device, at] : e.last_seen_ms)
    if (all.contains(device)) all[device].last_seen_ms = std::max(all[device].last_seen_ms.value_or(0), at);
  std::vector<MemberOut> out;
  for (auto& [id, m] : all) {
    if (auto name = e.names.find(id); name != e.names.end() && !m.own) m.name = name->second;
    out.push_back(std::move(m));
  }
  return out;
}

}  // namespace perdure
