// Rows as a step sees them: key bytes to value bytes, ordered, with what the step has written on top.
//
// A step is a plain function over rows. It may run before all the rows it needs have been read: a row that is not at hand
// looks absent, is noted as missing, and the step runs again, from the start, once it has been read. So a step
// must bear absent rows without asserting, must change nothing but `rows` and its own result, and must be repeatable.
//
//     void count_up(Rows& rows) {
//       u64 n = decode(rows.get(key));      // absent reads as nothing
//       rows.put(key, encode(n + 1));
//     }
#pragma once

#include <perdure/types.hpp>

#include <memory>
#include <optional>

namespace perdure::store {

class Rows {
 public:
  virtual ~Rows() = default;
  // Borrowed until the same key is put or erased, or the step ends.
  virtual std::optional<ByteView> get(ByteView key) = 0;
  virtual void put(Bytes key, Bytes value) = 0;
  virtual void erase(Bytes key) = 0;
  // True once a row was asked for that is not at hand: the step will run again, its result is thrown away. Loops may
  // go on, to note more missing rows at once, or stop.
  virtual bool missed() const = 0;
  // What this step has written is as if it had not been: it found that it cannot be done.
  virtual void abandon() = 0;

  // What a row says, decoded, beside the row: so that what was decoded or written once is not decoded by every step. Nobody changes it any
  // more. The key tells its type, because only those who know the row keep something there.
  using Kept = std::shared_ptr<const void>;
  // Null: nothing is kept, or the row has changed since, or is not at hand; then the row itself is to be read.
  virtual Kept kept(ByteView) { return nullptr; }
  // For the row as it now stands, at hand or just put; may be dropped at any time. `bytes`: about its size, the same on all machines.
  virtual void keep(ByteView, Kept, std::size_t bytes) { (void)bytes; }
};

}  // namespace perdure::store
