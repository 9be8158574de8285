#include "store/desk.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "codec/checksum.hpp"

namespace perdure::store {

namespace {
constexpr std::size_t save_bytes_max = 4u << 20;      // a larger save would block the store for long
constexpr std::size_t cached_row_max = 96 * 1024;     // longer rows are read again rather than crowd out index pages
constexpr std::size_t row_overhead = 96;              // of a row in the cache, roughly
constexpr std::size_t seal_size = 4;

u32 sum_of(ByteView key, ByteView value) { return codec::checksum(value, codec::checksum(key)); }
}  // namespace

Bytes seal_row(ByteView key, Bytes value) {
  const u32 sum = sum_of(key, value);
  for (std::size_t i = 0; i < seal_size; ++i) value.push_back(static_cast<u8>(sum >> (24 - 8 * i)));
  return value;
}

std::optional<Bytes> unseal_row(ByteView key, Bytes row) {
  if (row.size() < seal_size) return std::nullopt;
  u32 said = 0;
  for (std::size_t i = row.size() - seal_size; i < row.size(); ++i) said = said << 8 | row[i];
  row.resize(row.size() - seal_size);
  if (sum_of(key, row) != said) return std::nullopt;
  return row;
}

bool BytesLess::operator()(ByteView a, ByteView b) const {
  std::size_t n = std::min(a.size(), b.size());
  int c = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  return c != 0 ? c < 0 : a.size() < b.size();
}

// What a step sees: its own writes, then writes that wait for a save, then the cache, then what was fetched for it.
class Desk::View final : public Rows {
 public:
  View(Desk& desk, Queue& queue) : desk_(desk), queue_(queue) {}

  std::optional<ByteView> get(ByteView key) override {
    if (auto it = written.find(key); it != written.end()) return borrow(it->second);
    if (auto it = desk_.pending_.rows.find(key); it != desk_.pending_.rows.end()) return borrow(it->second);
    if (auto* value = desk_.cached(key)) {
      used_.push_back(*value);                        // the cache may drop it while the step borrows it
      return borrow(used_.back());
    }
    if (auto it = queue_.fetched.find(key); it != queue_.fetched.end()) return borrow(it->second);
    missing.insert(own(key));
    return std::nullopt;
  }
  void put(Bytes key, Bytes value) override { written.insert_or_assign(std::move(key), std::move(value)); }
  void erase(Bytes key) override { written.insert_or_assign(std::move(key), std::nullopt); }
  bool missed() const override { return !missing.empty(); }
  void abandon() override { written.clear(); }

  RowMap written;
  std::set<Bytes> missing;

