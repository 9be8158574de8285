// One core with everything around it in the test's hands: time, disk, links; and peers at the other ends that say whatever they like.
//
//     Solo ada("ada");                                       // runs, and has read its empty store
//     u32 topic = ada.join(secret);
//     Stranger eve(ada, "eve");                              // has shaken hands and greeted
//     eve.enter(secret);                                     // shows that it knows the topic
//     eve.say(wire::Want{…}, 1, 7);                          // alias 1 is the topic
//     CHECK(eve.linked());                                   // or the core has closed the link
#pragma once

#include <perdure/node.hpp>

#include <functional>
#include <map>
#include <set>

#include "base/assert.hpp"
#include "codec/hex.hpp"
#include "crypto/hash.hpp"
#include "identity/invite.hpp"
#include "log/batch.hpp"
#include "log/state.hpp"
#include "peers/links.hpp"
#include "session/session.hpp"
#include "sim/disk.hpp"
#include "wire/frames.hpp"

namespace perdure::test {

inline Seed named_seed(std::string_view name) {
  Seed seed;
  for (std::size_t i = 0; i < seed.bytes.size(); ++i)
    seed.bytes[i] = static_cast<u8>(name[i % name.size()] + static_cast<char>(i / name.size()));
  return seed;
}

inline Secret named_secret(std::string_view name) { return Secret::from(named_seed(name).view()); }

inline Config anchor_config(Quotas quotas = {}) {
  Config config;
  config.anchor = true;
  config.quotas = quotas;
  return config;
}
inline Config client_config(std::vector<std::string> anchors, u32 cache_bytes = 4u << 20) {
  Config config;
  config.anchors = std::move(anchors);
  config.cache_bytes = cache_bytes;
  return config;
}

class Solo {
 public:
  sim::Disk disk;
  SaveOutcome next_save = SaveOutcome::ok;   // of the next save; then ok again, once it was reopened
  std::function<bool(const Save&)> refuses;  // these saves end as refused_as, each time
  SaveOutcome refused_as = SaveOutcome::failed;
  bool answers_saves = true, answers_reads = true;     // false: they wait until it is true again and time passes
  std::optional<Reopening> reopening = Reopening::ok;  // what comes of opening the store again; none: it takes for ever
  bool readable = true;                                // false: reads fail
  u64 steady_ms = 1, wall_ms = 1'700'000'000'000;
  std::map<u32, ReplyBody> replies;
  std::map<u32, std::vector<Bytes>> sent;  // by link, not yet taken
  std::set<u32> closed;                    // links that the core closed
  u32 reopens = 0;                         // how often the core asked for it
  std::vector<Dial> dials;
  std::vector<RtcOpen> rtc_opens;
  std::map<u32, TopicNotice> topics;
  std::vector<MembersNotice> member_notices;
  StatusNotice status;
  std::vector<AnchorOut> anchors;
  std::vector<TopicsNotice> topic_lists;
  std::vector<PeerOut> peers;
  u32 saves = 0;  // that the core asked for
  std::map<DeviceId, std::optional<Bytes>> presence;
  std::map<std::string, u64> metrics;

  explicit Solo(std::string_view name, Config config = {}) : config_(std::move(config)) {
    if (config_.app.empty()) config_.app = "solo";
    config_.device_seed = named_seed(name);
    start();
  }

  void start() {  // anew, over the same disk
    config_.random_seed.bytes[0] = static_cast<u8>(++life_);
    node_ = std::make_unique<Node>(config_);
    failed_ = false;
    inbox_.clear();
    waiting_.clear();
    replies.clear();
    sent.clear();
    closed.clear();
    topics.clear();
    status = {};
    turn({Start{}});
  }

  const Config& config() const { return config_; }
  const DeviceId& id() const { return node_->id(); }
  identity::Identity identity() const { return {config_.app, config_.device_seed}; }

