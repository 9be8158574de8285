// From batches to what an app sees: the timeline and the map of one topic, as paged indexes over rows.
//
//     Replica replica(rows, topic, logs, keys, network);            // in a step; reads and writes `rows`
//     replica.add(log, from, to, corrected_now);                    // after log::accept or log::append, in the same step
//     replica.cut(log, new_cut);                                    // void or fork: from there on nothing of the log counts; or more does again
//     replica.release(corrected_now);                               // held-back batches that are due
//     replica.finish();                                             // writes the indexes row; changes() says what to tell the app
//
// Counted: neither held back nor at or behind the log's cut (LogState::cut). Everything here is a function of the set of
// batches, cuts and the corrected clock: replicas that hold the same show the same, in whatever order it came.
// A batch that cannot be unsealed or decoded is kept and forwarded but says nothing (`opaque`); it is remembered, to be read again by a core
// that knows more.
#pragma once

#include <map>
#include <set>

#include "crdt/arrivals.hpp"
#include "crdt/batches.hpp"
#include "crdt/counted.hpp"
#include "crdt/indexes.hpp"
#include "crdt/logs.hpp"
#include "crdt/map.hpp"
#include "crdt/marks.hpp"
#include "crdt/position.hpp"
#include "crdt/sayings.hpp"
#include "crdt/untold.hpp"
#include "identity/identity.hpp"
#include "log/batch.hpp"
#include "log/state.hpp"

namespace perdure::crdt {

// What a caller is told who asks for one.
inline constexpr const char*
    no_message_text = "There is no message with this id here. If it is of this topic it may still be on its way: await synced() and try again.";

struct Message {
  OpId id;
  DeviceId author;
  HybridTime time;
  Bytes value;
};
struct Version {
  OpId id;
  DeviceId author;
  HybridTime time;
  std::optional<Bytes> value;  // nothing: deleted
};
struct KeyState {
  Version winner;
  std::vector<Version> losers;  // greatest first, at most 256 and 1 MiB of values
};

// What changed in the course of a Replica's life, for those who watch.
struct Changes {
  bool timeline = false;
  bool held = false;
  std::vector<std::string> keys;  // at most 256; then all_keys
  bool all_keys = false;
  std::set<store::LogNo> opaque;  // logs of which a batch came that nobody can read
};

// Up to which arrival a core that knows all that this one does has looked at what came, in a row of its own: what an older core took in
// later is behind it. second: the indexes held what an older core does not know; if it has written them since, they are its own.
struct Looked {
  u64 upto = 0;
  bool second = false;
};
inline constexpr u64 looked_every = 1024;  // arrivals: so many are looked through again at most
Looked read_looked(store::Rows&, store::TopicNo);
void save_looked(store::Rows&, store::TopicNo, const Indexes&, u64 upto);

class Replica {
 public:
  Replica(store::Rows&, store::TopicNo, const Logs&, const identity::TopicKeys&, const NetworkId&);
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // `logs` still shows the state before the step (held = from); the batches are in rows. corrected_now_ms decides what is held back.
  void add(store::LogNo, u64 from, u64 to, u64 corrected_now_ms);
  // What a batch that is to be added says, from its author: then it is not opened to know. It must be one that can be decoded.
  void give(store::LogNo log, u64 index, log::Batch batch, std::size_t sealed_bytes) {
    batches_.give(log, index, std::move(batch), sealed_bytes);
  }
  void quiet() { quiet_ = true; }  // add() notes no arrivals: what is indexed anew has arrived before
  // From `from` on nothing of the log counts any more, and all before it does.
  void cut(store::LogNo, u64 from, u64 corrected_now_ms);
  // The author signed two histories from there on: what it voided in those is not void. The logs that it is about, with the cuts by the
  // voids that are left: the caller lifts LogState::voided_from and calls cut().
  std::vector<std::pair<store::LogNo, u64>> forked(store::LogNo, u64 from);
  // Counts held-back batches that are due, at most 256; true if more are waiting. Those who follow what arrives are told of what they have
  // not been told before.
  bool release(u64 corrected_now_ms);
  // Logs of a device with batches held back, and the first such batch of each; without those that are due by now.
  std::map<store::LogNo, u64> held_back_of(const DeviceId&, std::optional<u64> but_due_at_ms);
  std::optional<u64> next_due_ms() const;  // corrected wall time at which release() has work
  void finish();

