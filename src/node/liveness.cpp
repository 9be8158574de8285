// Whether links still live: pings, silence, and how often something is said while nothing happens. Pongs tell what time others have.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

namespace {
constexpr u64 thrown_off_ms_max = 60'000;
constexpr const char*
    two_places_text = "This device's data is in use in two places, and each throws the other off its anchors. Close one of them; who copied a profile or a database lets the copy begin with a store of its own.";
}  // namespace

// What is said while nothing happens, in bytes a minute at its usual pace, against what the app allows: the pace is that much slower.
u64 Node::Impl::idle_ms(u64 usual, u64 most) const {
  if (config_.idle_bytes_per_second == 0) return usual;
  u64 bytes = 0;
  for (const auto& [id, link] : links_)
    bytes += (link->kind == LinkKind::relayed ? 2 : 1) * peers::ping_bytes * 60'000 / peers::ping_interval_ms;
  for (const auto& [no, e] : extras_) {
    auto topic = topics_.find(no);
    if (topic == topics_.end()) continue;
    u64 others = sync_.links(topic->second).size();
    bytes += others * sync::check_bytes * 60'000 / sync::check_interval_ms;
    if (e.own_presence)
      bytes += others * (e.own_presence->size() + params::said_bytes) * 60'000 / params::presence_again_ms;
  }
  return std::clamp(usual * bytes / (60 * u64{config_.idle_bytes_per_second}), usual, most);
}

void Node::Impl::ping(Link& link) {
  link.pinged_ms = now_.steady_ms;
  link.ping_wall_ms = now_.wall_ms;
  time_link(link);
  send_on(link, wire::Ping{++link.ping, now_.wall_ms});
}

void Node::Impl::on_pong(Link& link, const wire::Pong& pong) {
  if (pong.id != link.ping || link.ping_wall_ms == 0) return;  // each is answered once
  if (pong.wall_ms > clock::wall_ms_max) return fault(link.id, sync::Fault::malformed);
  u64 trip = now_.steady_ms - link.pinged_ms;
  link.round_trip_ms = static_cast<u32>(std::min<u64>(trip, 60'000));
  link.offset_ms = static_cast<i64>(pong.wall_ms) - static_cast<i64>(std::exchange(link.ping_wall_ms, 0) + trip / 2);
  peers_dirty_ = true;
  if (auto a = anchors_.find(link.url); a != anchors_.end() && a->second.link == link.id) a->second.failures = 0;
  if (link.anchor && link.opened_ms + thrown_off_ms_max <= now_.steady_ms) no_trouble(Code::not_allowed);
  update_clock();
}

// An anchor that we are linked to once says that a better link of ours stands: it is not of this core. Twice within a minute, that is no
// life of ours that has just ended.
void Node::Impl::on_bye(Link& link, const wire::Bye& bye) {
  const bool other = bye.reason == 1 && link.anchor && link.greeted && !link.url.empty() &&
                     std::ranges::none_of(links_, [&](const auto& l) {
                       return l.first != link.id && (!l.second->greeted || l.second->peer == link.peer);
                     });
  if (other) {
    const u64 before = std::exchange(thrown_off_ms_, now_.steady_ms);
    if (before != 0 && before + thrown_off_ms_max > now_.steady_ms) trouble(Code::not_allowed, two_places_text);
  }
  link_closed(link.id, false);
}

u64 Node::Impl::link_deadline(const Link& link) const {
  if (!link.greeted)
    return link.opened_ms + (link.refusal || link.crowds ? params::told_ms_max : peers::handshake_ms_max);
  return std::min(link.pinged_ms + ping_interval_, link.heard_ms + peers::silence_ms_max);
}

void Node::Impl::time_link(const Link& link) { link_timers_.set(link.id, link_deadline(link)); }

void Node::Impl::links_time() {
  if (const u64 interval = ping_interval(); std::exchange(ping_interval_, interval) != interval)
    for (const auto& [id, link] : links_) time_link(*link);
  std::set<LinkId> due = std::exchange(choked_links_, {});
  for (LinkId id : link_timers_.due(now_.steady_ms)) due.insert(id);
  std::vector<LinkId> dead;
  for (LinkId id : due) {
    auto found = links_.find(id);
    if (found == links_.end()) continue;
    Link& link = *found->second;
    if (link.choked || !link.greeted || link.heard_ms + peers::silence_ms_max <= now_.steady_ms) dead.push_back(id);
    else ping(link);
  }
  for (LinkId id : dead) link_closed(id, false);
}

}  // namespace perdure
