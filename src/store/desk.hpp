// Where steps meet the host's storage: reads what they miss, runs them again, gathers what they wrote into atomic saves.
//
//     desk.run(topic, [=](Rows& rows) { … }, [=](SaveOutcome saved) { if (saved == SaveOutcome::ok) … });
//     …
//     desk.flush(actions);                        // at the end of each turn
//
// Steps of one queue run one at a time, in order; the next may run before the save of the one before is confirmed, and sees what
// it wrote. Queues own disjoint rows. Everything that steps wrote while a save is under way goes into the next one: waiting
// writers share a save. `done` is called in the order of the saves; for a step that wrote nothing, once it has run and all saves
// issued before it are done with.
//
// Each row ends with a checksum over its key and what it holds, of which steps know nothing. A row that is damaged reads as absent in a
// step, and as empty in a range: that there was one is known.
//
// After a save or a read that failed everything waiting fails with it, the cache is dropped, the host is asked to reopen, and
// `on_reopened` is called: whoever keeps state in memory reads it again. If the host could not, what was asked for meanwhile fails too.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>

#include "store/rows.hpp"

namespace perdure::store {

struct BytesLess {
  using is_transparent = void;
  bool operator()(ByteView a, ByteView b) const;
};
using RowMap = std::map<Bytes, std::optional<Bytes>, BytesLess>;

// A row as it is stored, and back: nothing if it is damaged.
Bytes seal_row(ByteView key, Bytes value);
std::optional<Bytes> unseal_row(ByteView key, Bytes row);

class Desk {
 public:
  using Step = std::function<void(Rows&)>;
  using Done = std::function<void(SaveOutcome)>;
  using RangeDone = std::function<void(bool ok, std::vector<std::pair<Bytes, Bytes>> rows)>;

  explicit Desk(std::size_t cache_bytes) : cache_bytes_max_(cache_bytes) {}
  void run(u64 queue, Step step, Done done);
  void read_range(Bytes from, Bytes to, u32 limit, bool reverse, RangeDone done);
  void erase_ranges(std::vector<std::pair<Bytes, Bytes>> ranges, Done done);   // from <= key < to; with the next save

  void on_event(const RowsRead&);
  void on_event(const Saved&);
  void on_event(const Reopened&);
  void reopen();                                                // once more, after the host could not
  void flush(std::vector<Action>& out);                         // once at the end of each turn

  std::function<void(SaveOutcome)> on_failure;                  // a save or a read failed: the reason, before anything is reopened
  std::function<void(Reopening)> on_reopened;
  bool idle() const;                                            // nothing waits and nothing is under way
  bool ready() const { return !failed_ && !runnable_.empty(); } // flush() has steps to run
  bool failed() const { return failed_; }
  u64 saved_bytes() const { return saved_bytes_; }              // written so far, for metrics
  u64 damaged() const { return damaged_; }                      // rows read whose checksum was wrong

 private:
  struct Job { Step step; Done done; };
  struct Queue {
    std::deque<Job> jobs;
    RowMap fetched;                                             // what the job in front was missing
    u32 read = 0;                                               // under way for it; 0: none
  };
  struct Pending {                                              // what goes into the next save
    RowMap rows;
    std::vector<std::pair<Bytes, Bytes>> erase_ranges;
    std::vector<Done> dones;
    std::size_t bytes = 0;
    bool changes = false;
  };
  struct Slot { std::optional<Bytes> value; std::list<const Bytes*>::iterator place; };
  class View;

  void advance(u64 number, Queue& queue);
  bool run_front(u64 number, Queue& queue);
  void issue();
  void fail(SaveOutcome);
  void drop_all(SaveOutcome, const std::function<void()>& tell);
  const std::optional<Bytes>* cached(ByteView key);
  void remember(const Bytes& key, const std::optional<Bytes>& value);

  std::size_t cache_bytes_max_;
  std::size_t cache_bytes_ = 0;
  std::map<Bytes, Slot, BytesLess> cache_;
  std::list<const Bytes*> recent_;                              // least recent first
  std::map<u64, Queue> queues_;
  std::set<u64> runnable_;
  Pending pending_;
  struct UnderWay { u32 save = 0; std::vector<Done> dones; };
  std::deque<UnderWay> under_way_;
  std::map<u32, std::pair<u64, std::vector<Bytes>>> reads_;     // read -> queue, keys
  std::map<u32, RangeDone> ranges_;
  std::vector<Action> actions_;
  u32 next_id_ = 1;
  u64 saved_bytes_ = 0;
  u64 damaged_ = 0;
  bool failed_ = false;
};

}  // namespace perdure::store
