// What appends were answered, by the tag of each: who asks again with the same tag, after a hand-over or a failure, hears what became of it.
//
//     if (auto id = receipts.of(tag)) …                      // it has been appended already
//     receipts.remember(tag, id);                            // once it is durable
//     rows.put(key('R', receipts.next_row()), …);            // one row a save, Receipts::write for each
//
// The newest are kept, as many as `receipts_max`.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "codec/bytes.hpp"

namespace perdure::author {

inline constexpr std::size_t receipts_max = 4096;  // remembered for retries after a hand-over
inline constexpr u32 receipt_rows = 1024;          // one row a save; the oldest is overwritten

class Receipts {
 public:
  std::optional<std::string> of(const RequestTag&) const;
  // The first answer stays; a tag of zeros is none.
  void remember(const RequestTag&, const std::string& id);
  // Another op has the id that was given out: from now on these go by the other name.
  void rename(const std::map<std::string, std::string>& names);

  u32 next_row() { return next_row_++ % receipt_rows; }
  static void write(codec::Writer&, const RequestTag&, std::string_view id);
  void take(const std::vector<std::pair<Bytes, Bytes>>& rows);

 private:
  std::map<RequestTag, std::string> ids_;
  std::deque<RequestTag> order_;
  u32 next_row_ = 0;
};

}  // namespace perdure::author
