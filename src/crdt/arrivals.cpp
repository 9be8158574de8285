#include "crdt/arrivals.hpp"

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"

namespace perdure::crdt {

namespace {
Bytes number_key(u64 number) {
  codec::Writer w;
  w.be64(number);
  return std::move(w).take();
}
}  // namespace

Arrivals::Arrivals(store::Rows& rows, store::TopicNo topic, Indexes& indexes)
    : indexes_(indexes), index_(rows, topic, static_cast<u8>(Tree::arrivals), indexes.arrivals) {}

void Arrivals::append(store::LogNo log, const LogId& id, u64 from, u64 count, Extra extra) {
  if (count == 0) return;
  codec::Writer said;
  said.be64(from).be64(count);
  // The log's id, not our number for it: others number differently.
  ArrivalHash hash{};
  crypto::blake2b_into(hash, {}, {indexes_.arrival_hash, id.view(), said.peek()});
  indexes_.arrival_hash = hash;
  codec::Writer w;
  w.varint(log).varint(from).varint(count).u8(extra.silent ? 1 : 0).varint(extra.messages).raw(hash);
  index_.insert(number_key(indexes_.arrived), w.peek(), 0);
  indexes_.arrived += count;
}

std::optional<Arrival> Arrivals::decode(const store::Index::Cursor& at) const {
  codec::Reader number(at.key()), r(at.value());
  Arrival a;
  a.number = number.be64();
  a.log = static_cast<store::LogNo>(r.varint_max(~u32{0}));
  a.from = r.varint();
  a.count = r.varint();
  a.silent = r.u8() != 0;
  a.messages = r.varint();
  const ByteView hash = r.raw(a.hash_after.size());
  std::copy(hash.begin(), hash.end(), a.hash_after.begin());
  if (!number.done() || !r.done()) return std::nullopt;
  return a;
}

std::vector<Arrival> Arrivals::read(u64 number, u32 limit) const {
  std::vector<Arrival> out;
  auto c = index_.seek(number_key(number));
  if (!c.valid() || !store::equal(c.key(), number_key(number))) {
    auto before = index_.seek_before(number_key(number));
    if (before.valid()) c = before;
  }
  for (; c.valid() && out.size() < limit; c.next()) {
    auto a = decode(c);
    if (!a) break;
    if (a->number < number) {
      const u64 passed = number - a->number;
      if (passed >= a->count) continue;
      a->number += passed;
      a->from += passed;
      a->count -= passed;
    }
    out.push_back(*a);
  }
  return out;
}

std::optional<ArrivalHash> Arrivals::hash_at(u64 number) const {
  if (number == 0) return ArrivalHash{};
  if (number == indexes_.arrived) return indexes_.arrival_hash;
  const auto c = index_.seek_before(number_key(number));
  if (!c.valid()) return std::nullopt;
  const auto a = decode(c);
  if (!a || a->number + a->count != number) return std::nullopt;
  return a->hash_after;
}

std::vector<Arrival> read_arrivals(store::Rows& rows, store::TopicNo topic, const Indexes& indexes, u64 number,
                                   u32 limit) {
  Indexes copy = indexes;
  return Arrivals(rows, topic, copy).read(number, limit);
}

std::optional<ArrivalHash> arrival_hash_at(store::Rows& rows, store::TopicNo topic, const Indexes& indexes,
                                           u64 number) {
  Indexes copy = indexes;
  return Arrivals(rows, topic, copy).hash_at(number);
}

void append_arrival(store::Rows& rows, store::TopicNo topic, Indexes& indexes, store::LogNo log, const LogId& id,
                    u64 from, u64 count) {
  Arrivals arrivals(rows, topic, indexes);
  arrivals.append(log, id, from, count);
  arrivals.flush();
}

}  // namespace perdure::crdt
