// Writing and reading bytes with bounds: minimal varints, big-endian numbers, length-prefixed strings.
//
//     Writer w;  w.u8(tag).varint(length).bytes(payload);          Bytes out = std::move(w).take();
//     Reader r(in);  auto tag = r.u8();  auto n = r.varint();      if (!r.done()) → malformed
//
// A Reader never reads past its end. After the first fault every read gives zero or an empty view and ok() stays
// false, so a decoder reads all its fields and asks once. done() is ok() and nothing left over.
#pragma once

#include <perdure/types.hpp>

namespace perdure::codec {

class Writer {
 public:
  Writer() = default;
  explicit Writer(Bytes begun) : out_(std::move(begun)) {}  // goes on behind it
  Writer& u8(perdure::u8 v);
  Writer& be16(u16 v) { return big_endian(v, 2); }
  Writer& be32(u32 v) { return big_endian(v, 4); }
  Writer& be64(u64 v) { return big_endian(v, 8); }
  Writer& varint(u64 v);      // LEB128, minimal
  Writer& raw(ByteView v);    // as it is
  Writer& bytes(ByteView v);  // varint length, then the bytes
  Writer& bytes(std::string_view v) { return bytes(view(v)); }
  template <class Tag, std::size_t N>
  Writer& fixed(const Fixed<Tag, N>& f) {
    return raw(f.view());
  }
  std::size_t size() const { return out_.size(); }
  const Bytes& peek() const { return out_; }
  Bytes take() && { return std::move(out_); }
  void reserve(std::size_t n) { out_.reserve(n); }

 private:
  Writer& big_endian(u64 v, std::size_t size);
  Bytes out_;
};

class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}
  perdure::u8 u8();
  u16 be16();
  u32 be32();
  u64 be64();
  u64 varint();                     // a longer form than needed, or more than 64 bits, is a fault
  u64 varint_max(u64 max);          // a greater value is a fault
  ByteView raw(std::size_t n);      // borrowed from the input
  ByteView bytes(std::size_t max);  // varint length (at most max), then that many; borrowed
  template <class F>
  F fixed() {
    ByteView v = raw(F::size);
    return v.size() == F::size ? F::from(v) : F{};
  }
  ByteView rest();  // all that is left
  std::size_t left() const { return in_.size() - at_; }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && at_ == in_.size(); }
  void fail() {
    ok_ = false;
    at_ = in_.size();
  }

 private:
  ByteView in_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

std::size_t varint_size(u64 v);  // 1 to 10

}  // namespace perdure::codec
