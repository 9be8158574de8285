#include "sync/reissued.hpp"

#include <algorithm>

#include "codec/bytes.hpp"
#include "log/state.hpp"

namespace perdure::sync {

// u8 declared | varint settled + 1, or 0 | varint count, roots | leaves, to the end.
Reissued::Reissued(store::Rows& rows, store::TopicNo topic, store::LogNo log) : key_(store::key('V', topic, log)) {
  auto row = rows.get(key_);
  if (!row) return;
  codec::Reader r(*row);
  auto read = [&](std::set<Tag>& into) {
    Tag tag{};
    ByteView bytes = r.raw(tag.size());
    if (!r.ok()) return;
    std::copy(bytes.begin(), bytes.end(), tag.begin());
    into.insert(tag);
  };
  declared = r.u8() == 1;
  if (u64 from = r.varint(); from != 0) settled = from - 1;
  for (u64 n = r.varint(); r.ok() && n > 0; --n) read(roots_);
  while (r.left() > 0) read(leaves_);
}

Reissued::Tag Reissued::tag_of(const Hash& hash) {
  Tag tag{};
  std::copy_n(hash.bytes.begin(), tag.size(), tag.begin());
  return tag;
}

bool Reissued::add(ByteView sealed) { return leaves_.insert(tag_of(log::leaf_hash(sealed))).second; }

void Reissued::save(store::Rows& rows) const {
  codec::Writer w;
  w.u8(declared ? 1 : 0).varint(settled ? *settled + 1 : 0).varint(roots_.size());
  for (const Tag& root : roots_) w.raw(root);
  for (const Tag& leaf : leaves_) w.raw(leaf);
  rows.put(key_, std::move(w).take());
}

}  // namespace perdure::sync
