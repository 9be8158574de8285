// The node's state and the switch between its parts. Each part has a file of its own: start, load, links, sharing, anchors,
// dialling, topics, append, queries, presence, notices.
#pragma once

#include <perdure/node.hpp>

#include <deque>

#include "author/receipts.hpp"
#include "base/timers.hpp"
#include "clock/agreement.hpp"
#include "clock/hybrid.hpp"
#include "crypto/random.hpp"
#include "node/addresses.hpp"
#include "node/contacts.hpp"
#include "node/disk_room.hpp"
#include "node/params.hpp"
#include "node/purses.hpp"
#include "node/storage.hpp"
#include "node/tallies.hpp"
#include "node/topic_extra.hpp"
#include "node/topic_list.hpp"
#include "node/waiters.hpp"
#include "peers/links.hpp"
#include "peers/signal.hpp"
#include "store/transactions.hpp"
#include "sync/merge.hpp"
#include "sync/sync.hpp"

namespace perdure {

class Node::Impl final : public sync::SyncHost {
 public:
  explicit Impl(Config config);
  Turn handle(Instant now, std::vector<Event> events);
  const DeviceId& id() const { return identity_->id(); }

 private:
  // ---- node.cpp
  void on_event(Event& event);
  void on_time();
  std::optional<u64> deadline();
  void reply(u32 call, ReplyBody body) { actions_.push_back(Reply{call, std::move(body)}); }
  void fail(u32 call, Code code, std::string text) { reply(call, Error{code, std::move(text)}); }

  // ---- start.cpp
  void start(const Start&);
  void take_meta(const std::vector<std::pair<Bytes, Bytes>>& rows);
  void find_orphans();
  void take_topics(const std::vector<std::pair<Bytes, Bytes>>& rows);
  void take_indexes(const std::vector<std::pair<Bytes, Bytes>>& rows);
  void started();
  void save_meta();
  void save_topic(const TopicPtr&, bool left, store::Transactions::Done done);
  void carry_on(Storage::Next);
  void read_again();
  void give_up();
  void fail_waiting(const Error& why);
  void fail_waiting(TopicNo, TopicExtra&, const Error& why);
  void give_up_topic(TopicNo, SaveOutcome);
  void usable(const TopicPtr&);
  bool all_usable() const;
  void save_failed(u32 call, SaveOutcome outcome, const char* what);
  void read_failed(u32 call);
  void trouble(Code code, std::string text);
  void no_trouble(Code code);
  void close(u32 call);
  bool all_saved() const;

  // ---- links.cpp, prices.cpp, liveness.cpp
  void link_opened(const LinkOpened&);
  void link_received(LinkId, ByteView);
  void link_closed(LinkId, bool told);
  void open_session(peers::Link&);
  void on_frame(peers::Link&, ByteView);
  bool afford(peers::Link&, const wire::Frame&);  // or what the table says has followed
  void wait(peers::Link&, ByteView frame);
  void hear_waiting();
  void hear(peers::Link&, const wire::Frame&);
  void say_abilities(peers::Link&);
  void set_buffered(peers::Link&, u64 bytes);
  void choke(peers::Link&);
  void make_room();                          // where more waits to be sent than may
  Bytes greeting(const peers::Link&) const;  // ours, for that link
  bool believed(const peers::Link&) const;   // that it is an anchor, if it says so
  void on_greeting(peers::Link&);
  void settle_duplicates(peers::Link& fresh);
  void link_up(peers::Link&);
  void ping(peers::Link&), on_pong(peers::Link&, const wire::Pong&), on_bye(peers::Link&, const wire::Bye&);
  void transmit(peers::Link&, ByteView bytes);
  template <class M>
  void send_on(peers::Link& link, const M& message, u32 alias = 0) {
    send(link.id, wire::encode({.alias = alias}, message));
  }
  peers::Link* link_to(const DeviceId&);
  void links_time(), bound_beyond(bool crowding);
  void time_link(const peers::Link&);  // sets its timer anew
  u64 link_deadline(const peers::Link&) const;
  bool admit(peers::Link&, const LinkOpened&), may_crowd(const peers::Link&), crowd_in(peers::Link&);
  peers::Link *least_wanted(), *crowding_out(const Bytes& newcomer);
  u64 ping_interval() const { return idle_ms(peers::ping_interval_ms, peers::ping_interval_ms_max); }

