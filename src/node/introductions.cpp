// Whoever is linked to two members of a topic tells them of each other.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

void Node::Impl::introduce(Link& fresh, const TopicPtr& topic) {
  if (fresh.anchor) return;
  std::size_t told = 0;
  for (LinkId id : sync_.links(topic)) {
    auto it = links_.find(id);
    if (it == links_.end() || id == fresh.id || it->second->anchor || it->second->peer == fresh.peer) continue;
    if (told++ < params::introductions_max) tell_of(fresh, topic->no, it->second->peer, it->second->rtc);
    tell_of(*it->second, topic->no, fresh.peer, fresh.rtc);
  }
}

void Node::Impl::withdraw(const Link& gone, TopicNo no) {
  introducing_.erase({gone.id, no});
  auto topic = topics_.find(no);
  if (gone.anchor || topic == topics_.end()) return;
  for (LinkId id : sync_.links(topic->second)) {
    auto it = links_.find(id);
    if (it == links_.end() || it->second->anchor || it->second->peer == gone.peer) continue;
    tell_of(*it->second, no, gone.peer, std::nullopt);
  }
}

// At the end of this turn, or when the pause is over. rtc: of one who came; nothing: it is gone.
void Node::Impl::tell_of(Link& link, TopicNo no, const DeviceId& other, std::optional<bool> rtc) {
  Introducing& waiting = introducing_[{link.id, no}];
  bool full = (rtc ? waiting.present.size() : waiting.gone.size()) >= params::introductions_max;
  if (full) send_introductions(link, no, waiting);
  if (rtc) {
    // A frame says first who came: whoever came back comes with the next one.
    (waiting.gone.contains(other) ? waiting.back : waiting.present)[other] = *rtc;
  } else {
    waiting.present.erase(other);
    waiting.back.erase(other);
    waiting.gone.insert(other);
  }
}

void Node::Impl::send_introductions(Link& link, TopicNo no, Introducing& waiting) {
  wire::Introduce message;
  for (const auto& [device, rtc] : waiting.present) message.present.push_back({device, rtc});
  message.gone.assign(waiting.gone.begin(), waiting.gone.end());
  wire::Introduce again;
  for (const auto& [device, rtc] : waiting.back) again.present.push_back({device, rtc});
  waiting = {{}, {}, {}, now_.steady_ms + params::introductions_pause_ms};
  send_on(link, message, link.aliases[no]);
  if (!again.present.empty()) send_on(link, again, link.aliases[no]);
}

// Those that come and go in numbers are told of together: each to each they would be a message for every pair of links.
void Node::Impl::introductions_time() {
  for (auto it = introducing_.begin(); it != introducing_.end();) {
    auto& [to, waiting] = *it;
    auto link = links_.find(to.first);
    bool over = waiting.next_ms <= now_.steady_ms;
    if (link == links_.end() || (over && waiting.nobody())) {
      it = introducing_.erase(it);
      continue;
    }
    if (over) send_introductions(*link->second, to.second, waiting);
    ++it;
  }
}

void Node::Impl::on_introduce(Link& link, const TopicPtr& topic, const wire::Introduce& message) {
  if (config_.anchor) return;  // it dials nobody, and shows nobody members
  auto& [known, budget] = link.introduced[topic->no];
  bool news = false;
  for (const wire::Introduced& other : message.present) {
    if (other.device == identity_->id() || known.contains(other.device) || known.size() >= params::contacts_max)
      continue;
    if (!budget.take(now_.steady_ms, wire::introduced)) {
      metrics_["introductions_dropped"] += 1;
      continue;
    }
    known.emplace(other.device, other.rtc);
    news = true;
    note_contact(other.device, other.rtc, link.id, topic->no);
    sync_.told_of(topic, other.device);
  }
  for (const DeviceId& gone : message.gone) {
    auto c = contacts_.find(gone);
    std::set<TopicNo>* through = c != contacts_.end() && c->second.introducers.contains(link.id)
                                     ? &c->second.introducers[link.id]
                                     : nullptr;
    if (known.erase(gone) == 0 && !through) continue;  // nobody that this peer has told us of
    news = true;
    if (through) through->erase(topic->no);
    if (!through || through->empty()) {  // else it shares other topics with us still
      if (through) {
        c->second.introducers.erase(link.id);
        contacts_.introduced();
        if (c->second.introducers.empty()) contacts_.erase(c);
        redial_ = true;
        lost_sight(gone, link.id);
      }
      // A relayed link to it has lost its way.
      if (Link* l = link_to(gone); l && l->kind == LinkKind::relayed && l->carrier == link.id) link_closed(l->id, true);
    }
    member_gone(topic, gone);
  }
  if (!news) return;
  extra(topic).members_dirty = true;
  peers_dirty_ = true;
}

}  // namespace perdure
