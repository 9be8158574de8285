#include "crdt/untold.hpp"

#include "codec/bytes.hpp"
#include "crdt/indexes.hpp"
#include "crdt/position.hpp"

namespace perdure::crdt {

namespace {
constexpr u32 untold_row = 4;
constexpr u8 format = 1;
// An author who is ahead has one log, or a few. What is beyond is shown when it is due, and nobody is told.
constexpr std::size_t runs_max = 1'024;
}  // namespace

void Untold::read() {
  if (std::exchange(was_read_, true)) return;
  if (const auto row = rows_.get(store::key('I', topic_, untold_row))) {
    codec::Reader r(*row);
    if (r.u8() != format) return;
    while (r.left() > 0 && runs_.size() < runs_max) {
      const auto log = static_cast<store::LogNo>(r.varint_max(~u32{0}));
      const u64 from = r.varint_max(~u32{0}), count = r.varint_max(~u32{0});
      if (!r.ok()) return;
      runs_[{log, from}] = from + count;
    }
    return;
  }
  for (auto c = held_.first(store::Index::all); c.valid(); c.next())
    add(static_cast<store::LogNo>(codec::Reader(c.value()).varint()), position_of(c.key()).batch);
}

// The run that holds it, or end().
Untold::Runs::iterator Untold::run_of(store::LogNo log, u64 batch) {
  auto after = runs_.upper_bound({log, batch});
  if (after == runs_.begin()) return runs_.end();
  const auto run = std::prev(after);
  return run->first.first == log && batch < run->second ? run : runs_.end();
}

bool Untold::has(store::LogNo log, u64 batch) {
  read();
  return run_of(log, batch) != runs_.end();
}

void Untold::add(store::LogNo log, u64 batch) {
  read();
  if (run_of(log, batch) != runs_.end()) return;
  flush_wanted_ = true;
  u64 to = batch + 1;
  if (const auto next = runs_.find({log, to}); next != runs_.end()) {
    to = next->second;
    runs_.erase(next);
  }
  if (const auto before = batch == 0 ? runs_.end() : run_of(log, batch - 1); before != runs_.end()) before->second = to;
  else if (runs_.size() < runs_max) runs_[{log, batch}] = to;
}

bool Untold::take(store::LogNo log, u64 batch) {
  read();
  const auto run = run_of(log, batch);
  if (run == runs_.end()) return false;
  flush_wanted_ = true;
  const u64 to = std::exchange(run->second, batch);
  if (run->first.second == batch) runs_.erase(run);
  if (batch + 1 < to) runs_[{log, batch + 1}] = to;
  return true;
}

void Untold::flush() {
  if (!std::exchange(flush_wanted_, false)) return;
  codec::Writer w;
  w.u8(format);
  for (const auto& [run, to] : runs_) w.varint(run.first).varint(run.second).varint(to - run.second);
  rows_.put(store::key('I', topic_, untold_row), std::move(w).take());
}

void keep_untold(store::Rows& rows, store::TopicNo topic) {
  if (rows.get(store::key('I', topic, untold_row))) return;  // it stands there
  Indexes indexes = load_indexes(rows, topic);
  const store::Index held(rows, topic, static_cast<u8>(Tree::ahead), indexes.ahead);
  Untold untold(rows, topic, held);
  untold.keep();
  untold.flush();
}

}  // namespace perdure::crdt
