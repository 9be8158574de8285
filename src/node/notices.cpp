// What the app is told: at most one notice of each kind a turn, and only what differs from the last one.
#include <algorithm>
#include <ranges>

#include "node/impl.hpp"

namespace perdure {

namespace {

bool same(const TopicNotice& a, const TopicNotice& b) {
  return a.state == b.state && a.length == b.length && a.unread == b.unread && a.pending == b.pending &&
         a.behind == b.behind && a.held == b.held && a.unreadable == b.unreadable && a.peers == b.peers &&
         a.map_size == b.map_size;
}

bool same(const std::vector<MemberOut>& a, const std::vector<MemberOut>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const MemberOut& x, const MemberOut& y) {
    return x.id == y.id && x.name == y.name && x.online == y.online && x.own == y.own &&
           (x.online || x.last_seen_ms == y.last_seen_ms);
  });
}

std::string lasting(i64 ms) {
  const i64 minutes = ms / 60'000;
  return minutes < 120 ? std::to_string(minutes) + " minutes" : std::to_string(minutes / 60) + " hours";
}

std::string named(const auto& numbers, const auto& topics) {
  std::string names;
  for (TopicNo no : numbers) {
    const auto topic = topics.find(no);
    if (topic == topics.end()) continue;
    names += (names.empty() ? "" : ", ") +
             (topic->second->name ? "\"" + *topic->second->name + "\"" : "a topic without a name");
  }
  return names;
}

// With the topics that it is about.
std::string reason_of(const AnchorEntry& anchor, const auto& topics) {
  const std::string names = named(std::views::keys(anchor.refusing), topics);
  return names.empty() ? anchor.reason : anchor.reason + " (" + names + ")";
}

// A long list is told after a while, with all that has changed by then.
void tell_soon(std::optional<u64>& at, u64 now_ms, std::size_t length) {
  u64 soon = now_ms + (length > params::list_long ? params::members_delay_ms : 0);
  at = std::min(at.value_or(soon), soon);
}

}  // namespace

StatusNotice Node::Impl::status() {
  StatusNotice s;
  auto of = [&](LinkKind kind) {
    auto count = greeted_.find(kind);
    return count == greeted_.end() ? 0 : count->second;
  };
  s.webrtc = of(LinkKind::datachannel);
  s.websocket = of(LinkKind::websocket);
  s.relayed = of(LinkKind::relayed);
  s.local = of(LinkKind::local);
  bool connecting = links_.size() > s.webrtc + s.websocket + s.relayed + s.local;
  for (const auto& [url, a] : anchors_) connecting |= a.dialling;
  s.state = s.webrtc + s.websocket + s.relayed + s.local > 0 ? 1 : connecting && online_ ? 2 : 3;
  s.pending = tallies_.pending();
  s.skew_ms = agreement_.skew();
  for (const auto& [code, text] : trouble_) s.trouble.push_back({code, text});
  // As far as nobody corrects it. Others hold back what is dated ahead, and can tell its writer nothing.
  const i64 fast = agreement_.offset().value_or(0) - s.skew_ms.value_or(0);
  if (!config_.anchor && fast > static_cast<i64>(clock::hold_back_ms))
    s.trouble.push_back(
        {Code::not_allowed, "This device's clock is " + lasting(fast) +
                                " ahead of others: what is said here shows there only when it is due. Set the clock."});
  if (const std::string newer = named(tallies_.newer(), topics_); !newer.empty())
    s.trouble.push_back({Code::outdated, "A newer version of this app has written what this one cannot read, in " +
                                             newer + ". It is kept and passed on; reload to run the newer version."});
  for (const auto& [url, a] : anchors_)
    if (a.state == AnchorState::refused) s.trouble.push_back({Code::not_allowed, url + ": " + reason_of(a, topics_)});
  return s;
}

