// What an anchor passes on, unread, of what members say of themselves: to all others who are here, as much as may be.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

// Beyond that they see the next presence, at the latest when it is said again. A name is not: it is passed on later.
void Node::Impl::pass_on(Link& link, const TopicPtr& topic, const wire::Presence& said) {
  const auto links = sync_.links(topic);
  const u64 others = links.size() - 1, work = others * wire::work_per_presence(said.sealed.size());
  const u64 now = now_.steady_ms;
  peers::Spent& spent = *link.shared;
  const u64 own = spent.presences.left_at(now, wire::presences_passed_by);
  u64 at = std::max(presences_.left_at(now, wire::presences_passed), own);
  if (at > now && own <= now && spent.presences_kept.left_at(now, wire::presences_kept) <= now) {
    spent.presences_kept.charge(now, wire::presences_kept, work);
    at = now;
  }
  if (at > now) {
    TopicExtra& e = extra(topic);
    if (said.kind != kind_profile) return void(metrics_["presences_over"] += 1);
    e.heard[{said.device, said.kind}].owed = true;
    e.names_at = std::min(e.names_at.value_or(at), at);
    return;
  }
  presences_.charge(now, wire::presences_passed, work);
  spent.presences.charge(now, wire::presences_passed_by, work);
  for (LinkId id : links)
    if (auto other = links_.find(id); other != links_.end() && id != link.id)
      send_on(*other->second, said, other->second->aliases[topic->no]);
}

void Node::Impl::pass_on_names(const TopicPtr& topic, TopicExtra& e) {
  e.names_at.reset();
  for (auto& [who, heard] : e.heard) {
    if (!std::exchange(heard.owed, false)) continue;
    const auto frame = wire::parse(heard.frame);
    const auto said = frame ? wire::decode<wire::Presence>(*frame) : std::nullopt;
    if (Link* link = link_to(who.first); link && said) pass_on(*link, topic, *said);  // or not yet
  }
}

}  // namespace perdure
