// What stands on a simulated disk, read and written past the core: for harms that no host would do, and for the oracle that knows what
// anybody still holds.
//
//     for (const StoredLog& log : logs_on(disk)) …
//     DiskRows rows(disk);
//     log::append(rows, …);
#pragma once

#include "log/state.hpp"
#include "sim/disk.hpp"
#include "store/transactions.hpp"

namespace perdure::sim {

// All rows are at hand, and what is put stands at once. A damaged row looks absent.
class DiskRows final : public store::Rows {
 public:
  explicit DiskRows(Disk& disk) : disk_(disk) {}
  std::optional<ByteView> get(ByteView key) override {
    auto row = disk_.rows.find(own(key));
    auto value = row == disk_.rows.end() ? std::nullopt : store::unseal_row(key, row->second);
    if (!value) return std::nullopt;
    return ByteView(read_[own(key)] = std::move(*value));
  }
  void put(Bytes key, Bytes value) override { disk_.rows[key] = store::seal_row(key, value); }
  void erase(Bytes key) override { disk_.rows.erase(key); }
  bool missed() const override { return false; }
  void abandon() override {}

 private:
  Disk& disk_;
  std::map<Bytes, Bytes> read_;  // borrowed by who asked
};

struct StoredLog {
  store::TopicNo topic = 0;
  store::LogNo no = 0;
  log::LogState state;
};

// Those whose own row is whole.
inline std::vector<StoredLog> logs_on(const Disk& disk) {
  std::vector<StoredLog> logs;
  for (auto row = disk.rows.lower_bound(Bytes{'L'}); row != disk.rows.end() && row->first[0] == 'L'; ++row) {
    const Bytes& key = row->first;
    auto value = store::unseal_row(key, row->second);
    auto state = value ? log::decode_state(*value) : Result<log::LogState>(Error{});
    auto number = [&](std::size_t at) {
      return u32{key[at]} << 24 | u32{key[at + 1]} << 16 | u32{key[at + 2]} << 8 | key[at + 3];
    };
    if (state && key.size() == 9) logs.push_back({number(1), number(5), std::move(*state)});
  }
  return logs;
}

}  // namespace perdure::sim
