// Whom we could link to, and the links that we try to make: DataChannels, relays where those fail.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

void Node::Impl::note_contact(const DeviceId& id, bool rtc, LinkId introducer, TopicNo topic) {
  if (config_.anchor || id == identity_->id()) return;
  if (!contacts_.contains(id) && contacts_.size() >= params::contacts_max && !make_room_for(id, introducer)) return;
  auto [it, fresh] = contacts_.add(id, peers::affinity(identity_->id(), id));
  Contact& c = it->second;
  if (fresh) c.waits_since_ms = c.next_try_ms = now_.steady_ms;
  // A peer's own word counts, and of what others say that it can: they may be wrong either way, but one who cannot is tried in vain.
  auto by = links_.find(introducer);
  const bool own = by != links_.end() && by->second->peer == id;
  if (own || (!c.rtc_own && (fresh || rtc))) c.rtc = rtc;
  c.rtc_own |= own;
  if (own) answered(id);
  c.introducers[introducer].insert(topic);
  contacts_.introduced();
  redial_ = true;
}

// Anybody can make up those to whom it says it is linked. Who is linked to us has a place first, then who entered at an anchor of ours; of
// the others those make room whose introducer brought the most.
bool Node::Impl::make_room_for(const DeviceId& newcomer, LinkId introducer) {
  contacts_missed_ = true;
  std::set<DeviceId> linked;
  std::set<LinkId> anchors;
  for (const auto& [id, link] : links_) {
    if (!link->greeted) continue;
    linked.insert(link->peer);
    if (is_anchor(link->peer)) anchors.insert(id);
  }
  std::map<LinkId, std::size_t> brought;
  for (const auto& [id, contact] : contacts_)
    for (const auto& [by, topics] : contact.introducers) brought[by] += 1;
  enum Place { said, entered, direct };
  // the lesser, and of those the one that shares its introducer with more, makes room
  using Claim = std::pair<Place, std::size_t>;
  auto weaker = [](const Claim& a, const Claim& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  };
  const Claim claim{linked.contains(newcomer)      ? direct
                    : anchors.contains(introducer) ? entered
                                                   : said,
                    brought[introducer] + 1};
  auto weakest = contacts_.end();
  Claim least = claim;
  for (auto it = contacts_.begin(); it != contacts_.end(); ++it) {
    if (linked.contains(it->first)) continue;
    Claim its{said, ~std::size_t{0}};
    for (const auto& [by, topics] : it->second.introducers) {
      if (anchors.contains(by)) its.first = entered;
      its.second = std::min(its.second, brought[by]);
    }
    if (weaker(its, least)) least = its, weakest = it;
  }
  if (weakest == contacts_.end()) return false;
  contacts_.erase(weakest);
  redial_ = true;
  return true;
}

// Those for whom there was no room, once there is much.
void Node::Impl::note_missed_contacts() {
  if (!contacts_missed_ || contacts_.size() > params::contacts_max / 2) return;
  contacts_missed_ = false;
  for (const auto& [id, link] : links_)
    for (const auto& [no, introduced] : link->introduced)
      for (const auto& [device, rtc] : introduced.devices) note_contact(device, rtc, id, no);
}

void Node::Impl::forget_introducer(LinkId introducer, std::optional<TopicNo> topic) {
  redial_ = true;
  for (auto it = contacts_.begin(); it != contacts_.end();) {
    auto& introducers = it->second.introducers;
    auto known = introducers.find(introducer);
    if (known != introducers.end() && topic) known->second.erase(*topic);
    if (known != introducers.end() && (!topic || known->second.empty())) {
      introducers.erase(known);
      contacts_.introduced();
      lost_sight(it->first, introducer);
    }
    if (introducers.empty() && !link_to(it->first)) it = contacts_.erase(it);
    else ++it;
  }
}

std::size_t Node::Impl::links_wanted() const {
  return std::clamp<std::size_t>(config_.links_max, 1, params::links_direct_max);
}

// Of a pair the lower id begins.
bool Node::Impl::may_dial(const DeviceId& id, const Contact& contact) const {
  return identity_->id() < id && !contact.introducers.empty();
}

