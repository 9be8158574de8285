// Topics: made, joined, opened, closed, left; and calls that need no rows.
#include <algorithm>

#include "identity/invite.hpp"
#include "node/impl.hpp"

namespace perdure {

namespace {

std::string invite_to(const Topic& topic, std::vector<std::string> anchors) {
  identity::Invite invite;
  std::copy_n(topic.network.bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = topic.keys->secret;
  invite.anchors = std::move(anchors);
  return identity::encode_invite(invite);
}

// One that is linked and has no room for more of it, or not for another topic, still brings people together.
bool serves(const AnchorEntry& anchor, TopicNo topic) {
  if (anchor.state != AnchorState::refused) return true;
  const auto refused = anchor.refusing.find(topic);
  if (anchor.refusing.empty() || refused == anchor.refusing.end()) return !anchor.refusing.empty();
  const auto why = static_cast<wire::Refusal>(refused->second);
  return why != wire::Refusal::not_served && why != wire::Refusal::not_proved;
}

std::string full_invite(const Topic& topic, const auto& anchors) {
  std::vector<std::string> urls;
  for (const auto& [url, a] : anchors)
    if (urls.size() < 3 && serves(a, topic.no) && url.size() <= 200) urls.push_back(url);
  return invite_to(topic, std::move(urls));
}

// With its invite: by that a host opens the same one again, whatever it is called by then.
OpenedTopic opened(const Topic& topic, const auto& anchors) {
  return {topic.no, topic.id, topic.name, full_invite(topic, anchors)};
}

}  // namespace

void Node::Impl::on_call(Call& call) {
  bool closes = std::holds_alternative<Close>(call.body);
  if (closing_ && !closes) return fail(call.call, Code::closed, "The peer is closed. Open it again with openPeer().");
  if (const Error* gone = storage_.gone()) return closes ? reply(call.call, Nothing{}) : reply(call.call, *gone);
  std::visit(
      [&](auto& body) {
        if constexpr (requires { body.topic; }) {
          // Its rows are being read (again): the call waits for that.
          auto topic = topics_.find(body.topic);
          bool waits = topic != topics_.end() && topic->second->open &&
                       (!topic->second->loaded || extra(topic->second).settling);
          if (waits && extra(topic->second).unusable) return reply(call.call, *extra(topic->second).unusable);
          if (waits) return defer(topic->second, std::move(call));
        }
        this->call(call.call, body);
      },
      call.body);
}

void Node::Impl::defer(const TopicPtr& topic, Call call) {
  TopicExtra& e = extra(topic);
  if (e.deferred.size() < params::early_calls_max) return e.deferred.push_back(std::move(call));
  fail(call.call, Code::storage_unavailable,
       "4,096 calls wait for the topic to be read already. Await earlier ones before making more.");
}

void Node::Impl::call(u32 id, TopicNamed& c) {
  for (auto& [no, topic] : topics_) {
    if (topic->name != c.name || topic->left || !topic->keys) continue;
    const auto e = extras_.find(no);
    // What is called so once that is done is not known yet.
    if (e != extras_.end() && e->second.leaves()) return defer(topic, {id, std::move(c)});
    return enter(id, Secret(topic->keys->secret), c.name, std::nullopt);
  }
  enter(id, random_.fixed<Secret>(), c.name, std::nullopt);
}

void Node::Impl::call(u32 id, TopicCreate& c) {
  if (!c.shortcode) return enter(id, random_.fixed<Secret>(), c.name, std::nullopt);
  std::string code = identity::encode_shortcode(random_.next() >> 4);
  auto secret = identity::secret_of_shortcode(code, identity_->network());
  if (!secret) return reply(id, secret.error());
  enter(id, *secret, c.name, code);
}

void Node::Impl::call(u32 id, TopicJoin& c) {
  auto invite = identity::decode_invite(c.invite, identity_->network());
  if (!invite) return reply(id, invite.error());
  for (const std::string& url : invite->anchors) add_anchor(url, true);
  enter(id, invite->secret, c.name, std::nullopt);
}

void Node::Impl::call(u32 id, TopicJoinCode& c) {
  auto secret = identity::secret_of_shortcode(c.code, identity_->network());
  if (!secret) return reply(id, secret.error());
  enter(id, *secret, c.name, c.code);
}

// Joining twice gives the same topic; a topic that was left is joined again.
void Node::Impl::enter(u32 id, const Secret& secret, std::optional<std::string> name,
                       std::optional<std::string> shortcode) {
  identity::TopicKeys keys = identity::topic_keys(secret);
  auto known = topic_numbers_.find({identity_->network(), keys.id});
  TopicPtr topic = known == topic_numbers_.end() ? make_topic(identity_->network(), keys.id) : topics_[known->second];
  bool changed = !topic->stored || topic->left || (name && topic->name != name);
  topic->keys = std::move(keys);
  // It is being closed or left: what becomes of it is known then.
  if (const auto e = extras_.find(topic->no); e != extras_.end() && !e->second.endings.empty()) {
    if (shortcode) return defer(topic, {id, TopicJoinCode{*shortcode, name}});
    return defer(topic, {id, TopicJoin{invite_to(*topic, {}), name}});
  }
  topic->left = false;
  if (name) topic->name = std::move(name);
  if (shortcode) {
    if (auto plain = identity::normalize_shortcode(*shortcode)) topic->shortcode = *plain;
  }
  touched_.insert(topic->no);
  if (!changed) return open_topic(topic, id);
  save_meta();  // that it has this number
  save_topic(topic, false, [this, topic, id](SaveOutcome saved) {
    if (saved != SaveOutcome::ok) not_entered(topic, saved);
    if (saved != SaveOutcome::ok) return save_failed(id, saved, "the topic was not stored.");
    auto found = topics_.find(topic->no);
    const TopicExtra* e = known_extra(topic);
    const bool left = topic->left || (e && e->leaves());
    if (found != topics_.end() && found->second == topic && !left) open_topic(topic, id);
    else fail(id, Code::closed, "The topic was left while it was being opened. Join it again to open it.");
  });
}

// All is as its row says, and without one there is nothing of it. Whether it was written after all is not known after a save in doubt.
void Node::Impl::not_entered(const TopicPtr& topic, SaveOutcome why) {
  auto found = topics_.find(topic->no);
  if (found == topics_.end() || found->second != topic) return;  // two calls have made it
  touched_.insert(topic->no);
  if (topic->row) {
    topic->name = topic->row->name;
    topic->shortcode = topic->row->shortcode;
    topic->left = topic->row->left;
    topic->stored = why != SaveOutcome::unknown;
    return;
  }
  // What was there before it had a row is not to be lost with it: whoever joins again finds it.
  if (topic->adopted) return void(topic->left = true);
  drop_topic(topic);
  if (why == SaveOutcome::unknown) erase_topic(topic, [](SaveOutcome) {});
}

TopicPtr Node::Impl::make_topic(const NetworkId& network, const TopicId& id) {
  auto topic = std::make_shared<Topic>();
  auto orphan = std::ranges::find_if(orphans_, [&](const auto& o) {
    return identity::may_open(network, id, o.second.device, o.second.incarnation, o.second.certificate);
  });
  if (orphan != orphans_.end()) {
    topic->no = orphan->first;
    topic->written = topic->adopted = true;
    orphans_.erase(orphan);
  } else {
    topic->no = next_topic_++;
  }
  topic->network = network;
  topic->id = id;
  topic->last_used_ms = now_.wall_ms;
  topics_[topic->no] = topic;
  topic_numbers_[{network, id}] = topic->no;
  return topic;
}

void Node::Impl::open_topic(const TopicPtr& topic, std::optional<u32> call) {
  TopicExtra& e = extra(topic);
  // Asked after calls that wait, of which one may close or leave it, or after such a one: so it is answered after them.
  if (call && !(e.endings.empty() && e.deferred.empty()))
    return defer(topic, {*call, TopicJoin{invite_to(*topic, {}), topic->name}});
  if (topic->open && topic->loaded) {
    if (call) reply(*call, opened(*topic, anchors_));
    e.dirty = e.members_dirty = true;
    e.last_notice = {};  // whoever asked wants to hear how it stands
    e.last_members.clear();
    return;
  }
  if (call && e.unusable) return reply(*call, *e.unusable);
  if (call) e.opening_calls.push_back(*call);
  if (topic->open) return;  // on its way
  topic->open = true;
  ++openings_;
  load_topic(topic);
}

void Node::Impl::topic_loaded(const TopicPtr& topic) {
  topic->loaded = true;
  redial_ = true;
  usable(topic);
  if (config_.anchor) count_bytes(topic, topic->bytes), addresses_.settle(topic->no, topic->bytes);
  TopicExtra& e = extra(topic);
  e.dirty = e.members_dirty = true;
  status_dirty_ = true;
  e.pending_notice.timeline = e.pending_notice.all_keys = true;
  for (u32 call : std::exchange(e.opening_calls, {})) reply(call, opened(*topic, anchors_));
  if (!config_.anchor) say_topic(topic);
  sync_.reload(topic, now_, std::exchange(e.failed, false));
  e.settling = !storage_.rests(now_.steady_ms);  // not while the disk has just failed: then nobody is kept waiting
  look_for_uncounted(topic);
  append_waiting(topic);
  if (!e.settling) settled(topic);
  if (config_.anchor && topic->logs.empty() && sync_.links(topic).empty()) forget_empty(topic);
}

// Once what was accepted is durable and answered. What was asked for meanwhile is answered after that.
void Node::Impl::end_topic(const TopicPtr& topic, const Ending& ending) {
  TopicExtra& e = extra(topic);
  if (e.ending && ending.how == Ending::How::close) return defer(topic, {ending.call, TopicClose{topic->no}});
  if (e.ending) return defer(topic, {ending.call, TopicLeave{topic->no, ending.how == Ending::How::forget}});
  e.endings.push_back(ending);
  end_if_idle(topic);
}

void Node::Impl::end_if_idle(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  const bool busy = e.appending || e.reappending || e.releasing || !e.waiting.empty() ||
                    (topic->open && !topic->loaded);
  if (e.endings.empty() || e.ending || busy) return;
  e.ending = true;
  topic->loaded = false;  // from here on nothing new begins
  sync_.stir(topic->no);
  const auto how = std::ranges::max_element(e.endings, {}, &Ending::how)->how;
  auto done = [this, topic, how](SaveOutcome saved) { ended(topic, how, saved); };
  switch (how) {
    case Ending::How::close: return transactions_.run(topic->queue(), [](store::Rows&) {}, done);
    case Ending::How::leave: return save_topic(topic, true, done);
    case Ending::How::forget: return erase_topic(topic, done);
  }
}

// What could not be stored was not done: the topic is read again like all others, and is what it was. It is closed then, if that was asked for.
void Node::Impl::ended(const TopicPtr& topic, Ending::How how, SaveOutcome saved) {
  TopicExtra* found = known_extra(topic);
  if (!found) return;
  found->ending = false;
  if (saved != SaveOutcome::ok) {
    auto left = std::ranges::stable_partition(found->endings,
                                              [](const Ending& e) { return e.how == Ending::How::close; });
    for (const Ending& ending : std::vector(left.begin(), left.end()))
      save_failed(ending.call, saved, "the topic was not left.");
    found->endings.erase(left.begin(), left.end());
    if (how == Ending::How::leave) topic->stored = topic->row.has_value();
    // Whether it was is not known: it is written again.
    if (how != Ending::How::close && saved == SaveOutcome::unknown) save_topic(topic, topic->left, [](SaveOutcome) {});
    if (topic->open) return;
  }
  std::deque<Call> deferred = std::move(found->deferred);
  auto retries = std::move(found->retries);
  auto endings = std::move(found->endings);
  if (topic->open) close_topic(topic);
  else extras_.erase(topic->no);
  if (saved == SaveOutcome::ok && how == Ending::How::leave) topic->left = true;
  if (saved == SaveOutcome::ok && how == Ending::How::forget) drop_topic(topic);
  touched_.insert(topic->no);
  for (const Ending& ending : endings) reply(ending.call, Nothing{});
  for (const Resumed& retry : retries) retry.go();
  for (Call& call : deferred) on_call(call);
}

void Node::Impl::close_topic(const TopicPtr& topic) {
  if (!topic->open) return;
  end_following(topic);
  topic->forget();
}

void Node::Impl::end_following(const TopicPtr& topic) {
  if (!topic->open) return;
  for (auto& [id, link] : links_) {
    if (!sync_.exchange(topic, id)) continue;
    if (link->greeted) send_on(*link, wire::Closed{}, link->aliases[topic->no]);
    // The peer goes on following it: when we open it again, it need not show it anew.
    for (const auto& [alias, no] : link->their_aliases)
      if (no == topic->no && topic->keys && !link->anchor)
        link->unmatched[peers::topic_mac(shown_by(*link, *topic))] = {alias, {}};
    unshare(*link, topic);
  }
  // What a link calls by that alias is not heard any more; opening again makes a new one.
  for (auto& [id, link] : links_) {
    link->aliases.erase(topic->no);
    link->hellos.erase(topic->no);
  }
  sync_.detach_all(topic);
  for (auto& [url, anchor] : anchors_) served_again(anchor, topic->no);
  topic->open = false;
  ++openings_;
  ++topic->reading;
  waiters_.look();
  for (auto& [who, said] : extra(topic).heard) keep_frame(said, {});
  extras_.erase(topic->no);
  touched_.insert(topic->no);
  status_dirty_ = true;
}

TopicPtr Node::Impl::open_one(u32 call, TopicNo no) {
  auto it = topics_.find(no);
  if (it != topics_.end() && it->second->open && it->second->loaded) return it->second;
  fail(call, Code::closed, "The topic is closed; open it again with topic() or join().");
  return nullptr;
}

void Node::Impl::call(u32 id, TopicClose& c) {
  auto it = topics_.find(c.topic);
  if (it == topics_.end() || !it->second->open) return reply(id, Nothing{});
  end_topic(it->second, {Ending::How::close, id});
}

void Node::Impl::call(u32 id, TopicLeave& c) {
  auto it = topics_.find(c.topic);
  if (it == topics_.end()) return reply(id, Nothing{});
  end_topic(it->second, {c.forget ? Ending::How::forget : Ending::How::leave, id});
}

// Every row of it, in one save, behind the steps that are under way: what they still write goes with it. They find in memory what they began
// with, and nobody asks for what becomes of them.
// Those of many topics that are forgotten together go with one save, too.
void Node::Impl::forget_topic(const TopicPtr& topic, store::Transactions::Done done) {
  end_following(topic);
  topic->loaded = false;
  sync_.stir(topic->no);
  drop_topic(topic);
  erase_topic(topic, std::move(done));
}

void Node::Impl::drop_topic(const TopicPtr& topic) {
  count_bytes(topic, 0);
  topic_numbers_.erase({topic->network, topic->id});
  topics_.erase(topic->no);
  touched_.insert(topic->no);
  addresses_.forget(topic->no);
  disk_room_.forget(topic->no);
}

void Node::Impl::erase_topic(const TopicPtr& topic, store::Transactions::Done done) {
  if (!topic->written) return done(SaveOutcome::ok);
  std::vector<std::pair<Bytes, Bytes>> ranges;
  for (char kind : {'T', 'L', 'B', 'N', 'I', 'X', 'V', 'F', 'K', 'C', 'W', 'E', 'O'}) {
    ranges.emplace_back(store::key(kind, topic->no), store::key(kind, topic->no + 1));
  }
  auto then = std::make_shared<store::Transactions::Done>(std::move(done));
  auto all = std::make_shared<decltype(ranges)>(std::move(ranges));
  transactions_.run(
      topic->queue(), [](store::Rows&) {},
      [this, all, then](SaveOutcome saved) {
        if (saved == SaveOutcome::ok) transactions_.erase_ranges(std::move(*all), std::move(*then));
        else (*then)(saved);
      });
}

void Node::Impl::call(u32 id, TopicInvite& c) {
  if (TopicPtr topic = open_one(id, c.topic)) reply(id, Text{full_invite(*topic, anchors_)});
}

void Node::Impl::call(u32 id, TopicShortcode& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  std::string code = topic->shortcode.value_or("");
  std::string grouped;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (i > 0 && i % 4 == 0) grouped += '-';
    grouped += code[i];
  }
  reply(id, Text{grouped});
}

void Node::Impl::call(u32, Cancel& c) { waiters_.cancel(c.call); }

void Node::Impl::call(u32 id, AnchorAdd& c) {
  bool valid = (c.url.starts_with("ws://") || c.url.starts_with("wss://")) && c.url.size() > 6 && c.url.size() <= 200;
  if (!valid)
    return fail(id, Code::bad_argument,
                "An anchor's address begins with ws:// or wss:// and has at most 200 characters.");
  if (!anchors_.contains(c.url) && anchors_.size() >= params::anchors_max)
    return fail(id, Code::bad_argument, "There are 16 anchors already. Remove one first.");
  add_anchor(c.url, true);
  reply(id, Nothing{});
}

void Node::Impl::call(u32 id, AnchorRemove& c) {
  remove_anchor(c.url);
  reply(id, Nothing{});
}

void Node::Impl::call(u32 id, PullLimit& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  topic->pull_limited = true;
  topic->pull_limits.clear();
  for (const auto& [log, length] : c.limits)
    if (log.size() == LogId::size) topic->pull_limits[LogId::from(log)] = length;
  sync_.reload(topic, now_, false);
  reply(id, Nothing{});
}

}  // namespace perdure
