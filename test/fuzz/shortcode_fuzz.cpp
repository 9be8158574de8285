// A shortcode is whatever somebody types.
#include "fuzz/target.hpp"
#include "identity/invite.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  Meter meter;
  auto code = identity::normalize_shortcode(text(in));
  CHECK(meter.bytes() <= 16 * in.size() + 4096);
  if (!code) {
    CHECK(code.error().code == Code::bad_invite && !code.error().text.empty());
    return;
  }
  CHECK(code->size() == 13);
  auto again = identity::normalize_shortcode(*code);
  CHECK(again && *again == *code);
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  for (u64 n : {u64{0}, u64{0x123456789abcdef}, ~u64{0} >> 4}) {
    std::string code = identity::encode_shortcode(n);
    out.push_back(own(view(code)));
  }
  return out;
}

}  // namespace perdure::fuzz
