// The simulator's only source of chance: xoshiro256** from one 64-bit seed. No std distribution, so that a seed means the same
// with every compiler and in WebAssembly.
#pragma once

#include <perdure/types.hpp>

namespace perdure::sim {

class Prng {
 public:
  explicit Prng(u64 seed) {
    for (u64& word : state_) word = mix(seed += 0x9e3779b97f4a7c15);  // splitmix64
  }
  u64 next() {
    u64 result = rotate(state_[1] * 5, 7) * 9, t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  u64 below(u64 n) { return n == 0 ? 0 : next() % n; }                    // the bias is of no concern here
  u64 between(u64 low, u64 high) { return low + below(high - low + 1); }  // both ends included
  bool chance(u32 in_a_thousand) { return below(1000) < in_a_thousand; }
  template <class T>
  T fixed() {
    T f;
    for (u8& b : f.bytes) b = static_cast<u8>(next() >> 32);
    return f;
  }

 private:
  static u64 rotate(u64 x, int k) { return (x << k) | (x >> (64 - k)); }
  static u64 mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  u64 state_[4];
};

}  // namespace perdure::sim
