#include "crypto/hash.hpp"
#include "node/impl.hpp"

namespace perdure {

Node::Node(Config config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Node::~Node() = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Turn Node::handle(Instant now, std::vector<Event> events) { return impl_->handle(now, std::move(events)); }
const DeviceId& Node::id() const { return impl_->id(); }

Node::Impl::Impl(Config config)
    : config_(std::move(config)),
      memory_(params::memory(config_.memory_bytes)),
      cursor_key_(crypto::derive(config_.device_seed.view(), "perdure/cursor/1")),
      identity_(std::make_shared<identity::Identity>(config_.app, config_.device_seed)),
      random_(config_.random_seed),
      static_key_(session::make_static_key(*identity_, random_)),
      transactions_(config_.cache_bytes),
      sync_(transactions_, *identity_, config_.anchor,
            {memory_.queued, memory_.claims, memory_.link_claims, memory_.kept, memory_.passed}, *this) {
  served_.insert(config_.topics.begin(), config_.topics.end());
  transactions_.on_failure = [this](SaveOutcome outcome) { storage_failed(outcome); };
  transactions_.on_reopened = [this](Reopening outcome) { carry_on(storage_.reopened(now_.steady_ms, outcome)); };
}

Turn Node::Impl::handle(Instant now, std::vector<Event> events) {
  const i64 stepped = now_.steady_ms == 0 ? 0 : clock::step(now_, now);
  now_ = now;
  if (!storage_.over()) {
    if (stepped != 0) clock_stepped(stepped);
    for (Event& event : events) on_event(event);
    on_time();
    sync_.flush(now_);
    // Steps may finish at once and let others begin: until nothing moves.
    for (std::size_t before = ~std::size_t{0}; before != actions_.size() || transactions_.ready();) {
      before = actions_.size();
      transactions_.flush(actions_);
      sync_.flush(now_);
      check_waiters();
    }
    introductions_time();
    tally();
    notices();
    // Last, so that what was sent in this turn goes out first.
    for (LinkId link : std::exchange(closing_links_, {})) actions_.push_back(CloseLink{link});
  } else {
    for (Event& event : events)
      if (auto* call = std::get_if<Call>(&event)) on_call(*call);  // each hears why
  }
  closed_.clear();
  if (!storage_.over()) settle_touched();
  Turn turn;
  turn.actions = std::exchange(actions_, {});
  turn.deadline_ms = deadline();
#ifdef PERDURE_AUDIT
  if (!storage_.over()) audit();
#endif
  return turn;
}

void Node::Impl::on_event(Event& event) {
  std::visit(
      [this]<class E>(E& e) {
        if constexpr (std::is_same_v<E, Start>) start(e);
        else if constexpr (std::is_same_v<E, RowsRead> || std::is_same_v<E, Saved> || std::is_same_v<E, Reopened>)
          transactions_.on_event(e);
        else if constexpr (std::is_same_v<E, LinkOpened>) link_opened(e);
        else if constexpr (std::is_same_v<E, LinkReceived>) link_received(e.link, e.bytes);
        else if constexpr (std::is_same_v<E, LinkClosed>) link_closed(e.link, true);
        else if constexpr (std::is_same_v<E, LinkDrained>) {
          if (auto it = links_.find(e.link); it != links_.end()) set_buffered(*it->second, e.buffered);
        } else if constexpr (std::is_same_v<E, DialFailed>) {
          auto it = anchors_.find(e.url);
          if (it == anchors_.end()) return;
          AnchorEntry& a = it->second;
          a.dialling = false;
          ++a.failures;
          if (a.state != AnchorState::refused) {
            a.state = AnchorState::unreachable;
            a.reason = "Nobody answers at this address, or whoever does makes no WebSocket of it now. It is tried again; check the address if that lasts.";
          }
          u64 wait = std::min(params::anchor_retry_ms << std::min(a.failures, 6u), params::anchor_retry_ms_max);
          a.next_dial_ms = now_.steady_ms + wait / 2 + random_.below(wait / 2 + 1);
          anchors_dirty_ = status_dirty_ = true;
        } else if constexpr (std::is_same_v<E, RtcSignal>) on_rtc_signal(e);
        else if constexpr (std::is_same_v<E, RtcFailed>) rtc_ended(e.attempt);
        else if constexpr (std::is_same_v<E, Network>) {
          online_ = e.online;
          status_dirty_ = true;
          if (online_)
            for (auto& [url, a] : anchors_) a.next_dial_ms = now_.steady_ms;
        } else if constexpr (std::is_same_v<E, Room>) room_again();
        else if constexpr (std::is_same_v<E, Visibility>) {
        }  // nothing depends on it
        else if constexpr (std::is_same_v<E, Goodbye>) {
          for (auto& [id, link] : links_)
            if (link->greeted) send_on(*link, wire::Bye{});
        } else if constexpr (std::is_same_v<E, Call>) {
          if (!storage_.gone() && !storage_.started() && early_calls_.size() < params::early_calls_max)
            early_calls_.push_back(std::move(e));
          else if (!storage_.gone() && !storage_.started())
            fail(e.call, Code::storage_unavailable,
                 "4,096 calls wait for the store to be read already. Await earlier ones before making more.");
          else on_call(e);
        }
      },
      event);
}

void Node::Impl::on_time() {
  carry_on(storage_.on_time(now_.steady_ms, transactions_.failed()));
  if (const auto at = disk_room_.deadline(); at && *at <= now_.steady_ms) room_again();
  links_time();
  hear_waiting();
  dial_anchors();
  dial_contacts();
  topics_time();
  if (config_.anchor && storage_.started() && leases_at_ <= now_.steady_ms) check_leases();
  if (config_.anchor && storage_.started() && metrics_at_ <= now_.steady_ms) {
    metrics_at_ = now_.steady_ms + 1'000;
    MetricsNotice notice;
    u64 logs = 0;
    for (auto& [no, topic] : topics_) logs += topic->logs.size();
    metrics_["links"] = links_.size();
    metrics_["topics"] = topics_.size();
    metrics_["logs"] = logs;
    metrics_["total_bytes"] = total_bytes_;
    metrics_["saved_bytes"] = transactions_.saved_bytes();
    for (const auto& [name, value] : metrics_) notice.counters.emplace_back(name, value);
    actions_.push_back(std::move(notice));
  }
}

std::optional<u64> Node::Impl::deadline() {
  if (storage_.over()) return std::nullopt;
  std::optional<u64> at = sync_.deadline();
  auto take = [&](u64 t) {
    if (!at || t < *at) at = t;
  };
  if (auto store = storage_.deadline()) take(*store);
  if (auto room = disk_room_.deadline()) take(*room);
  if (auto links = link_timers_.next()) take(*links);
  if (storage_.started() && online_)
    for (const auto& [url, a] : anchors_)
      if (!a.link && !a.through && !a.dialling) take(a.next_dial_ms);
  for (LinkId id : waiting_links_) take(rested_at(id));
  if (peers_at_) take(*peers_at_);
  for (const auto& [to, waiting] : introducing_)
    if (!waiting.nobody()) take(waiting.next_ms);
  for (const auto& [no, attempt] : attempts_) take(attempt.deadline_ms);
  if (!config_.anchor && redial_) dial_at_ = next_dial();
  if (dial_at_) take(*dial_at_);
  if (auto topics = topic_timers_.next()) take(*topics);
  if (config_.anchor && storage_.started()) take(metrics_at_);
  if (at && *at <= now_.steady_ms) at = now_.steady_ms + 1;
  return at;
}

// ---- what sync asks ---------------------------------------------------------------------------------------------------------

void Node::Impl::send(LinkId id, Bytes frame) {
  auto it = links_.find(id);
  if (it == links_.end() || !it->second->session || !it->second->session->established()) return;
  const auto tag = static_cast<wire::Tag>(frame[0]);
  if (wire::may_skip(tag) && tag != wire::Tag::abilities && !it->second->able.knows(tag)) return;
  // It is said again soon, and by then this one would be old.
  if (tag == wire::Tag::presence && (buffered(id) > params::presence_unsent_max || unsent_ > memory_.unsent / 2))
    return void(metrics_["presence_dropped"] += 1);
  for (Bytes& piece : it->second->session->send(frame)) transmit(*it->second, piece);
}

u64 Node::Impl::buffered(LinkId id) const {
  auto it = links_.find(id);
  if (it == links_.end()) return 0;
  if (it->second->kind == LinkKind::relayed) return buffered(it->second->carrier);
  return it->second->buffered;
}

Bytes Node::Impl::origin(LinkId id) const {
  auto it = links_.find(id);
  return it == links_.end() ? Bytes{} : it->second->address;
}

void Node::Impl::fault(LinkId id, sync::Fault) {
  metrics_["faults"] += 1;
  link_closed(id, false);
}

void Node::Impl::stored(const TopicPtr& topic, const crdt::Changes& changes) {
  if (!topic->open) return;
  TopicExtra& e = extra(topic);
  if (config_.anchor) topic->stored = true;  // with what was said in it
  e.dirty = true;
  status_dirty_ |= topic->counters.newer > 0;
  for (LogNo no : changes.opaque) e.own_unreadable |= topic->logs[no].pending.device == identity_->id();
  if (!changes.opaque.empty()) report_holes();
  if (!e.members_at) e.members_at = now_.steady_ms + params::members_delay_ms;
  waiters_.look();
  e.pending_notice.timeline |= changes.timeline;
  e.pending_notice.all_keys |= changes.all_keys;
  auto& keys = e.pending_notice.keys;
  if (keys.size() + changes.keys.size() > 256) e.pending_notice.all_keys = true;
  else keys.insert(keys.end(), changes.keys.begin(), changes.keys.end());
  no_trouble(Code::storage_full);
}

void Node::Impl::progressed(const TopicPtr& topic) {
  if (!topic->open) return;
  extra(topic).dirty = true;
  waiters_.look();
  served_again(topic);
  pass_holes(topic);
}

void Node::Impl::acked(const TopicPtr& topic) {
  if (!topic->open) return;
  TopicExtra& e = extra(topic);
  e.dirty = true;
  e.pending_notice.copies = true;
  status_dirty_ = true;
  waiters_.look();
  served_again(topic);
}

namespace {
std::string name_of(wire::Refusal why) {
  switch (why) {
    case wire::Refusal::not_served: return "not_served";
    case wire::Refusal::not_proved: return "not_proved";
    case wire::Refusal::total_quota: return "total_quota";
    case wire::Refusal::topic_quota: return "topic_quota";
    case wire::Refusal::device_quota: return "device_quota";
    case wire::Refusal::full_disk: return "full_disk";
    case wire::Refusal::too_many_links: return "too_many_links";
    case wire::Refusal::address_quota: return "address_quota";
  }
  return "";
}
}  // namespace

void Node::Impl::refused(wire::Refusal why) {
  metrics_["refused_" + name_of(why)] += 1;
  if (!config_.anchor && why == wire::Refusal::total_quota)
    trouble(
        Code::storage_full,
        "The storage that this app allows is used up: what comes from others is not stored. Raise limits.storageMB.");
}

// Topics that nobody has used for the length of a lease make room. While somebody is linked a topic is in use.
void Node::Impl::check_leases() {
  leases_at_ = now_.steady_ms + params::lease_check_ms;
  u64 lease_ms = u64{config_.quotas.lease_days} * 86'400'000;
  std::vector<TopicPtr> over;
  for (auto& [no, topic] : topics_)
    if (!sync_.links(topic).empty()) used(topic);
    else if (leases_end_at_ <= now_.steady_ms && topic->last_used_ms + lease_ms < now_.wall_ms) over.push_back(topic);
  for (const TopicPtr& topic : over) {
    metrics_["leases_ended"] += 1;
    forget_topic(topic, [](SaveOutcome) {});
  }
}

// Nothing is kept of a topic in which nothing was said; of others, when they were used last, to the hour.
void Node::Impl::used(const TopicPtr& topic) {
  topic->last_used_ms = std::max(topic->last_used_ms, now_.wall_ms);
  if (topic->written && topic->kept_used_ms + params::lease_check_ms <= now_.wall_ms)
    save_topic(topic, topic->left, [](SaveOutcome) {});
}

void Node::Impl::apply(const TopicPtr& topic, const std::vector<sync::LogUpdate>& updates) {
  for (const sync::LogUpdate& update : updates) topic->apply(update);
  sync_.stir(topic->no);
  touched_.insert(topic->no);
}

void Node::Impl::count_bytes(const TopicPtr& topic, u64 bytes) {
  total_bytes_ += bytes - std::exchange(topic->counted, bytes);
}

// An edge counts the topics that are open, and tells nobody's writing from another's.
wire::Refusal* Node::Impl::quota(const Topic& topic, const DeviceId& device, u64 bytes, const Bytes& from) {
  if (!config_.anchor) {
    // As of the turn before, and what has changed in this one.
    bytes += tallies_.bytes();
    for (TopicNo no : touched_) {
      auto open = topics_.find(no);
      bytes += (open == topics_.end() ? 0 : open->second->bytes) - tallies_.bytes_of(no);
    }
    refusal_ = wire::Refusal::total_quota;
    return bytes > config_.quotas.total_bytes ? &refusal_ : nullptr;
  }
  auto used = topic.device_bytes.find(device);
  u64 of_device = used == topic.device_bytes.end() ? 0 : used->second;
  if (total_bytes_ + bytes > config_.quotas.total_bytes) refusal_ = wire::Refusal::total_quota;
  else if (topic.bytes + bytes > config_.quotas.topic_bytes) refusal_ = wire::Refusal::topic_quota;
  else if (of_device + bytes > config_.quotas.device_bytes) refusal_ = wire::Refusal::device_quota;
  else if (beyond_address(topic, bytes, from)) refusal_ = wire::Refusal::address_quota;
  else if (disk_room_.refuses(topic.no, bytes)) refusal_ = wire::Refusal::full_disk;
  else return nullptr;
  return &refusal_;
}

}  // namespace perdure
