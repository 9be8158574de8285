#include "codec/checksum.hpp"

#include <bit>

namespace perdure::codec {

namespace {

constexpr u32 prime1 = 0x9e3779b1, prime2 = 0x85ebca77, prime3 = 0xc2b2ae3d, prime4 = 0x27d4eb2f, prime5 = 0x165667b1;
constexpr std::size_t stripe = 16;  // four lanes of four bytes

u32 le32(ByteView in, std::size_t at) {
  return u32{in[at]} | u32{in[at + 1]} << 8 | u32{in[at + 2]} << 16 | u32{in[at + 3]} << 24;
}

u32 stir(u32 lane, u32 word) { return std::rotl(lane + word * prime2, 13) * prime1; }

}  // namespace

u32 checksum(ByteView in, u32 seed) {
  std::size_t at = 0;
  u32 sum = seed + prime5;
  if (in.size() >= stripe) {
    u32 a = seed + prime1 + prime2, b = seed + prime2, c = seed, d = seed - prime1;
    for (; at + stripe <= in.size(); at += stripe) {
      a = stir(a, le32(in, at));
      b = stir(b, le32(in, at + 4));
      c = stir(c, le32(in, at + 8));
      d = stir(d, le32(in, at + 12));
    }
    sum = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
  }
  sum += static_cast<u32>(in.size());
  for (; at + 4 <= in.size(); at += 4) sum = std::rotl(sum + le32(in, at) * prime3, 17) * prime4;
  for (; at < in.size(); ++at) sum = std::rotl(sum + in[at] * prime5, 11) * prime1;
  sum = (sum ^ sum >> 15) * prime2;
  sum = (sum ^ sum >> 13) * prime3;
  return sum ^ sum >> 16;
}

}  // namespace perdure::codec
