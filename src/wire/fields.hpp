// One description of a message's fields serves writing and reading, so that the two cannot drift apart.
//
//     struct Ping { u64 id; u64 wall_ms; template <class F> void fields(F& f) { f(id); f(wall_ms); } };
//
// Numbers are minimal varints; fixed arrays are themselves; byte strings and lists carry their length, which is bounded by what
// is left of the input before anything is allocated.
#pragma once

#include <perdure/types.hpp>

#include <optional>

#include "codec/bytes.hpp"

namespace perdure::wire {

class PutFields {
 public:
  void operator()(const u64& v) { out_.varint(v); }
  void operator()(const u32& v) { out_.varint(v); }
  void operator()(const u8& v) { out_.u8(v); }
  void operator()(const bool& v) { out_.u8(v ? 1 : 0); }
  template <class T>
    requires requires(T& t, PutFields& f) { t.fields(f); }
  void operator()(T& message) {
    message.fields(*this);
  }
  template <std::size_t N>
  void operator()(const std::array<u8, N>& v) {
    out_.raw(v);
  }
  template <class T, std::size_t N>
  void operator()(const Fixed<T, N>& v) {
    out_.fixed(v);
  }
  void bytes(const Bytes& v, std::size_t) { out_.bytes(v); }
  void text(const std::string& v, std::size_t) { out_.bytes(std::string_view(v)); }
  template <class T>
  void list(std::vector<T>& v, std::size_t) {
    out_.varint(v.size());
    for (T& item : v) one(item);
  }
  template <class T>
  void maybe(std::optional<T>& v) {
    out_.u8(v ? 1 : 0);
    if (v) one(*v);
  }
  Bytes take() && { return std::move(out_).take(); }

 private:
  template <class T>
  void one(T& item) {
    (*this)(item);
  }
  void one(Bytes& item) { out_.bytes(item); }
  codec::Writer out_;
};

class GetFields {
 public:
  explicit GetFields(ByteView in) : in_(in) {}
  void operator()(u64& v) { v = in_.varint(); }
  void operator()(u32& v) { v = static_cast<u32>(in_.varint_max(~u32{0})); }
  void operator()(u8& v) { v = in_.u8(); }
  template <class T>
    requires requires(T& t, GetFields& f) { t.fields(f); }
  void operator()(T& message) {
    message.fields(*this);
  }
  void operator()(bool& v) {
    u8 b = in_.u8();
    if (b > 1) in_.fail();
    v = b == 1;
  }
  template <std::size_t N>
  void operator()(std::array<u8, N>& v) {
    ByteView b = in_.raw(N);
    if (b.size() == N) std::copy(b.begin(), b.end(), v.begin());
  }
  template <class T, std::size_t N>
  void operator()(Fixed<T, N>& v) {
    (*this)(v.bytes);
  }
  void bytes(Bytes& v, std::size_t max) { v = own(in_.bytes(max)); }
  void text(std::string& v, std::size_t max) { v = std::string(perdure::text(in_.bytes(max))); }
  template <class T>
  void list(std::vector<T>& v, std::size_t max) {
    u64 n = in_.varint_max(max);
    if (n > in_.left()) in_.fail();  // every item takes a byte or more
    for (u64 i = 0; i < n && in_.ok(); ++i) one(v.emplace_back());
  }
  template <class T>
  void maybe(std::optional<T>& v) {
    bool there = false;
    (*this)(there);
    if (there && in_.ok()) one(v.emplace());
  }
  bool done() const { return in_.done(); }

 private:
  template <class T>
  void one(T& item) {
    (*this)(item);
  }
  void one(Bytes& item) { item = own(in_.bytes(in_.left())); }
  codec::Reader in_;
};

}  // namespace perdure::wire
