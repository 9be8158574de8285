// Makes two frontiers equal, cheapest step first (DESIGN 6), for every open topic on every link that shares it.
//
//     sync.attach(topic, {.link = …, .session = …, …}, now);      both sides have shown that they know the topic
//     sync.on_frame(now, topic, link, frame);                     hello, items, done, want, page, no_page, check, ack, forks
//     sync.spread(topic, log, {});                                own batches are durable: push or announce them
//     sync.flush(now);                                            at the end of each turn: what has become possible
//
// A peer that breaks the rules is handed to `fault` and loses its link; it can make nothing else happen.
#pragma once

#include "base/timers.hpp"
#include "crdt/arrivals.hpp"
#include "crypto/random.hpp"
#include "peers/proof.hpp"
#include "store/transactions.hpp"
#include "sync/exchange.hpp"
#include "wire/table.hpp"

namespace perdure::sync {

// Why a peer lost its link; for metrics and tests.
enum class Fault : u8 { none, malformed, not_opened, unasked, too_much, forged };

struct AckMark {
  u64 length = 0;
  u64 ops = 0;
  wire::Epoch epoch{};
};  // ops: of the log's first `length` batches
using AckKey = std::pair<DeviceId, store::LogNo>;  // acker, log
// wall: when it was in reach last; it was linked, or had entered at an anchor of ours
struct Acker {
  u64 seen_ms = 0;
  bool proved = false;
};

// How near a device is in a topic, for whose place in a full table counts more: by nobody's word; by a peer's, who may have made it up;
// it has shown an anchor of ours that it knows the topic; it is linked to us, or an anchor of ours itself.
enum class Nearness : u8 { away, told, entered, near };

// Acknowledgements on a link: ours to it; another's, from it; … to it; from it, to who is passed too many.
enum class AckWay : u8 { own, passed, passed_to, kept };

// What sync asks of whoever owns the links and tells whoever faces the app.
class SyncHost {
 public:
  virtual ~SyncHost() = default;
  virtual void send(LinkId, Bytes frame) = 0;
  virtual u64 buffered(LinkId) const = 0;  // bytes sent and not yet on their way
  // what a link made us do, beside what its frames cost by themselves (wire/table.hpp)
  virtual void charge(LinkId, u64 work) = 0;
  virtual u64 rested_at(LinkId) const = 0;   // when it owes nothing more, steady; now or earlier: it owes nothing
  virtual Budget* acks(LinkId, AckWay) = 0;  // what it may still carry; null: it is gone
  // when its address was told last which logs there are in a large topic, steady; null: it is gone
  virtual u64* told_ms(LinkId) = 0;
  virtual void fault(LinkId, Fault) = 0;
  virtual u64 corrected_now_ms() const = 0;
  // how long to wait before saying again what is said while nothing happens
  virtual u64 idle_ms(u64 usual, u64 most) const = 0;
  virtual wire::Epoch epoch(const Topic&) const = 0;  // of our own store, as far as it is of that topic
  virtual const Seed& cursor_key() const = 0;         // the device's own, the same in every life
  // a peer has been given more of our order of arrival than we know: a backup was put back. True: in a new epoch
  virtual bool rolled_back(const TopicPtr&) = 0;
  virtual void keep(store::Rows&, Topic&) = 0;  // something is stored in it: an anchor writes its own row with that
  virtual std::vector<Nearness> nearness(const TopicPtr&, const std::vector<DeviceId>&) const = 0;
  virtual void stored(const TopicPtr&, const crdt::Changes&) = 0;  // something new is durable, or counts differently
  virtual void progressed(const TopicPtr&) = 0;                    // behind, live, synced may have changed
  virtual void acked(const TopicPtr&) = 0;
  virtual void storage_failed(SaveOutcome) = 0;
  virtual void damaged(const TopicPtr&, const Damage&) = 0;  // rows that must be mended before they are asked again
  virtual void restored(const TopicPtr&, store::LogNo) = 0;  // batches that had been lost are here again
  virtual Bytes origin(LinkId) const = 0;                    // where it comes from; empty: not known
  // anchors: why not to store so much more, from there; null: welcome
  virtual wire::Refusal* quota(const Topic&, const DeviceId&, u64 bytes, const Bytes& from) = 0;
  // an own head contradicts our rows, or goes on behind a void of ours
  virtual void lost_own(const TopicPtr&, Branch) = 0;
  virtual void voided_own(const TopicPtr&, store::LogNo) = 0;  // an own log was voided by a log that came from others
  // batches of an own log, from there on: of another life, or back again
  virtual void own_came(const TopicPtr&, store::LogNo, u64 from) = 0;
  virtual void refused(wire::Refusal) = 0;  // something was not stored for that reason
  // sealed bytes more are stored with this step, from there
  virtual void grew(store::Rows&, const TopicPtr&, u64 bytes, const Bytes& from) = 0;
  virtual void count(const char* name, u64 n) = 0;  // metrics
};

struct Attachment {
  LinkId link;
  DeviceId peer;
  bool anchor = false;
  Hash session;
  wire::Epoch epoch{};
  u32 alias = 0;
};

class Sync {
 public:
  // bytes, of all links together; link_claims: of one
  struct Limits { u64 queued = 0, claims = 0, link_claims = 0, kept = 0, passed = 0; };
  Sync(store::Transactions& transactions, const identity::Identity& self, bool anchor, Limits limits, SyncHost& host)
      : transactions_(transactions), self_(self), anchor_(anchor), limits_(limits), host_(host) {}

