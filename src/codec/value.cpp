#include "codec/value.hpp"

#include <algorithm>

#include <msgpack.hpp>

namespace perdure::codec {
namespace {

constexpr u32 depth_max = 64;  // apps nest a handful; the parser keeps 8 bytes a level

struct Form : msgpack::null_visitor {
  explicit Form(std::size_t bytes) : bytes_(bytes) {}

  // An element takes a byte at least, a pair two.
  bool start_array(u32 elements) { return ++depth_ <= depth_max && elements <= bytes_; }
  bool start_map(u32 pairs) { return ++depth_ <= depth_max && pairs <= bytes_ / 2; }
  bool end_array() { return --depth_, true; }
  bool end_map() { return --depth_, true; }

 private:
  std::size_t bytes_;
  u32 depth_ = 0;
};

// Where size_t has 32 bits the parser throws at an extension that claims 2^32 - 1 bytes, and here nothing may throw.
constexpr u8 thrower[] = {0xc9, 0xff, 0xff, 0xff, 0xff};

// The same form without that claim: the claim becomes 2^32 - 2, which exceeds the input as surely. Where the five bytes are no
// extension's header, the fifth is payload or the number -1 and becomes other payload or the number -2.
Bytes without_thrower(ByteView in) {
  Bytes out = own(in);
  for (auto at = out.begin();;) {
    at = std::search(at, out.end(), std::begin(thrower), std::end(thrower));
    if (at == out.end()) return out;
    at[4] = 0xfe;
  }
}

bool has_form(ByteView in) {
  Form form(in.size());
  std::size_t at = 0;
  bool whole = msgpack::parse(reinterpret_cast<const char*>(in.data()), in.size(), at, form);
  return whole && at == in.size();
}

}  // namespace

bool is_value(ByteView in) {
  bool throws = std::search(in.begin(), in.end(), std::begin(thrower), std::end(thrower)) != in.end();
  return throws ? has_form(without_thrower(in)) : has_form(in);
}

}  // namespace perdure::codec
