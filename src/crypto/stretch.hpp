// Argon2id for shortcodes: 32 MiB, 3 passes, so that guessing 60 bits stays dear.
#pragma once

#include <perdure/types.hpp>

#include <optional>

namespace perdure::crypto {

// Nothing only if the memory is not to be had. salt: 16 bytes are used.
std::optional<Secret> stretch(ByteView code, ByteView salt);

}  // namespace perdure::crypto
