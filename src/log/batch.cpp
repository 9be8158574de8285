#include "log/batch.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/assert.hpp"
#include "codec/bytes.hpp"
#include "codec/value.hpp"

namespace perdure::log {

namespace {

constexpr u8 shape_deps = 0x0f;
constexpr u8 shape_voids = 0x10;
constexpr u8 shape_table = 0x20;
constexpr u8 shape_lone = 0x40;
constexpr u8 shape_format = 0x80;
constexpr u8 kind_bits = 2;
enum BatchField : u64 { field_deps = 1, field_voids = 2 };
enum OpField : u64 { field_saying = 1, field_origin = 64 };

// The most that a lone op has around its value: head, deps, voids, table, key, replaced versions.
constexpr std::size_t around_max = 1 + 8 + 10 + deps_max * (8 + 10 + 8) + 1 + voids_max * (32 + 10) + 2 +
                                   names_max * 32 + 1 + 2 + key_max + names_max * (1 + 5 + 2) +
                                   // format 2: lengths, counts, tags, what is said again
                                   2 + 3 + 5 + 3 * (1 + 1 + 2) + 8 + 5 + 2 + 10 + 8 + 5 + 2 + 8;
static_assert(value_max + around_max + sealing <= sealed_max);
static_assert(deps_max <= shape_deps && (names_max << kind_bits) + 3 <= 0xff);

bool has_key(Op::Kind kind) { return kind != Op::Kind::message; }
bool has_value(Op::Kind kind) { return kind != Op::Kind::erase; }

// Log ids in order of first use; 0 is the log itself.
class Table {
 public:
  explicit Table(const LogId& self) { numbers_[self] = 0; }
  void use(const LogId& log) {
    if (numbers_.emplace(log, static_cast<u32>(logs.size() + 1)).second) logs.push_back(log);
  }
  u32 number(const LogId& log) const { return numbers_.find(log)->second; }
  std::vector<LogId> logs;

