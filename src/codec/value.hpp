// The values that apps store are MessagePack. The core carries them as bytes and checks only their form.
#pragma once

#include <perdure/types.hpp>

namespace perdure::codec {

// True if `in` is exactly one MessagePack value, nested at most 64 deep, with no length that exceeds the input.
// Uses msgpack-c's visitor parser: no allocation that grows with what the input claims.
bool is_value(ByteView in);

}  // namespace perdure::codec
