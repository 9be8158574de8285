// A checksum against accidents, not against people: rows carry one, so that a damaged row is known from a whole one.
//
//     u32 sum = checksum(value, checksum(key));               // of both, the key first
#pragma once

#include <perdure/types.hpp>

namespace perdure::codec {

// XXH32 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md): some bytes a cycle, and 60 lines.
u32 checksum(ByteView bytes, u32 seed = 0);

}  // namespace perdure::codec