 private:
  std::map<LogId, u32> numbers_;
};

bool needs_format_2(const Batch& b) {
  const auto more = [](const Op& op) { return op.says || op.origin || !op.fields.empty() || !op.known(); };
  return b.format > 1 || !b.fields.empty() || b.ops.empty() || std::any_of(b.ops.begin(), b.ops.end(), more);
}

void check_limits(const Batch& b) {
  PERDURE_ASSERT(b.deps.size() <= deps_max && b.voids.size() <= voids_max);
  PERDURE_ASSERT((!b.ops.empty() || !b.voids.empty()) && b.ops.size() <= ops_max);
  for (const Op& op : b.ops) {
    if (!op.known()) {
      PERDURE_ASSERT(op.kind != Op::Kind{0} && op.body.size() <= value_max && op.key.empty() && op.value.empty() &&
                     op.replaces.empty());
      continue;
    }
    PERDURE_ASSERT(op.body.empty() && (!op.says || op.says->time <= b.time));
    PERDURE_ASSERT(op.value.size() <= value_max && has_value(op.kind) == !op.value.empty());
    PERDURE_ASSERT(op.key.size() <= key_max && has_key(op.kind) == !op.key.empty());
    PERDURE_ASSERT(op.replaces.size() <= names_max && (has_key(op.kind) || op.replaces.empty()));
  }
}

void put_op(codec::Writer& w, const Op& op, const Table& table, bool lone) {
  w.u8(static_cast<u8>(static_cast<unsigned>(op.kind) | op.replaces.size() << kind_bits));
  if (has_key(op.kind)) w.bytes(op.key);
  for (const OpId& id : op.replaces) w.varint(table.number(id.log)).varint(id.batch).varint(id.position);
  if (!has_value(op.kind)) return;
  if (lone) w.raw(op.value);
  else w.bytes(op.value);
}

// ---- format 2

void put_fields(codec::Writer& w, const std::vector<std::pair<u64, Bytes>>& own, const std::vector<Field>& kept) {
  w.varint(own.size() + kept.size());
  for (const auto& [tag, value] : own) w.varint(tag).bytes(value);
  for (const Field& field : kept) w.varint(field.tag).bytes(field.value);
}

Bytes op_of_2(const Op& op, const Table& table, HybridTime time) {
  codec::Writer w;
  w.varint(static_cast<u64>(op.kind));
  std::vector<std::pair<u64, Bytes>> fields;
  if (op.says) {
    codec::Writer says;
    says.be64(op.says->incarnation)
        .varint(op.says->batch)
        .varint(op.says->position)
        .varint(time.value - op.says->time.value);
    fields.emplace_back(field_saying, std::move(says).take());
  }
  if (op.origin) {
    codec::Writer origin;
    origin.be64(op.origin->incarnation).varint(op.origin->batch).varint(op.origin->position).raw(op.origin->leaf);
    fields.emplace_back(field_origin, std::move(origin).take());
  }
  put_fields(w, fields, op.fields);
  if (!op.known()) return std::move(w.raw(op.body)).take();
  if (has_key(op.kind)) {
    w.bytes(op.key).varint(op.replaces.size());
    for (const OpId& id : op.replaces) w.varint(table.number(id.log)).varint(id.batch).varint(id.position);
  }
  return std::move(w.raw(op.value)).take();
}

void put_batch_2(codec::Writer& w, const Batch& b, const Table& table) {
  w.u8(shape_format).varint(newest_format).be64(b.time.value).varint(b.first_op);
  std::vector<std::pair<u64, Bytes>> fields;
  codec::Writer deps, voids;
  for (const Dep& d : b.deps) deps.raw(d.log).varint(d.length).raw(d.last_leaf);
  for (const Void& v : b.voids) voids.fixed(v.log).varint(v.from);
  if (!b.deps.empty()) fields.emplace_back(field_deps, std::move(deps).take());
  if (!b.voids.empty()) fields.emplace_back(field_voids, std::move(voids).take());
  put_fields(w, fields, b.fields);
  w.varint(table.logs.size());
  for (const LogId& log : table.logs) w.fixed(log);
  for (const Op& op : b.ops) w.bytes(op_of_2(op, table, b.time));
}

// Reads the parts of a batch; `used` checks that the table is in order of first use.
class BatchReader {
 public:
  BatchReader(ByteView in, const LogId& self) : r_(in), size_(in.size()), self_(self) {}
  bool newer() const { return newer_; }  // it says what only a newer core can read

  std::optional<Batch> batch() {
    Batch b;
    const u8 shape = r_.u8();
    if (shape == shape_format) return batch_2();
    if (shape & shape_format) return std::nullopt;
    const bool lone = (shape & shape_lone) != 0;
    if (!lone && size_ > plain_max) return std::nullopt;
    b.time = {r_.be64()};
    b.first_op = r_.varint();
    if (!deps(b, shape & shape_deps) || !voids(b, shape & shape_voids) || !table(shape & shape_table))
      return std::nullopt;
    while (r_.left() > 0) {
      if (b.ops.size() == (lone ? 1 : ops_max)) return std::nullopt;
      if (!op(b.ops.emplace_back(), lone)) return std::nullopt;
    }
    if (!r_.done() || b.ops.empty() || lone != (b.ops.size() == 1) || used_ != table_.size()) return std::nullopt;
    return b;
  }

 private:
  std::optional<Batch> batch_2() {
    Batch b;
    b.format = r_.varint();
    if (b.format != newest_format) {
      newer_ = r_.ok() && b.format > newest_format;
      return std::nullopt;
    }
    b.time = {r_.be64()};
    b.first_op = r_.varint();
    const bool read = fields(b.fields, 4 * field_bytes_max, [&](u64 tag, ByteView value) -> std::optional<bool> {
      codec::Reader r(value);
      if (tag == field_deps) {
        while (r.left() > 0 && b.deps.size() < deps_max) dep(r, b.deps.emplace_back());
        return r.done() && !b.deps.empty();
      }
      if (tag != field_voids) return std::nullopt;
      while (r.left() > 0 && b.voids.size() < voids_max) b.voids.push_back({r.fixed<LogId>(), r.varint()});
      return r.done() && !b.voids.empty();
    });
    if (!read || !table_2()) return std::nullopt;
    while (r_.left() > 0) {
      if (b.ops.size() == ops_max) return std::nullopt;
      if (!op_2(b.ops.emplace_back(), r_.bytes(sealed_max), b.time)) return std::nullopt;
    }
    const bool lone = b.ops.size() <= 1;
    if (!r_.done() || (b.ops.empty() && b.voids.empty()) || used_ != table_.size() || (!lone && size_ > plain_max))
      return std::nullopt;
    return b;
  }

