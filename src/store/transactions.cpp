#include "store/transactions.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "codec/checksum.hpp"

namespace perdure::store {

namespace {
constexpr std::size_t cached_row_max = 96 * 1024;  // longer rows are read again rather than crowd out index pages
constexpr std::size_t row_overhead = 96;           // of a row in the cache, roughly
constexpr std::size_t seal_size = 4;

u32 sum_of(ByteView key, ByteView value) { return codec::checksum(value, codec::checksum(key)); }
}  // namespace

Bytes seal_row(ByteView key, ByteView value) {
  const u32 sum = sum_of(key, value);
  Bytes row;
  row.reserve(value.size() + seal_size);
  row.insert(row.end(), value.begin(), value.end());
  for (std::size_t i = 0; i < seal_size; ++i) row.push_back(static_cast<u8>(sum >> (24 - 8 * i)));
  return row;
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
class Transactions::View final : public Rows {
 public:
  View(Transactions& transactions, Queue& queue) : transactions_(transactions), queue_(queue) {}

  std::optional<ByteView> get(ByteView key) override {
    const Row* row = find(key);
    if (!row) {
      missing.insert(own(key));
      return std::nullopt;
    }
    if (!row->value) return std::nullopt;
    used_.push_back(row->value);  // the cache may drop it while the step borrows it
    return ByteView(*row->value);
  }
  void put(Bytes key, Bytes value) override {
    written.insert_or_assign(std::move(key), Row{std::make_shared<const Bytes>(std::move(value)), {}, 0});
  }
  void erase(Bytes key) override { written.insert_or_assign(std::move(key), Row{}); }
  bool missed() const override { return !missing.empty(); }
  void abandon() override { written.clear(); }

  Kept kept(ByteView key) override {
    if (auto it = written.find(key); it != written.end()) return it->second.kept;
    const Slot* slot = transactions_.cached(key);
    return slot ? slot->row.kept : nullptr;
  }
  void keep(ByteView key, Kept what, std::size_t bytes) override {
    if (auto it = written.find(key); it != written.end()) {
      it->second.kept = std::move(what);
      it->second.kept_bytes = bytes;
    } else if (auto slot = transactions_.cache_.find(key);
               slot != transactions_.cache_.end() && slot->second.row.value) {
      transactions_.keep(*slot, std::move(what), bytes);
    }
  }

  RowMap written;
  std::set<Bytes> missing;

 private:
  const Row* find(ByteView key) {
    if (auto it = written.find(key); it != written.end()) return &it->second;
    // all that waits for a save stands there, too, as long as it fits
    if (const Slot* slot = transactions_.cached(key)) return &slot->row;
    if (auto it = transactions_.pending_.rows.find(key); it != transactions_.pending_.rows.end()) return &it->second;
    if (auto it = queue_.fetched.find(key); it != queue_.fetched.end()) return &it->second;
    return nullptr;
  }
  Transactions& transactions_;
  Queue& queue_;
  std::vector<std::shared_ptr<const Bytes>> used_;
};

void Transactions::run(u64 number, Step step, Done done) {
  queues_[number].jobs.push_back({std::move(step), std::move(done)});
  runnable_.insert(number);
}

void Transactions::read_range(Bytes from, Bytes to, u32 limit, bool reverse, RangeDone done) {
  if (failed_) return done(false, {});
  issue();  // the host orders reads after saves: so it sees all that was written
  u32 id = next_id_++;
  ranges_.emplace(id, std::move(done));
  actions_.push_back(ReadRange{id, std::move(from), std::move(to), limit, reverse});
}

void Transactions::erase_ranges(std::vector<std::pair<Bytes, Bytes>> ranges, Done done) {
  if (failed_) return done(SaveOutcome::failed);
  if (!pending_.rows.empty()) issue();  // in a save ranges go first: what was put before must be out
  for (auto& [from, to] : ranges) {
    for (auto it = cache_.lower_bound(from); it != cache_.end() && BytesLess{}(it->first, to);) forget(it++);
    pending_.erase_ranges.emplace_back(std::move(from), std::move(to));
  }
  pending_.dones.push_back(std::move(done));
  pending_.changes = true;  // with others of this turn, but before anything is read: it must not be found
}

void Transactions::on_event(const RowsRead& event) {
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
  if (it == reads_.end()) return;  // asked before a failure
  auto [number, keys] = std::move(it->second);
  reads_.erase(it);
  if (!event.ok) return fail(SaveOutcome::failed);
  Queue& queue = queues_[number];
  queue.read = 0;
  for (const auto& [key, row] : event.rows) {
    auto value = unseal_row(key, row);
    damaged_ += !value;
    queue.fetched[key] = {value ? std::make_shared<const Bytes>(std::move(*value)) : nullptr, {}, 0};
  }
  for (const Bytes& key : keys) remember(key, queue.fetched[key]);
  runnable_.insert(number);
}

void Transactions::on_event(const Saved& event) {
  if (under_way_.empty() || under_way_.front().save != event.save) return;  // from before a failure
  if (event.outcome != SaveOutcome::ok) {
    failed_bytes_ = under_way_.front().bytes;
    return fail(event.outcome);
  }
  std::vector<Done> dones = std::move(under_way_.front().dones);
  under_way_.pop_front();
  for (Done& done : dones) done(SaveOutcome::ok);
}

void Transactions::on_event(const Reopened& event) {
  if (!failed_) return;
  failed_ = event.outcome != Reopening::ok;
  auto tell = [&] {
    if (on_reopened) on_reopened(event.outcome);
  };
  if (failed_) return drop_all(SaveOutcome::failed, tell);
  tell();
  if (!failed_)
    for (auto& [number, queue] : queues_)
      if (!queue.jobs.empty()) runnable_.insert(number);
}

// Everything that waits fails; what was written since the last good save never was.
void Transactions::fail(SaveOutcome outcome) {
  if (failed_) return;
  failed_ = true;
  drop_all(outcome, [&] {
    actions_.clear();
    actions_.push_back(Reopen{});
    if (on_failure) on_failure(outcome);
  });
}

void Transactions::reopen() {
  if (failed_) actions_.push_back(Reopen{});
}

void Transactions::drop_all(SaveOutcome outcome, const Task<void()>& tell) {
  std::vector<Done> dones;
  for (UnderWay& save : under_way_) std::move(save.dones.begin(), save.dones.end(), std::back_inserter(dones));
  std::move(pending_.dones.begin(), pending_.dones.end(), std::back_inserter(dones));
  for (auto& [number, queue] : queues_)
    for (Job& job : queue.jobs) dones.push_back(std::move(job.done));
  auto ranges = std::move(ranges_);
  under_way_.clear();
  pending_ = {};
  queues_.clear();
  runnable_.clear();
  reads_.clear();
  ranges_.clear();
  cache_.clear();
  recent_.clear();
  kept_recent_.clear();
  cache_bytes_ = kept_bytes_ = 0;
  tell();
  for (Done& done : dones) done(outcome);
  for (auto& [id, done] : ranges) done(false, {});
}

void Transactions::flush(std::vector<Action>& out) {
  while (!failed_ && !runnable_.empty()) {
    u64 number = *runnable_.begin();
    runnable_.erase(runnable_.begin());
    if (auto it = queues_.find(number); it != queues_.end()) advance(number, it->second);
  }
  if (!failed_ && under_way_.empty()) issue();
  std::move(actions_.begin(), actions_.end(), std::back_inserter(out));
  actions_.clear();
}

void Transactions::advance(u64 number, Queue& queue) {
  while (!failed_ && queue.read == 0 && !queue.jobs.empty())
    if (!run_front(number, queue)) return;
  if (queue.jobs.empty()) queues_.erase(number);
}

// True if the job in front is done with; false if it waits for rows.
bool Transactions::run_front(u64 number, Queue& queue) {
  View view(*this, queue);
  ran_.insert(number);
  queue.jobs.front().step(view);
  if (!view.missing.empty()) {
    if (!pending_.erase_ranges.empty()) issue();
    u32 id = next_id_++;
    std::vector<Bytes> keys(view.missing.begin(), view.missing.end());
    for (const Bytes& key : keys) queue.fetched.emplace(key, Row{});
    queue.read = id;
    reads_.emplace(id, std::make_pair(number, keys));
    actions_.push_back(Read{id, std::move(keys)});
    return false;
  }
  Job job = std::move(queue.jobs.front());
  queue.jobs.pop_front();
  queue.fetched.clear();
  while (!view.written.empty()) {
    auto node = view.written.extract(view.written.begin());
    const Row& row = node.mapped();
    remember(node.key(), row);
    pending_.bytes += node.key().size() + (row.value ? row.value->size() : 0);
    pending_.changes = true;
    if (auto put = pending_.rows.insert(std::move(node)); !put.inserted)
      put.position->second = std::move(put.node.mapped());
  }
  if (!pending_.changes && under_way_.empty()) job.done(SaveOutcome::ok);
  else if (!pending_.changes) under_way_.back().dones.push_back(std::move(job.done));
  else pending_.dones.push_back(std::move(job.done));
  if (pending_.bytes > save_bytes_max_) issue();
  return true;
}

void Transactions::issue() {
  if (!pending_.changes || failed_) return;
  Save save;
  save.save = next_id_++;
  while (!pending_.rows.empty()) {
    auto node = pending_.rows.extract(pending_.rows.begin());
    const auto& value = node.mapped().value;
    if (value) {
      saved_bytes_ += node.key().size() + value->size();
      Bytes row = seal_row(node.key(), *value);
      save.puts.emplace_back(std::move(node.key()), std::move(row));
    } else {
      save.erases.push_back(std::move(node.key()));
    }
  }
  // Those of topics that were forgotten together touch.
  std::ranges::sort(pending_.erase_ranges);
  for (auto& range : pending_.erase_ranges) {
    const bool on = !save.erase_ranges.empty() && range.first <= save.erase_ranges.back().second;
    if (!on) save.erase_ranges.push_back(std::move(range));
    else if (range.second > save.erase_ranges.back().second) save.erase_ranges.back().second = std::move(range.second);
  }
  under_way_.push_back({save.save, std::move(pending_.dones), pending_.bytes});
  actions_.push_back(std::move(save));
  pending_ = {};
}

bool Transactions::idle() const {
  return queues_.empty() && under_way_.empty() && !pending_.changes && ranges_.empty() && !failed_;
}

Transactions::Slot* Transactions::cached(ByteView key) {
  auto it = cache_.find(key);
  if (it == cache_.end()) return nullptr;
  Slot& slot = it->second;
  recent_.splice(recent_.end(), recent_, slot.place);
  if (slot.row.kept) kept_recent_.splice(kept_recent_.end(), kept_recent_, slot.kept_place);
  return &slot;
}

void Transactions::remember(const Bytes& key, Row row) {
  if (row.value && row.value->size() > cached_row_max) {
    if (auto it = cache_.find(key); it != cache_.end()) forget(it);
    return;
  }
  auto [it, fresh] = cache_.try_emplace(key);
  Slot& slot = it->second;
  if (fresh) {
    slot.place = recent_.insert(recent_.end(), &it->first);
    cache_bytes_ += key.size() + row_overhead;
  } else {
    recent_.splice(recent_.end(), recent_, slot.place);
    if (slot.row.value) cache_bytes_ -= slot.row.value->size();
  }
  slot.row.value = std::move(row.value);
  if (slot.row.value) cache_bytes_ += slot.row.value->size();
  keep(*it, std::move(row.kept), row.kept_bytes);
  while (cache_bytes_ > cache_bytes_max_ && !recent_.empty()) forget(cache_.find(*recent_.front()));
}

// Null drops what is kept.
void Transactions::keep(Cache::value_type& entry, Rows::Kept kept, std::size_t bytes) {
  Slot& slot = entry.second;
  if (slot.row.kept) {
    kept_bytes_ -= slot.row.kept_bytes;
    kept_recent_.erase(slot.kept_place);
  }
  slot.row.kept = std::move(kept);
  slot.row.kept_bytes = bytes;
  if (!slot.row.kept) return;
  slot.kept_place = kept_recent_.insert(kept_recent_.end(), &entry.first);
  kept_bytes_ += bytes;
  while (kept_bytes_ > cache_bytes_max_ / 2) keep(*cache_.find(*kept_recent_.front()), nullptr, 0);
}

void Transactions::forget(Cache::iterator it) {
  keep(*it, nullptr, 0);
  cache_bytes_ -= it->first.size() + (it->second.row.value ? it->second.row.value->size() : 0) + row_overhead;
  recent_.erase(it->second.place);
  cache_.erase(it);
}

}  // namespace perdure::store
