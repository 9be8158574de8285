#include "crdt/sayings.hpp"

#include "codec/bytes.hpp"

namespace perdure::crdt {

Bytes Sayings::prefix_of(const OpId& id) {
  codec::Writer w;
  w.fixed(id.log).be32(id.batch).be32(id.position);
  return std::move(w).take();
}

Bytes Sayings::key_of(const OpId& id, const Position& place) {
  codec::Writer w(prefix_of(id));
  w.be64(place.time.value).be64(place.incarnation).be32(place.batch).be32(place.position);
  return std::move(w).take();
}

Said Sayings::decode(const store::Index::Cursor& at, const DeviceId& device) {
  codec::Reader key(at.key().subspan(LogId::size + 8)), value(at.value());
  Said said;
  said.place.time = {key.be64()};
  said.place.device = device;
  said.place.incarnation = key.be64();
  said.place.batch = key.be32();
  said.place.position = key.be32();
  said.log = static_cast<store::LogNo>(value.varint());
  said.news = value.u8() == 1;
  return said;
}

void Sayings::add(const OpId& id, const Said& said) {
  codec::Writer value;
  value.varint(said.log).u8(said.news ? 1 : 0);
  index_.insert(key_of(id, said.place), value.peek(), 0);
}

bool Sayings::any_in(const LogId& log, u32 batch) const {
  if (none()) return false;
  codec::Writer w;
  w.fixed(log).be32(batch);
  const auto c = index_.seek(w.peek());
  return c.valid() && c.key().size() >= w.size() && store::equal(c.key().subspan(0, w.size()), w.peek());
}

OpId Sayings::complete(const OpId& id) const {
  constexpr std::size_t known = 16;
  OpId whole = id;
  if (none()) return whole;
  const auto c = index_.seek(id.log.view());
  if (c.valid() && c.key().size() > LogId::size && store::equal(c.key().subspan(0, known), id.log.view().subspan(0, known))) whole.log = LogId::from(c.key());
  return whole;
}

std::optional<bool> Sayings::news(const OpId& id, const Position& place) const {
  const auto entry = none() ? std::nullopt : index_.find(key_of(id, place));
  if (!entry) return std::nullopt;
  codec::Reader value(entry->value);
  value.varint();
  return value.u8() == 1;
}

}  // namespace perdure::crdt