  // ---- sharing.cpp
  template <class F>
  void each_greeted(F use);
  void say_topics();  // to all links
  void say_topics(peers::Link&);
  void say_topic(const TopicPtr&);
  void say_topic(peers::Link&, const TopicPtr&);
  peers::TopicProof shown_to(const peers::Link&, const Topic&) const;
  peers::TopicProof shown_by(const peers::Link&, const Topic&) const;
  void matched(peers::Link&, const TopicPtr&, const peers::ShownTopic& theirs);
  void on_topics(peers::Link&, const wire::Topics&);
  void expect(peers::Link&);
  bool both_in(const peers::Link&, const peers::Link&) const;  // some topic
  void on_enter(peers::Link&, u32 alias, const wire::Enter&);
  bool serves_all() const { return config_.topics.empty() && !config_.tokens; }
  bool serves(const peers::Link&, const TopicId&) const, shares(const peers::Link&) const;
  bool carries_for(const peers::Link&) const;
  void anchor_refused(peers::Link&, u8 reason, TopicNo topic = 0);
  void served_again(const TopicPtr&);
  void served_again(AnchorEntry&, TopicNo);
  void on_refused(peers::Link&, u32 alias, const wire::Refused&);
  void share(peers::Link&, const TopicPtr&, u32 their_alias);
  void unshare(peers::Link&, const TopicPtr&);
  void forget_empty(const TopicPtr&);

  // ---- visitors.cpp: who brings what to an anchor, by address; who makes room for one link more
  void entered_from(const peers::Link&, const TopicPtr&, bool fresh);
  void take_addresses(const std::vector<std::pair<Bytes, Bytes>>& rows);
  Addresses::Present present(const Topic&) const;
  bool beyond_address(const Topic&, u64 bytes, const Bytes& from);

  // ---- room.cpp: what an anchor does where its disk is nearly full
  void no_room();
  void room_again();

  // ---- anchors.cpp
  void dial_anchors();
  void add_anchor(const std::string& url, bool persist);
  void remove_anchor(const std::string& url);
  bool is_anchor(const DeviceId&) const;  // a configured one

  // ---- introductions.cpp, dialling.cpp, signalling.cpp
  void introduce(peers::Link& fresh, const TopicPtr&);
  void withdraw(const peers::Link& gone, TopicNo);
  void tell_of(peers::Link&, TopicNo, const DeviceId& other, std::optional<bool> rtc);
  void send_introductions(peers::Link&, TopicNo, Introducing&);
  void introductions_time();
  void on_introduce(peers::Link&, const TopicPtr&, const wire::Introduce&);
  void note_contact(const DeviceId&, bool rtc, LinkId introducer, TopicNo), note_missed_contacts();
  bool make_room_for(const DeviceId& newcomer, LinkId introducer);
  bool room_for_attempt(LinkId via);
  void forget_introducer(LinkId, std::optional<TopicNo> topic);  // none: all of them
  void lost_sight(const DeviceId& peer, LinkId via), end_unheard(const DeviceId& peer, LinkId via);
  std::optional<LinkId> way_to(const Contact&) const;
  void unanswered(const DeviceId&, LinkId way), answered(const DeviceId&), note_silent();
  void dial_contacts();
  std::size_t links_wanted() const, served_links() const;
  std::size_t linked_in(TopicNo) const;            // to members, not to anchors
  const Topic* shared_with(const Contact&) const;  // one of the topics, open here
  bool may_dial(const DeviceId&, const Contact&) const;
  std::optional<u64> next_dial(), next_silent();
  std::vector<std::string> stun_urls() const;
  void attempt_rtc(const DeviceId&, Contact&);
  bool attempt_relay(const DeviceId&, Contact&);  // false: there is none to be made
  void on_signal(peers::Link&, const wire::Signal&);
  void on_signal_text(LinkId via, const DeviceId& from, const peers::SignalText&);
  void on_offer(LinkId via, const DeviceId& from, const peers::SignalText&);
  void on_rtc_signal(const RtcSignal&);
  void rtc_ended(u32 attempt);
  void send_signal(const Attempt&, const peers::SignalText&);
  void on_relay(peers::Link&, const wire::Relay&), on_unreachable(peers::Link&, const wire::Unreachable&);