void Node::Impl::dial_contacts() {
  if (config_.anchor || closing_) return;
  std::vector<u32> late;
  for (auto& [no, attempt] : attempts_)
    if (attempt.deadline_ms <= now_.steady_ms) late.push_back(no);
  for (u32 no : late) {
    // The link that may have opened is not greeted yet; it goes with the attempt.
    auto link = attempts_[no].link;
    if (link && links_.contains(*link)) link_closed(*link, false);
    else rtc_ended(no);
  }
  note_missed_contacts();
  note_silent();
  const bool due = dial_at_ && *dial_at_ <= now_.steady_ms;
  if (!std::exchange(redial_, false) && !due) return;
  dial_at_.reset();
  for (auto near : contacts_.nearest(links_wanted())) {
    auto& [id, contact] = *near;
    if (!may_dial(id, contact) || contact.next_try_ms > now_.steady_ms) continue;
    Link* link = link_to(id);
    if (link && link->kind == LinkKind::datachannel) {
      contact.next_try_ms = now_.steady_ms + params::rtc_retry_ms;  // or as soon as that link closes
      continue;
    }
    bool trying = std::any_of(attempts_.begin(), attempts_.end(), [&](const auto& a) { return a.second.peer == id; });
    if (trying) continue;
    if (!room_for_attempt(*way_to(contact))) {
      contact.next_try_ms = now_.steady_ms + params::rtc_ms_max;
      continue;
    }
    if (config_.rtc && contact.rtc) attempt_rtc(id, contact);
    else if (!link) attempt_relay(id, contact);
  }
  dial_at_ = next_dial();
}

// Of those that may be dialled and are not due yet. The others wait for something to change.
std::optional<u64> Node::Impl::next_dial() {
  std::optional<u64> at;
  for (auto near : contacts_.nearest(links_wanted()))
    if (may_dial(near->first, near->second) && near->second.next_try_ms > now_.steady_ms)
      at = std::min(at.value_or(near->second.next_try_ms), near->second.next_try_ms);
  if (const auto waits = next_silent()) at = std::min(at.value_or(*waits), *waits);
  return at;
}

// ---- who does not answer -------------------------------------------------------------------------------------------------------------

// Of those who say that they are linked to it the one that was not tried last.
std::optional<LinkId> Node::Impl::way_to(const Contact& contact) const {
  if (contact.introducers.empty()) return std::nullopt;
  auto way = contact.introducers.lower_bound(contact.way);
  return (way == contact.introducers.end() ? contact.introducers.begin() : way)->first;
}

// Anybody can make up those who would be near. So who has not answered by any way makes room for the next nearest.
void Node::Impl::unanswered(const DeviceId& id, LinkId way) {
  auto c = contacts_.find(id);
  if (c == contacts_.end() || link_to(id)) return;
  c->second.way = LinkId{way.value + 1};
  if (++c->second.unanswered >= std::min(c->second.introducers.size(), params::ways_max)) contacts_.set_silent(c, true);
  redial_ = true;
}

void Node::Impl::answered(const DeviceId& id) {
  auto c = contacts_.find(id);
  if (c == contacts_.end()) return;
  c->second.unanswered = 0;
  c->second.met = true;
  contacts_.set_silent(c, false);
}

// When the first of those near whose offer we wait for has not made it in time; only if others wait for the place.
std::optional<u64> Node::Impl::next_silent() {
  std::optional<u64> at;
  if (contacts_.size() <= links_wanted()) return at;
  for (auto near : contacts_.nearest(links_wanted())) {
    const auto& [id, contact] = *near;
    if (contact.silent || may_dial(id, contact) || link_to(id)) continue;
    const u64 until = contact.waits_since_ms + params::offer_ms_max;
    at = std::min(at.value_or(until), until);
  }
  return at;
}

void Node::Impl::note_silent() {
  for (auto at = next_silent(); at && *at <= now_.steady_ms; at = next_silent()) {
    for (auto near : contacts_.nearest(links_wanted()))
      if (!may_dial(near->first, near->second) && !link_to(near->first) &&
          near->second.waits_since_ms + params::offer_ms_max <= now_.steady_ms)
        contacts_.set_silent(near, true);
    redial_ = true;
  }
}

// Who introduces ever new ones has no more attempts under way than who introduces a few.
bool Node::Impl::room_for_attempt(LinkId via) {
  if (attempts_.size() < params::attempts_max) return true;
  std::map<LinkId, std::size_t> brought;
  for (const auto& [no, attempt] : attempts_) brought[attempt.via] += 1;
  auto most = std::ranges::max_element(brought, {}, [](const auto& b) { return b.second; });
  if (most->second <= brought[via] + 1) return false;
  auto last = std::ranges::find_if(attempts_.rbegin(), attempts_.rend(),
                                   [&](const auto& a) { return a.second.via == most->first && !a.second.link; });
  if (last == attempts_.rend()) return false;
  rtc_ended(last->first);
  return true;
}

