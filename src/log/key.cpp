#include "log/batch.hpp"

namespace perdure::log {

namespace {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(ByteView in) {
  for (std::size_t i = 0; i < in.size();) {
    const u8 lead = in[i++];
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const std::size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (in.size() - i < more) return false;
    const u8 low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const u8 high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (in[i] < low || in[i] > high) return false;
    for (std::size_t k = 1; k < more; ++k)
      if ((in[i + k] & 0xc0) != 0x80) return false;
    i += more;
  }
  return true;
}

}  // namespace

bool is_key(ByteView key) { return !key.empty() && key.size() <= key_max && is_utf8(key); }

}  // namespace perdure::log
