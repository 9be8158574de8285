#include "sync/missing.hpp"

#include "codec/bytes.hpp"

namespace perdure::sync {

namespace {
Bytes row_key(store::TopicNo topic) { return store::key('I', topic, 5); }
}  // namespace

// u8 1 | (varint log | varint batch)*
Missing::Missing(store::Rows& rows, store::TopicNo topic) {
  const auto row = rows.get(row_key(topic));
  if (!row) return;
  codec::Reader r(*row);
  if (r.u8() != 1) return;
  while (r.left() > 0) {
    const auto log = static_cast<store::LogNo>(r.varint_max(~u32{0}));
    const u64 batch = r.varint();
    if (!r.ok()) return;
    add(log, batch);
  }
}

void Missing::save(store::Rows& rows, store::TopicNo topic) const {
  codec::Writer w;
  w.u8(1);
  for (const auto& [log, batch] : batches_) w.varint(log).varint(batch);
  if (!batches_.empty()) rows.put(row_key(topic), std::move(w).take());
  else if (rows.get(row_key(topic))) rows.erase(row_key(topic));
}

}  // namespace perdure::sync
