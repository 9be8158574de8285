// From a first contact to direct links: introductions, signals through common peers, DataChannels, relays where those fail.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

// ---- introductions: whoever is linked to two members of a topic tells them of each other --------------------------------------------

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
  // A frame says first who came: whoever came back comes with the next one.
  if (full || (rtc && waiting.gone.contains(other))) send_introductions(link, no, waiting);
  if (rtc) {
    waiting.present[other] = *rtc;
  } else {
    waiting.present.erase(other);
    waiting.gone.insert(other);
  }
}

void Node::Impl::send_introductions(Link& link, TopicNo no, Introducing& waiting) {
  wire::Introduce message;
  for (const auto& [device, rtc] : waiting.present) message.present.push_back({device, rtc});
  message.gone.assign(waiting.gone.begin(), waiting.gone.end());
  waiting = {{}, {}, now_.steady_ms + params::introductions_pause_ms};
  send_on(link, message, link.aliases[no]);
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
    sync_.ack_all_of(topic, other.device);
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
        if (c->second.introducers.empty()) contacts_.erase(c);
        lost_sight(gone);
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

void Node::Impl::note_contact(const DeviceId& id, bool rtc, LinkId introducer, TopicNo topic) {
  if (config_.anchor || id == identity_->id()) return;
  if (!contacts_.contains(id) && contacts_.size() >= params::contacts_max && !make_room_for(id, introducer)) return;
  auto [it, fresh] = contacts_.add(id, peers::affinity(identity_->id(), id));
  Contact& c = it->second;
  if (fresh) {
    c.known_since_ms = now_.steady_ms;
    c.next_try_ms = now_.steady_ms;
  }
  c.rtc = rtc;
  c.introducers[introducer].insert(topic);
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
  for (auto it = contacts_.begin(); it != contacts_.end();) {
    auto& introducers = it->second.introducers;
    auto known = introducers.find(introducer);
    if (known != introducers.end() && topic) known->second.erase(*topic);
    if (known != introducers.end() && (!topic || known->second.empty())) {
      introducers.erase(known);
      lost_sight(it->first);
    }
    if (introducers.empty() && !link_to(it->first)) it = contacts_.erase(it);
    else ++it;
  }
}

// ---- dialling ------------------------------------------------------------------------------------------------------------------------

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
    if (!room_for_attempt(contact.introducers.begin()->first)) {
      contact.next_try_ms = now_.steady_ms + params::rtc_ms_max;
      continue;
    }
    if (config_.rtc && contact.rtc) attempt_rtc(id, contact);
    else if (!link) attempt_relay(id, contact);
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
  a.via = contact.introducers.begin()->first;
  a.initiator = true;
  random_.fill(a.nonce);
  a.deadline_ms = now_.steady_ms + params::rtc_ms_max;
  contact.next_try_ms = now_.steady_ms + params::rtc_ms_max;
  actions_.push_back(RtcOpen{no, true, stun_urls()});
  peers_dirty_ = true;
}

void Node::Impl::attempt_relay(const DeviceId& id, Contact& contact) {
  contact.next_try_ms = now_.steady_ms + peers::handshake_ms_max;
  bool wanted = std::ranges::any_of(contact.introducers, [&](const auto& introducer) {
    return std::ranges::any_of(introducer.second, [&](TopicNo no) { return linked_in(no) < links_wanted(); });
  });
  if (!wanted) return;
  for (const auto& [introducer, topics] : contact.introducers) {
    auto carrier = links_.find(introducer);
    if (carrier == links_.end() || carrier->second->peer == id || carrier->second->kind == LinkKind::relayed) continue;
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
    return open_session(l);
  }
}