  // said: the peer has been greeted already; hello_lost: its own greeting has not been heard.
  void attach(const TopicPtr&, const Attachment&, Instant now, const std::optional<peers::Greeted>& said = {},
              bool hello_lost = false);
  void detach(const TopicPtr&, LinkId);
  void detach_all(const TopicPtr&);
  void on_frame(Instant now, const TopicPtr&, LinkId, const wire::Frame&);
  void on_hello(Instant now, const TopicPtr&, LinkId, const wire::Hello&);  // one that came with their MAC
  void spread(const TopicPtr&, store::LogNo, std::optional<LinkId> source);
  void refused(const TopicPtr&, LinkId);  // the peer stores nothing more of this topic
  // rows were read (again): greet anew; after a failure pull only after a pause
  void reload(const TopicPtr&, Instant now, bool failed);
  void probe_beyond_void(const TopicPtr&, store::LogNo);  // an own log was voided: what do others hold behind that?
  void flush(Instant now);
  std::optional<u64> deadline();
  bool settled() const;  // all timers are set as they would be anew; for tests, which look at all there is
  std::set<store::TopicNo> take_stirred() { return std::exchange(changed_, {}); }  // since it was asked last
  void stir(store::TopicNo no);  // its rows were lost sight of, or something in it changed that is not told otherwise

  const Exchange* exchange(const TopicPtr&, LinkId) const;
  std::vector<LinkId> links(const TopicPtr&) const;
  std::size_t shared() const { return shared_; }  // topics of links, all together
  u64 behind(const TopicPtr&) const;              // ops, by what the best informed peer says
  TopicState state(const TopicPtr&) const;
  // Asks whoever is linked what they hold, as soon as that may be asked again; a number for synced().
  u64 ask(const TopicPtr&, Instant now);
  u64 asked(const TopicPtr&) const;  // the last one that was sent
  // With one peer at least, by what it has said in answer to that ask or later.
  bool synced(const TopicPtr&, u64 ask = 0) const;
  // the batch that we lack was asked for by name, and nobody who is here gave it
  bool is_lost(const TopicPtr&, store::LogNo) const;
  bool holds_all(const TopicPtr&, LinkId) const;  // the peer says that it holds whatever we do
  std::vector<DeviceId> holders(const TopicPtr&, const LogId&, u64 batch) const;  // linked peers known to hold it

  // Acknowledgements of our own logs.
  const std::map<AckKey, AckMark>& acks(const TopicPtr&) const;
  // Own ops that nobody has acknowledged. passed: by log, the hole behind which all was said again.
  u64 pending(const TopicPtr&, const std::map<store::LogNo, u64>& passed) const;
  void load_acks(const TopicPtr&, const std::vector<std::pair<Bytes, Bytes>>& rows);
  // acknowledgements of other epochs (or, by its greeting, of another store) are void
  void voided_epoch(const TopicPtr&, const DeviceId& acker, const wire::Epoch& now, bool of_topic);
  void ack_all_of(const TopicPtr&, const DeviceId& author);  // that author is linked, and reads what we say
  void told_of(const TopicPtr&, const DeviceId& author);     // … has come into reach, somebody says

