// What the node keeps of a topic beside sync's own state, and what calls wait for.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <map>
#include <set>

#include "author/uncounted.hpp"
#include "base/budget.hpp"
#include "base/task.hpp"
#include "sync/missing.hpp"
#include "sync/sync.hpp"

namespace perdure {

using store::LogNo;
using store::TopicNo;
using sync::Topic;
using sync::TopicPtr;

struct WaitingAppend {
  std::vector<u32> calls;  // that ask for it: more than one if it was asked for again, with its tag
  RequestTag tag;
  std::vector<NewOp> ops;
  std::size_t bytes = 0;
};

struct Resumed {  // a call, and how it goes on
  u32 call = 0;
  Task<void()> go;
};

// A call that ends following a topic: once all that was accepted is answered, and what it asks for is durable.
struct Ending {
  enum class How : u8 { close, leave, forget } how = How::close;
  u32 call = 0;
};

inline constexpr u8 kind_presence = 1, kind_profile = 2;
struct Heard {  // a presence or profile, the newest of its device
  u64 sequence = 0;
  u64 heard_ms = 0;   // steady
  Budget budget;      // how often it is heard; anchors: passed on
  Bytes frame;        // as it came, for who enters later
  bool owed = false;  // anchors: a name that those who are here have not been told
  std::optional<Bytes> value;
};

// What the node keeps of a topic beside sync's own state.
struct TopicExtra {
  std::deque<author::Uncounted> uncounted;
  std::deque<WaitingAppend> waiting;
  std::size_t waiting_bytes = 0;
  std::shared_ptr<std::deque<WaitingAppend>> appending;  // those that are on their way to the store
  WaitingAppend* append_of(const RequestTag& tag) {
    for (auto* all : {&waiting, appending.get()})
      for (std::size_t n = 0; all && !tag.is_zero() && n < all->size(); ++n)
        if ((*all)[n].tag == tag) return &(*all)[n];
    return nullptr;
  }
  // The first of those that wait, with at most so many bytes, one at least.
  std::deque<WaitingAppend> take_waiting(std::size_t bytes_max);
  void wait_again(std::deque<WaitingAppend>& appends);  // before all others
  std::vector<u32> opening_calls;                       // topic() and join() that wait until it is loaded
  std::deque<Call> deferred;                            // other calls made meanwhile
  std::map<std::pair<DeviceId, u8>, Heard> heard;       // by device and kind
  std::optional<Bytes> own_presence;
  u64 own_presence_at = 0;  // last sent, steady
  u64 own_sequence = 0;
  bool own_presence_due = false;
  std::map<DeviceId, std::string> names;  // kept in W rows
  std::map<DeviceId, u64> last_seen_ms;   // wall
  bool releasing = false;
  bool reappending = false;
  bool settling = false;         // just loaded: calls wait until own batches that do not count are appended again
  bool looked_for_held = false;  // since the last append
  bool held_waits = false;  // own batches dated ahead may be here: they are looked for once our clock may be trusted
  std::vector<Ending> endings;
  bool leaves() const {
    return std::ranges::any_of(endings, [](const Ending& e) { return e.how != Ending::How::close; });
  }
  bool ending = false;                  // what they ask for is on its way to the store
  bool failed = false;                  // loaded again after a failed save
  u32 load_failures = 0;                // saves that failed before it was loaded, in a row
  std::optional<Error> unusable;        // … too often: what its calls are told, until it is loaded after all
  u64 rebuild_at = 0;                   // when to try again to index it anew; 0: no need
  bool rebuild_wanted = false;          // an index could not be read
  bool arrivals_lost = false;           // … that of the order of arrival
  bool own_unreadable = false;          // a batch of our own is opaque
  u64 rebuilt_ms = 0;                   // when it was last indexed anew
  u64 back_at = 0;                      // when it is again, with what has come back meanwhile; 0: no need
  std::vector<Resumed> retries;         // calls that met damaged indexes
  std::map<LogNo, u64> searched;        // logs of which a row was missed, until when they are not looked through again
  sync::Missing missing, missed;        // what the indexes are without; … while they are being made
  std::map<LogNo, u64> holes_given_up;  // own logs that end in a hole for others: what is behind it is appended again
  std::map<LogNo, bool> searching;      // logs that are being looked through for lost rows; true: once more after that
  std::map<OpId, OpId> renamed;         // receipts of this life whose ids another branch has: what they speak of now
  TopicNotice pending_notice;           // keys and flags gathered since the last notice
  TopicNotice last_notice;
  Budget epochs;  // begun because a backup was put back
  bool dirty = false;
  bool members_dirty = false;
  std::optional<u64> members_at;  // when to tell of members, steady
  std::optional<u64> names_at;    // … and, at an anchor, to pass on names that are owed
  std::vector<MemberOut> last_members;
};

inline constexpr std::size_t asked_again_max = 64;  // of one append, with its tag: each time a tab began to lead

inline constexpr char gone_text
    [] = "This device's store is gone: it is a new device now. Open each topic again by its invite, and what others hold of it is fetched again.";
inline constexpr char unreadable_text
    [] = "Something that this device had said was lost here, and what others hold of it cannot be read. Say it again where it matters.";

}  // namespace perdure
