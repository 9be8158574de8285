// A description from the other side of a signal: it has one fingerprint, or it is not used.
#include "fuzz/target.hpp"
#include "peers/signal.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  std::string_view description = text(in);
  std::optional<std::array<u8, 32>> found;
  {
    Meter meter;
    found = peers::fingerprint_of(description);
    CHECK(meter.bytes() == 0);
  }
  if (!found) return;
  // However it was written: every other one in the text is the same, and the text's first says these bytes.
  std::size_t at = description.find("a=fingerprint:sha-256 ");
  CHECK(at != description.npos && description.size() >= at + 22 + 95);
  std::string hex;
  for (u8 b : *found) {
    char byte[4];
    std::snprintf(byte, sizeof byte, "%02x:", b);
    hex += byte;
  }
  for (std::size_t i = 0; i < 95; ++i) {
    char c = description[at + 22 + i];
    CHECK((c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) == hex[i]);
  }
}

std::vector<Bytes> seeds() {
  std::string line = "a=fingerprint:sha-256 ";
  for (int i = 0; i < 32; ++i) line += i ? ":aB" : "aB";
  std::string once = "v=0\r\n" + line + "\r\na=setup:actpass\r\n", twice = once + line + "\r\n",
              other = "a=fingerprint:sha-1 aB:cD\r\n" + line;
  return {own(view(once)), own(view(twice)), own(view(other))};
}

}  // namespace perdure::fuzz