 private:
  using Key = std::pair<store::TopicNo, LinkId>;
  struct TopicSync {
    TopicPtr topic;
    std::map<LinkId, Exchange> exchanges;
    struct Turn {
      LinkId link;
      u32 request = 0;   // the want of it under way, to the exclusion of others; 0: none is
      u64 asked_ms = 0;  // when that was sent, steady
      u64 used_ms = 0;   // by those before
      u64 bytes = 0;     // given meanwhile
      bool over = false;
      u64 ends_ms() const { return asked_ms + turn_ms_max - std::min(used_ms, turn_ms_max); }
    };
    std::map<store::LogNo, Turn> turns;  // who was asked last for a log
    bool freed = false;                  // somebody may be asked for what another was asked for until now
    struct Sought {
      u64 since_ms = 0, bytes = 0;  // steady; what came back since
    };
    std::map<store::LogNo, Sought> sought;  // logs of which we have lost something
    std::map<AckKey, AckMark> acks;
    std::map<DeviceId, Acker> ackers;     // whose they are
    std::map<store::LogNo, u64> ack_due;  // when to acknowledge; steady ms
    std::map<store::LogNo, u64> acked_at;
    store::LogNo acked_last = 0;         // by turns, where not all may be said at once
    std::map<DeviceId, Budget> told_of;  // authors: that their logs are acknowledged again by somebody's word
    u64 paused_until = 0;
    struct Ask {
      u64 number = 0, until_ms = 0;  // steady
    };
    std::deque<Ask> asks;         // at most asks_max
    u64 asked = 0, believed = 0;  // the last one; up to there others are taken at their last word
    u64 ask_at = 0;               // when the next one may be sent, for which somebody waits; 0: nobody does
    Budget ask_budget;
    // of batches of ours that we have lost and not taken back yet, by who brought them
    std::map<LinkId, std::vector<wire::Ack>> early_acks;
    std::map<store::LogNo, wire::Fork>
        accused;  // own logs: forks that were proved to us and of which nobody has the other branch
  };
  struct Incoming {  // a page that has come, and of which log it is
    wire::Page page;
    wire::LogTag tag{};
    std::optional<log::Opening> opening;  // that came with it
    u32 request = 0;                      // that it answers; 0: it is pushed
    u64 size = 0;                         // bytes of its frame
    u64 end() const { return page.from + page.batches.size(); }
  };
  struct Came {  // … while it is being taken in
    LinkId link;
    u32 generation = 0, request = 0;
    bool last = false;
    wire::LogTag tag{};
    u64 size = 0;
  };
  enum class Answer : u8 { none, ended, in_vain };  // in vain: nothing of it proved right
  struct Taken {                                    // what became of a page
    log::Verdict verdict = log::Verdict::malformed;
    Damage damage;
    bool restored = false;  // it filled a hole
    bool refused = false;
    wire::Refusal refusal = wire::Refusal::topic_quota;
    store::LogNo no = 0;
    bool fresh = false;  // the log was not known before
    u64 before = 0;      // batches that we held
    u64 end = 0;         // batches the sender holds at least
    u64 given = 0;       // bytes of the page's batches
    std::vector<LogUpdate> updates;
    crdt::Changes changes;
    Counters counters;
    u64 bytes = 0;
  };

  // Whoever may change something asks by one of these: the topic is looked at with the next flush.
  TopicSync& of(const TopicPtr& topic);
  TopicSync* known(const TopicPtr&);
  Exchange* find(const TopicPtr&, LinkId);
  void flush_topic(TopicSync&);
  bool unsettled(const TopicSync&) const;
  std::optional<u64> deadline_of(const TopicSync&) const;
  template <class M>
  void send(const Exchange& e, const M& message, u32 request = 0);
  // A step in answer to a frame, which finds out an R; false, and nothing done, if too many wait.
  template <class R, class Find, class Use>
  bool respond(const TopicPtr&, Exchange&, Find step, Use done);
  u64 ours(const Topic&, const Exchange&, const wire::LogTag&) const;
  u64 limit(const Topic&, const Exchange&, const wire::LogTag&) const;