 private:
  static std::optional<ByteView> borrow(const std::optional<Bytes>& value) {
    if (!value) return std::nullopt;
    return ByteView(*value);
  }
  Desk& desk_;
  Queue& queue_;
  std::deque<std::optional<Bytes>> used_;
};

void Desk::run(u64 number, Step step, Done done) {
  queues_[number].jobs.push_back({std::move(step), std::move(done)});
  runnable_.insert(number);
}

void Desk::read_range(Bytes from, Bytes to, u32 limit, bool reverse, RangeDone done) {
  if (failed_) return done(false, {});
  issue();                                            // the host orders reads after saves: so it sees all that was written
  u32 id = next_id_++;
  ranges_.emplace(id, std::move(done));
  actions_.push_back(ReadRange{id, std::move(from), std::move(to), limit, reverse});
}

void Desk::erase_ranges(std::vector<std::pair<Bytes, Bytes>> ranges, Done done) {
  if (failed_) return done(SaveOutcome::failed);
  issue();                                            // in a save ranges go first: what was put before must be out
  for (auto& [from, to] : ranges) {
    for (auto it = cache_.lower_bound(from); it != cache_.end() && BytesLess{}(it->first, to);) {
      cache_bytes_ -= it->first.size() + (it->second.value ? it->second.value->size() : 0) + row_overhead;
      recent_.erase(it->second.place);
      it = cache_.erase(it);
    }
    pending_.erase_ranges.emplace_back(std::move(from), std::move(to));
  }
  pending_.dones.push_back(std::move(done));
  pending_.changes = true;
  issue();                                            // and what is read from now on must not find it
}

void Desk::on_event(const RowsRead& event) {
  if (auto it = ranges_.find(event.read); it != ranges_.end()) {
    if (!event.ok) return fail(SaveOutcome::failed);
    RangeDone done = std::move(it->second);
    ranges_.erase(it);
    std::vector<std::pair<Bytes, Bytes>> rows;
    rows.reserve(event.rows.size());
    for (const auto& [key, row] : event.rows) {
      auto value = unseal_row(key, row);
      damaged_ += !value;
      rows.emplace_back(key, value ? std::move(*value) : Bytes{});
    }
    return done(true, std::move(rows));
  }
  auto it = reads_.find(event.read);
  if (it == reads_.end()) return;                     // asked before a failure
  auto [number, keys] = std::move(it->second);
  reads_.erase(it);
  if (!event.ok) return fail(SaveOutcome::failed);
  Queue& queue = queues_[number];
  queue.read = 0;
  for (const auto& [key, row] : event.rows) {
    auto value = unseal_row(key, row);
    damaged_ += !value;
    queue.fetched[key] = std::move(value);
  }
  for (const Bytes& key : keys) remember(key, queue.fetched[key]);
  runnable_.insert(number);
}

void Desk::on_event(const Saved& event) {
  if (under_way_.empty() || under_way_.front().save != event.save) return;   // from before a failure
  if (event.outcome != SaveOutcome::ok) return fail(event.outcome);
  std::vector<Done> dones = std::move(under_way_.front().dones);
  under_way_.pop_front();
  for (Done& done : dones) done(SaveOutcome::ok);
}

void Desk::on_event(const Reopened& event) {
  if (!failed_) return;
  failed_ = event.outcome != Reopening::ok;
  auto tell = [&] { if (on_reopened) on_reopened(event.outcome); };
  if (failed_) return drop_all(SaveOutcome::failed, tell);
  tell();
  if (!failed_) for (auto& [number, queue] : queues_) if (!queue.jobs.empty()) runnable_.insert(number);
}

// Everything that waits fails; what was written since the last good save never was.
void Desk::fail(SaveOutcome outcome) {
  if (failed_) return;
  failed_ = true;
  drop_all(outcome, [&] {
    actions_.clear();
    actions_.push_back(Reopen{});
    if (on_failure) on_failure(outcome);
  });
}

void Desk::reopen() {
  if (failed_) actions_.push_back(Reopen{});
}

void Desk::drop_all(SaveOutcome outcome, const std::function<void()>& tell) {
  std::vector<Done> dones;
  for (UnderWay& save : under_way_) std::move(save.dones.begin(), save.dones.end(), std::back_inserter(dones));
  std::move(pending_.dones.begin(), pending_.dones.end(), std::back_inserter(dones));
  for (auto& [number, queue] : queues_) for (Job& job : queue.jobs) dones.push_back(std::move(job.done));
  auto ranges = std::move(ranges_);
  under_way_.clear();
  pending_ = {};
  queues_.clear();
  runnable_.clear();
  reads_.clear();
  ranges_.clear();
  cache_.clear();
  recent_.clear();
  cache_bytes_ = 0;
  tell();
  for (Done& done : dones) done(outcome);
  for (auto& [id, done] : ranges) done(false, {});
}

void Desk::flush(std::vector<Action>& out) {
  while (!failed_ && !runnable_.empty()) {
    u64 number = *runnable_.begin();
    runnable_.erase(runnable_.begin());
    if (auto it = queues_.find(number); it != queues_.end()) advance(number, it->second);
  }
  if (!failed_ && under_way_.empty()) issue();
  std::move(actions_.begin(), actions_.end(), std::back_inserter(out));
  actions_.clear();
}

void Desk::advance(u64 number, Queue& queue) {
  while (!failed_ && queue.read == 0 && !queue.jobs.empty())
    if (!run_front(number, queue)) return;
  if (queue.jobs.empty()) queues_.erase(number);
}

// True if the job in front is done with; false if it waits for rows.
bool Desk::run_front(u64 number, Queue& queue) {
  View view(*this, queue);
  queue.jobs.front().step(view);
  if (!view.missing.empty()) {
    u32 id = next_id_++;
    std::vector<Bytes> keys(view.missing.begin(), view.missing.end());
    for (const Bytes& key : keys) queue.fetched.emplace(key, std::nullopt);
    queue.read = id;
    reads_.emplace(id, std::make_pair(number, keys));
    actions_.push_back(Read{id, std::move(keys)});
    return false;
  }
  Job job = std::move(queue.jobs.front());
  queue.jobs.pop_front();
  queue.fetched.clear();
  for (auto& [key, value] : view.written) {
    remember(key, value);
    pending_.bytes += key.size() + (value ? value->size() : 0);
    pending_.rows.insert_or_assign(key, std::move(value));
    pending_.changes = true;
  }
  if (!pending_.changes && under_way_.empty()) job.done(SaveOutcome::ok);
  else if (!pending_.changes) under_way_.back().dones.push_back(std::move(job.done));
  else pending_.dones.push_back(std::move(job.done));
  if (pending_.bytes > save_bytes_max) issue();
  return true;
}

void Desk::issue() {
  if (!pending_.changes || failed_) return;
  Save save;
  save.save = next_id_++;
  for (auto& [key, value] : pending_.rows) {
    if (value) {
      saved_bytes_ += key.size() + value->size();
      save.puts.emplace_back(key, seal_row(key, std::move(*value)));
    } else {
      save.erases.push_back(key);
    }
  }
  save.erase_ranges = std::move(pending_.erase_ranges);
  under_way_.push_back({save.save, std::move(pending_.dones)});
  actions_.push_back(std::move(save));
  pending_ = {};
}

bool Desk::idle() const { return queues_.empty() && under_way_.empty() && !pending_.changes && ranges_.empty() && !failed_; }

const std::optional<Bytes>* Desk::cached(ByteView key) {
  auto it = cache_.find(key);
  if (it == cache_.end()) return nullptr;
  recent_.splice(recent_.end(), recent_, it->second.place);
  return &it->second.value;
}

void Desk::remember(const Bytes& key, const std::optional<Bytes>& value) {
  std::size_t size = key.size() + (value ? value->size() : 0) + row_overhead;
  if (auto it = cache_.find(key); it != cache_.end()) {
    cache_bytes_ -= key.size() + (it->second.value ? it->second.value->size() : 0) + row_overhead;
    recent_.erase(it->second.place);
    cache_.erase(it);
  }
  if (value && value->size() > cached_row_max) return;
  auto [it, inserted] = cache_.try_emplace(key);
  it->second.value = value;
  it->second.place = recent_.insert(recent_.end(), &it->first);
  cache_bytes_ += size;
  while (cache_bytes_ > cache_bytes_max_ && !recent_.empty()) {
    auto old = cache_.find(*recent_.front());
    cache_bytes_ -= old->first.size() + (old->second.value ? old->second.value->size() : 0) + row_overhead;
    recent_.pop_front();
    cache_.erase(old);
  }
}

}  // namespace perdure::store
