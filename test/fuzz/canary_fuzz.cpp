// Must fail, and soon: a bug three branches deep. Where it passes, the fuzzers find nothing at all.
#include "fuzz/target.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  if (in.size() < 4 || in[0] != 'b' || in[1] != 'i' || in[2] != 'r') return;
  CHECK(in[3] != 0xff);
}

std::vector<Bytes> seeds() { return {{'b', 'i', 'r', 'd'}}; }

}  // namespace perdure::fuzz
