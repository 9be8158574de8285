// Links: sessions on them, who is there, whether they still live.
#include <algorithm>

#include "codec/bytes.hpp"
#include "node/impl.hpp"

namespace perdure {

using peers::Link;

void Node::Impl::link_opened(const LinkOpened& event) {
  auto link = std::make_unique<Link>();
  link->id = event.link;
  link->kind = event.kind;
  link->dialler = event.dialler;
  link->url = event.url;
  link->attempt = event.attempt;
  link->self = identity_;
  link->address = event.address;
  link->admitted = event.admitted;
  if (event.kind == LinkKind::websocket && event.dialler) {
    auto a = anchors_.find(event.url);
    if (a == anchors_.end()) return closing_links_.push_back(event.link);  // removed while it was being dialled
    a->second.dialling = false;
    a->second.link = event.link;
    anchors_dirty_ = true;
  }
  link->purse = Purses::name(event);
  link->shared = purses_.join(link->purse, now_.steady_ms);
  if (config_.anchor && !admit(*link, event)) {
    purses_.leave(link->purse, now_.steady_ms);
    return closing_links_.push_back(event.link);
  }
  Bytes binding;
  if (event.kind == LinkKind::datachannel) {
    auto a = attempts_.find(event.attempt);
    if (a == attempts_.end() || !a->second.local || !a->second.remote) {
      purses_.leave(link->purse, now_.steady_ms);
      closing_links_.push_back(event.link);
      return;
    }
    a->second.link = event.link;
    link->expected = a->second.peer;
    link->dialler = a->second.initiator;
    binding = peers::binding_of(*a->second.local, *a->second.remote);
  }
  auto key = static_key_;
  if (config_.anchor) key = session::make_static_key(*link->self, random_);  // signed for that network
  link->session = std::make_unique<session::Session>(
      *link->self, key, random_,
      session::Session::Options{link->dialler, link->kind, std::move(binding), greeting(*link)});
  Link& l = *(links_[event.link] = std::move(link));
  open_session(l);
}

void Node::Impl::open_session(Link& link) {
  link.opened_ms = link.heard_ms = link.pinged_ms = now_.steady_ms;
  time_link(link);
  status_dirty_ = true;
  for (Bytes& b : link.session->start()) transmit(link, b);
}

void Node::Impl::transmit(Link& link, ByteView bytes) {
  if (link.kind == LinkKind::relayed) {
    auto carrier = links_.find(link.carrier);
    if (carrier != links_.end()) send_on(*carrier->second, wire::Relay{*link.expected, false, own(bytes)});
    return;
  }
  if (link.choked) return;
  metrics_["bytes_out"] += bytes.size();
  actions_.push_back(Send{link.id, own(bytes)});
  set_buffered(link, link.buffered + bytes.size());
  if (link.buffered > peers::buffered_bytes_max) choke(link);
  make_room();
}

void Node::Impl::set_buffered(Link& link, u64 bytes) {
  auto counts = [](u64 waiting) { return waiting - std::min(waiting, params::unsent_untold); };
  if (!link.choked) unsent_ += counts(bytes) - counts(link.buffered);
  link.buffered = bytes;
}

// What waits for it counts no more: it is closed with this turn or the next.
void Node::Impl::choke(Link& link) {
  set_buffered(link, 0);
  link.choked = true;
  choked_links_.insert(link.id);
}

void Node::Impl::make_room() {
  while (unsent_ > memory_.unsent) {
    auto most = std::ranges::max_element(links_, {},
                                         [](const auto& l) { return l.second->choked ? 0 : l.second->buffered; });
    choke(*most->second);
    metrics_["links_choked"] += 1;
  }
}

void Node::Impl::link_received(LinkId id, ByteView bytes) {
  auto it = links_.find(id);
  if (it == links_.end()) return;
  Link& link = *it->second;
  link.heard_ms = now_.steady_ms;
  time_link(link);
  metrics_["bytes_in"] += bytes.size();
  bool before = link.session->established();
  unfinished_ -= link.session->unfinished();
  session::Session::Input in = link.session->on_bytes(bytes);
  unfinished_ += link.session->unfinished();
  for (Bytes& b : in.to_send) transmit(link, b);
  if (in.fault != session::Fault::none) {
    metrics_["faults"] += 1;
    if (auto a = anchors_.find(link.url); a != anchors_.end())
      a->second.reason = "What answers at this address does not speak Perdure, or not for this app. Check the address.";
    return link_closed(id, false);
  }
  if (!before && link.session->established()) {
    if (link.expected && *link.expected != link.session->peer()) return link_closed(id, false);
    link.peer = link.session->peer();
    on_greeting(link);
  }
  for (const Bytes& frame : in.frames) {
    auto again = links_.find(id);
    if (again == links_.end()) return;  // a frame before this one cost it its life
    on_frame(*again->second, frame);
  }
  if (unfinished_ <= memory_.unfinished) return;
  auto most = std::ranges::max_element(links_, {}, [](const auto& l) {
    return (l.second->session ? l.second->session->unfinished() : 0) + l.second->waiting_bytes;
  });
  fault(most->first, sync::Fault::too_much);
}

void Node::Impl::say_abilities(Link& link) {
  wire::Able able{
      {}, link.kind == LinkKind::relayed ? 0 : u64{session::piece_max}, params::batch_format_newest, config_.version};
  for (u32 tag = 128; tag < 256; ++tag)
    if (wire::known(static_cast<wire::Tag>(tag))) able.numbers.insert(tag);
  send_on(link, wire::say(able));
}

void Node::Impl::on_frame(Link& link, ByteView bytes) {
  auto frame = wire::parse(bytes);
  if (!frame) return fault(link.id, sync::Fault::malformed);
  const bool known = wire::known(frame->tag);
  if (!known && !wire::may_skip(frame->tag)) return fault(link.id, sync::Fault::malformed);
  if (!afford(link, *frame) || !known) return;
  if (wire::waits(frame->tag) && (!link.waiting.empty() || rested_at(link.id) > now_.steady_ms))
    return wait(link, bytes);
  hear(link, *frame);
}

void Node::Impl::hear(Link& link, const wire::Frame& heard) {
  const wire::Frame* frame = &heard;
  const wire::Price& price = wire::price_of(frame->tag);
  if (wire::waits(frame->tag)) charge(link.id, price.work + u64{price.work_kib} * frame->body.size() / 1024);
  auto handle = [&]<class M>(auto&& use) {
    if (auto m = wire::decode<M>(*frame)) use(*m);
    else fault(link.id, sync::Fault::malformed);
  };
  switch (frame->tag) {
    case wire::Tag::ping:
      return handle.template operator()<wire::Ping>([&](auto& m) { send_on(link, wire::Pong{m.id, now_.wall_ms}); });
    case wire::Tag::pong: return handle.template operator()<wire::Pong>([&](auto& m) { on_pong(link, m); });
    case wire::Tag::bye: return handle.template operator()<wire::Bye>([&](auto& m) { on_bye(link, m); });
    case wire::Tag::abilities:
      return handle.template operator()<wire::Abilities>([&](auto& m) {
        link.able = wire::hear(m);
        link.session->send_pieces_of(link.able.piece_bytes);
        peers_dirty_ = true;
      });
    case wire::Tag::topics: return handle.template operator()<wire::Topics>([&](auto& m) { on_topics(link, m); });
    case wire::Tag::enter:
      return handle.template operator()<wire::Enter>([&](auto& m) { on_enter(link, frame->header.alias, m); });
    case wire::Tag::refused:
      return handle.template operator()<wire::Refused>([&](auto& m) { on_refused(link, frame->header.alias, m); });
    case wire::Tag::signal: return handle.template operator()<wire::Signal>([&](auto& m) { on_signal(link, m); });
    case wire::Tag::relay: return handle.template operator()<wire::Relay>([&](auto& m) { on_relay(link, m); });
    case wire::Tag::unreachable:
      return handle.template operator()<wire::Unreachable>([&](auto& m) { on_unreachable(link, m); });
    default: break;
  }
  // All others speak of a topic. An alias that we do not know (yet, or no longer) is no fault: the topic may just have been closed.
  auto alias = link.their_aliases.find(frame->header.alias);
  if (alias == link.their_aliases.end()) return;
  auto found = topics_.find(alias->second);
  if (found == topics_.end()) return;
  TopicPtr topic = found->second;
  if (frame->tag == wire::Tag::closed) return unshare(link, topic), member_gone(topic, link.peer);
  if (frame->tag == wire::Tag::introduce)
    return handle.template operator()<wire::Introduce>([&](auto& m) { on_introduce(link, topic, m); });
  if (frame->tag == wire::Tag::presence) return on_presence(link, topic, *frame);
  sync_.on_frame(now_, topic, link.id, *frame);
}

Bytes Node::Impl::greeting(const Link& link) const {
  const u32 port = config_.stun_port;
  return wire::encode_body(wire::Greeting{wire::wire_version,
                                          static_cast<u8>(config_.anchor ? 1 : 0),
                                          config_.rtc,
                                          epoch_,
                                          {static_cast<u8>(port >> 8), static_cast<u8>(port)},
                                          link.refusal ? static_cast<u8>(*link.refusal) : u8{0}});
}

// An anchor is told which topics there are. So its word is not enough: it is one where it was linked by the host, or where we dialled an
// address that was given for one.
bool Node::Impl::believed(const Link& link) const {
  return link.dialler &&
         (link.kind == LinkKind::local || (link.kind == LinkKind::websocket && anchors_.contains(link.url)));
}

// The session stands: who is there has said so in the handshake.
void Node::Impl::on_greeting(Link& link) {
  auto read = wire::decode_body<wire::Greeting>(link.session->greeting());
  if (!read || read->version != wire::wire_version) return fault(link.id, sync::Fault::malformed);
  const wire::Greeting& greeting = *read;
  if (link.refusal) {
    refused(*link.refusal);
    return link_closed(link.id, false);
  }
  if (!crowd_in(link)) {
    refused(wire::Refusal::too_many_links);
    send_on(link, wire::Refused{static_cast<u8>(wire::Refusal::too_many_links)});
    return link_closed(link.id, false);
  }
  if (greeting.refusal != 0) {
    anchor_refused(link, greeting.refusal);
    return link_closed(link.id, false);
  }
  link.greeted = true;
  ++greeted_[link.kind];
  linked_[link.peer].insert(link.id);
  redial_ = true;
  link.fresh_keys = greeting.role == 1;
  link.anchor = greeting.role == 1 && believed(link);
  link.rtc = greeting.rtc;
  link.stun_port = u32{greeting.stun_port[0]} << 8 | greeting.stun_port[1];
  link.epoch = greeting.epoch;
  if (auto a = anchors_.find(link.url); a != anchors_.end() && a->second.link == link.id) {
    AnchorEntry& anchor = a->second;
    if (anchor.pinned && *anchor.pinned != link.peer) {
      anchor.state = AnchorState::refused;
      anchor
          .reason = "Another key answers at this address than at first contact. Remove the anchor and add it again if that is right.";
      anchor.next_dial_ms = now_.steady_ms + params::anchor_retry_ms_max;
      anchors_dirty_ = true;
      return link_closed(link.id, false);
    }
    bool first = !anchor.pinned;
    anchor.pinned = link.peer;
    waiters_.look();
    anchor.state = AnchorState::connected;
    anchor.reason.clear();
    anchor.refusing.clear();
    anchors_dirty_ = true;
    if (first) add_anchor(link.url, true);
  }
  LinkId id = link.id;
  settle_duplicates(link);
  if (links_.contains(id)) link_up(link);
}

// One link a peer: the better kind, of equal ones the newer. Both sides decide alike. What leads to a core that was there before the
// peer started anew is dead, however good it was: only its silence has not been noticed yet.
void Node::Impl::settle_duplicates(Link& fresh) {
  std::vector<LinkId> worse;
  bool lost = false;
  for (auto& [id, other] : links_) {
    if (id == fresh.id || !other->greeted || other->peer != fresh.peer ||
        other->self->network() != fresh.self->network())
      continue;
    bool before = !fresh.fresh_keys && other->session->peer_key() != fresh.session->peer_key();
    if (!before && peers::rank(other->kind) > peers::rank(fresh.kind)) lost = true;
    else worse.push_back(id);
  }
  if (lost) return link_closed(fresh.id, false);
  for (LinkId id : worse) {
    if (!links_.contains(id)) continue;  // it was carried by one of the others
    if (auto a = anchors_.find(links_[id]->url); a != anchors_.end() && a->first != fresh.url) {
      a->second.link.reset();
      a->second.through = fresh.id;
    }
    send_on(*links_[id], wire::Bye{1});
    link_closed(id, false);
  }
}

void Node::Impl::link_up(Link& link) {
  metrics_["links_opened"] += 1;
  peers_dirty_ = status_dirty_ = true;
  if (link.attempt != 0) attempts_.erase(link.attempt);
  answered(link.peer);
  if (auto c = contacts_.find(link.peer); c != contacts_.end() && link.kind == LinkKind::datachannel)
    c->second.failures = 0;
  say_abilities(link);
  ping(link);
  if (storage_.started()) say_topics(link);
}

void Node::Impl::link_closed(LinkId id, bool told) {
  auto it = links_.find(id);
  if (it == links_.end()) return;
  Link* link = closed_.emplace_back(std::move(it->second)).get();
  links_.erase(it);
  link_timers_.stop(id);
  if (link->greeted) {
    --greeted_[link->kind];
    auto known = linked_.find(link->peer);
    known->second.erase(id);
    if (known->second.empty()) linked_.erase(known);
  }
  redial_ = true;
  if (!told && link->kind != LinkKind::relayed) closing_links_.push_back(id);
  choke(*link);
  unfinished_ -= link->session->unfinished() + link->waiting_bytes;
  waiting_links_.erase(id);
  purses_.leave(link->purse, now_.steady_ms);
  status_dirty_ = peers_dirty_ = true;
  for (auto& [url, a] : anchors_) {
    if (a.through != id) continue;
    a.through.reset();
    a.state = AnchorState::connecting;
    a.next_dial_ms = now_.steady_ms;
    anchors_dirty_ = true;
  }
  if (auto a = anchors_.find(link->url); a != anchors_.end() && a->second.link == id) {
    AnchorEntry& anchor = a->second;
    anchor.unlinked();
    if (anchor.state != AnchorState::refused)
      anchor.state = link->greeted ? AnchorState::connecting : AnchorState::unreachable;
    if (!link->greeted && anchor.reason.empty())
      anchor
          .reason = "What answers at this address ends the link before it is greeted. It is tried again; check the address if that lasts.";
    if (!link->round_trip_ms) ++anchor.failures;  // also one that has greeted may refuse the link behind that
    u64 wait = std::min(params::anchor_retry_ms << std::min(anchor.failures, 6u), params::anchor_retry_ms_max);
    anchor.next_dial_ms = std::max(anchor.next_dial_ms, now_.steady_ms + wait / 2 + random_.below(wait / 2 + 1));
    anchors_dirty_ = true;
  }
  if (auto c = contacts_.find(link->peer); c != contacts_.end() && link->greeted && link->kind == LinkKind::datachannel)
    c->second.next_try_ms = now_.steady_ms;
  if (auto c = contacts_.find(link->peer); c != contacts_.end()) c->second.waits_since_ms = now_.steady_ms;
  if (link->kind == LinkKind::relayed && link->dialler && !link->greeted) unanswered(*link->expected, link->carrier);
  if (link->attempt != 0) rtc_ended(link->attempt);
  std::set<TopicNo> shared;
  for (const auto& [alias, no] : link->their_aliases) shared.insert(no);
  for (TopicNo no : shared)
    if (auto t = topics_.find(no); t != topics_.end()) unshare(*link, t->second);
  forget_introducer(id, std::nullopt);
  std::vector<LinkId> carried;
  for (auto& [other, l] : links_)
    if (l->kind == LinkKind::relayed && l->carrier == id) carried.push_back(other);
  for (LinkId other : carried) link_closed(other, true);
  if (link->offset_ms) update_clock();
  for (TopicNo no : shared)
    if (auto t = topics_.find(no); t != topics_.end()) member_gone(t->second, link->peer);
}

// Of several to one peer, for as long as there are, the one that came first.
Link* Node::Impl::link_to(const DeviceId& peer) {
  auto known = linked_.find(peer);
  return known == linked_.end() ? nullptr : links_.at(*known->second.begin()).get();
}

}  // namespace perdure