  // greeting.cpp, asks.cpp
  void hello(TopicSync&, Exchange&, u8 again);
  void on_check(TopicSync&, Exchange&, const wire::Fingerprint&);
  void on_hello(TopicSync&, Exchange&, const wire::Hello&);
  void answer_waiting(TopicSync&, Exchange&);
  void answer_those(std::vector<Key> waiting);
  void answered(TopicSync&, Exchange&);
  void settle_asks(TopicSync&);
  void send_ask(TopicSync&);
  void answer(TopicSync&, Exchange&, const wire::Hello&);
  void resume(Exchange&, u64 at);
  const wire::Fingerprint& fingerprint(TopicSync&, Exchange&);
  void forget_asked(TopicSync&, Exchange&);
  void answer_since(const TopicPtr&, LinkId, wire::Cursor);
  void answer_all(TopicSync&, Exchange&);
  void on_items(TopicSync&, Exchange&, const std::vector<wire::Item>&);
  void note_theirs(TopicSync&, Exchange&, const wire::LogTag&, const Their&);
  wire::Cursor cursor_at(const Topic&, const DeviceId& peer, u64 number, const crdt::ArrivalHash&) const;
  wire::Cursor own_cursor(const Topic& topic, const Exchange& e) const {
    return cursor_at(topic, e.peer, topic.counters.arrived, topic.counters.arrival_hash);
  }
  bool given(const Topic&, const DeviceId& peer, const wire::Cursor& shown) const;  // by us, to that peer
  bool claim(Exchange&);
  void unclaim(Exchange&);
  void keep(Exchange&, u64 logs);
  void note_passed(Exchange& to, const AckKey&, const wire::Ack&);
  void forget_passed(Exchange&);
  // pull.cpp
  void pull(TopicSync&, Exchange&);
  Lack lacking(const Topic&, const Exchange&, const wire::LogTag&) const;  // here, of what they hold
  bool to_be_asked(const Topic&, const Exchange&, const wire::LogTag&) const;
  void drained(TopicSync&, Exchange&);
  void ask_for_lost(TopicSync&, Exchange&);
  void end_pull(TopicSync&, Exchange&, u32 request);
  void on_no_page(TopicSync&, Exchange&, u32 request, const wire::LogTag&);
  // turns.cpp
  bool take_turn(TopicSync&, const Exchange&, store::LogNo, u32 request);
  std::optional<LinkId> next_in_turn(const TopicSync&, store::LogNo, LinkId after) const;
  void free_turn(TopicSync&, const Exchange&, u32 request);
  void free_turns(TopicSync&, const Exchange&);
  static const TopicSync::Turn* turn_of(const TopicSync&, const Exchange&, u32 request);
  static TopicSync::Turn* turn_of(TopicSync&, const Exchange&, u32 request);
  void all_given(TopicSync&, const Exchange&, store::LogNo);
  void went_on(TopicSync&, Exchange&, const Came&, const Taken&);
  void give_up_late(TopicSync&, Exchange&);
  void end_turns(TopicSync&, Exchange&);
  void ask_next(TopicSync&);
  // serve.cpp
  void serve(TopicSync&, Exchange&);
  void served(const TopicPtr&, LinkId, u32 generation, Serve, const std::optional<log::Page>&);
  void announce(TopicSync&, Exchange&);
  // take.cpp
  void on_page(TopicSync&, Exchange&, const wire::Frame&);
  static Incoming incoming(const Topic&, const Exchange&, const wire::Frame&, wire::Page);
  void note_page(TopicSync&, Exchange&, const wire::LogTag&, const wire::Page&);
  bool put_off(TopicSync&, Exchange&, const Incoming&);
  bool pass_over(TopicSync&, Exchange&, const Incoming&);
  void take_in(TopicSync&, Exchange&, const Incoming&);
  bool is_linked(const Topic&, const DeviceId&) const;
  void take(store::Rows&, Topic&, log::Page&, const log::Opening*, store::LogNo, const Bytes& from, Taken&);
  void taken(const TopicPtr&, const Came&, const Taken&, SaveOutcome);
  Answer answer_with(TopicSync&, Exchange&, const Came&, const Taken&);
  void judge(TopicSync&, Exchange&, const Came&, const Taken&, Answer);
  // acks.cpp
  void acknowledge(const TopicPtr&, store::LogNo);
  void due(TopicSync&, store::LogNo, u64 at) const;
  void on_ack(TopicSync&, Exchange&, const wire::Ack&);
  void pass_ack(TopicSync&, Exchange&, const wire::Ack&);
  void keep_early(TopicSync&, const Exchange&, const wire::Ack&);
  void hear_early_acks(TopicSync&);
  std::optional<DeviceId> makes_room(const TopicSync&, const DeviceId& newcomer, const Acker&) const;
  void forget_acker(TopicSync&, const DeviceId&);
  // forks.cpp
  void begin_fork_search(TopicSync&, Exchange&, const wire::LogTag&, bool by_page);
  void on_ask_proof(TopicSync&, Exchange&, const wire::AskProof&);
  void on_proof(TopicSync&, Exchange&, const wire::Proof&);
  void compare(const TopicPtr&, Exchange&, const wire::LogTag&, const wire::Proof&);
  void on_ask_nodes(TopicSync&, Exchange&, const wire::AskNodes&);
  void on_nodes(TopicSync&, Exchange&, const wire::Nodes&);
  void descend(TopicSync&, Exchange&, const wire::LogTag&);
  void search_suspects(TopicSync&, Exchange&);
  // branches.cpp
  bool is_own(const Topic&, store::LogNo) const;
  void probe_beyond_void(TopicSync&, Exchange&, const wire::LogTag&);
  void prove_fork(TopicSync&, Exchange&, const wire::Proof&);
  void convict(const TopicPtr&, store::LogNo, const wire::Fork&);
  void show_fork(TopicSync&, Exchange&, const wire::LogTag&);
  void on_fork_proof(TopicSync&, Exchange&, const wire::ForkProof&);
  bool plead(const TopicPtr&, store::LogNo);
  void begin_branch_fetch(const TopicPtr&, LinkId, wire::LogTag, store::LogNo, u64 at, const ForkSearch&);
  void end_branch_fetch(Exchange&, const wire::LogTag&);
  void want_branch(Exchange&, const wire::LogTag&);
  bool on_branch_page(TopicSync&, Exchange&, const wire::LogTag&, u32 request, const wire::Page&);
  bool extend_branch(TopicSync&, Exchange&, const wire::LogTag&, BranchFetch&, const wire::Page&);

