// Signals and relayed frames, by way of a peer that both ends are linked to.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

namespace {
bool unheard(const Attempt& attempt, const DeviceId& peer, LinkId via) {
  return attempt.peer == peer && attempt.via == via && attempt.initiator && !attempt.remote;
}
}  // namespace

void Node::Impl::send_signal(const Attempt& attempt, const peers::SignalText& text) {
  const DeviceId& to = attempt.peer;
  auto c = contacts_.find(to);
  if (c == contacts_.end()) return;
  const Topic* topic = shared_with(c->second);
  if (!topic) return;
  auto signal = peers::seal_signal(*identity_, to, *topic->keys, text, random_);
  if (!signal) return;
  if (Link* direct = link_to(to)) return send_on(*direct, *signal);
  auto passes_on = [&](LinkId id) {
    auto link = links_.find(id);
    return link != links_.end() && link->second->greeted ? link->second.get() : nullptr;
  };
  if (Link* way = passes_on(attempt.via)) return send_on(*way, *signal);
  for (const auto& [introducer, n] : c->second.introducers)
    if (Link* way = passes_on(introducer)) return send_on(*way, *signal);
}

void Node::Impl::on_signal(Link& link, const wire::Signal& signal) {
  if (signal.to != identity_->id()) {
    // Forwarded for whoever is linked to us under its own name, at a bounded rate.
    if (signal.from != link.peer || !link.signals_passed.take(now_.steady_ms, wire::signals_passed))
      return void(metrics_["signals_dropped"] += 1);
    Link* target = link_to(signal.to);
    if (!target || target->self->network() != link.self->network() || !carries_for(link) || !carries_for(*target) ||
        !target->signals_passed_to.take(now_.steady_ms, wire::signals_passed_to))
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
    return on_signal_text(link.id, signal.from, opened->text);
  }
}

void Node::Impl::on_signal_text(LinkId via, const DeviceId& from, const peers::SignalText& text) {
  auto same = std::find_if(attempts_.begin(), attempts_.end(),
                           [&](const auto& a) { return a.second.peer == from && a.second.nonce == text.nonce; });
  switch (text.kind) {
    case SignalKind::offer:
      if (same == attempts_.end()) on_offer(via, from, text);
      return;
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

// Each costs the page a connection.
void Node::Impl::on_offer(LinkId via, const DeviceId& from, const peers::SignalText& text) {
  auto contact = contacts_.find(from);
  if (!config_.rtc || !(from < identity_->id()) || contact == contacts_.end() || contact->second.introducers.empty())
    return;
  auto fingerprint = peers::fingerprint_of(text.text);
  if (!fingerprint || !contacts_.is_near(contact, links_wanted())) return;
  // Unless it has been silent for a moment: then the peer may have started anew.
  const bool stands = std::ranges::any_of(links_, [&](const auto& l) {
    return l.second->greeted && l.second->peer == from && l.second->kind == LinkKind::datachannel &&
           l.second->heard_ms + ping_interval() > now_.steady_ms;
  });
  auto by = links_.find(via);
  if (stands || by == links_.end() ||
      !contacts_.begun(from, now_.steady_ms).offers.take(now_.steady_ms, wire::offers) ||
      !by->second->offers.take(now_.steady_ms, wire::offers_by) || !offers_.take(now_.steady_ms, wire::offers_all))
    return void(metrics_["offers_dropped"] += 1);
  std::vector<u32> older;
  for (auto& [no, a] : attempts_)
    if (a.peer == from) older.push_back(no);
  for (u32 no : older) rtc_ended(no);
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
}

void Node::Impl::on_rtc_signal(const RtcSignal& signal) {
  auto it = attempts_.find(signal.attempt);
  if (it == attempts_.end()) return;
  Attempt& a = it->second;
  if (signal.kind != SignalKind::candidate) {
    a.local = peers::fingerprint_of(signal.text);
    if (!a.local) return rtc_ended(signal.attempt);
  }
  send_signal(a, {a.nonce, signal.kind, signal.text});
}

// ---- relays --------------------------------------------------------------------------------------------------------------------------

void Node::Impl::on_relay(Link& link, const wire::Relay& relay) {
  if (!relay.arriving) {
    Link* target = link_to(relay.other);
    bool full = target && buffered(target->id) > peers::relay_bytes_max;  // it takes less than is sent to it
    // Only for two that are in a topic together, here: nobody is sent anything by strangers.
    const bool carried = target && !full && target->kind != LinkKind::relayed && both_in(link, *target) &&
                         link.relays_passed.take(now_.steady_ms, wire::relays_passed) &&
                         (target->relays_passed_to.take(now_.steady_ms, wire::relays_passed_to) ||
                          link.relays_kept.take(now_.steady_ms, wire::relays_kept));
    if (!carried) return send_on(link, wire::Unreachable{relay.other});
    metrics_["relayed_bytes"] += relay.bytes.size();
    return send_on(*target, wire::Relay{link.peer, true, relay.bytes});
  }
  if (config_.anchor || link.kind == LinkKind::relayed) return;  // nobody relays over a relay
  for (auto& [id, l] : links_)
    if (l->kind == LinkKind::relayed && l->carrier == link.id && l->expected == relay.other)
      return link_received(id, relay.bytes);
  auto c = contacts_.find(relay.other);
  if (c == contacts_.end() || !(relay.other < identity_->id())) return;  // nobody we know, or ours to begin
  // Whose first message is no handshake uses up what is its own.
  if (!contacts_.begun(relay.other, now_.steady_ms).sessions.take(now_.steady_ms, wire::sessions) ||
      !link.relayed_sessions.take(now_.steady_ms, wire::relayed_sessions))
    return;
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
  end_unheard(message.other, link.id);
}

// Our offer may have gone to where it is no more. It is not waited for, so that whoever comes back is dialled at once; so often, because
// who tells of them can let them come and go without end.
void Node::Impl::lost_sight(const DeviceId& peer, LinkId via) {
  bool offered = std::ranges::any_of(attempts_, [&](const auto& a) { return unheard(a.second, peer, via); });
  if (offered && redials_.take(now_.steady_ms, wire::redials)) end_unheard(peer, via);
}

// A signal of ours did not get there by that way: what waits for its answer need not.
void Node::Impl::end_unheard(const DeviceId& peer, LinkId via) {
  std::vector<u32> over;
  for (auto& [no, attempt] : attempts_)
    if (unheard(attempt, peer, via)) over.push_back(no);
  for (u32 no : over) rtc_ended(no);
}

}  // namespace perdure