// An attempt is over: by a channel that closed, by failure, or by time.
void Node::Impl::rtc_ended(u32 no) {
  actions_.push_back(RtcClose{no});
  auto it = attempts_.find(no);
  if (it == attempts_.end()) return;
  Attempt attempt = it->second;
  attempts_.erase(it);
  peers_dirty_ = true;
  auto c = contacts_.find(attempt.peer);
  if (c == contacts_.end() || !attempt.initiator) return;
  u64 wait = params::rtc_retry_ms << std::min(c->second.failures++, params::rtc_doublings_max);
  if (!link_to(attempt.peer)) attempt_relay(attempt.peer, c->second);
  c->second.next_try_ms = now_.steady_ms + wait / 2 + random_.below(wait / 2);
}

// ---- signals -------------------------------------------------------------------------------------------------------------------------

void Node::Impl::send_signal(const DeviceId& to, const peers::SignalText& text) {
  auto c = contacts_.find(to);
  if (c == contacts_.end()) return;
  const Topic* topic = shared_with(c->second);
  if (!topic) return;
  auto signal = peers::seal_signal(*identity_, to, *topic->keys, text, random_);
  if (!signal) return;
  if (Link* direct = link_to(to)) return send_on(*direct, *signal);
  for (const auto& [introducer, n] : c->second.introducers)
    if (auto link = links_.find(introducer); link != links_.end() && link->second->greeted)
      return send_on(*link->second, *signal);
}

void Node::Impl::on_signal(Link& link, const wire::Signal& signal) {
  if (signal.to != identity_->id()) {
    // Forwarded for whoever is linked to us under its own name, at a bounded rate.
    if (signal.from != link.peer || !link.signals_passed.take(now_.steady_ms, wire::signals_passed))
      return void(metrics_["signals_dropped"] += 1);
    Link* target = link_to(signal.to);
    if (!target || target->self->network() != link.self->network() || !carries_for(link) || !carries_for(*target))
      return send_on(link, wire::Unreachable{signal.to});
    metrics_["signals"] += 1;
    return send_on(*target, signal);
  }
  if (config_.anchor) return;
  auto opened = peers::open_signal(*identity_, signal);
  if (!opened) return;  // whoever forwarded it could not know
  for (auto& [no, topic] : topics_) {
    if (!topic->open || !topic->keys ||
        peers::signal_proof(*topic->keys, signal.from, signal.to, opened->text.nonce) != opened->proof)
      continue;
    if (!contacts_.contains(signal.from)) note_contact(signal.from, true, link.id, no);
    return on_signal_text(signal.from, opened->text);
  }
}

void Node::Impl::on_signal_text(const DeviceId& from, const peers::SignalText& text) {
  auto same = std::find_if(attempts_.begin(), attempts_.end(),
                           [&](const auto& a) { return a.second.peer == from && a.second.nonce == text.nonce; });
  switch (text.kind) {
    case SignalKind::offer: {
      auto contact = contacts_.find(from);
      if (!config_.rtc || !(from < identity_->id()) || same != attempts_.end() || contact == contacts_.end() ||
          contact->second.introducers.empty())
        return;
      auto fingerprint = peers::fingerprint_of(text.text);
      if (!fingerprint || !contacts_.is_near(peers::affinity(identity_->id(), from), links_wanted())) return;
      std::vector<u32> older;
      for (auto& [no, a] : attempts_)
        if (a.peer == from) older.push_back(no);
      for (u32 no : older) rtc_ended(no);
      const LinkId via = contact->second.introducers.begin()->first;
      if (!room_for_attempt(via)) return;
      u32 no = next_attempt_++;
      Attempt& a = attempts_[no];
      a.peer = from;
      a.via = via;
      a.nonce = text.nonce;
      a.remote = fingerprint;
      a.deadline_ms = now_.steady_ms + params::rtc_ms_max;
      actions_.push_back(RtcOpen{no, false, stun_urls()});
      actions_.push_back(RtcSignal{no, SignalKind::offer, text.text});
      peers_dirty_ = true;
      return;
    }
    case SignalKind::answer: {
      if (same == attempts_.end() || !same->second.initiator || same->second.remote) return;
      same->second.remote = peers::fingerprint_of(text.text);
      if (!same->second.remote) return rtc_ended(same->first);
      actions_.push_back(RtcSignal{same->first, SignalKind::answer, text.text});
      return;
    }
    case SignalKind::candidate:
      if (same != attempts_.end()) actions_.push_back(RtcSignal{same->first, SignalKind::candidate, text.text});
      return;
  }
}