  store::Transactions& transactions_;
  const identity::Identity& self_;
  const bool anchor_;
  const Limits limits_;
  SyncHost& host_;
  std::map<store::TopicNo, TopicSync> topics_;
  std::set<store::TopicNo> stirred_;  // to be looked at with the next flush
  std::set<store::TopicNo> untimed_;  // whose timer is to be set anew
  std::set<store::TopicNo> changed_;  // for whoever tells the app
  Timers<store::TopicNo> timers_;
  Budget answers_;                // work for greetings of large topics
  Key answered_{};                // … of which this was the last
  u64 queued_ = 0;                // bytes of pages that wait for storage, of all links
  std::map<LinkId, u64> claims_;  // logs
  u64 claims_all_ = 0;
  std::map<LinkId, u64> kept_;  // … and of how many each link is remembered, known or not
  u64 kept_all_ = 0;
  std::set<LinkId> overdrawn_;  // who claims the most, where all is too much: to be closed with the next flush
  std::map<LinkId, std::size_t> passed_;  // acknowledgements that it is remembered of, of each link that has any
  std::size_t passed_all_ = 0;
  std::size_t shared_ = 0;
  Instant now_;
  u32 next_generation_ = 1;
};

template <class M>
void Sync::send(const Exchange& e, const M& message, u32 request) {
  host_.send(e.link, wire::encode({.alias = e.alias, .request = request}, message));
}

template <class R, class Find, class Use>
bool Sync::respond(const TopicPtr& topic, Exchange& e, Find step, Use done) {
  if (e.steps >= steps_max) return false;
  ++e.steps;
  transactions_.run<R>(topic->queue(), std::move(step),
                       [this, topic, link = e.link, attachment = e.attachment, done = std::move(done)](
                           SaveOutcome saved, R found) mutable {
                         if (Exchange* ex = find(topic, link); ex && ex->attachment == attachment) --ex->steps;
                         done(saved, std::move(found));
                       });
  return true;
}

}  // namespace perdure::sync
