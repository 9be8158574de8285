#include "codec/bytes.hpp"

#include <algorithm>
#include <cstring>

namespace perdure::codec {

namespace {
// 64 bits in groups of seven.
constexpr std::size_t varint_size_max = 10;
// A key or a small record, which then is allocated once.
constexpr std::size_t first_size = 64;
}  // namespace

Writer& Writer::u8(perdure::u8 v) {
  if (out_.capacity() == 0) out_.reserve(first_size);
  out_.push_back(v);
  return *this;
}

Writer& Writer::big_endian(u64 v, std::size_t size) {
  perdure::u8 out[8];
  for (std::size_t i = size; i-- > 0; v >>= 8) out[i] = static_cast<perdure::u8>(v);
  return raw({out, size});
}

Writer& Writer::varint(u64 v) {
  for (; v >= 0x80; v >>= 7) u8(static_cast<perdure::u8>(v | 0x80));
  return u8(static_cast<perdure::u8>(v));
}

Writer& Writer::raw(ByteView v) {
  const std::size_t at = out_.size(), needed = at + v.size();
  if (needed > out_.capacity()) out_.reserve(std::max({needed, 2 * out_.capacity(), first_size}));
  // For pieces as small as these are, far cheaper than insert().
  out_.resize(needed);
  if (!v.empty()) std::memcpy(out_.data() + at, v.data(), v.size());
  return *this;
}

Writer& Writer::bytes(ByteView v) { return varint(v.size()).raw(v); }

ByteView Reader::raw(std::size_t n) {
  if (!ok_ || n > left()) {
    fail();
    return {};
  }
  ByteView v = in_.subspan(at_, n);
  at_ += n;
  return v;
}

u8 Reader::u8() {
  ByteView v = raw(1);
  return v.empty() ? perdure::u8{0} : v[0];
}

u16 Reader::be16() {
  ByteView v = raw(2);
  return v.empty() ? u16{0} : static_cast<u16>(v[0] << 8 | v[1]);
}

u32 Reader::be32() {
  ByteView v = raw(4);
  u32 n = 0;
  for (perdure::u8 b : v) n = n << 8 | b;
  return n;
}

u64 Reader::be64() {
  ByteView v = raw(8);
  u64 n = 0;
  for (perdure::u8 b : v) n = n << 8 | b;
  return n;
}

u64 Reader::varint() {
  u64 n = 0;
  for (std::size_t i = 0; i < varint_size_max; ++i) {
    perdure::u8 b = u8();
    if (!ok_) return 0;
    // The tenth byte has room for one bit of the 64.
    if (i == varint_size_max - 1 && b > 1) break;
    n |= static_cast<u64>(b & 0x7f) << (7 * i);
    if (b & 0x80) continue;
    // One number, one form: a last group of zero says nothing and is refused.
    if (b == 0 && i > 0) break;
    return n;
  }
  fail();
  return 0;
}

u64 Reader::varint_max(u64 max) {
  u64 n = varint();
  if (n <= max) return n;
  fail();
  return 0;
}

ByteView Reader::bytes(std::size_t max) {
  u64 n = varint_max(max);
  if (n > left()) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(n));
}

ByteView Reader::rest() { return raw(left()); }

std::size_t varint_size(u64 v) {
  std::size_t n = 1;
  for (; v >= 0x80; v >>= 7) ++n;
  return n;
}

}  // namespace perdure::codec
