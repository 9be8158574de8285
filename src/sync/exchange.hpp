// What we know and owe of one topic on one link.
#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "base/bounded.hpp"
#include "base/budget.hpp"
#include "log/batch.hpp"
#include "sync/topic.hpp"

namespace perdure::sync {

// Parameters, each with its reason.
inline constexpr u64 push_bytes_max = 64 * 1024;   // unasked, in answer to a greeting: one page's worth
inline constexpr u64 want_bytes_max = 512 * 1024;  // one want: half a second of a slow home uplink
inline constexpr u64 window_bytes = 1024 * 1024;   // wanted and not yet arrived, per link and topic
inline constexpr std::size_t pulls_max = 8;        // wants under way, likewise
inline constexpr std::size_t serves_max = 64;      // wants that a peer may have under way with us; more closes the link
inline constexpr std::size_t theirs_max = 65'536;  // logs a peer may speak of; more closes the link
inline constexpr u64 queued_bytes_max = 3 * 1024 * 1024;  // pages waiting for storage, per link; more closes the link
inline constexpr u64 buffered_bytes_max = 512 * 1024;     // in the host's buffer before we stop serving
// … before we answer another greeting; the host says of every 128 KiB that they are out
inline constexpr u64 unsent_answer_max = 256 * 1024;
inline constexpr u64 claim_bytes = 200;           // of memory, for each log that a peer says it holds
inline constexpr u64 kept_bytes = 64;             // … for each log that it is remembered to have, or to be asked of
inline constexpr u64 announce_delay_ms = 100;     // gathers announcements
inline constexpr u64 check_interval_ms = 30'000;  // anti-entropy
inline constexpr u64 check_interval_ms_max = 600'000;  // … spread out: what was pushed and announced is rarely amiss
inline constexpr u64 check_bytes = 40;                 // sealed
inline constexpr u64 ack_interval_ms = 200;            // at most 5 a second and log
// bytes dated ahead that we store before we stop asking for more
inline constexpr u64 held_back_pull_max = 1024 * 1024;
inline constexpr u64 failed_pause_ms = 5'000;  // after a failed save, before anything is pulled again

// acknowledgements and answers that wait for storage, per link; more are not heard
inline constexpr std::size_t steps_max = 256;
// of memory, for each acknowledgement that was passed on to a peer, and is not again
inline constexpr u64 passed_bytes = 160;
// … in one topic; beyond that all are forgotten
inline constexpr std::size_t passed_max = 4'096;
inline constexpr u64 hole_ms_max = 10'000;  // for what we have lost: then it is taken for not to be had there
inline constexpr u64 want_ms_max = 20'000;  // without a page that proves right: then another peer is asked
// For each want's worth of a log that is given, while others hold more of it, too: anybody else is hardly slower. What is lost here is
// waited for as long.
inline constexpr u64 turn_ms_max = 120'000;
inline constexpr std::size_t openings_max = 1024;     // logs whose first pages are under way
inline constexpr std::size_t fork_searches_max = 16;  // forks are rare; a peer with more waits for the next greeting
// bytes of a lost branch that are appended again at once: one appendAll
inline constexpr std::size_t branch_portion = 16u << 20;

// The app wants to know what all hold now (Sync::ask).
inline constexpr std::size_t asks_max = 4;  // of one topic, under way; the next one waits, for all who ask meanwhile
inline constexpr Budget::Rate asks_rate{30, 30};
inline constexpr u64 ask_ms_max = 10'000;  // then what was said last is believed

struct Their {     // what the peer is known to hold of a log
  u64 length = 0;  // with what was sent to it, which it may not have stored
  u64 ops = 0;
  u64 time_s = 0;
  std::array<u8, 4> root{};
  u64 cut = log::no_cut;  // it takes nothing from there on
  u64 said = 0;           // length by its own word
  // In the batches from there on, were all of a size; at least one.
  u64 ops_beyond(u64 from) const {
    const u64 all = std::clamp<u64>(length, 1, log::batches_max),
              lack = std::clamp<u64>(all - std::min(from, all), 1, all);
    const u64 said_ops = std::clamp(ops, all, all * log::ops_max);
    return said_ops / all * lack + said_ops % all * lack / all;
  }
};

struct Lack {  // what a peer would take of a log that we hold
  u64 from = 0, to = 0;
  explicit operator bool() const { return from < to; }
};

struct Pull {  // a want of ours under way
  wire::LogTag log{};
  u64 next = 0, to = 0;  // batches that are still to come
  u64 bytes = 0;
  u64 heard_ms = 0;                    // when it was sent or something of it proved right, steady
  u64 ms_max = want_ms_max;            // … and how long that may be ago
  std::optional<store::LogNo> turn{};  // of which log nobody else is asked meanwhile
  bool got = false;                    // something of it has come and proved right
};

struct Serve {  // a page that we owe, or the end of an answer
  enum class Kind : u8 { want, push, done } kind = Kind::want;
  u32 request = 0;
  wire::LogTag log{};
  u64 from = 0, to = 0, bytes = 0;
};

// Finding where two branches of a log part (DESIGN 3, forks on purpose).
struct ForkSearch {
  bool by_page = false;  // their page did not fit: if the trees agree, they lied
  bool proved = false;   // their head is signed over the tree that we descend
  bool parted = false;   // the first leaf that differs is found; their tree is asked for as it goes on behind it
  u64 length = 0;        // of their branch
  Hash root;             // … and its root
  u32 level = 0;         // node under comparison
  u64 index = 0;
  Hash theirs;  // its hash there
};

// Batches of our own log that our rows have lost or never had: to be appended again.
struct Branch {
  store::LogNo no = 0;
  u64 from = 0;   // where it parts from ours
  u64 first = 0;  // index of the first of these batches
  std::vector<Bytes> sealed;
  std::optional<Hash> root;  // of the whole branch: with these it has been told to its end
};

// Our own log has another branch over there: it is fetched.
struct BranchFetch {
  Branch branch;
  u64 length = 0;    // of their branch
  log::Peaks peaks;  // of what was fetched so far
  std::size_t bytes = 0;
  u32 request = 0;  // the last want
};

// Epochs of one store begin alike; those of its topics differ behind that once a backup of it was put back.
inline bool same_store(const wire::Epoch& a, const wire::Epoch& b) {
  return std::equal(a.begin(), a.begin() + 4, b.begin());
}

struct Exchange {
  LinkId link;
  DeviceId peer;
  bool anchor = false;                        // the peer is one
  Hash session;                               // handshake hash
  wire::Epoch epoch{};                        // of the peer's store, as it greeted; then of the topic there
  u32 alias = 0;                              // ours, in frames that we send
  u64 attached_ms = 0;                        // steady
  std::map<wire::LogTag, store::LogNo> tags;  // of the logs that we know
  std::map<wire::LogTag, Their> theirs;
  std::map<wire::LogTag, log::Opening> openings;  // of logs whose first page is on its way to the store
  std::map<wire::LogTag, u64> limits;             // tests: pull limits by tag
  struct Asked {
    u64 hole = 0;
    u32 request = 0;
  };
  std::map<store::LogNo, Asked> asked;  // for what we have lost, by name
  std::set<wire::LogTag> behind;        // logs of which they hold more than we do
  std::set<wire::LogTag> stuck;         // … of these, that they could not give, until they speak of them again
  std::set<wire::LogTag> withheld;      // … of which they gave nothing when asked: it counts again once they give some
  bool hello_got = false;
  bool epoch_told = false;
  // frontiers, last time
  struct Compared {
    wire::Fingerprint ours{}, theirs{};
    bool operator==(const Compared&) const = default;
  } compared;
  bool hello_lost = false;  // theirs came while our rows were being read
  bool done_got = false;
  bool unanswered = false;  // greeted, and no `done` has come since
  // … as before our rows were read anew: the next one may be to that greeting, and what came with it is forgotten
  bool unsure = false;
  u64 ask = 0, answered = 0;  // the newest ask that was made before we greeted; … before what they have answered
  bool answering = false;     // their hello is being answered: pushes share a budget
  std::optional<wire::Hello> waiting;  // … and that is the last one of those that came meanwhile, or while they owed
  bool greet_back = false, greet_acks = false;  // with the answer: our own greeting, our acknowledgements
  u64 resume_at = 0;  // when they owe nothing any more, and what waits for that goes on; 0: nothing does
  struct {
    u64 version = 0;
    wire::Fingerprint print{};
  } ours;                // of our frontier, as of its version
  u64 level_at = 0;      // version of our frontier that they hold all of, as far as `theirs` says; 0: none
  u64 compared_at = 0;   // … in which nothing was found that they lack
  u64 claimed = 0;       // of `theirs`, beyond what we know: as counted for the link
  u64 kept = 0;          // logs in `tags` and `theirs`, likewise
  bool refused = false;  // they store nothing more of ours
  std::optional<wire::Cursor> offered;  // kept once nothing is behind
  bool told_back = false;               // … or shown what was kept: it had more before
  std::map<u32, Pull> pulls;
  u64 pull_bytes = 0;
  u32 next_request = 1;
  std::deque<Serve> serves;  // wants: at most serves_max; pushes: one a log
  std::size_t wants_owed = 0;
  u64 push_left = 0;
  std::vector<wire::Item> unpushed;  // told instead
  bool serving = false;              // a page is being read
  u64 queued_bytes = 0;
  std::map<std::pair<DeviceId, store::LogNo>, std::pair<wire::Epoch, u64>> passed;  // acknowledgements, to it
  std::optional<wire::Epoch> acked_in;  // in which it acknowledged last what others said
  Budget acked_anew;
  std::size_t steps = 0;  // that answers to frames of this kind wait for: at most steps_max
  std::set<store::LogNo> announce;
  std::optional<u64> announce_at;
  u64 check_at = 0;
  std::map<wire::LogTag, ForkSearch> fork_searches;  // at most fork_searches_max
  std::set<wire::LogTag> shown;                      // logs whose fork was proved to them, or by them
  std::set<wire::LogTag> suspects;                   // fork_searches to open once nothing is being fetched
  std::map<wire::LogTag, u64> parted;                // where their history of a log was seen to leave ours
  std::map<wire::LogTag, std::array<u8, 4>> looked;  // own voided logs that were asked about, by what was said of them
  std::map<wire::LogTag, BranchFetch> branch_fetches;  // of our own logs
  u32 attachment = 0;                                  // tells a later exchange on the same link from this one …
  u32 generation = 0;  // … and what was asked before they greeted anew from what came after

  // Of what is not wanted nothing is remembered: there is no end to what they may call a log.
  void stick(const wire::LogTag& log) {
    if (behind.contains(log)) stuck.insert(log);
  }
  void withhold(const wire::LogTag& log) {
    stick(log);
    if (behind.contains(log)) withheld.insert(log);
  }
  void level(const wire::LogTag& log) { behind.erase(log), stuck.erase(log), withheld.erase(log); }
  // All is here that they hold, and have not merely claimed.
  bool have_all() const {
    return std::ranges::all_of(behind, [&](const auto& log) { return withheld.contains(log); });
  }
  Lack lack(const wire::LogTag& tag, const Durable& held) const {
    auto their = theirs.find(tag);
    if (their == theirs.end()) return {0, held.spoken()};
    // Behind their cut they take what voids other logs.
    return {their->second.length, std::min(held.spoken(), std::max({their->second.cut, u64{1}, held.voids_to}))};
  }
};

}  // namespace perdure::sync
