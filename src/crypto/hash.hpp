// BLAKE2b, plain and keyed, and SHA-256 for what users see as shortId.
#pragma once

#include <perdure/types.hpp>

#include <initializer_list>

namespace perdure::crypto {

Hash blake2b(std::initializer_list<ByteView> parts);                                        // 256 bit
Hash blake2b_keyed(ByteView key, std::initializer_list<ByteView> parts);                    // key: 16 to 64 bytes
void blake2b_into(std::span<u8> out, ByteView key, std::initializer_list<ByteView> parts);  // out: 1 to 64 bytes
Hash sha256(ByteView in);

// 32 bytes for one purpose: BLAKE2b-256 keyed with the secret (16 to 64 bytes) over the label's length in one byte, the label and
// the context.
Seed derive(ByteView secret, std::string_view label, ByteView context = {});

bool equal_constant_time(ByteView a, ByteView b);

}  // namespace perdure::crypto