void Node::Impl::topic_notice(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  TopicNotice n = std::exchange(e.pending_notice, {});
  n.topic = topic->no;
  n.state = sync_.state(topic);
  n.length = topic->counters.length;
  n.unread = topic->counters.unread;
  n.pending = pending(topic);
  n.behind = sync_.behind(topic);
  n.held = topic->counters.held_back;
  n.unreadable = topic->counters.opaque;
  n.map_size = topic->counters.map_size;
  std::set<DeviceId> peers;
  for (LinkId id : sync_.links(topic))
    if (auto link = links_.find(id); link != links_.end() && !link->second->anchor) peers.insert(link->second->peer);
  n.peers = static_cast<u32>(peers.size());
  bool news = n.timeline || n.copies || n.all_keys || !n.keys.empty();
  if (!news && same(n, e.last_notice) && e.last_notice.topic == n.topic) return;
  e.last_notice = n;
  actions_.push_back(std::move(n));
}

PeersNotice Node::Impl::peers_notice() {
  PeersNotice notice;
  std::set<DeviceId> linked;
  auto name_of = [&](const DeviceId& id) {
    for (const auto& [no, e] : extras_)
      if (auto it = e.names.find(id); it != e.names.end()) return it->second;
    return std::string();
  };
  for (const auto& [id, link] : links_) {
    if (!link->greeted) continue;
    linked.insert(link->peer);
    notice.peers.push_back({link->peer, name_of(link->peer), PeerState::connected, link->kind, link->round_trip_ms,
                            link->anchor, link->able.version});
  }
  for (const auto& [no, attempt] : attempts_)
    if (linked.insert(attempt.peer).second)
      notice.peers.push_back(
          {attempt.peer, name_of(attempt.peer), PeerState::connecting, LinkKind::datachannel, std::nullopt, false, {}});
  for (const auto& [id, contact] : contacts_)
    if (linked.insert(id).second)
      notice.peers.push_back({id, name_of(id), PeerState::away, LinkKind::relayed, std::nullopt, false, {}});
  std::sort(notice.peers.begin(), notice.peers.end(), [](const PeerOut& a, const PeerOut& b) { return a.id < b.id; });
  return notice;
}

std::optional<TopicOut> Node::Impl::listed(TopicNo no) const {
  auto found = topics_.find(no);
  if (found == topics_.end() || found->second->left || !found->second->keys) return std::nullopt;
  const Topic& topic = *found->second;
  const auto [unread, greatest] = topic.listed();
  TopicOut out{no, topic.id, topic.name, unread, std::nullopt};
  if (greatest.value != 0) out.last_activity_ms = greatest.ms();
  return out;
}

void Node::Impl::notices() {
  if (storage_.gone() && std::exchange(status_dirty_, false)) actions_.push_back(status());
  if (!storage_.started() || config_.anchor) return;
  for (TopicNo no : touched_) {
    auto found = topics_.find(no);
    if (found == topics_.end() || !found->second->open || !found->second->loaded) continue;
    const TopicPtr& topic = found->second;
    TopicExtra& e = extra(topic);
    if (std::exchange(e.dirty, false) || sync_.state(topic) != e.last_notice.state) topic_notice(topic);
    if (std::exchange(e.members_dirty, false)) tell_soon(e.members_at, now_.steady_ms, e.last_members.size());
    if (e.members_at && *e.members_at <= now_.steady_ms) {
      e.members_at.reset();
      MembersNotice notice{no, members(topic)};
      if (!same(notice.members, e.last_members)) {
        e.last_members = notice.members;
        actions_.push_back(std::move(notice));
      }
    }
  }
  if (std::exchange(status_dirty_, false)) actions_.push_back(status());
  if (std::exchange(peers_dirty_, false)) tell_soon(peers_at_, now_.steady_ms, peers_told_);
  if (peers_at_ && *peers_at_ <= now_.steady_ms) {
    peers_at_.reset();
    PeersNotice notice = peers_notice();
    peers_told_ = notice.peers.size();
    actions_.push_back(std::move(notice));
  }
  if (std::exchange(anchors_dirty_, false)) {
    AnchorsNotice notice;
    for (const auto& [url, a] : anchors_) notice.anchors.push_back({url, a.state, a.pinned, reason_of(a, topics_)});
    actions_.push_back(std::move(notice));
  }
  if (topic_list_.told())
    for (TopicNo no : touched_) topic_list_.look(no, listed(no));
  else
    for (const auto& [no, topic] : topics_) topic_list_.look(no, listed(no));
  if (auto notice = topic_list_.take()) actions_.push_back(std::move(*notice));
}

}  // namespace perdure