  // Each goes to `use`, which says whether it could read it, or nothing to what it does not know.
  template <class F>
  bool fields(std::vector<Field>& kept, std::size_t bytes_max, F use) {
    const u64 count = r_.varint_max(fields_max);
    u64 before = 0;
    std::size_t bytes = 0;
    for (u64 i = 0; i < count && r_.ok(); ++i) {
      const u64 tag = r_.varint();
      const ByteView value = r_.bytes(bytes_max);
      bytes += value.size();
      if (!r_.ok() || tag <= before || bytes > bytes_max) return false;
      before = tag;
      if (const std::optional<bool> read = use(tag, value)) {
        if (!*read) return false;
      } else if (tag >= field_skippable) {
        kept.push_back({tag, own(value)});
      } else {
        newer_ = true;
        return false;
      }
    }
    return r_.ok();
  }

  bool op_2(Op& op, ByteView in, HybridTime time) {
    codec::Reader outer = std::exchange(r_, codec::Reader(in));
    const bool read = op_body_2(op, time);
    r_ = outer;
    return read;
  }

  bool op_body_2(Op& op, HybridTime time) {
    op.kind = static_cast<Op::Kind>(r_.varint_max(~u32{0}));
    if (!r_.ok() || op.kind == Op::Kind{0}) return false;
    const bool read = fields(op.fields, field_bytes_max, [&](u64 tag, ByteView value) -> std::optional<bool> {
      codec::Reader r(value);
      if (tag == field_origin) {
        Origin& origin = op.origin.emplace();
        origin.incarnation = r.be64();
        origin.batch = static_cast<u32>(r.varint_max(~u32{0}));
        origin.position = static_cast<u32>(r.varint_max(ops_max - 1));
        eight(r, origin.leaf);
        return r.done();
      }
      if (tag != field_saying) return std::nullopt;
      Saying& says = op.says.emplace();
      says.incarnation = r.be64();
      says.batch = static_cast<u32>(r.varint_max(~u32{0}));
      says.position = static_cast<u32>(r.varint_max(ops_max - 1));
      says.time = {time.value - r.varint_max(time.value)};
      return r.done();
    });
    if (!read) return false;
    if (!op.known()) {
      op.body = own(r_.rest());
      return op.body.size() <= value_max;
    }
    if (has_key(op.kind)) {
      op.key = own(r_.bytes(key_max));
      if (!is_key(op.key)) return false;
      const u64 names = r_.varint_max(names_max);
      for (u64 i = 0; i < names; ++i)
        if (!replaced(op.replaces.emplace_back())) return false;
    }
    if (!has_value(op.kind)) return r_.done();
    const ByteView value = r_.rest();
    if (value.size() > value_max || !codec::is_value(value)) return false;
    op.value = own(value);
    return r_.ok();
  }

  bool table_2() {
    const u64 count = r_.varint_max(ops_max * names_max);
    return r_.ok() && table_entries(count);
  }

  static void dep(codec::Reader& r, Dep& d) {
    eight(r, d.log);
    d.length = r.varint();
    eight(r, d.last_leaf);
  }

  bool deps(Batch& b, std::size_t count) {
    if (count > deps_max) return false;
    for (std::size_t i = 0; i < count; ++i) dep(r_, b.deps.emplace_back());
    return r_.ok();
  }

  bool voids(Batch& b, bool present) {
    if (!present) return true;
    const std::size_t count = r_.u8();
    if (count == 0 || count > voids_max) return false;
    for (std::size_t i = 0; i < count; ++i) {
      Void& v = b.voids.emplace_back();
      v.log = r_.fixed<LogId>();
      v.from = r_.varint();
    }
    return r_.ok();
  }

