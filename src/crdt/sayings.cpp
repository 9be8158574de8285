#include "crdt/sayings.hpp"

#include "codec/bytes.hpp"

namespace perdure::crdt {

Bytes Sayings::prefix_of(const OpId& id) {
  codec::Writer w;
  w.fixed(id.log).be32(id.batch).be32(id.position);
  return std::move(w).take();
}

Bytes Sayings::ranked(const OpId& id, Rank rank) {
  Bytes key = prefix_of(id);
  key.push_back(static_cast<u8>(rank));
  return key;
}

Bytes Sayings::key_of(const OpId& id, Rank rank, const Position& place) {
  codec::Writer w(ranked(id, rank));
  w.be64(place.time.value).be64(place.incarnation).be32(place.batch).be32(place.position);
  return std::move(w).take();
}

Said Sayings::decode(ByteView from, ByteView in) {
  codec::Reader key(from.subspan(std::min(from.size(), LogId::size + 9))), value(in);
  Said said;
  said.place.time = {key.be64()};
  said.place.incarnation = key.be64();
  said.place.batch = key.be32();
  said.place.position = key.be32();
  said.log = static_cast<store::LogNo>(value.varint());
  said.news = value.u8() == 1;
  return said;
}

std::optional<std::pair<Bytes, Said>> Sayings::find(const OpId& id, const Position& place,
                                                    std::initializer_list<Rank> ranks) const {
  if (none()) return std::nullopt;
  for (const Rank rank : ranks)
    if (const auto entry = index_.find(key_of(id, rank, place)))
      return std::pair{entry->key, decode(entry->key, entry->value)};
  return std::nullopt;
}

void Sayings::put(const OpId& id, Rank rank, const Said& said) {
  codec::Writer value;
  value.varint(said.log).u8(said.news ? 1 : 0);
  index_.insert(key_of(id, rank, said.place), value.peek(), 0);
}

void Sayings::add(const OpId& id, const Said& said) {
  const auto was = find(id, said.place, {Rank::told, Rank::cut});
  if (was) index_.erase(was->first);
  put(id, Rank::counts, was ? was->second : said);
}

void Sayings::cut(const OpId& id, const Said& said) {
  const auto was = find(id, said.place, {Rank::counts});
  if (was) index_.erase(was->first);
  const Said& now = was ? was->second : said;
  put(id, now.news ? Rank::told : Rank::cut, now);
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
  if (c.valid() && c.key().size() > LogId::size &&
      store::equal(c.key().subspan(0, known), id.log.view().subspan(0, known)))
    whole.log = LogId::from(c.key());
  return whole;
}

std::optional<bool> Sayings::news(const OpId& id, const Position& place) const {
  const auto known = find(id, place, {Rank::counts, Rank::told, Rank::cut});
  return known ? std::optional(known->second.news) : std::nullopt;
}

bool Sayings::told(const OpId& id) const {
  return !none() && walk(ranked(id, Rank::told), [](const Said&) { return true; });
}

}  // namespace perdure::crdt
