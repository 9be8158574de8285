// Bytes as text: two lower-case digits each.
#pragma once

#include <perdure/types.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace perdure::codec {

std::string to_hex(ByteView bytes);
// Fills all of `into`. False, and it holds anything, if the text is not as long, or has other characters than 0-9 and a-f.
bool from_hex(std::string_view text, std::span<u8> into);

}  // namespace perdure::codec