  // ---- topics.cpp
  void on_call(Call& call);
  void defer(const TopicPtr&, Call call);  // until its rows are read and what they owe is done
  void call(u32 id, TopicNamed&);
  void call(u32 id, TopicCreate&);
  void call(u32 id, TopicJoin&);
  void call(u32 id, TopicJoinCode&);
  void call(u32 id, TopicClose&), call(u32 id, TopicLeave&);
  void call(u32 id, TopicInvite&), call(u32 id, TopicShortcode&);
  void call(u32 id, Cancel&);
  void call(u32 id, AnchorAdd&), call(u32 id, AnchorRemove&);
  void call(u32 id, SetPresence&);
  void call(u32 id, PullLimit&);
  void enter(u32 id, const Secret&, std::optional<std::string> name, std::optional<std::string> shortcode);
  void open_topic(const TopicPtr&, std::optional<u32> call);
  void load_topic(const TopicPtr&);
  void take_logs(const TopicPtr&, const std::vector<std::pair<Bytes, Bytes>>& rows, LogNo last);
  void load_indexes(const TopicPtr&, u32 reading);
  void topic_loaded(const TopicPtr&);
  void load_rest(const TopicPtr&);  // behind the logs: acknowledgements and names
  void note_lost_logs();
  void reload_topic(const TopicPtr&);
  void rebuild(const TopicPtr&);  // index all batches anew
  void rebuild_from_nothing(const TopicPtr&, bool arrivals_lost);
  void rebuild_on(const TopicPtr&, u32 reading, LogNo no, u64 at), rebuilt(const TopicPtr&, u32 reading);
  void look_through(const TopicPtr&, u32 reading, u64 from);  // what an older core took in
  u64 rebuild_again_at(const TopicExtra&) const;
  void not_entered(const TopicPtr&, SaveOutcome);
  void end_topic(const TopicPtr&, const Ending&), end_if_idle(const TopicPtr&);
  void ended(const TopicPtr&, Ending::How, SaveOutcome);
  void close_topic(const TopicPtr&), end_following(const TopicPtr&);
  TopicPtr open_one(u32 call, TopicNo);  // or replies that it is not open
  TopicPtr make_topic(const NetworkId&, const TopicId&);
  // Whoever may change something asks by one of these: the topic is looked at with this turn.
  TopicExtra& extra(const TopicPtr& topic) { return touched_.insert(topic->no), extras_[topic->no]; }
  TopicExtra* known_extra(const TopicPtr&);  // null: it is forgotten

  // ---- touched.cpp: what a turn looks at, and what all topics together come to
  template <class F>
  void each_touched(F use);
  void touch_due(), topics_time(), settle_touched();
  void tally(), tally(TopicNo);
  void audit() const;  // in tests: nothing changed that was not touched
  std::optional<u64> deadline_of(const Topic&, const TopicExtra&) const;

  // ---- mend.cpp
  void damaged(const TopicPtr&, const sync::Damage&) override;
  void once_mended(const TopicPtr&, u32 call, Task<void()> again);
  void begin_search(const TopicPtr&, LogNo);
  void search(const TopicPtr&, LogNo, u64 group, u64 hole);
  void mend_tree(const TopicPtr&, LogNo, std::size_t level, u64 group, u64 hole);
  void note_hole(const TopicPtr&, LogNo, u64 hole);
  void restored(const TopicPtr&, LogNo) override;
  void report_holes();

  // ---- append.cpp
  void call(u32 id, Append&);
  void append_waiting(const TopicPtr&);
  struct AppendStep;
  void appended(const TopicPtr&, TopicExtra&, std::deque<WaitingAppend>&, const AppendStep&, bool unsure);
  void written(const TopicPtr&, const author::Written&);  // durable: tell everybody

  // ---- clock.cpp
  void update_clock();
  void clock_stepped(i64 by_ms);
  bool dated_ahead(const Topic&, HybridTime greatest) const;
  bool redates(const Topic&) const;  // own batches that our clock says are dated ahead
  void release_due(const TopicPtr&);
  std::map<LogNo, u64> ahead_of_us(crdt::Replica&) const;
  u64 ahead_from(store::Rows&, const Topic&, LogNo) const;
  void note_held(const TopicPtr&, const std::map<LogNo, u64>& held);
  void look_for_held(const TopicPtr&);

