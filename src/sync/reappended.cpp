#include "sync/reappended.hpp"

#include <algorithm>

#include "codec/bytes.hpp"
#include "log/state.hpp"

namespace perdure::sync {

// u8 1 | varint settled + 1, or 0 | varint count, roots | be32 told apart; 0.1.0 kept 8 bytes each of something else there.
Reappended::Reappended(store::Rows& rows, store::TopicNo topic, store::LogNo log) : key_(store::key('V', topic, log)) {
  auto row = rows.get(key_);
  if (!row) return;
  codec::Reader r(*row);
  r.u8();
  if (u64 from = r.varint(); from != 0) settled = from - 1;
  for (u64 n = r.varint(); r.ok() && n > 0; --n) {
    Tag tag{};
    ByteView bytes = r.raw(tag.size());
    if (!r.ok()) return;
    std::copy(bytes.begin(), bytes.end(), tag.begin());
    roots_.insert(tag);
  }
  if (r.left() == 4) told_apart = r.be32();
}

Reappended::Tag Reappended::tag_of(const Hash& hash) {
  Tag tag{};
  std::copy_n(hash.bytes.begin(), tag.size(), tag.begin());
  return tag;
}

void Reappended::save(store::Rows& rows) const {
  codec::Writer w;
  w.u8(1).varint(settled ? *settled + 1 : 0).varint(roots_.size());
  for (const Tag& root : roots_) w.raw(root);
  w.be32(static_cast<u32>(told_apart));
  rows.put(key_, std::move(w).take());
}

}  // namespace perdure::sync