  void turn(std::vector<Event> events = {}) {
    for (int rounds = 0;; ++rounds) {
      PERDURE_ASSERT(rounds < 100'000);
      Turn out = node_->handle({steady_ms, wall_ms}, std::move(events));
      deadline_ = out.deadline_ms;
      for (Action& action : out.actions) perform(action);
      events = std::exchange(inbox_, {});
      if (events.empty()) return;
    }
  }

  void pass(u64 ms) {
    u64 end = steady_ms + ms;
    for (Event& answer : std::exchange(waiting_, {}))
      ((std::holds_alternative<Saved>(answer) ? answers_saves : answers_reads) ? inbox_ : waiting_)
          .push_back(std::move(answer));
    if (!inbox_.empty()) turn(std::exchange(inbox_, {}));
    while (deadline_ && *deadline_ <= end) {
      u64 step = std::max(*deadline_, steady_ms + 1) - steady_ms;
      steady_ms += step;
      wall_ms += step;
      turn();
    }
    wall_ms += end - std::min(end, steady_ms);
    steady_ms = std::max(end, steady_ms);
    turn();
  }

  u32 call(CallBody body) {
    u32 number = ++calls_;
    turn({Call{number, std::move(body)}});
    return number;
  }
  // The reply to a call that is answered at once.
  template <class R>
  R ask(CallBody body) {
    u32 number = call(std::move(body));
    auto it = replies.find(number);
    PERDURE_ASSERT(it != replies.end() && std::holds_alternative<R>(it->second));
    return std::get<R>(it->second);
  }
  bool answered(u32 number) const { return replies.contains(number); }
  std::optional<Code> error(u32 number) const {
    auto it = replies.find(number);
    if (it == replies.end() || !std::holds_alternative<Error>(it->second)) return std::nullopt;
    return std::get<Error>(it->second).code;
  }
  TopicJoin joining(const Secret& secret) const {
    identity::Invite invite;
    std::copy_n(identity::network_id(config_.app).bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = secret;
    return {identity::encode_invite(invite), {}};
  }
  u32 join(const Secret& secret) { return ask<OpenedTopic>(joining(secret)).topic; }
  static NewOp message(std::string_view text) {
    Bytes value{0xd9, static_cast<u8>(text.size())};
    value.insert(value.end(), text.begin(), text.end());
    return {1, {}, value};
  }
  static NewOp set(std::string key, std::string_view text) { return {2, std::move(key), message(text).value}; }
  std::string append(u32 topic, std::string_view text) { return ask<Appended>(Append{topic, {}, {message(text)}}).id; }
  std::vector<std::string> messages(u32 topic) {
    std::vector<std::string> out;
    for (const MessageOut& m : ask<MessagePage>(Latest{topic, 256}).messages)
      out.emplace_back(text(ByteView(m.value).subspan(2)));
    return out;
  }

  // Topics that the device has, as an app makes them of what it was told.
  std::vector<TopicOut> listed() const {
    std::map<u32, TopicOut> list;
    for (const TopicsNotice& notice : topic_lists) {
      if (notice.whole) list.clear();
      for (u32 no : notice.ended) list.erase(no);
      for (const TopicOut& t : notice.topics) list[t.topic] = t;
    }
    std::vector<TopicOut> out;
    for (auto& [no, t] : list) out.push_back(std::move(t));
    return out;
  }

 private:
  void perform(Action& action) {
    if (auto* save = std::get_if<Save>(&action)) {
      ++saves;
      SaveOutcome outcome = failed_                     ? SaveOutcome::failed
                            : refuses && refuses(*save) ? refused_as
                                                        : std::exchange(next_save, SaveOutcome::ok);
      if (outcome == SaveOutcome::ok) disk.apply(*save);
      else failed_ = true;
      Saved saved{save->save, outcome};
      (answers_saves ? inbox_ : waiting_).push_back(saved);
    } else if (auto* read = std::get_if<Read>(&action))
      (answers_reads ? inbox_ : waiting_).push_back(readable ? disk.read(*read) : RowsRead{read->read, false, {}});
    else if (auto* range = std::get_if<ReadRange>(&action))
      (answers_reads ? inbox_ : waiting_).push_back(readable ? disk.read(*range) : RowsRead{range->read, false, {}});
    else if (std::get_if<Reopen>(&action)) {
      ++reopens;
      if (!reopening) return;
      failed_ &= *reopening != Reopening::ok;
      inbox_.push_back(Reopened{*reopening});
    } else if (auto* send = std::get_if<Send>(&action)) sent[send->link.value].push_back(std::move(send->bytes));
    else if (auto* close = std::get_if<CloseLink>(&action)) closed.insert(close->link.value);
    else if (auto* dial = std::get_if<Dial>(&action)) dials.push_back(*dial);
    else if (auto* rtc = std::get_if<RtcOpen>(&action)) rtc_opens.push_back(*rtc);
    else if (auto* reply = std::get_if<Reply>(&action)) replies.insert_or_assign(reply->call, std::move(reply->body));
    else if (auto* t = std::get_if<TopicNotice>(&action)) topics[t->topic] = *t;
    else if (auto* m = std::get_if<MembersNotice>(&action)) member_notices.push_back(std::move(*m));
    else if (auto* s = std::get_if<StatusNotice>(&action)) status = *s;
    else if (auto* a = std::get_if<AnchorsNotice>(&action)) anchors = a->anchors;
    else if (auto* n = std::get_if<PeersNotice>(&action)) peers = n->peers;
    else if (auto* l = std::get_if<TopicsNotice>(&action)) topic_lists.push_back(std::move(*l));
    else if (auto* p = std::get_if<PresenceNotice>(&action)) presence[p->device] = p->value;
    else if (auto* c = std::get_if<MetricsNotice>(&action)) metrics = {c->counters.begin(), c->counters.end()};
  }

  Config config_;
  std::unique_ptr<Node> node_;
  std::optional<u64> deadline_;
  std::vector<Event> inbox_;
  std::vector<Event> waiting_;
  bool failed_ = false;
  u32 life_ = 0, calls_ = 0;
};

struct Heard {  // one frame, with its bytes
  wire::Tag tag = wire::Tag::ping;
  wire::Header header;
  Bytes bytes;
  template <class M>
  std::optional<M> as() const {
    auto frame = wire::parse(bytes);
    return frame && frame->tag == M::tag ? wire::decode<M>(*frame) : std::nullopt;
  }
};

// The other end of a link to a Solo. Its device has a log of its own in the topic that it enters, of which it can make honest pages.
class Stranger {
 public:
  struct Options {
    LinkKind kind = LinkKind::local;
    std::string url = {};  // that the core dialled; then we are an anchor at it
    bool anchor = false;
    std::string app = {};   // ours, if it is another one than theirs
    bool known = true;      // the network the core is told, where it is an anchor
    Bytes address = {};     // where we come from
    bool admitted = false;  // we brought a token
    wire::Greeting greeting = {.epoch = {1}};
  };
  Stranger(Solo& solo, std::string_view name) : Stranger(solo, name, {}) {}
  Stranger(Solo& solo, std::string_view name, Options options)
      : identity(options.app.empty() ? solo.config().app : options.app, named_seed(name)),
        link{++next_link_},
        solo_(solo),
        options_(std::move(options)),
        random_(named_seed(name)),
        key_(session::make_static_key(identity, random_)) {
    if (options_.anchor) options_.greeting.role = 1;
    epoch = options_.greeting.epoch;
    open();
  }

  identity::Identity identity;
  LinkId link;
  std::unique_ptr<session::Session> session;
  std::vector<Heard> heard;                 // since it was last cleared
  std::optional<identity::TopicKeys> keys;  // of the topic entered
  wire::Epoch epoch{};

  // theirs
  std::optional<wire::Greeting> greeting() const { return wire::decode_body<wire::Greeting>(session->greeting()); }
  bool linked() const { return !solo_.closed.contains(link.value); }

  template <class M>
  void say(const M& message, u32 alias = 0, u32 request = 0) {
    say_bytes(wire::encode({alias, request}, message));
  }
  void say_bytes(ByteView frame) {  // a frame of any bytes, well sealed
    for (Bytes& b : session->send(frame)) deliver(std::move(b));
  }
  void deliver(Bytes bytes) {  // a message of any bytes, as it stands on the link
    if (!linked()) return;
    solo_.turn({LinkReceived{link, std::move(bytes)}});
    listen();
  }
  void listen() {
    for (;;) {
      std::vector<Bytes> sent = std::exchange(solo_.sent[link.value], {});
      if (sent.empty()) return;
      for (const Bytes& b : sent) {
        session::Session::Input in = session->on_bytes(b);
        for (Bytes& frame : in.frames) hear(std::move(frame));
        for (Bytes& answer : in.to_send)
          if (linked()) solo_.turn({LinkReceived{link, std::move(answer)}});
      }
    }
  }
  void pass(u64 ms) {
    solo_.pass(ms);
    listen();
  }
  void close() { solo_.turn({LinkClosed{link}}); }

  template <class M>
  std::vector<M> all() const {
    std::vector<M> out;
    for (const Heard& h : heard)
      if (auto m = h.as<M>()) out.push_back(*m);
    return out;
  }
  template <class M>
  std::optional<M> last() const {
    auto found = all<M>();
    if (found.empty()) return std::nullopt;
    return found.back();
  }
  // The request number of the last message of that kind.
  template <class M>
  u32 request() const {
    u32 n = 0;
    for (const Heard& h : heard)
      if (h.tag == M::tag) n = h.header.request;
    return n;
  }

  // Both know the topic; our alias of it is 1. Says hello with nothing to give, unless told otherwise. A hello that came with their MAC
  // is heard like any other.
  void enter(const Secret& secret, bool hello = true) {
    keys = identity::topic_keys(secret);
    for (const wire::Topics& shown : std::exchange(shown_, {})) hear_hello(shown);
    if (solo_.config().anchor) {
      say(wire::Enter{keys->id, peers::enter_signature(*keys, session->handshake_hash(), identity.id())}, 1);
    } else if (!options_.anchor) {
      say(wire::Topics{{peers::topic_mac({*keys, session->handshake_hash(), identity.id(), solo_.id()})}});
    }
    if (hello) {
      say(wire::Hello{{9}, 0, {}, {}}, 1);
      say(wire::Done{{epoch, 0, {}}}, 1);
    }
  }
  wire::LogTag tag(const LogId& log) const {
    wire::LogTag out;
    crypto::blake2b_into(out.bytes, session->handshake_hash().view(), {log.view()});
    return out;
  }
  LogId log_of(const DeviceId& device, u64 incarnation) const {
    return identity::log_id(identity.network(), keys->id, device, incarnation);
  }

 private:
  void open() {
    crypto::Random& random = random_;
    bool we_dial = options_.url.empty();
    session = std::make_unique<session::Session>(
        identity, key_, random,
        session::Session::Options{we_dial, options_.kind, {}, wire::encode_body(options_.greeting)});
    std::string network;
    if (solo_.config().anchor && options_.known) network = codec::to_hex(identity.network().view());
    solo_.turn(
        {LinkOpened{link, options_.kind, !we_dial, options_.url, 0, network, options_.address, options_.admitted}});
    listen();
    for (Bytes& b : session->start()) deliver(std::move(b));
  }
  void hear(Bytes bytes) {
    auto frame = wire::parse(bytes);
    PERDURE_ASSERT(frame.has_value());
    auto topics = frame->tag == wire::Tag::topics ? wire::decode<wire::Topics>(*frame) : std::nullopt;
    heard.push_back({frame->tag, frame->header, std::move(bytes)});
    if (!topics) return;
    if (keys) hear_hello(*topics);
    else shown_.push_back(std::move(*topics));
  }
  void hear_hello(const wire::Topics& topics) {
    peers::ShownTopic shown{std::exchange(macs_got_, macs_got_ + static_cast<u32>(topics.macs.size())) + 1,
                            {topics.macs.begin() + 1, topics.macs.end()}};
    if (auto hello = peers::hello_in({*keys, session->handshake_hash(), solo_.id(), identity.id()}, shown))
      heard.push_back({wire::Tag::hello, {shown.alias, 0}, wire::encode({shown.alias, 0}, *hello)});
  }

  static inline u32 next_link_ = 0;
  std::vector<wire::Topics> shown_;  // before a topic was entered
  u32 macs_got_ = 0;
  Solo& solo_;
  Options options_;
  crypto::Random random_;
  session::StaticKey key_;
};

// A log that a Stranger writes, with any batches it likes; pages of it as they travel.
class Ledger {
 public:
  Ledger(const identity::Identity& device, const identity::TopicKeys& keys, u64 incarnation = 5)
      : device_(device), keys_(keys), random_(named_seed("ledger")), incarnation_(incarnation) {}

  LogId id() const { return identity::log_id(device_.network(), keys_.id, device_.id(), incarnation_); }
  u64 length() const { return batches_.size(); }
  const std::vector<Bytes>& batches() const { return batches_; }

  log::Batch& add(std::vector<log::Op> ops, u64 time_ms = 1'699'999'000'000) {
    log::Batch batch;
    batch.time = {std::max((time_ms << 16), last_time_ + 1)};
    batch.first_op = ops_;
    batch.ops = std::move(ops);
    last_time_ = batch.time.value;
    return add_batch(std::move(batch));
  }
  log::Batch& add_batch(log::Batch batch) {
    plain_.push_back(std::move(batch));
    log::Batch& b = plain_.back();
    add_sealed(
        log::seal_batch(keys_, {device_.network(), keys_.id, id(), length()}, log::encode_batch(b, id()), random_),
        b.ops.size());
    return b;
  }
  void add_sealed(Bytes sealed, std::size_t ops = 1) {
    tree_.append(log::leaf_hash(sealed));
    batches_.push_back(std::move(sealed));
    ops_ += ops;
    ops_at_.push_back(ops_);
    last_time_ = std::max(last_time_, u64{1'699'999'000'000} << 16);
    time_at_.push_back(last_time_);
  }
  void say(std::string_view text) {
    Bytes value{0xd9, static_cast<u8>(text.size())};
    value.insert(value.end(), text.begin(), text.end());
    add({{log::Op::Kind::message, {}, value, {}}});
  }

  // Batches [from, to), proved by a head over the first `to` of them.
  wire::Page page(u64 from, u64 to) const {
    wire::Page page;
    if (from == 0) page.opening = opening();
    page.log = {};
    page.from = from;
    page.batches.assign(batches_.begin() + static_cast<std::ptrdiff_t>(from),
                        batches_.begin() + static_cast<std::ptrdiff_t>(to));
    log::Head h = head(to);
    page.length = h.length;
    page.ops = h.ops;
    page.time = h.time.value;
    page.signature = h.signature;
    page.last = true;
    return page;
  }
  wire::Page page() const { return page(0, length()); }
  log::Peaks peaks(u64 length) const {
    log::Peaks peaks;
    for (u64 i = 0; i < length; ++i) peaks.append(log::leaf_hash(batches_[i]));
    return peaks;
  }
  log::Head head(u64 length) const {
    return log::sign_head(device_, keys_.id, incarnation_, length, ops_at_[length - 1], peaks(length).root(),
                          {time_at_[length - 1]});
  }
  wire::OpeningField opening() const {
    wire::OpeningField field;
    field.device = device_.id();
    for (int i = 0; i < 8; ++i)
      field.incarnation[static_cast<std::size_t>(i)] = static_cast<u8>(incarnation_ >> (56 - 8 * i));
    field.certificate = identity::open_log(device_.network(), keys_, device_.id(), incarnation_);
    return field;
  }
  wire::Item item(const wire::LogTag& tag, u64 length) const {
    log::Head h = head(length);
    return {tag, length, h.ops, h.time.ms() / 1000, log::root_tag(peaks(length).root()), 0};
  }

 private:
  const identity::Identity& device_;
  const identity::TopicKeys& keys_;
  crypto::Random random_;
  u64 incarnation_;
  std::vector<log::Batch> plain_;
  std::vector<Bytes> batches_;
  std::vector<u64> ops_at_, time_at_;
  log::Peaks tree_;
  u64 ops_ = 0, last_time_ = 0;
};

}  // namespace perdure::test
