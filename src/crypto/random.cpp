#include "crypto/random.hpp"

#include <algorithm>

#include "crypto/sodium.hpp"

namespace perdure::crypto {

void Random::fill(std::span<u8> out) {
  // The seed is used for nothing else, so the nonce is zero; the block counter has 64 bits and does not come round.
  static constexpr u8 nonce[crypto_stream_chacha20_NONCEBYTES] = {};
  constexpr std::size_t block_size = 64;
  while (!out.empty()) {
    if (at_ == pool_.size()) {
      need_sodium();
      pool_.fill(0);
      crypto_stream_chacha20_xor_ic(pool_.data(), pool_.data(), pool_.size(), nonce, block_, key_.bytes.data());
      block_ += pool_.size() / block_size;
      at_ = 0;
    }
    std::size_t n = std::min(out.size(), pool_.size() - at_);
    auto from = pool_.begin() + static_cast<std::ptrdiff_t>(at_);
    std::copy_n(from, n, out.begin());
    std::fill_n(from, n, u8{0});  // what was given out is kept nowhere
    at_ += n;
    out = out.subspan(n);
  }
}

u64 Random::next() {
  std::array<u8, 8> b;
  fill(b);
  u64 n = 0;
  for (std::size_t i = 8; i-- > 0;) n = n << 8 | b[i];
  return n;
}

u64 Random::below(u64 n) {
  PERDURE_ASSERT(n > 0);
  // 2^64 mod n numbers are too many for every remainder to be as likely: they are drawn again, each time with a chance
  // below one half.
  const u64 surplus = (u64{0} - n) % n;
  u64 r = next();
  while (r < surplus) r = next();
  return r % n;
}

}  // namespace perdure::crypto