  // ---- reappend.cpp
  void lost_own(const TopicPtr&, sync::Branch) override;
  void voided_own(const TopicPtr&, LogNo) override;
  void own_came(const TopicPtr&, LogNo, u64 from) override;
  void pass_holes(const TopicPtr&);
  void look_for_uncounted(const TopicPtr&);  // once it is loaded
  void reappend(const TopicPtr&);
  struct ReappendStep;
  void reappended(const TopicPtr&, TopicExtra&, const author::Uncounted&, const ReappendStep&);
  void settled(const TopicPtr&);
  void renamed(const TopicPtr&, const std::map<OpId, OpId>&);
  std::optional<OpId> op_named(const Topic&, std::string_view text) const;
  u64 pending(const TopicPtr&) const;  // own ops that nobody has acknowledged, or that wait to be appended again

  // ---- queries.cpp
  void call(u32 id, Messages&), call(u32 id, Latest&);
  void call(u32 id, GetMessage&), call(u32 id, Live&);
  void call(u32 id, MarkRead&), call(u32 id, MapGet&);
  void call(u32 id, MapEntries&), call(u32 id, MapConflicts&), call(u32 id, MapHistory&);
  void call(u32 id, GetDigest&), call(u32 id, GetCopies&), call(u32 id, GetLogs&);
  void call(u32 id, WaitCopies&), call(u32 id, WaitSynced&);
  void call(u32 id, Close&) { close(id); }
  template <class F>
  void query(u32 id, TopicNo, F ask);
  std::pair<std::vector<DeviceId>, std::vector<DeviceId>> copies_of(const TopicPtr&, const std::vector<OpId>& places,
                                                                    bool acked_only) const;
  void find_places(const TopicPtr&, const std::vector<OpId>& ids, Task<void(std::vector<std::vector<OpId>>)> use);
  void move_waiters(const TopicPtr&);
  void check_waiters();

  // ---- presence.cpp
  void on_presence(peers::Link&, const TopicPtr&, const wire::Frame&);
  void pass_on(peers::Link& from, const TopicPtr&, const wire::Presence&), pass_on_names(const TopicPtr&, TopicExtra&);
  void announce(const TopicPtr&, u8 kind, const std::optional<Bytes>& value, std::optional<LinkId> only);
  void announce_to_newcomer(peers::Link&, const TopicPtr&), announce_anew();
  void presence_time(const TopicPtr&, TopicExtra&);
  void keep_frame(Heard&, Bytes frame);  // for newcomers, as far as there is room
  void member_gone(const TopicPtr&, const DeviceId&);
  struct Sight;
  Sight sight(const TopicPtr&) const;
  std::optional<DeviceId> makes_room(const TopicPtr&, const DeviceId& newcomer, const std::set<DeviceId>& others,
                                     sync::Nearness at_least) const;
  bool room_to_hear(const TopicPtr&, const DeviceId& newcomer, sync::Nearness at_least);
  void saw(const TopicPtr&, const DeviceId&, u64 wall_ms);
  void learn_name(const TopicPtr&, const DeviceId&, std::string name, sync::Nearness at_least);
  void forget_name(const TopicPtr&, const DeviceId&);
  void load_names(const TopicPtr&, const std::vector<std::pair<Bytes, Bytes>>& rows);
  std::vector<MemberOut> members(const TopicPtr&);

  // ---- notices.cpp
  void notices();
  StatusNotice status();
  PeersNotice peers_notice();
  void topic_notice(const TopicPtr&);
  std::optional<TopicOut> listed(TopicNo) const;  // none: it is not

  // ---- what sync asks
  void send(LinkId, Bytes frame) override;
  u64 buffered(LinkId) const override, rested_at(LinkId) const override;
  void charge(LinkId, u64 work) override;
  u64* told_ms(LinkId) override;
  Budget* acks(LinkId, sync::AckWay) override;
  void fault(LinkId, sync::Fault) override;
  u64 corrected_now_ms() const override { return clock::corrected(now_.wall_ms, agreement_.offset()); }
  u64 idle_ms(u64 usual, u64 most) const override;
  wire::Epoch epoch(const Topic& topic) const override { return topic.epoch.value_or(epoch_); }
  const Seed& cursor_key() const override { return cursor_key_; }
  bool rolled_back(const TopicPtr&) override;
  void keep(store::Rows&, Topic&) override;
  std::vector<sync::Nearness> nearness(const TopicPtr&, const std::vector<DeviceId>&) const override;
  void stored(const TopicPtr&, const crdt::Changes&) override;
  void progressed(const TopicPtr&) override;
  void acked(const TopicPtr&) override;
  void storage_failed(SaveOutcome) override;
  wire::Refusal* quota(const Topic&, const DeviceId&, u64 bytes, const Bytes& from = {}) override;
  Bytes origin(LinkId) const override;
  void grew(store::Rows&, const TopicPtr&, u64 bytes, const Bytes& from) override;
  void count_bytes(const TopicPtr&, u64 bytes);
  void apply(const TopicPtr&, const std::vector<sync::LogUpdate>&);  // once they are durable
  void count(const char* name, u64 n) override { metrics_[name] += n; }
  void refused(wire::Refusal) override;
  void check_leases();
  void used(const TopicPtr&);  // at an anchor
  void forget_topic(const TopicPtr&, store::Transactions::Done), drop_topic(const TopicPtr&);
  void erase_topic(const TopicPtr&, store::Transactions::Done);

