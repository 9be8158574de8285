// The core's only randomness: a ChaCha20 stream from the seed that the host handed in.
// Equal seeds give equal streams, natively and in WebAssembly.
#pragma once

#include <perdure/types.hpp>

namespace perdure::crypto {

class Random {
 public:
  explicit Random(const Seed& seed) : key_(seed) {}
  void fill(std::span<u8> out);
  u64 next();
  u64 below(u64 n);  // 0 to n-1 without bias; n > 0
  template <class F>
  F fixed() {
    F f;
    fill(f.bytes);
    return f;
  }

 private:
  Seed key_;
  u64 block_ = 0;
  std::array<u8, 256> pool_{};  // blocks made ahead, so that a number costs no call
  std::size_t at_ = 256;
};

}  // namespace perdure::crypto
