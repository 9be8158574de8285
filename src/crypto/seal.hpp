// Authenticated encryption: XChaCha20-Poly1305 under a shared key, and boxes that only one device opens.
#pragma once

#include <perdure/types.hpp>

#include <optional>

#include "crypto/random.hpp"
#include "crypto/sign.hpp"

namespace perdure::crypto {

using Nonce24 = std::array<u8, 24>;
inline constexpr std::size_t seal_overhead = 16;

Bytes seal(const Seed& key, const Nonce24& nonce, ByteView aad, ByteView plain);
std::optional<Bytes> unseal(const Seed& key, const Nonce24& nonce, ByteView aad, ByteView sealed);

// To the X25519 form of a device id, from nobody in particular: ephemeral key | XChaCha20-Poly1305 box. 48 bytes more than
// the plaintext. Nothing if `to` is no valid point.
std::optional<Bytes> seal_to(const DeviceId& to, ByteView plain, Random& random);
std::optional<Bytes> unseal_from(const SigningKey& own, ByteView sealed);

}  // namespace perdure::crypto