  Config config_;
  const params::Memory memory_;
  const Seed cursor_key_;
  std::shared_ptr<identity::Identity> identity_;
  crypto::Random random_;
  session::StaticKey static_key_;
  store::Transactions transactions_;
  sync::Sync sync_;
  Instant now_;
  std::vector<Action> actions_;
  Storage storage_;
  bool closing_ = false, online_ = true, meta_lost_ = false, numbers_known_ = false;
  int start_reads_ = 0;
  std::deque<Call> early_calls_;
  std::vector<u32> close_calls_;
  wire::Epoch epoch_{};
  TopicNo next_topic_ = 1;
  u64 openings_ = 1;                         // how often a topic was opened or closed
  std::map<TopicNo, log::Opening> orphans_;  // numbers whose rows are there, but not what topic they are of
  std::map<TopicNo, TopicPtr> topics_;
  std::map<TopicNo, TopicExtra> extras_;
  std::set<TopicNo> touched_;  // topics in which something happened, or is due
  Timers<TopicNo> topic_timers_;
  Tallies tallies_;  // what they come to
  std::map<std::pair<NetworkId, TopicId>, TopicNo> topic_numbers_;
  std::map<LinkId, std::unique_ptr<peers::Link>> links_;
  std::vector<LinkId> closing_links_;
  std::vector<std::unique_ptr<peers::Link>> closed_;  // in this turn: whoever is in the middle of a frame holds them
  u32 next_relayed_ = 1u << 31, next_attempt_ = 1;
  Purses purses_;                    // by address
  u64 said_bytes_ = 0;               // of presences kept for newcomers
  u64 unsent_ = 0, unfinished_ = 0;  // bytes of all links: sent and not taken; of frames in pieces or that wait
  Timers<LinkId> link_timers_;
  std::set<LinkId> choked_links_;                // to be closed
  std::map<DeviceId, std::set<LinkId>> linked_;  // greeted ones, by who is there
  std::map<LinkKind, u32> greeted_;              // how many of each kind
  u64 ping_interval_ = 0;                        // by which the timers are set
  std::set<LinkId> waiting_links_;               // who owes and has said more
  std::map<std::string, AnchorEntry> anchors_;
  std::map<std::pair<LinkId, TopicNo>, Introducing> introducing_;
  Contacts contacts_;
  bool redial_ = true;            // something changed for whom we may dial …
  std::optional<u64> dial_at_;    // … and when one of them is due
  bool contacts_missed_ = false;  // there was no room for somebody who may still be in reach
  std::map<u32, Attempt> attempts_;
  Budget redials_, offers_, presences_;
  Waiters waiters_;
  author::Receipts receipts_;
  clock::Agreement agreement_;
  std::map<Code, std::string> trouble_;
  // rows that only others could give again; what they gave of it cannot be read
  bool rows_lost_ = false, unreadable_lost_ = false;
  const char* holes_reported_ = nullptr;  // what the app was told of that
  std::map<std::string, u64> metrics_;
  wire::Refusal refusal_{};
  std::set<TopicId> served_;  // anchors: what they were told to serve
  Addresses addresses_;       // anchors
  DiskRoom disk_room_;        // anchors
  u64 total_bytes_ = 0;       // anchors: sealed bytes of all topics
  bool status_dirty_ = true, peers_dirty_ = true, anchors_dirty_ = true;
  TopicList topic_list_;         // as the app was told of it
  std::optional<u64> peers_at_;  // when to tell of peers, steady
  std::size_t peers_told_ = 0;   // how many there were last
  u64 metrics_at_ = 0, leases_at_ = 0, leases_end_at_ = 0, thrown_off_ms_ = 0;
};

}  // namespace perdure
