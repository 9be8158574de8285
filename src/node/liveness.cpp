// Whether links still live: pings, silence, and how often something is said while nothing happens. Pongs tell what time others have.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

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
  if (pong.id != link.ping) return;
  if (pong.wall_ms > clock::wall_ms_max) return fault(link.id, sync::Fault::malformed);
  u64 trip = now_.steady_ms - link.pinged_ms;
  link.round_trip_ms = static_cast<u32>(std::min<u64>(trip, 60'000));
  link.offset_ms = static_cast<i64>(pong.wall_ms) - static_cast<i64>(link.ping_wall_ms + trip / 2);
  peers_dirty_ = true;
  update_clock();
}

void Node::Impl::update_clock() {
  std::vector<clock::Agreement::Sample> samples;
  for (auto& [id, link] : links_)
    if (link->greeted && link->offset_ms) samples.push_back({*link->offset_ms, link->anchor && is_anchor(link->peer)});
  status_dirty_ |= agreement_.update(samples, !config_.anchor);
}

u64 Node::Impl::link_deadline(const Link& link) const {
  if (!link.greeted) return link.opened_ms + (link.refusal ? params::told_ms_max : peers::handshake_ms_max);
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
