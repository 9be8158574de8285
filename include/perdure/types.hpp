// The words every part of Perdure shares: bytes, ids, instants.
//
//     perdure::DeviceId id = …;            32 bytes that cannot be mistaken for a TopicId
//     perdure::ByteView in = id.view();    borrow to read
//     perdure::Bytes out = …;              own to keep
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace perdure {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;

using Bytes = std::vector<u8>;
using ByteView = std::span<const u8>;

// N bytes with a meaning. Two Fixed of different Tag do not mix; order is bytewise.
template <class Tag, std::size_t N>
struct Fixed {
  static constexpr std::size_t size = N;
  std::array<u8, N> bytes{};

  ByteView view() const { return bytes; }
  // Word by word: what stands in trees by the ten thousand is looked for among them all the time.
  std::strong_ordering operator<=>(const Fixed& other) const {
    for (std::size_t at = 0; at < N; at += sizeof(u64)) {
      const u64 a = word(at), b = other.word(at);
      if (a == b) continue;
      const int first = std::countr_zero(a ^ b) / 8 * 8;
      return static_cast<u8>(a >> first) <=> static_cast<u8>(b >> first);
    }
    return std::strong_ordering::equal;
  }
  bool operator==(const Fixed& other) const { return (*this <=> other) == 0; }
  bool is_zero() const { return *this == Fixed{}; }
  // v must hold at least N bytes; the first N are taken.
  static Fixed from(ByteView v) {
    Fixed f;
    for (std::size_t i = 0; i < N; ++i) f.bytes[i] = v[i];
    return f;
  }

 private:
  static_assert(N % sizeof(u64) == 0 && std::endian::native == std::endian::little);
  u64 word(std::size_t at) const {
    u64 out;
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
  }
};

using DeviceId = Fixed<struct DeviceTag, 32>;    // an Ed25519 public key: a peer's id
using TopicId = Fixed<struct TopicTag, 32>;      // the topic's Ed25519 public key
using NetworkId = Fixed<struct NetworkTag, 32>;  // BLAKE2b-256 of "perdure/network/1" | app
using LogId = Fixed<struct LogTag, 32>;          // hash of (network, topic, device, incarnation)
using Hash = Fixed<struct HashTag, 32>;          // a BLAKE2b-256
using Secret = Fixed<struct SecretTag, 32>;      // a topic's secret
using Seed = Fixed<struct SeedTag, 32>;
using Signature = Fixed<struct SignatureTag, 64>;
using RequestTag = Fixed<struct RequestIdTag, 16>;  // names an append for ever, so that a retry is not said twice

// What the host's clocks say. steady_ms never goes back; wall_ms is milliseconds since 1970 and may jump.
struct Instant {
  u64 steady_ms = 0;
  u64 wall_ms = 0;
};

// A hybrid logical clock in one number: 48 bits of milliseconds since 1970, 16 of counter.
struct HybridTime {
  u64 value = 0;
  u64 ms() const { return value >> 16; }
  auto operator<=>(const HybridTime&) const = default;
};

struct LinkId {
  u32 value = 0;
  auto operator<=>(const LinkId&) const = default;
};

// Names one op for everybody: the log, the batch in it, the op's place in the batch.
struct OpId {
  LogId log;
  u32 batch = 0;
  u32 position = 0;
  auto operator<=>(const OpId&) const = default;
};

inline ByteView view(std::string_view s) { return {reinterpret_cast<const u8*>(s.data()), s.size()}; }
inline std::string_view text(ByteView b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
inline Bytes own(ByteView b) { return Bytes(b.begin(), b.end()); }

}  // namespace perdure
