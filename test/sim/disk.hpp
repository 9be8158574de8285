// The rows of a simulated device. Several cores may stand on one disk; the newest generation is the one that may write.
#pragma once

#include <perdure/events.hpp>

#include <map>

namespace perdure::sim {

class Disk {
 public:
  using Rows = std::map<Bytes, Bytes>;

  Rows rows;
  u32 generation = 0;  // of the core that opened it last
  bool full = false;
  u32 flaky = 0;  // of a thousand saves, how many end as failed or unknown
  u64 delay_min_ms = 0, delay_max_ms = 0;

  u32 open() { return ++generation; }

  void apply(const Save& save) {
    for (auto& key : save.erases) rows.erase(key);
    for (auto& [from, to] : save.erase_ranges) rows.erase(rows.lower_bound(from), rows.lower_bound(to));
    for (auto& [key, value] : save.puts) rows.insert_or_assign(key, value);
  }

  RowsRead read(const Read& read) const {
    RowsRead out{read.read, true, {}};
    for (auto& key : read.keys)
      if (auto row = rows.find(key); row != rows.end()) out.rows.push_back(*row);
    return out;
  }

  RowsRead read(const ReadRange& range) const {
    RowsRead out{range.read, true, {}};
    if (!(range.from < range.to)) return out;
    auto room = [&] { return range.limit == 0 || out.rows.size() < range.limit; };
    auto first = rows.lower_bound(range.from), last = rows.lower_bound(range.to);
    if (range.reverse)
      while (room() && last != first) out.rows.push_back(*--last);
    else
      for (; room() && first != last; ++first) out.rows.push_back(*first);
    return out;
  }
};

}  // namespace perdure::sim
