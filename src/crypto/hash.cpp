#include "crypto/hash.hpp"

#include "crypto/sodium.hpp"

namespace perdure::crypto {

void blake2b_into(std::span<u8> out, ByteView key, std::initializer_list<ByteView> parts) {
  PERDURE_ASSERT(out.size() >= 1 && out.size() <= crypto_generichash_blake2b_BYTES_MAX);
  PERDURE_ASSERT(key.size() <= crypto_generichash_blake2b_KEYBYTES_MAX);
  need_sodium();
  // blake2b rather than generichash: outputs under 16 bytes and keys under 16 are BLAKE2's own (RFC 7693).
  crypto_generichash_blake2b_state state;
  crypto_generichash_blake2b_init(&state, key.empty() ? nullptr : key.data(), key.size(), out.size());
  for (ByteView part : parts)
    if (!part.empty()) crypto_generichash_blake2b_update(&state, part.data(), part.size());
  crypto_generichash_blake2b_final(&state, out.data(), out.size());
}

Hash blake2b(std::initializer_list<ByteView> parts) {
  Hash h;
  blake2b_into(h.bytes, {}, parts);
  return h;
}

Hash blake2b_keyed(ByteView key, std::initializer_list<ByteView> parts) {
  PERDURE_ASSERT(key.size() >= 16);
  Hash h;
  blake2b_into(h.bytes, key, parts);
  return h;
}

Hash sha256(ByteView in) {
  need_sodium();
  Hash h;
  crypto_hash_sha256(h.bytes.data(), in.data(), in.size());
  return h;
}

Seed derive(ByteView secret, std::string_view label, ByteView context) {
  PERDURE_ASSERT(secret.size() >= 16);
  // The label's length goes before it: no label and context run into another pair.
  PERDURE_ASSERT(label.size() <= 255);
  const u8 length = static_cast<u8>(label.size());
  Seed seed;
  blake2b_into(seed.bytes, secret, {ByteView(&length, 1), view(label), context});
  return seed;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;  // lengths are no secret
  return a.empty() || sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace perdure::crypto
