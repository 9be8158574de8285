// Which topics both ends of a link know: shown by MACs between members, entered with a signature at an anchor, refused there.
#include "identity/invite.hpp"
#include "node/impl.hpp"

namespace perdure {

using peers::Link;

peers::TopicProof Node::Impl::shown_to(const Link& link, const Topic& topic) const {
  return {*topic.keys, link.session->handshake_hash(), identity_->id(), link.peer};
}
peers::TopicProof Node::Impl::shown_by(const Link& link, const Topic& topic) const {
  return {*topic.keys, link.session->handshake_hash(), link.peer, identity_->id()};
}

void Node::Impl::say_topics(Link& link) {
  if (config_.anchor) return;  // it holds no keys, it is told
  for (auto& [no, topic] : topics_)
    if (topic->open && topic->keys) say_topic(link, topic);
}

// What they have shown themselves is heard with that, and may cost a link its life, and with it those that it carries.
template <class F>
void Node::Impl::each_greeted(F use) {
  std::vector<LinkId> greeted;
  for (const auto& [id, link] : links_)
    if (link->greeted) greeted.push_back(id);
  for (LinkId id : greeted)
    if (auto link = links_.find(id); link != links_.end()) use(*link->second);
}

void Node::Impl::say_topics() {
  each_greeted([&](Link& link) { say_topics(link); });
}
void Node::Impl::say_topic(const TopicPtr& topic) {
  each_greeted([&](Link& link) { say_topic(link, topic); });
}

void Node::Impl::say_topic(Link& link, const TopicPtr& topic) {
  if (!link.greeted || link.aliases.contains(topic->no) || !topic->keys || !links_.contains(link.id)) return;
  if (link.anchor) {
    u32 alias = link.next_alias++;
    link.aliases[topic->no] = alias;
    send_on(
        link,
        wire::Enter{topic->id, peers::enter_signature(*topic->keys, link.session->handshake_hash(), identity_->id())},
        alias);
    return share(link, topic, alias);  // an anchor speaks of it by our alias
  }
  const auto us = shown_to(link, *topic);
  u32 alias = link.next_alias;
  link.aliases[topic->no] = alias;
  wire::Topics message{{peers::topic_mac(us)}};
  std::optional<wire::Hello> hello;
  if (topic->loaded) hello = sync::hello_of(us.session, *topic, 1);
  if (peers::pad(us, alias, hello, random_, message.macs))
    link.hellos[topic->no] = {hello->fingerprint, sync_.asked(topic)};
  link.next_alias += peers::shown_macs;
  send_on(link, message);
  if (auto found = link.unmatched.extract(peers::topic_mac(shown_by(link, *topic))))
    matched(link, topic, found.mapped());
}

void Node::Impl::matched(Link& link, const TopicPtr& topic, const peers::ShownTopic& theirs) {
  share(link, topic, theirs.alias);
  if (auto hello = peers::hello_in(shown_by(link, *topic), theirs)) sync_.on_hello(now_, topic, link.id, *hello);
}

void Node::Impl::on_topics(Link& link, const wire::Topics& message) {
  expect(link);
  for (std::span<const wire::Mac> macs(message.macs); !macs.empty() && links_.contains(link.id);) {
    auto one = macs.first(std::min(macs.size(), peers::shown_macs));
    macs = macs.subspan(one.size());
    peers::ShownTopic shown{link.macs_got + 1, {one.begin() + 1, one.end()}};
    link.macs_got += static_cast<u32>(one.size());
    if (auto no = link.macs.find(one[0])) matched(link, topics_[*no], shown);
    else if (link.unmatched.size() < peers::unmatched_max) link.unmatched[one[0]] = std::move(shown);
  }
}

// One keyed hash a topic and link, however often the peer shows something.
void Node::Impl::expect(Link& link) {
  if (std::exchange(link.macs_at, openings_) == openings_) return;
  std::map<TopicNo, peers::TopicProof> open;
  for (auto& [no, topic] : topics_)
    if (topic->open && topic->keys) open.emplace(no, shown_by(link, *topic));
  link.macs.update(open);
}

bool Node::Impl::both_in(const Link& one, const Link& other) const {
  return std::ranges::any_of(one.their_aliases, [&](const auto& alias) {
    auto topic = topics_.find(alias.second);
    return topic != topics_.end() && sync_.exchange(topic->second, other.id);
  });
}

void Node::Impl::on_enter(Link& link, u32 alias, const wire::Enter& enter) {
  if (!config_.anchor || alias == 0) return fault(link.id, sync::Fault::malformed);
  if (!storage_.started())
    return link_closed(link.id, false);  // which topics there are is not known yet; the member comes again
  auto taken = link.their_aliases.find(alias);
  if (!peers::may_enter(enter.topic, link.session->handshake_hash(), link.peer, enter.signature))
    return refused(wire::Refusal::not_proved),
           send_on(link, wire::Refused{static_cast<u8>(wire::Refusal::not_proved)}, alias);
  if (!serves(link, enter.topic))
    return refused(wire::Refusal::not_served),
           send_on(link, wire::Refused{static_cast<u8>(wire::Refusal::not_served)}, alias);
  NetworkId network = link.self->network();
  auto known = topic_numbers_.find({network, enter.topic});
  // An alias stands for one topic as long as it is shared.
  if (taken != link.their_aliases.end() && (known == topic_numbers_.end() || taken->second != known->second))
    return fault(link.id, sync::Fault::malformed);
  bool full = known == topic_numbers_.end() && topics_.size() >= params::anchor_topics_max;
  const bool empty = known == topic_numbers_.end() ||
                     (topics_[known->second]->loaded && topics_[known->second]->logs.empty());
  full |= sync_.shared() >= (empty ? memory_.shared : 2 * memory_.shared);
  if (full || link.their_aliases.size() >= params::link_topics_max)
    return refused(wire::Refusal::total_quota),
           send_on(link, wire::Refused{static_cast<u8>(wire::Refusal::total_quota)}, alias);
  if (known == topic_numbers_.end() && serves_all() && !addresses_.may_make(link.address))
    return refused(wire::Refusal::address_quota),
           send_on(link, wire::Refused{static_cast<u8>(wire::Refusal::address_quota)}, alias);
  const TopicNo next = next_topic_;
  TopicPtr topic = known == topic_numbers_.end() ? make_topic(network, enter.topic) : topics_[known->second];
  const bool fresh = topic->no >= next;  // not one that is there already, or whose row alone was lost
  used(topic);
  if (!topic->open && !topic->written) topic->open = topic->loaded = true;  // there is nothing to be read
  else if (!topic->open) open_topic(topic, std::nullopt);
  link.aliases[topic->no] = alias;
  share(link, topic, alias);
  entered_from(link, topic, fresh);
}

bool Node::Impl::serves(const Link& link, const TopicId& topic) const {
  return serves_all() || link.admitted || served_.contains(topic);
}

// An anchor that is told whom it serves carries nothing for others.
bool Node::Impl::carries_for(const Link& link) const {
  return !config_.anchor || serves_all() || link.admitted || !link.their_aliases.empty();
}

void Node::Impl::anchor_refused(Link& link, u8 reason, TopicNo topic) {
  auto a = anchors_.find(link.url);
  if (a == anchors_.end()) return;
  std::string
      why = "This anchor refused, for a reason that this version does not know. Update the app, or add another anchor.";
  switch (static_cast<wire::Refusal>(reason)) {
    case wire::Refusal::not_served:
      why = topic != 0
                ? "This anchor does not serve this topic; ask who runs it to add the topic, or for an address with a token."
                : "This anchor does not serve this app, or serves only who comes with its token (wss://…/?token=…); ask who runs it.";
      break;
    case wire::Refusal::not_proved:
      why = "This anchor did not accept the proof of membership. Update the app, or add another anchor.";
      break;
    case wire::Refusal::total_quota: why = "This anchor is full; ask who runs it for more room, or add another."; break;
    case wire::Refusal::topic_quota:
      why = "This topic is at the anchor's limit; nothing more of it is stored there. Ask who runs it for more room, or add another.";
      break;
    case wire::Refusal::device_quota:
      why = "This device is at the anchor's limit for this topic; nothing more of it is stored there. Ask who runs it for more room, or add another.";
      break;
    case wire::Refusal::full_disk:
      why = "The anchor's disk is full, or nearly so: what does not fit is kept here and brought again. Who runs it has to make room.";
      break;
    case wire::Refusal::address_quota:
      why = "This anchor stores only so much that comes from one address, and so many topics; it goes on once somebody from elsewhere has entered this one. Else ask who runs it for more room.";
      break;
    case wire::Refusal::too_many_links:
      why = "This anchor serves as many links as it may. It is tried again; add another if that lasts.";
      break;
  }
  a->second.state = AnchorState::refused;
  a->second.reason = why;
  if (topic != 0) a->second.refusing[topic] = reason;
  // Room is made any time; of a topic it hears at once.
  else if (reason != static_cast<u8>(wire::Refusal::too_many_links))
    a->second.next_dial_ms = now_.steady_ms + params::anchor_retry_ms_max;
  anchors_dirty_ = status_dirty_ = true;
}

void Node::Impl::on_refused(Link& link, u32 alias, const wire::Refused& refused) {
  auto no = link.their_aliases.find(alias);
  anchor_refused(link, refused.reason, no == link.their_aliases.end() ? 0 : no->second);
  if (no == link.their_aliases.end()) return;
  if (auto t = topics_.find(no->second); t != topics_.end()) sync_.refused(t->second, link.id);
}

// An anchor that had no room for something of that topic has come to hold all that we do: then it refuses it no more.
void Node::Impl::served_again(const TopicPtr& topic) {
  for (auto& [url, anchor] : anchors_) {
    auto refused = anchor.refusing.find(topic->no);
    if (!anchor.link || refused == anchor.refusing.end()) continue;
    const auto why = static_cast<wire::Refusal>(refused->second);
    if (why != wire::Refusal::not_served && why != wire::Refusal::not_proved && sync_.holds_all(topic, *anchor.link))
      served_again(anchor, topic->no);
  }
}

void Node::Impl::served_again(AnchorEntry& anchor, TopicNo no) {
  if (anchor.refusing.erase(no) == 0 || !anchor.refusing.empty() || !anchor.link ||
      anchor.state != AnchorState::refused)
    return;
  anchor.state = AnchorState::connected;
  anchor.reason.clear();
  anchors_dirty_ = status_dirty_ = true;
}

// Both sides know the topic: from here on sync speaks of it.
void Node::Impl::share(Link& link, const TopicPtr& topic, u32 their_alias) {
  // One alias a topic, the last one said: they are as few as the topics.
  std::erase_if(link.their_aliases, [&](const auto& p) { return p.second == topic->no; });
  link.their_aliases[their_alias] = topic->no;
  if (sync_.exchange(topic, link.id)) return;
  say_topic(link, topic);
  // Saying it found that both know it, or that what came with their MAC breaks the rules: then the link is gone.
  if (sync_.exchange(topic, link.id) || !links_.contains(link.id)) return;
  auto said = link.hellos.extract(topic->no);
  sync_.attach(topic,
               {link.id, link.peer, link.anchor, link.session->handshake_hash(), link.epoch, link.aliases[topic->no]},
               now_, said ? std::optional(said.mapped()) : std::nullopt);
  introduce(link, topic);
  announce_to_newcomer(link, topic);
  if (!link.anchor) note_contact(link.peer, link.rtc, link.id, topic->no);
  extra(topic).members_dirty = extra(topic).dirty = true;
}

void Node::Impl::unshare(Link& link, const TopicPtr& topic) {
  sync_.detach(topic, link.id);
  withdraw(link, topic->no);
  // Whom the peer told us of is not to be reached through it any more, in this topic.
  if (auto told = link.introduced.find(topic->no); told != link.introduced.end()) told->second.devices.clear();
  forget_introducer(link.id, topic->no);
  std::erase_if(link.their_aliases, [&](const auto& p) { return p.second == topic->no; });
  if (!sync_.links(topic).empty()) return;
  if (config_.anchor && topic->logs.empty()) forget_empty(topic);
}

// Anybody can make up topics. Those that nobody has said anything in make room as soon as nobody is there.
void Node::Impl::forget_empty(const TopicPtr& topic) {
  transactions_.run(
      topic->queue(), [](store::Rows&) {},
      [this, topic](SaveOutcome saved) {
        auto found = topics_.find(topic->no);
        if (saved != SaveOutcome::ok || found == topics_.end() || found->second != topic) return;
        if (topic->loaded && topic->logs.empty() && sync_.links(topic).empty()) forget_topic(topic, [](SaveOutcome) {});
      });
}

Result<TopicId> topic_of_invite(std::string_view invite) {
  auto found = identity::decode_invite(invite);
  if (!found) return found.error();
  return identity::topic_keys(found->secret).id;
}

}  // namespace perdure