  // Voids that concern logs of this step, by the number of the voided log: those that the batches added declare (of format 1 only in
  // the first batch of a log, by its own device, about its other logs), and those declared earlier about a log whose first batches
  // are added now. They hold also where another void cuts the batch that declares them, so that the order of arrival decides
  // nothing; not behind a fork. The caller lowers LogState::voided_from and calls cut(). The same void may be told again.
  const std::vector<std::pair<store::LogNo, log::Void>>& voids() const;
  const Changes& changes() const;
  Indexes& indexes();
  const Marks& marks() const { return marks_; }
  // Whether what was said there first is said again and counts under the id that it names, or will: but for that log from there on. Another life
  // of the device may have said something else under that id.
  bool is_said_again(const DeviceId& device, const log::Origin& origin, store::LogNo but, u64 from);
  // Whether some place that is here says an op of this id, but for that origin: counted or not.
  bool is_taken(const OpId&, const log::Origin&);
  // The batches that say an op of this id again, counted or not.
  std::set<std::pair<store::LogNo, u64>> sayings_of(const OpId&) const;
  // The places that count and say it, of logs of its device: who holds one of these batches holds the op.
  std::vector<OpId> places_of(const OpId&);
  // Batches [from, to) that a core which knew less has taken in: true if one of them says something to this one.
  bool has_news(store::LogNo log, u64 from, u64 to);
  void looks_back() { looks_back_ = true; }  // at what came before: the caller says how far that has come
  bool looked() const { return look_; }  // something that came here, or was looked at, is not as an older core knows it
  // An index page or row cannot be read: say so only of a run that missed nothing, and keep nothing of what it wrote.
  // The indexes can be rebuilt: erase the rows I and X of the topic and add all batches to logs that hold nothing.
  bool corrupt() const;
  bool arrivals_corrupt() const { return arrivals_.corrupt(); }
  // Logs of which a batch that should be here is not; indexes that name it may be right.
  const std::set<store::LogNo>& absent() const { return batches_.absent(); }

  // ---- reading; nothing is written. An empty answer with rows.missed() means: again later.
  struct PageOptions {
    std::optional<OpId> before, after;  // exclusive; an id that is not counted or not known gives not_found
    u32 limit = 50;                     // at most 256, and at most 1 MiB of values (at least one message)
    bool reverse = false;
  };
  struct PageResult {
    std::vector<Message> messages;
    bool more = false;
  };
  Result<PageResult> messages(const PageOptions&);
  Result<PageResult> latest(u32 limit);         // the newest, oldest first
  std::optional<Message> message(const OpId&);  // counted messages only
  // Each message newly counted after arrival `after`, once, in order of arrival. Returns the arrival number to go on from.
  // Ends with a whole batch, so it may give up to 255 more than `limit`. Start from indexes().arrived to hear what is new.
  struct LiveResult {
    std::vector<Message> messages;
    u64 next = 0;
  };
  LiveResult arrived_since(u64 after, u32 limit);
  u64 length();  // messages counted
  u64 unread();
  // Read is what stands before the mark when it is set; what comes late to a place before it is unread like anything else. All of these
  // need finish().
  void mark_read(std::optional<OpId> id);  // up to there, or all; never back
  void read_to_mark();                     // all before the mark that stands
  void read_own(u64 messages);             // so many were just appended here

  u64 map_size();
  std::optional<KeyState> key(std::string_view);  // nothing: never set, or nothing of it counts
  struct EntriesOptions {
    std::string prefix;
    std::optional<std::string> after;
    u32 limit = 256;
  };
  // winners that are no deletions, by key
  struct EntriesResult {
    std::vector<std::pair<std::string, Version>> entries;
    bool more = false;
  };
  EntriesResult entries(const EntriesOptions&);
  struct ConflictsResult {
    std::vector<std::pair<std::string, KeyState>> conflicts;
    bool more = false;
  };
  ConflictsResult conflicts(const EntriesOptions&);
  // The key's counted versions, greatest first, after `after`; at most `limit`. Walks the versions that each one replaced. An erasure that only
  // helps the next op of its batch to name more than one op can (made_way) was never a version that anybody saw.
  struct HistoryResult {
    std::vector<Version> versions;
    bool more = false;
  };
  HistoryResult history(std::string_view key, std::optional<OpId> after, u32 limit);
  std::vector<OpId> unreplaced(std::string_view key, u64 most);  // what a new set or delete must name, greatest first