  bool table(bool present) {
    if (!present) return true;
    const u64 count = r_.varint_max(ops_max * names_max);
    return count > 0 && table_entries(count);
  }

  bool table_entries(u64 count) {
    if (count > r_.left() / LogId::size) return false;
    table_.reserve(count);
    for (u64 i = 0; i < count; ++i) table_.push_back(r_.fixed<LogId>());
    std::vector<LogId> sorted = table_;
    sorted.push_back(self_);
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  }

  bool op(Op& op, bool lone) {
    const unsigned head = r_.u8();
    const unsigned kind = head & ((1u << kind_bits) - 1);
    const std::size_t names = head >> kind_bits;
    if (kind == 0 || names > names_max) return false;
    op.kind = static_cast<Op::Kind>(kind);
    if (!has_key(op.kind) && names > 0) return false;
    if (has_key(op.kind)) {
      op.key = own(r_.bytes(key_max));
      if (!is_key(op.key)) return false;
    }
    for (std::size_t i = 0; i < names; ++i)
      if (!replaced(op.replaces.emplace_back())) return false;
    if (has_value(op.kind)) {
      ByteView value = lone ? r_.rest() : r_.bytes(value_max);
      if (value.size() > value_max || !codec::is_value(value)) return false;
      op.value = own(value);
    }
    return r_.ok();
  }

  bool replaced(OpId& id) {
    const u64 entry = r_.varint_max(table_.size());
    if (entry > used_ + 1) return false;
    if (entry == used_ + 1) ++used_;
    id.batch = static_cast<u32>(r_.varint_max(~u32{0}));
    id.position = static_cast<u32>(r_.varint_max(ops_max - 1));
    if (!r_.ok()) return false;
    id.log = entry == 0 ? self_ : table_[entry - 1];
    return true;
  }

  static void eight(codec::Reader& r, std::array<u8, 8>& out) {
    ByteView v = r.raw(8);
    if (v.size() == 8) std::copy(v.begin(), v.end(), out.begin());
  }

  codec::Reader r_;
  bool newer_ = false;
  std::size_t size_;
  LogId self_;
  std::vector<LogId> table_;
  std::size_t used_ = 0;
};

}  // namespace

Bytes encode_batch(const Batch& b, const LogId& self) {
  check_limits(b);
  Table table(self);
  for (const Op& op : b.ops)
    for (const OpId& id : op.replaces) {
      PERDURE_ASSERT(id.position < ops_max);
      table.use(id.log);
    }
  const bool lone = b.ops.size() == 1;
  std::size_t shape = b.deps.size();
  if (!b.voids.empty()) shape |= shape_voids;
  if (!table.logs.empty()) shape |= shape_table;
  if (lone) shape |= shape_lone;

  codec::Writer w;
  if (needs_format_2(b)) {
    put_batch_2(w, b, table);
    PERDURE_ASSERT(b.ops.size() <= 1 || w.size() <= plain_max);
    return std::move(w).take();
  }
  w.u8(static_cast<u8>(shape)).be64(b.time.value).varint(b.first_op);
  for (const Dep& d : b.deps) w.raw(d.log).varint(d.length).raw(d.last_leaf);
  if (!b.voids.empty()) w.u8(static_cast<u8>(b.voids.size()));
  for (const Void& v : b.voids) w.fixed(v.log).varint(v.from);
  if (!table.logs.empty()) w.varint(table.logs.size());
  for (const LogId& log : table.logs) w.fixed(log);
  for (const Op& op : b.ops) put_op(w, op, table, lone);
  PERDURE_ASSERT(lone || w.size() <= plain_max);
  return std::move(w).take();
}

Result<Batch> decode_batch(ByteView in, const LogId& self) {
  BatchReader reader(in, self);
  std::optional<Batch> batch = reader.batch();
  if (!batch) return Error{reader.newer() ? Code::outdated : Code::malformed, "not a batch that this core reads"};
  return std::move(*batch);
}

}  // namespace perdure::log
