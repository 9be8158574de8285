// Ed25519 with exactly one verdict for every input (DESIGN 3): non-canonical encodings of points and scalars and
// points of small order are rejected here, before libsodium is asked.
#pragma once

#include <perdure/types.hpp>

#include <initializer_list>

namespace perdure::crypto {

struct SigningKey {
  std::array<u8, 64> secret{};  // libsodium's form: seed | public key
  std::array<u8, 32> pub{};
};

SigningKey signing_key(const Seed& seed);
Signature sign(const SigningKey& key, std::initializer_list<ByteView> parts);
bool verify(ByteView public_key, std::initializer_list<ByteView> parts, const Signature& signature);

// The one encoding of its point, and not of small order. Whether it is on the curve, libsodium says.
bool is_sound_point(ByteView encoded);

}  // namespace perdure::crypto
