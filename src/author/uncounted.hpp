// Own batches that were accepted and do not count where they stand, and what of them is to be appended again: because our rows have lost
// them and somebody else has them, because they are dated ahead, because a former life of this device has voided them without knowing
// them, or because others cannot get past a batch that nobody has any more.
//
//     const Gathered all = gather(rows, topic, lost, from);      // in the step that appends them
//     if (all.any()) appender.add_again(all.ops, all.voids, …);
#pragma once

#include <vector>

#include "author/appender.hpp"
#include "sync/exchange.hpp"

namespace perdure::author {

// A piece of an own log that does not count, or not for everybody, from `branch.from` on; and why.
struct Uncounted {
  // Somebody holds another branch; dated ahead; voided, or here again behind a void; behind a batch that nobody has any more; another life
  // of ours may have said something else under the same id.
  enum class Why : u8 { branch, held, voided, hole, clash } why = Why::branch;
  sync::Branch branch;
  // Where it stands it counts, too.
  bool counts() const { return why == Why::hole || why == Why::clash; }
};

struct Gathered {
  std::vector<Again> ops;
  std::vector<log::Void> voids;  // to be declared behind them
  u64 opaque = 0;                // batches that cannot be read: what they say cannot be said again
  u64 next = 0;                  // of a clash: it has been looked through up to there
  bool voided = false;           // the log ends where they began
  bool filled = false;           // rows that had been lost are here again
  bool holed = false;            // one still was, before
  bool any() const { return !ops.empty() || voided; }
};

// `from` is where the log begins not to count; log::no_cut: it counts, and there is nothing to gather. Writes down what has been looked
// through. If rows were missing the answer means nothing: the step runs again.
Gathered gather(store::Rows&, const Topic&, const Uncounted&, u64 from);

}  // namespace perdure::author
