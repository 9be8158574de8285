// Batches that are not as others, and where ops that are said again come from. The tree holds
//
//     1 | log number | batch                       this batch cannot be read, or not all of it -> why, and the newest format that was known
//     2 | log number | batch                       this batch voids other logs
//     3 | device | incarnation | batch | position | leaf | log number | batch     what was said there is said again in that batch
//
// How many of the first kind there are is in their weights: one each, and 2^32 if a newer core could read the batch.
#pragma once

#include "codec/bytes.hpp"
#include "crdt/indexes.hpp"
#include "log/batch.hpp"

namespace perdure::crdt {

// partly: it holds kinds of ops that are not known here.
enum class Unread : u8 { opaque = 1, newer = 2, partly = 3 };

class Marks {
 public:
  Marks(store::Rows& rows, store::TopicNo topic, Indexes& indexes)
      : root_(indexes.marks), index_(rows, topic, static_cast<u8>(Tree::marks), indexes.marks) {}

  void unread(store::LogNo log, u64 batch, Unread why);
  bool is_unread(store::LogNo log, u64 batch) const;
  bool any_opaque(store::LogNo log) const;  // a batch of this log that nobody can read
  // Whether some batch was judged by a core that knew less than this one.
  bool outdated() const;
  void declares(store::LogNo log, u64 batch);
  // one past the last batch under `before` that voids others; 0: none
  u64 declared_to(store::LogNo log, u64 before) const;
  void origin(const DeviceId& device, const log::Origin& origin, store::LogNo log, u64 batch);
  // `use(log, batch)` for each batch that says again what was said there, until it says true.
  template <class F>
  bool any_again(const DeviceId& device, const log::Origin& origin, F use) const;

  u64 newer() const { return root_.weight >> 32; }       // batches that a newer core can read
  u64 opaque() const { return root_.weight & ~u32{0}; }  // … and all that cannot be read here
  void flush() { index_.flush(); }
  bool corrupt() const { return index_.corrupt(); }

 private:
  static Bytes origin_key(const DeviceId& device, const log::Origin& origin);
  const store::IndexRoot& root_;
  store::Index index_;
};

template <class F>
bool Marks::any_again(const DeviceId& device, const log::Origin& origin, F use) const {
  if (root_.entries == 0) return false;
  const Bytes prefix = origin_key(device, origin);
  for (auto c = index_.seek(prefix);
       c.valid() && c.key().size() == prefix.size() + 8 && store::equal(c.key().subspan(0, prefix.size()), prefix);
       c.next()) {
    codec::Reader r(c.key().subspan(prefix.size()));
    const auto log = static_cast<store::LogNo>(r.be32());
    if (use(log, u64{r.be32()})) return true;
  }
  return false;
}

}  // namespace perdure::crdt
