// Where steps meet the host's storage: reads what they miss, runs them again, gathers what they wrote into atomic saves.
//
//     transactions.run(topic, [=](Rows& rows) { … }, [=](SaveOutcome saved) { if (saved == SaveOutcome::ok) … });
//     transactions.run<u64>(topic, [=](Rows& rows) { return length_of(rows); }, [=](SaveOutcome saved, u64 length) { … });
//     …
//     transactions.flush(actions);                        // at the end of each turn
//
// Steps of one queue run one at a time, in order; the next may run before the save of the one before is confirmed, and sees what
// it wrote. Queues own disjoint rows. Everything that steps wrote while a save is under way goes into the next one: waiting
// writers share a save. `done` is called in the order of the saves; for a step that wrote nothing, once it has run and all saves
// issued before it are done with.
//
// What steps keep beside rows (Rows::keep) is dropped before rows are, the least recent first; both are bounded.
//
// Each row ends with a checksum over its key and what it holds, of which steps know nothing. A row that is damaged reads as absent in a
// step, and as empty in a range: that there was one is known.
//
// After a save or a read that failed everything waiting fails with it, the cache is dropped, the host is asked to reopen, and
// `on_reopened` is called: whoever keeps state in memory reads it again. If the host could not, what was asked for meanwhile fails too.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>

#include "base/task.hpp"
#include "store/rows.hpp"

namespace perdure::store {

struct BytesLess {
  using is_transparent = void;
  bool operator()(ByteView a, ByteView b) const;
};
// What a row holds, shared by whoever passes it on, and what it says, decoded (Rows::keep).
struct Row {
  std::shared_ptr<const Bytes> value;  // null: there is no such row
  Rows::Kept kept;
  std::size_t kept_bytes = 0;
};
using RowMap = std::map<Bytes, Row, BytesLess>;

// A row as it is stored, and back: nothing if it is damaged.
Bytes seal_row(ByteView key, ByteView value);
std::optional<Bytes> unseal_row(ByteView key, Bytes row);

class Transactions {
 public:
  using Step = Task<void(Rows&)>;
  using Done = Task<void(SaveOutcome)>;
  using RangeDone = Task<void(bool ok, std::vector<std::pair<Bytes, Bytes>> rows)>;

  static constexpr std::size_t save_bytes_usual = 4u << 20;  // a larger save would block the store for long

  explicit Transactions(std::size_t cache_bytes) : cache_bytes_max_(cache_bytes) {}
  void run(u64 queue, Step step, Done done);
  // For a step that finds something out: `done(outcome, found)` gets what it returned when it ran last, or a default one if it never did.
  template <class R, class Find, class Use>
  void run(u64 queue, Find step, Use done) {
    auto found = std::make_shared<R>();
    run(
        queue, [found, step = std::move(step)](Rows& rows) mutable { *found = step(rows); },
        [found, done = std::move(done)](SaveOutcome saved) mutable { done(saved, std::move(*found)); });
  }
  void read_range(Bytes from, Bytes to, u32 limit, bool reverse, RangeDone done);
  void erase_ranges(std::vector<std::pair<Bytes, Bytes>> ranges, Done done);  // from <= key < to; with the next save

  void on_event(const RowsRead&);
  void on_event(const Saved&);
  void on_event(const Reopened&);
  void reopen();                         // once more, after the host could not
  void flush(std::vector<Action>& out);  // once at the end of each turn

  Task<void(SaveOutcome)> on_failure;  // a save or a read failed: the reason, before anything is reopened
  Task<void(Reopening)> on_reopened;
  bool idle() const;                                             // nothing waits and nothing is under way
  bool ready() const { return !failed_ && !runnable_.empty(); }  // flush() has steps to run
  bool failed() const { return failed_; }
  std::size_t failed_bytes() const { return failed_bytes_; }  // of the save that failed last
  // … a step more than that: where there is little room, what fits is not to fail with what does not
  void save_at_most(std::size_t bytes) { save_bytes_max_ = bytes; }
  void save_as_usual() { save_bytes_max_ = save_bytes_usual; }
  u64 saved_bytes() const { return saved_bytes_; }  // written so far, for metrics
  std::set<u64> take_ran() {
    return std::exchange(ran_, {});
  }  // queues of which a step has run since it was asked last
  u64 damaged() const { return damaged_; }  // rows read whose checksum was wrong

 private:
  struct Job {
    Step step;
    Done done;
  };
  struct Queue {
    std::deque<Job> jobs;
    RowMap fetched;  // what the job in front was missing
    u32 read = 0;    // under way for it; 0: none
  };
  struct Pending {  // what goes into the next save
    RowMap rows;
    std::vector<std::pair<Bytes, Bytes>> erase_ranges;
    std::vector<Done> dones;
    std::size_t bytes = 0;
    bool changes = false;
  };
  using Recent = std::list<const Bytes*>;  // keys of the cache, least recent first
  struct Slot {
    Row row;
    Recent::iterator place, kept_place;  // kept_place: if something is kept
  };
  using Cache = std::map<Bytes, Slot, BytesLess>;
  class View;

  void advance(u64 number, Queue& queue);
  bool run_front(u64 number, Queue& queue);
  void issue();
  void fail(SaveOutcome);
  void drop_all(SaveOutcome, const Task<void()>& tell);
  Slot* cached(ByteView key);
  void remember(const Bytes& key, Row row);
  void keep(Cache::value_type& slot, Rows::Kept kept, std::size_t bytes);
  void forget(Cache::iterator slot);

  std::size_t cache_bytes_max_;
  std::size_t save_bytes_max_ = save_bytes_usual;
  std::size_t failed_bytes_ = 0;
  std::size_t cache_bytes_ = 0;
  std::size_t kept_bytes_ = 0;
  Cache cache_;
  Recent recent_, kept_recent_;
  std::map<u64, Queue> queues_;
  std::set<u64> runnable_;
  std::set<u64> ran_;
  Pending pending_;
  struct UnderWay {
    u32 save = 0;
    std::vector<Done> dones;
    std::size_t bytes = 0;
  };
  std::deque<UnderWay> under_way_;
  std::map<u32, std::pair<u64, std::vector<Bytes>>> reads_;  // read -> queue, keys
  std::map<u32, RangeDone> ranges_;
  std::vector<Action> actions_;
  u32 next_id_ = 1;
  u64 saved_bytes_ = 0;
  u64 damaged_ = 0;
  bool failed_ = false;
};

}  // namespace perdure::store