  // One digest over what equal replicas agree on: batches by log (held, last root), timeline order, map with conflicts, voids. For
  // tests, simulator and replay; reads everything. The order of the logs does not matter.
  Hash digest(const std::vector<std::pair<store::LogNo, log::LogState>>&);

 private:
  static Indexes load(store::Rows&, store::TopicNo, bool& corrupt);
  bool due(HybridTime time, u64 corrected_now_ms) const;
  // A place that comes to count, or a message, by id.
  struct Offer {
    store::LogNo log = 0;
    u32 batch = 0, position = 0;
    Position at;
    bool again = false;
  };
  using Offers = std::map<OpId, Offer>;
  struct Ceasing {
    std::map<Bytes, Map::Removed> keys;
    std::map<OpId, bool> ids;
  };  // ids: whether it was read
  // A batch that is about to count: meet() first; once it does, come() gives the messages that are news.
  struct Coming {
    store::LogNo log = 0;
    const log::Batch* batch = nullptr;
    Position at;
    bool plain = false;
    u64 news = 0;
    Offers offers;
    Ceasing ceasing;
    std::vector<std::pair<OpId, Said>> places;  // to be found once it stands
  };
  Coming meet(store::LogNo, u64 index, const log::Batch&);
  void give_way(Coming&, const std::map<OpId, Counted::Found>& stood);
  u64 come(const Coming&);
  u64 come_plain(const Coming&);
  u64 place_messages(const Coming&);
  // The messages that the timeline finds by their batch: those that stand where they were said first.
  static u64 messages_at_home(const log::Batch&);
  void cease(const OpId&, const Counted::Found&, Ceasing&);
  void carry_out(const Ceasing&);
  void count(const Offers&, const Ceasing&);
  log::Origin first_said(const Counted::Found&);
  void look_at(store::LogNo, u64 index, const Batches::Opened*);
  bool is_read(const Position& at) const;
  void hold_back(store::LogNo, u64 index, const Batches::Opened&);
  void let_go(const Bytes& held_key);
  struct Leaving {
    Ceasing ceasing;
    std::vector<Bytes> held_back;
    std::vector<std::pair<OpId, Said>> places;
  };
  void take_back(store::LogNo, u64 to, u64 corrected_now_ms);
  void leave(store::LogNo, u64 index, const Batches::Ptr&, Leaving&);
  void read_again(Position at, const log::Batch&);
  bool told_elsewhere(const OpId&, const log::Op&, store::LogNo, u64 index);
  void declare(store::LogNo, u64 index, const log::Batch&);
  std::optional<u64> furthest_void(store::LogNo) const;  // from where on it is void
  void recall_voids(store::LogNo);
  void note_key(ByteView key);
  Version version(const Place&, const log::Op&) const;
  std::optional<Version> version(const Place&);  // nothing: not at hand
  bool made_way(const Place&, ByteView key);
  std::optional<KeyState> state_of(ByteView key, const Map::Record&);

  store::Rows& rows_;
  store::TopicNo topic_;
  bool corrupt_ = false;
  bool quiet_ = false;
  Indexes indexes_;
  store::Index timeline_, held_, voids_tree_;
  Untold untold_;
  Sayings sayings_;
  Marks marks_;
  Batches batches_;
  Counted counted_;
  Map map_;
  Arrivals arrivals_;
  std::vector<std::pair<store::LogNo, log::Void>> voids_;
  Changes changes_;
  std::set<Bytes> keys_noted_;
  bool looks_back_ = false;
  bool look_ = false;  // what came is not all as an older core knows it
  u64 arrived_before_ = 0;
};

}  // namespace perdure::crdt
