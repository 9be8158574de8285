// What a fuzz target is: one function over any bytes, and a few inputs to begin with. libFuzzer drives it, or driver.cpp where
// libFuzzer is not to be had.
//
//     void perdure::fuzz::target(ByteView in) { … CHECK(encode(*decoded) == in); }
//     std::vector<Bytes> perdure::fuzz::seeds() { … }
//
// A check that fails stops the program, and the input that did it is kept.
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace perdure::fuzz {

void target(ByteView in);  // each file defines these two
std::vector<Bytes> seeds();

// Bytes allocated while it lives, freed or not: an upper bound of what the input has cost, and the same in each run.
class Meter {
 public:
  Meter();
  ~Meter();
  std::size_t bytes() const;
};

[[noreturn]] inline void failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, what);
  std::abort();
}

// Reads an input piece by piece, for targets that make several things of it. Short of bytes, it gives zeros.
class Draw {
 public:
  explicit Draw(ByteView in) : in_(in) {}
  bool empty() const { return in_.empty(); }
  u8 byte() {
    if (in_.empty()) return 0;
    u8 b = in_[0];
    in_ = in_.subspan(1);
    return b;
  }
  u16 be16() {
    u8 high = byte();
    return static_cast<u16>(high << 8 | byte());
  }
  u64 be64() {
    u64 v = 0;
    for (int i = 0; i < 8; ++i) v = v << 8 | byte();
    return v;
  }
  ByteView bytes(std::size_t n) {
    n = n < in_.size() ? n : in_.size();
    ByteView out = in_.first(n);
    in_ = in_.subspan(n);
    return out;
  }
  ByteView rest() { return bytes(in_.size()); }

 private:
  ByteView in_;
};

}  // namespace perdure::fuzz

#define CHECK(condition) ((condition) ? void(0) : ::perdure::fuzz::failed(#condition, __FILE__, __LINE__))
