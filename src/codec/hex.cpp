#include "codec/hex.hpp"

namespace perdure::codec {

std::string to_hex(ByteView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const u8 b : bytes) {
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

bool from_hex(std::string_view text, std::span<u8> into) {
  if (text.size() != 2 * into.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (v < 0) return false;
    into[i / 2] = static_cast<u8>(into[i / 2] << 4 | v);
  }
  return true;
}

}  // namespace perdure::codec