const Topic* Node::Impl::shared_with(const Contact& contact) const {
  for (const auto& [introducer, topics] : contact.introducers)
    for (TopicNo no : topics)
      if (auto topic = topics_.find(no); topic != topics_.end() && topic->second->open && topic->second->keys)
        return topic->second.get();
  return nullptr;
}

// Who is linked to as many as it wants needs no detour to one more, on which each message travels twice.
std::size_t Node::Impl::linked_in(TopicNo no) const {
  auto topic = topics_.find(no);
  if (topic == topics_.end()) return 0;
  std::size_t linked = 0;
  for (LinkId id : sync_.links(topic->second))
    if (auto link = links_.find(id); link != links_.end() && !link->second->anchor) ++linked;
  return linked;
}

// Where a page can learn how it is seen from outside: at the anchors that we dialled and that offer it.
std::vector<std::string> Node::Impl::stun_urls() const {
  std::vector<std::string> urls;
  for (const auto& [id, link] : links_) {
    if (!link->greeted || !link->anchor || !link->stun_port || link->url.empty() || urls.size() == params::stun_max)
      continue;
    urls.push_back("stun:" + peers::host_of(link->url) + ":" + std::to_string(link->stun_port));
  }
  return urls;
}

void Node::Impl::attempt_rtc(const DeviceId& id, Contact& contact) {
  if (!shared_with(contact)) return;
  u32 no = next_attempt_++;
  Attempt& a = attempts_[no];
  a.peer = id;
  a.via = *way_to(contact);
  a.initiator = true;
  random_.fill(a.nonce);
  a.deadline_ms = now_.steady_ms + params::rtc_ms_max;
  contact.next_try_ms = now_.steady_ms + params::rtc_ms_max;
  actions_.push_back(RtcOpen{no, true, stun_urls()});
  peers_dirty_ = true;
}

bool Node::Impl::attempt_relay(const DeviceId& id, Contact& contact) {
  contact.next_try_ms = now_.steady_ms + peers::handshake_ms_max;
  bool wanted = std::ranges::any_of(contact.introducers, [&](const auto& introducer) {
    return std::ranges::any_of(introducer.second, [&](TopicNo no) { return linked_in(no) < links_wanted(); });
  });
  if (!wanted) return false;
  for (std::size_t n = 0; n < contact.introducers.size(); ++n) {
    const LinkId introducer = *way_to(contact);
    auto carrier = links_.find(introducer);
    if (carrier == links_.end() || carrier->second->peer == id || carrier->second->kind == LinkKind::relayed) {
      contact.way = LinkId{introducer.value + 1};
      continue;
    }
    auto link = std::make_unique<Link>();
    link->id = LinkId{next_relayed_++};
    link->kind = LinkKind::relayed;
    link->dialler = true;
    link->carrier = introducer;
    link->expected = id;
    link->self = identity_;
    link->shared = carrier->second->shared;
    link->session = std::make_unique<session::Session>(
        *identity_, static_key_, random_, session::Session::Options{true, LinkKind::relayed, {}, greeting(*link)});
    Link& l = *(links_[link->id] = std::move(link));
    open_session(l);
    return true;
  }
  return false;
}

// An attempt is over: by a channel that closed, by failure, or by time.
void Node::Impl::rtc_ended(u32 no) {
  actions_.push_back(RtcClose{no});
  auto it = attempts_.find(no);
  if (it == attempts_.end()) return;
  Attempt attempt = it->second;
  attempts_.erase(it);
  peers_dirty_ = redial_ = true;
  auto c = contacts_.find(attempt.peer);
  if (c == contacts_.end() || !attempt.initiator) return;
  u64 wait = params::rtc_retry_ms << std::min(c->second.failures++, params::rtc_doublings_max);
  c->second.way = LinkId{attempt.via.value + 1};
  if (!link_to(attempt.peer) && !attempt_relay(attempt.peer, c->second)) unanswered(attempt.peer, attempt.via);
  c->second.next_try_ms = now_.steady_ms + wait / 2 + random_.below(wait / 2);
}

}  // namespace perdure
