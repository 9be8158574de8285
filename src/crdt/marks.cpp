#include "crdt/marks.hpp"

#include "codec/bytes.hpp"

namespace perdure::crdt {

namespace {
constexpr u8 kind_unread = 1, kind_declares = 2, kind_origin = 3;

Bytes batch_key(u8 kind, store::LogNo log, u64 batch) {
  codec::Writer w;
  w.u8(kind).be32(log).be32(static_cast<u32>(batch));
  return std::move(w).take();
}
}  // namespace

Bytes Marks::origin_key(const DeviceId& device, const log::Origin& origin) {
  codec::Writer w;
  w.u8(kind_origin).fixed(device).be64(origin.incarnation).be32(origin.batch).be32(origin.position).raw(origin.leaf);
  return std::move(w).take();
}

void Marks::unread(store::LogNo log, u64 batch, Unread why) {
  codec::Writer value;
  value.u8(static_cast<u8>(why)).varint(log::newest_format);
  const u64 weight = why == Unread::partly ? 0 : why == Unread::newer ? (u64{1} << 32) + 1 : 1;
  index_.insert(batch_key(kind_unread, log, batch), value.peek(), weight);
}

bool Marks::is_unread(store::LogNo log, u64 batch) const {
  return root_.entries > 0 && index_.find(batch_key(kind_unread, log, batch));
}

bool Marks::any_opaque(store::LogNo log) const {
  if (root_.entries == 0) return false;
  for (auto c = index_.seek(batch_key(kind_unread, log, 0));
       c.valid() && c.key().size() == 9 && c.key()[0] == kind_unread; c.next()) {
    if (codec::Reader(c.key().subspan(1)).be32() != log) return false;
    if (static_cast<Unread>(codec::Reader(c.value()).u8()) == Unread::opaque) return true;
  }
  return false;
}

bool Marks::outdated() const {
  if (root_.entries == 0) return false;
  const Bytes from{kind_unread};
  for (auto c = index_.seek(from); c.valid() && c.key()[0] == kind_unread; c.next()) {
    codec::Reader r(c.value());
    const auto why = static_cast<Unread>(r.u8());
    if (r.varint() < log::newest_format && why != Unread::opaque) return true;
  }
  return false;
}

void Marks::declares(store::LogNo log, u64 batch) { index_.insert(batch_key(kind_declares, log, batch), {}, 0); }

u64 Marks::declared_to(store::LogNo log, u64 before) const {
  if (root_.entries == 0) return 0;
  const auto c = index_.seek_before(batch_key(kind_declares, log, before));
  if (!c.valid() || c.key().size() != 9 || c.key()[0] != kind_declares) return 0;
  codec::Reader r(c.key().subspan(1));
  if (r.be32() != log) return 0;
  return u64{r.be32()} + 1;
}

void Marks::origin(const DeviceId& device, const log::Origin& origin, store::LogNo log, u64 batch) {
  codec::Writer w(origin_key(device, origin));
  w.be32(log).be32(static_cast<u32>(batch));
  index_.insert(w.peek(), {}, 0);
}

}  // namespace perdure::crdt
