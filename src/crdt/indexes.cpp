#include "crdt/indexes.hpp"

#include "codec/bytes.hpp"
#include "crdt/position.hpp"

namespace perdure::crdt {

namespace {
// The second has two trees more. It is written where they hold anything: a core that knows the first alone makes all indexes anew then.
constexpr u8 format_first = 1, format_second = 2;
constexpr std::size_t kept_bytes = 512;

template <class I, class F>
void each_root(I& indexes, u8 format, F f) {
  for (auto* root : {&indexes.timeline, &indexes.keys, &indexes.versions, &indexes.conflicts, &indexes.ahead,
                     &indexes.arrivals, &indexes.voids})
    f(*root);
  if (format == format_second)
    for (auto* root : {&indexes.sayings, &indexes.marks}) f(*root);
}
}  // namespace

bool needs_second(const Indexes& indexes) { return indexes.sayings.entries > 0 || indexes.marks.entries > 0; }

Bytes encode_indexes(const Indexes& indexes) {
  codec::Writer w;
  const u8 format = needs_second(indexes) ? format_second : format_first;
  w.u8(format);
  each_root(indexes, format, [&](const store::IndexRoot& root) {
    w.varint(root.page).varint(root.height).varint(root.next_page).varint(root.entries).varint(root.weight);
  });
  w.varint(indexes.arrived).raw(indexes.arrival_hash).varint(indexes.greatest.value).varint(indexes.held_bytes);
  w.bytes(indexes.read_mark).varint(indexes.read_messages);
  return std::move(w).take();
}

Result<Indexes> decode_indexes(ByteView in) {
  codec::Reader r(in);
  Indexes indexes;
  const u8 format = r.u8();
  if (format != format_first && format != format_second) return Error{Code::malformed, "indexes of an unknown format"};
  bool sane = true;
  each_root(indexes, format, [&](store::IndexRoot& root) {
    root.page = static_cast<u32>(r.varint_max(~u32{0}));
    root.height = static_cast<u32>(r.varint_max(store::index_height_max));
    root.next_page = static_cast<u32>(r.varint_max(~u32{0}));
    root.entries = r.varint();
    root.weight = r.varint();
    sane = sane && (root.page == 0) == (root.height == 0) && root.page < root.next_page;
  });
  indexes.arrived = r.varint();
  const ByteView hash = r.raw(indexes.arrival_hash.size());
  std::copy(hash.begin(), hash.end(), indexes.arrival_hash.begin());
  indexes.greatest.value = r.varint();
  indexes.held_bytes = r.varint();
  indexes.read_mark = own(r.bytes(position_key_size));
  indexes.read_messages = r.varint();
  const bool mark = indexes.read_mark.empty() || indexes.read_mark.size() == position_key_size;
  if (!r.done() || !sane || !mark || (format == format_second) != needs_second(indexes))
    return Error{Code::malformed, "indexes that contradict themselves"};
  return indexes;
}

Result<Indexes> read_indexes(store::Rows& rows, store::TopicNo topic) {
  const Bytes key = store::key('I', topic);
  if (auto kept = rows.kept(key)) return *std::static_pointer_cast<const Indexes>(kept);
  const auto row = rows.get(key);
  if (!row) return Indexes{};
  auto indexes = decode_indexes(*row);
  if (indexes) rows.keep(key, std::make_shared<const Indexes>(*indexes), kept_bytes);
  return indexes;
}

Indexes load_indexes(store::Rows& rows, store::TopicNo topic) {
  auto indexes = read_indexes(rows, topic);
  return indexes ? std::move(*indexes) : Indexes{};
}

void save_indexes(store::Rows& rows, store::TopicNo topic, const Indexes& indexes) {
  const Bytes key = store::key('I', topic);
  rows.put(key, encode_indexes(indexes));
  rows.keep(key, std::make_shared<const Indexes>(indexes), kept_bytes);
}

}  // namespace perdure::crdt
