// What the node keeps of a topic beside sync's own state, and what calls wait for.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <map>
#include <set>

#include "base/budget.hpp"
#include "base/task.hpp"
#include "sync/sync.hpp"

namespace perdure {

using store::LogNo;
using store::TopicNo;
using sync::Topic;
using sync::TopicPtr;

struct WaitingAppend {
  u32 call = 0;
  RequestTag tag;
  std::vector<NewOp> ops;
  std::size_t bytes = 0;
};

struct Resumed {  // a call, and how it goes on
  u32 call = 0;
  Task<void()> go;
};

struct Heard {  // a presence or profile, the newest of its device
  u64 sequence = 0;
  u64 heard_ms = 0;  // steady
  Budget budget;     // anchors: how often it is passed on
  Bytes frame;       // as it came, for who enters later
  std::optional<Bytes> value;
};

// Own batches that were accepted and do not count: what of them was not appended again yet, is.
struct Uncounted {
  // Somebody holds another branch; dated ahead; voided, or here again behind a void; behind a batch that nobody has any more; another life
  // of ours may have said something else under the same id.
  enum class Why : u8 { branch, held, voided, hole, clash } why = Why::branch;
  sync::Branch branch;
};

// What the node keeps of a topic beside sync's own state.
struct TopicExtra {
  std::deque<Uncounted> uncounted;
  std::deque<WaitingAppend> waiting;
  std::size_t waiting_bytes = 0;
  bool appending = false;
  std::map<LogNo, u64> dep_lengths;                // as of our last batch
  std::vector<u32> opening_calls;                  // topic() and join() that wait until it is loaded
  std::deque<Call> deferred;                       // other calls made meanwhile
  std::map<std::pair<DeviceId, u8>, Heard> heard;  // by device and kind
  std::optional<Bytes> own_presence;
  u64 own_presence_at = 0;  // last sent, steady
  u64 own_sequence = 0;
  bool own_presence_due = false;
  std::map<DeviceId, std::string> names;  // kept in W rows
  std::map<DeviceId, u64> last_seen_ms;   // wall
  bool releasing = false;
  bool reappending = false;
  bool settling = false;          // just loaded: calls wait until own batches that do not count are appended again
  bool looked_for_held = false;   // since the last append
  std::vector<Resumed> endings;   // what follows once it is closed: it closes when all that was accepted is answered
  bool failed = false;            // loaded again after a failed save
  u32 load_failures = 0;          // saves that failed before it was loaded, in a row
  std::optional<Error> unusable;  // … too often: what its calls are told, until it is loaded after all
  u64 rebuild_at = 0;             // when to try again to index it anew; 0: no need
  bool rebuild_wanted = false;    // an index could not be read
  bool own_unreadable = false;    // a batch of our own is opaque
  bool arrivals_lost = false;     // … that of the order of arrival
  u64 rebuilt_ms = 0;             // when it was last indexed anew
  std::vector<Resumed> retries;   // calls that met damaged indexes
  std::set<LogNo> searched;       // logs of which a row was missed, since the topic was read
  std::map<LogNo, u64> holes_given_up;  // own logs that end in a hole for others: what is behind it is appended again
  std::map<OpId, OpId> renamed;         // receipts of this life whose ids another branch has: what they speak of now
  std::map<LogNo, bool> searching;      // … that are being looked through; true: once more after that
  TopicNotice pending_notice;           // keys and flags gathered since the last notice
  TopicNotice last_notice;
  Budget epochs;  // begun because a backup was put back
  bool dirty = false;
  bool members_dirty = false;
  std::optional<u64> members_at;  // when to tell of members, steady
  std::vector<MemberOut> last_members;
};

// What a topic adds to what is said of all of them.
struct Tally { u64 pending = 0, bytes = 0, newest_ms = 0; };

inline constexpr char gone_text[] = "This device's store is gone. Stay online: what others hold is fetched again.";
inline constexpr char unreadable_text
    [] = "Something that this device had said was lost here, and what others hold of it cannot be read. Say it again where it matters.";

// An op to be appended again. renamed: another life's op has its id, so it gets one of its own; held: it gets a new time; ours: the id was
// given out here.
struct Again {
  log::Op op;
  OpId id;
  bool renamed = false, held = false, ours = false;
};

}  // namespace perdure