void Node::Impl::on_rtc_signal(const RtcSignal& signal) {
  auto it = attempts_.find(signal.attempt);
  if (it == attempts_.end()) return;
  Attempt& a = it->second;
  if (signal.kind != SignalKind::candidate) {
    a.local = peers::fingerprint_of(signal.text);
    if (!a.local) return rtc_ended(signal.attempt);
  }
  send_signal(a.peer, {a.nonce, signal.kind, signal.text});
}

// ---- relays --------------------------------------------------------------------------------------------------------------------------

void Node::Impl::on_relay(Link& link, const wire::Relay& relay) {
  if (!relay.arriving) {
    Link* target = link_to(relay.other);
    bool full = target && buffered(target->id) > peers::relay_bytes_max;  // it takes less than is sent to it
    // Only for two that are in a topic together, here: nobody is sent anything by strangers.
    if (!target || full || target->kind == LinkKind::relayed || !both_in(link, *target))
      return send_on(link, wire::Unreachable{relay.other});
    metrics_["relayed_bytes"] += relay.bytes.size();
    return send_on(*target, wire::Relay{link.peer, true, relay.bytes});
  }
  if (config_.anchor || link.kind == LinkKind::relayed) return;  // nobody relays over a relay
  for (auto& [id, l] : links_)
    if (l->kind == LinkKind::relayed && l->carrier == link.id && l->expected == relay.other)
      return link_received(id, relay.bytes);
  auto c = contacts_.find(relay.other);
  if (c == contacts_.end() || !(relay.other < identity_->id())) return;  // nobody we know, or ours to begin
  if (!link.relayed_sessions.take(now_.steady_ms, wire::relayed_sessions)) return;
  auto fresh = std::make_unique<Link>();
  fresh->id = LinkId{next_relayed_++};
  fresh->kind = LinkKind::relayed;
  fresh->carrier = link.id;
  fresh->expected = relay.other;
  fresh->self = identity_;
  fresh->shared = link.shared;
  fresh->session = std::make_unique<session::Session>(
      *identity_, static_key_, random_, session::Session::Options{false, LinkKind::relayed, {}, greeting(*fresh)});
  LinkId id = fresh->id;
  Link& l = *(links_[id] = std::move(fresh));
  open_session(l);
  link_received(id, relay.bytes);
}

void Node::Impl::on_unreachable(Link& link, const wire::Unreachable& message) {
  std::vector<LinkId> dead;
  for (auto& [id, l] : links_)
    if (l->kind == LinkKind::relayed && l->carrier == link.id && l->expected == message.other) dead.push_back(id);
  for (LinkId id : dead) link_closed(id, true);
  end_unheard(message.other);
}

// Our offer may have gone to where it is no more. It is not waited for, so that whoever comes back is dialled at once; so often, because
// who tells of them can let them come and go without end.
void Node::Impl::lost_sight(const DeviceId& peer) {
  bool offered = std::ranges::any_of(
      attempts_, [&](const auto& a) { return a.second.peer == peer && a.second.initiator && !a.second.remote; });
  if (offered && redials_.take(now_.steady_ms, wire::redials)) end_unheard(peer);
}

// A signal of ours did not get there: what waits for its answer need not.
void Node::Impl::end_unheard(const DeviceId& peer) {
  std::vector<u32> unheard;
  for (auto& [no, attempt] : attempts_)
    if (attempt.peer == peer && attempt.initiator && !attempt.remote) unheard.push_back(no);
  for (u32 no : unheard) rtc_ended(no);
}

}  // namespace perdure
